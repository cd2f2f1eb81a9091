"""What a client sends to run a job, and what it is told about one."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import msgspec

from mrmesos.api.context import Counters
from mrmesos.api.formats import InputFormat, OutputFormat, Source
from mrmesos.bounds import LIST_MAX, Count, Fraction, Index, Name, Seconds, Sha256, Text
from mrmesos.wire.task import AttemptError, Locality


class JobState(StrEnum):
    """The life of a job: PREP (planning splits), RUNNING, COMMITTING or KILLING, and an end."""

    PREP = "PREP"
    RUNNING = "RUNNING"
    COMMITTING = "COMMITTING"
    ABORTING = "ABORTING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    KILLED = "KILLED"

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.KILLED)


def running_python() -> str:
    """The version of Python that runs here, as far as pickled code depends on it: `3.12`."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


class FileKind(StrEnum):
    """What a job's file is for: `context.cached(name)`, the same but unpacked, or `sys.path`."""

    FILE = "file"
    ARCHIVE = "archive"
    PYTHON = "python"


class JobFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a job's tasks find where they run; its bytes are uploaded beforehand.

    `name` is the last part of a path. PYTHON is a module (`.py`), or an archive of modules.
    """

    name: Name
    sha256: Sha256
    size: Count
    kind: FileKind


class JobSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A job as submitted. `code` is the SHA-256 (hex) of the pickled job, uploaded beforehand.

    The JobTracker never loads that code: everything it plans with is here, as data. `conf` holds
    the settings and parameters after merging the job class's defaults with `-D`. A job with inputs
    of several kinds has them in `sources`; `inputs` are then the URIs of all. `python` is the
    version (`3.12`) that pickled the code: no other can run it. `files` come to every TaskTracker
    of the job.
    """

    name: Name
    user: Name
    inputs: Annotated[tuple[Text, ...], msgspec.Meta(max_length=LIST_MAX)]
    output: Text
    input_format: InputFormat
    output_format: OutputFormat
    num_reducers: Index
    conf: Annotated[dict[Name, Text], msgspec.Meta(max_length=100_000)]
    code: Sha256
    sources: Annotated[tuple[Source, ...], msgspec.Meta(max_length=10_000)] = ()
    python: Name = ""
    files: Annotated[tuple[JobFile, ...], msgspec.Meta(max_length=10_000)] = ()

    def uploads(self) -> tuple[str, ...]:
        """The hashes of all that has to be uploaded before the job."""
        return (self.code, *(file.sha256 for file in self.files))

    def all_sources(self) -> tuple[Source, ...]:
        """What there is to read; one source without a name where the job has one kind of input."""
        return self.sources or (Source("", self.inputs, self.input_format),)

    def format_of(self, source: str) -> InputFormat:
        """How the input of this name is read."""
        return next(each.format for each in self.all_sources() if each.name == source)


class JobFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a TaskTracker fetches once per job. `token` signs its shuffle requests."""

    job_id: Name
    spec: JobSpec
    token: Name
    num_maps: Index


class TaskCounts(msgspec.Struct, frozen=True):
    """How far the maps or the reduces of a job are; `progress` is 0 to 1 over all of them."""

    total: Count
    pending: Count
    running: Count
    succeeded: Count
    failed_attempts: Count
    killed_attempts: Count
    progress: Fraction


class JobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A job as lists and progress bars show it. Times are Unix seconds."""

    job_id: Name
    name: Name
    user: Name
    state: JobState
    submitted: Seconds
    started: Seconds | None
    ended: Seconds | None
    maps: TaskCounts
    reduces: TaskCounts
    counters: Counters
    output: Text
    error: AttemptError | None = None
    waiting: Text = ""
    """Why nothing of the job runs, in words, where that has lasted; else empty."""


class AttemptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt in a job's report."""

    id: Name
    kind: Name
    hostname: Name = msgspec.field(name="agent")
    locality: Locality
    start: Seconds
    end: Seconds | None
    state: Name
    progress: Fraction = 0.0
    status: Text = ""
    error: AttemptError | None = None
    log: Text = ""
    """URL of the attempt's logs while its TaskTracker lives."""


class JobReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `--report` writes: the status and a row for every attempt."""

    status: JobStatus
    attempts: Annotated[list[AttemptRow], msgspec.Meta(max_length=10_000_000)]


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a JobTracker itself is. `set_aside`: messages that it failed over, by their kind."""

    jobs: Count
    trackers: Count
    set_aside: Annotated[dict[Name, Count], msgspec.Meta(max_length=10_000)]


class SubmitAnswer(msgspec.Struct, frozen=True):
    """The id of a job that was accepted."""

    job_id: Name


class ApiError(msgspec.Struct, frozen=True):
    """The body of every answer that is not 2xx: one line that says what is wrong."""

    error: Text
