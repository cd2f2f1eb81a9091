"""What the core of a TaskTracker wants done. The shell carries commands out in order."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from mrmesos.task.drivers.record_spans import Redo
from mrmesos.wire.job import JobFacts
from mrmesos.wire.task import Attempt, MapOutput


class StartWorker(Struct, frozen=True):
    """Start a worker process under this number; answered by WorkerReady or WorkerExited."""

    worker: int


class RunInWorker(Struct, frozen=True):
    """Let a ready worker run an attempt; answered by WorkerDone or WorkerExited.

    The shell tells of more memory used than `memory_limit_mb`, and keeps at most `log_limit_kb` of
    each of stdout and stderr. `redo`: it was started before, and is to do this otherwise.
    """

    worker: int
    attempt: Attempt
    facts: JobFacts
    code_path: str
    memory_limit_mb: int
    log_limit_kb: int
    redo: Redo | None = None


class TellMapOutputs(Struct, frozen=True):
    """Pass map outputs on to the reduce that runs in a worker."""

    worker: int
    attempt_id: str
    outputs: tuple[MapOutput, ...]


class KillWorker(Struct, frozen=True):
    """Kill a worker's processes; answered by WorkerExited."""

    worker: int


class CleanAttempt(Struct, frozen=True):
    """Delete an ended attempt's files, but for its logs; `keep_output`: and its map output."""

    job_id: str
    attempt_id: str
    keep_output: bool


class FetchJob(Struct, frozen=True):
    """Get a job's facts and code; answered by JobFetched or JobFetchFailed."""

    job_id: str


class DropJob(Struct, frozen=True):
    """Delete all files of a job; none of its workers lives any more."""

    job_id: str


class SlotReport(StrEnum):
    """How a slot stands, for Mesos."""

    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    KILLED = "KILLED"
    FAILED = "FAILED"


class SendStatus(Struct, frozen=True):
    """Tell Mesos how a slot stands."""

    slot_id: str
    state: SlotReport
    message: str = ""


class HeartbeatNow(Struct, frozen=True):
    """There is something to report: do not wait for the held heartbeat's answer."""


class Exit(Struct, frozen=True):
    """All workers are gone and all slots ended: end the process."""

    reason: str


Command = (
    StartWorker
    | RunInWorker
    | TellMapOutputs
    | KillWorker
    | CleanAttempt
    | FetchJob
    | DropJob
    | SendStatus
    | HeartbeatNow
    | Exit
)
