"""The JobTracker's own work on files: planning splits, committing output, cleaning up.

It runs in a few threads beside the core, which hears of the end of each piece by an event.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from mrmesos.conf import OUTPUT_OVERWRITE, Conf
from mrmesos.jobtracker.commands import AbortJob, CommitJob, PlanJob
from mrmesos.jobtracker.events import (
    Event,
    JobAborted,
    JobCommitFailed,
    JobCommitted,
    JobPlanFailed,
    JobPlanned,
)
from mrmesos.wire.job import JobSpec
from mrmesos.wire.task import AttemptError, ErrorKind

if TYPE_CHECKING:
    from mrmesos.io.commit import OutputCommitter

logger = logging.getLogger(__name__)

THREADS = 4

_taking_output = threading.Lock()
"""Held from seeing that an output is absent to making it, so that two jobs cannot both have it."""


class Planner:
    """Carries out PlanJob, CommitJob and AbortJob; `post` gets the event that answers each."""

    def __init__(self, post: Callable[[Event], None]) -> None:
        self._post = post
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="planner")
        self._closed = threading.Event()
        self._begun: dict[str, AbortJob] = {}  # jobs whose output is neither complete nor removed

    def submit(self, command: PlanJob | CommitJob | AbortJob) -> None:
        """Begin; the answering event comes from another thread."""
        if not self._closed.is_set():
            self._pool.submit(self._run, command)

    def warm_up(self) -> None:
        """Import what the work needs in a thread, so that the first job does not wait for it."""
        self._pool.submit(_import_io)

    def stop(self, timeout: float) -> bool:
        """Take no more work, and wait for what runs; False where that took over `timeout` s."""
        self._closed.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        ended = threading.Thread(target=self._pool.shutdown, daemon=True)
        ended.start()
        ended.join(timeout)
        return not ended.is_alive()

    def _run(self, command: PlanJob | CommitJob | AbortJob) -> None:
        match command:
            case PlanJob(job_id, spec):
                event = plan(command)
                if isinstance(event, JobPlanned):
                    self._begun[job_id] = AbortJob(job_id, spec)
            case CommitJob(job_id):
                event = commit(command)
                if isinstance(event, JobCommitted):
                    self._begun.pop(job_id, None)
            case AbortJob(job_id):
                event = abort(command)
                self._begun.pop(job_id, None)
        self._post(event)

    def remove_leftovers(self) -> None:
        """After `stop()`: clean up after jobs that were not brought to an end."""
        while self._begun:
            abort(self._begun.popitem()[1])


def _import_io() -> None:
    import mrmesos.io.commit
    import mrmesos.io.splits  # noqa: F401


def plan(command: PlanJob) -> Event:
    """Find the splits, refuse an output that exists, make its `_temporary`."""
    from mrmesos.io.formats.planning import check_output
    from mrmesos.io.splits import plan_sources

    spec, owner = command.spec, command.job_id
    try:
        check_output(spec.output_format)
        committer = _committer(spec)
        begun = command.again and committer.belongs_to(owner)
        if not begun:
            committer.check_absent()  # before the inputs are listed, which may take long
        splits = plan_sources(spec.all_sources(), Conf(spec.conf))
        with _taking_output:
            if not begun:
                committer.check_absent()
            committer.setup_job(owner)
    except Exception as problem:  # noqa: BLE001 (_told logs it)
        return JobPlanFailed(command.job_id, _told(command.job_id, "planning", problem))
    return JobPlanned(command.job_id, tuple(splits))


def _committer(spec: JobSpec) -> OutputCommitter:
    from mrmesos.io.commit import OutputCommitter

    return OutputCommitter(spec.output, overwrite=Conf(spec.conf).get_as(OUTPUT_OVERWRITE))


def commit(command: CommitJob) -> Event:
    """Move the winners' files into place and write `_SUCCESS`."""
    try:
        _committer(command.spec).commit_job(command.winners)
    except Exception as problem:  # noqa: BLE001 (_told logs it)
        return JobCommitFailed(command.job_id, _told(command.job_id, "commit", problem))
    return JobCommitted(command.job_id)


def abort(command: AbortJob) -> Event:
    """Remove what the job wrote."""
    try:
        committer = _committer(command.spec)
        if command.planned or committer.belongs_to(command.job_id):
            committer.abort_job()
    except Exception as problem:  # noqa: BLE001 (_told logs it)
        error = _told(command.job_id, "cleaning up", problem)
        return JobAborted(command.job_id, error.message)
    return JobAborted(command.job_id)


def _told(job_id: str, what: str, problem: Exception) -> AttemptError:
    """Log it, with a traceback only where nobody expected it."""
    error = as_attempt_error(problem)
    if error.kind is ErrorKind.INTERNAL:
        logger.exception("%s: %s failed", job_id, what)
    else:
        logger.warning("%s: %s failed: %s", job_id, what, error.message)
    return error


def as_attempt_error(problem: Exception) -> AttemptError:
    """What a user is shown: one line for what we expect to happen, a traceback for the rest."""
    from mrmesos.io.filesystem import InputError, OutputError

    if isinstance(problem, InputError):
        return AttemptError(kind=ErrorKind.INPUT, message=str(problem))
    if isinstance(problem, OutputError):
        return AttemptError(kind=ErrorKind.OUTPUT, message=str(problem))
    detail = "".join(traceback.format_exception(problem))
    return AttemptError(kind=ErrorKind.INTERNAL, message=_one_line(problem), detail=detail)


def _one_line(problem: Exception) -> str:
    text = " ".join(str(problem).split())
    return f"{type(problem).__name__}: {text}" if text else type(problem).__name__
