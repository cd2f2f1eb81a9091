"""Checks submitted jobs before the core sees them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mrmesos.conf import Conf, ConfError
from mrmesos.io.shuffle.index import MAX_SEGMENTS
from mrmesos.jobtracker.core.jobtracker import JobTracker
from mrmesos.jobtracker.http.end_notification import check_end_notification
from mrmesos.jobtracker.http.errors import BadRequest
from mrmesos.wire.chain import ChainSpec
from mrmesos.wire.ids import is_sha256
from mrmesos.wire.job import FileKind, JobFile, JobSpec

MAX_FILES = 1000
_STEP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def check_job(spec: JobSpec, python: str = "") -> None:
    """Refuse a job that could not run. Raises BadRequest.

    `python` is the Python version of TaskTrackers, or "" if it is unknown.
    """
    check_texts("job", spec.name, spec.user)
    if spec.queue:
        raise BadRequest("only the JobTracker makes jobs of a queue; send tasks to the queue")
    if spec.raised:
        raise BadRequest("`raised` is for the JobTracker; set map.memory.mb or reduce.memory.mb")
    if not spec.inputs:
        raise BadRequest("the job has no input")
    more = spec.sampled if spec.cut_points is None else (*spec.sampled, spec.cut_points)
    for uri in (*spec.inputs, spec.output, *(uri for source in more for uri in source.uris)):
        if "://" not in uri:
            raise BadRequest(f"{uri!r} is not a URI; a JobTracker has no current directory")
    if not 0 <= spec.num_reducers <= MAX_SEGMENTS:
        raise BadRequest(f"num_reducers is {spec.num_reducers}, not within 0 and {MAX_SEGMENTS:,}")
    check_python(spec.python, python)
    check_files(spec.files)
    try:
        Conf(spec.conf).check()
        JobTracker.check_spec(spec)
        check_end_notification(spec)
    except ConfError as problem:
        raise BadRequest(str(problem)) from None


def check_chain(spec: ChainSpec, python: str = "") -> None:
    """Refuse a chain that could not run. Raises BadRequest. For `python`, see `check_job`."""
    before: set[str] = set()
    outputs: set[str] = set()
    names: set[str] = set()
    for uri in (spec.output, spec.data):
        if "://" not in uri:
            raise BadRequest(f"{uri!r} is not a URI; a JobTracker has no current directory")
    check_texts("chain", spec.name, spec.user)
    for step in spec.steps:
        for name in (*step.fused, step.name):
            if not _STEP.fullmatch(name):
                raise BadRequest(f"{name[:200]!r} is not a valid name of a chain's step")
            if name in names:
                raise BadRequest(f"two steps of the chain are named {name}")
            names.add(name)
        if unknown := set(step.after) - before:
            raise BadRequest(
                f"the step {step.name} waits for {sorted(unknown)[0]!r}, which is not before it"
            )
        if step.job.output in outputs:
            raise BadRequest(f"two steps of the chain write to {step.job.output}")
        try:
            check_job(step.job, python)
        except BadRequest as problem:
            raise BadRequest(f"step {step.name}: {problem}") from None
        before.add(step.name)
        outputs.add(step.job.output)


def check_texts(what: str, name: str, user: str) -> None:
    """Refuse names with control characters: they could forge lines in lists. Raises BadRequest."""
    for kind, text in (("name", name), ("user", user)):
        if _CONTROLS.search(text):
            raise BadRequest(
                f"the {what}'s {kind} {text[:200]!r} has control characters: remove them, because "
                "they can forge lines in lists"
            )


def check_python(pickled: str, python: str) -> None:
    """Refuse code that TaskTrackers cannot load. Raises BadRequest."""
    if pickled and python and pickled != python:
        raise BadRequest(
            f"the job was pickled by Python {pickled}, and TaskTrackers here run {python}, "
            f"which cannot run its code: submit with Python {python}, or have the JobTracker start "
            "TaskTrackers with another (tasktracker.package, tasktracker.command)"
        )


def check_files(files: Sequence[JobFile]) -> None:
    """Refuse files that cannot be placed on agents. Raises BadRequest."""
    if len(files) > MAX_FILES:
        raise BadRequest(
            f"the job has {len(files)} files, over {MAX_FILES}; put them in an archive"
        )
    names = set()
    for file in files:
        if file.name in ("", ".", "..") or "/" in file.name or "\0" in file.name:
            raise BadRequest(f"{file.name!r} is not a valid name of a job's file")
        if not is_sha256(file.sha256):
            raise BadRequest(f"{file.sha256!r} is no SHA-256 in hexadecimal digits")
        key = (file.kind is FileKind.PYTHON, file.name)
        if key in names:
            raise BadRequest(f"two files of the job are named {file.name}")
        names.add(key)
