"""Messages between clients and a JobTracker: submitting a job, and its status."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import msgspec

from mrmesos.api.context import Counters
from mrmesos.api.formats import InputFormat, OutputFormat, Source
from mrmesos.api.split import InputTable
from mrmesos.bounds import LIST_MAX, Count, Fraction, Index, Name, Seconds, Sha256, Text
from mrmesos.conf import MAP_MEMORY_MB, REDUCE_MEMORY_MB, Setting
from mrmesos.wire.ids import TaskKind
from mrmesos.wire.task import AttemptError, Locality

LOG_SOURCE, KEPT = "X-Log-Source", "kept"
"""Header of an answer with a log. KEPT means that only the last lines of both streams were kept."""
LOG_NOTE = "X-Log-Note"
"""Header of an answer with KEPT lines: why there is no more of the log."""
PICKLED_RECORDS, FOREIGN_PICKLES = "PICKLED_RECORDS", "FOREIGN_PICKLES"
"""Counters about pickled columns: records written to files with such columns, and values that were
read as bytes because no key, or another key, has signed them.
"""
LOG_START = "X-Log-Start"
"""Header of an answer with a log: the offset of its first byte, if the request named an offset."""


class JobState(StrEnum):
    """The states of a job: PREP (planning splits), RUNNING, COMMITTING or ABORTING, and an end."""

    PREP = "PREP"
    RUNNING = "RUNNING"
    COMMITTING = "COMMITTING"
    ABORTING = "ABORTING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    KILLED = "KILLED"

    @property
    def ended(self) -> bool:
        """Whether the state is final."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.KILLED)


def running_python() -> str:
    """The version of this Python, as far as pickled code depends on it: `3.12`."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


class FileKind(StrEnum):
    """The use of a job's file: `context.cached(name)`, the same but unpacked, or `sys.path`."""

    FILE = "file"
    ARCHIVE = "archive"
    PYTHON = "python"


class JobFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file for a job's tasks. The client uploads its bytes before it submits the job.

    `name` is the last part of a path. PYTHON is a module (`.py`), or an archive of modules.
    """

    name: Name
    sha256: Sha256
    size: Count
    kind: FileKind


def memory_setting(kind: TaskKind) -> Setting[int]:
    """The setting with the memory (MiB) of attempts of this kind."""
    return REDUCE_MEMORY_MB if kind is TaskKind.REDUCE else MAP_MEMORY_MB


class MemoryRaised(msgspec.Struct, frozen=True):
    """A memory setting that the JobTracker has raised, from `before_mb` to `mb`, because the
    attempt died of too little memory. `lost_mb`: attempts had so much, but no agent has it any
    more. 0 if that did not happen.
    """

    setting: Name
    before_mb: Count
    mb: Count
    attempt_id: Name
    lost_mb: Count = 0


class JobSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A job as submitted.

    `code` is the SHA-256 (hex) of the pickled job, which the client uploads first. The JobTracker
    never loads this code, because it plans with the data here.
    `conf` has the settings and parameters: the job class's defaults, overridden by `-D`.
    `sources` has the inputs of a job with several kinds; `inputs` are then the URIs of all.
    `python` is the version (`3.12`) that pickled the code. Other versions cannot run it.
    Every TaskTracker of the job gets the `files`.
    `overridden` names the settings of `conf` that came with the submission, and not from the job's
    class.
    `session` is the id of the session that submits the job. Workers run the jobs of one session
    one after another, because all come from one user's process.
    `sampled`: the job only samples these sources, to find the cut points for a job with TotalOrder
    that has the same code. `cut_points` names the output of such a job; the maps read it.
    `queue` is the id of the queue whose free tasks the job holds. Only a JobTracker sets it, and
    `raised`: what it has raised in `conf`, and `key_hash`: the number of the hash of keys with
    which the job began (io/shuffle/key_hash.py). 0.1.0 did not write that.
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
    overridden: Annotated[tuple[Name, ...], msgspec.Meta(max_length=100_000)] = ()
    session: Name = ""
    queue: Name = ""
    sampled: Annotated[tuple[Source, ...], msgspec.Meta(max_length=10_000)] = ()
    cut_points: Source | None = None
    raised: Annotated[tuple[MemoryRaised, ...], msgspec.Meta(max_length=LIST_MAX)] = ()
    key_hash: Count = 1

    def raised_mb(self, kind: TaskKind) -> int:
        """The memory of attempts of this kind, if it was raised. Otherwise 0."""
        setting = memory_setting(kind).name
        return next((each.mb for each in self.raised if each.setting == setting), 0)

    def uploads(self) -> tuple[str, ...]:
        """The hashes of all files that a client must upload for the job."""
        return (self.code, *(file.sha256 for file in self.files))

    def all_sources(self) -> tuple[Source, ...]:
        """All sources of the job. With one kind of input, this is one source without a name."""
        return self.sources or (Source("", self.inputs, self.input_format),)

    def format_of(self, source: str) -> InputFormat:
        """The format of the input with this name."""
        return next(each.format for each in self.all_sources() if each.name == source)


class JobFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of a job that a TaskTracker fetches once. `token` signs its shuffle requests.

    `pickle_key` signs the pickled values of its output, and verifies those of its input. `trace` is
    the context of the job's span (wire/trace.py); empty if traces are off.
    """

    job_id: Name
    spec: JobSpec
    token: Name
    num_maps: Index
    pickle_key: Name = ""
    trace: Name = ""
    tables: Annotated[tuple[InputTable, ...], msgspec.Meta(max_length=10_000)] = ()

    def table_of(self, source: str) -> InputTable | None:
        """The decisions of planning about the columns of an input. None if there are none."""
        return next((each for each in self.tables if each.source == source), None)


class TaskCounts(msgspec.Struct, frozen=True):
    """Counts of a job's maps or reduces by state; `progress` is 0 to 1 over all of them."""

    total: Count
    pending: Count
    running: Count
    succeeded: Count
    failed_attempts: Count
    killed_attempts: Count
    progress: Fraction


class JobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The status of a job, for lists and progress bars. Times are Unix seconds."""

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
    """Why no attempt of the job has run for a while. Otherwise empty."""
    note: Text = ""
    """The status text of the first running task that has set one: `m_000003: sorting`. Else
    empty.
    """
    queue: Name = ""
    """The queue whose free tasks it holds; they are counted in `maps`. Else empty."""
    session: Name = ""
    """The session that has submitted it, if one has."""


class Sandbox(msgspec.Struct, frozen=True):
    """The sandbox of a TaskTracker, which Mesos keeps for a while after the TaskTracker's end.

    `agent_url` is the agent's own URL, from its offers. `tracker` is the executor's id. `has_logs`
    says whether attempts' logs are in it. If not, they are in `tasktracker.userlog.dir`.
    """

    agent_url: Text
    framework: Name
    tracker: Name
    has_logs: bool = True


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
    sandbox: Sandbox | None = None
    """The place of the logs after that. None if the agent's address is not known."""
    slot: Name = ""
    backup: bool = False
    """Whether it began while another attempt of its task ran (speculation)."""


class JobReport(msgspec.Struct, frozen=True, kw_only=True):
    """The report that `--report` writes: the status and a row for every attempt."""

    status: JobStatus
    attempts: Annotated[list[AttemptRow], msgspec.Meta(max_length=10_000_000)]


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The status of a JobTracker. `set_aside` counts messages whose handling failed, by kind."""

    jobs: Count
    trackers: Count
    set_aside: Annotated[dict[Name, Count], msgspec.Meta(max_length=10_000)]


class SubmitAnswer(msgspec.Struct, frozen=True):
    """The id of an accepted job."""

    job_id: Name


class ApiError(msgspec.Struct, frozen=True):
    """The body of every answer with an error status: one line that says what is wrong."""

    error: Text
