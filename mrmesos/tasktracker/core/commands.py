"""Commands of a TaskTracker's core. The shell runs them in order."""

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

    The shell reports when the worker uses more than `memory_limit_mb`, and keeps at most
    `log_limit_kb` each of stdout and stderr. `redo` has the changes if the attempt starts again.
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
    """Delete the files of an ended attempt, except its logs. `keep_output` keeps map output too."""

    job_id: str
    attempt_id: str
    keep_output: bool


class FetchJob(Struct, frozen=True):
    """Get a job's facts and code; answered by JobFetched or JobFetchFailed."""

    job_id: str


class DropJob(Struct, frozen=True):
    """Delete all files of a job. All its workers have ended."""

    job_id: str


class SlotReport(StrEnum):
    """The state of a slot, as reported to Mesos."""

    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    KILLED = "KILLED"
    FAILED = "FAILED"


class SendStatus(Struct, frozen=True):
    """Send Mesos the state of a slot."""

    slot_id: str
    state: SlotReport
    message: str = ""


class HeartbeatNow(Struct, frozen=True):
    """Send a heartbeat now, because there is news. Do not wait for the answer of the held one."""


class Exit(Struct, frozen=True):
    """End the process. All workers and all slots have ended."""

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
