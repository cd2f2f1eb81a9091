"""Checks queues and free tasks before the core sees them."""

from __future__ import annotations

from mrmesos.conf import Conf, ConfError
from mrmesos.jobtracker.core.model.demand import parse_constraints
from mrmesos.jobtracker.core.model.pools import PRIORITIES
from mrmesos.jobtracker.http.errors import BadRequest
from mrmesos.jobtracker.http.job_validation import check_files, check_python, check_texts
from mrmesos.wire.queue import QueueRequest, QueueSpec, TaskSpec

NEED_MAX = 10**15
"""In thousandths. Mesos counts no smaller amounts."""


def check_queue(spec: QueueSpec, python: str = "") -> None:
    """Refuse a queue whose tasks could not run. Raises BadRequest. `python`: see `check_job`."""
    check_texts("queue", spec.name, spec.user)
    check_python(spec.python, python)
    check_files(spec.files)
    if spec.store and "://" not in spec.store:
        raise BadRequest(f"{spec.store!r} is not a URI; a JobTracker has no current directory")
    try:
        Conf(spec.conf).check()
    except ConfError as problem:
        raise BadRequest(str(problem)) from None


def check_tasks(request: QueueRequest) -> None:
    """Refuse free tasks that cannot be understood. Raises BadRequest."""
    last = -1
    for spec in request.tasks:
        if spec.key <= last:
            raise BadRequest(f"{spec.name!r} has the number {spec.key}, which is not over {last}")
        last = spec.key
        _check_task(spec)


def _check_task(spec: TaskSpec) -> None:
    check_texts("task", spec.name, "")
    if later := [key for key in (*spec.after, *spec.behind) if key >= spec.key]:
        raise BadRequest(
            f"{spec.name!r} waits for task {later[0]}, which comes after it: the tasks would wait "
            "for each other"
        )
    if bool(spec.payload) == (spec.stored is not None):
        raise BadRequest(f"{spec.name!r} must have exactly one pickle")
    for name, amount in spec.need.items():
        if not name or set(name) & set(":;, \n") or amount > NEED_MAX:
            raise BadRequest(f"{spec.name!r} needs {name!r}, which is no resource")
    if spec.priority and spec.priority not in PRIORITIES:
        raise BadRequest(
            f"{spec.name!r} has the priority {spec.priority!r}, not one of {', '.join(PRIORITIES)}"
        )
    try:
        parse_constraints(spec.constraints)
    except ValueError as problem:
        raise BadRequest(f"{spec.name!r}: {problem}") from None
