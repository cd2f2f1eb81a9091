"""What the core of a TaskTracker wants done. The shell carries commands out in order."""

from __future__ import annotations

from dataclasses import dataclass

from mrmesos.tasktracker.spans import Redo
from mrmesos.wire.job import JobFacts
from mrmesos.wire.task import Attempt, MapOutput


@dataclass(frozen=True, slots=True)
class StartWorker:
    """Start a worker process under this number; answered by WorkerReady or WorkerExited."""

    worker: int


@dataclass(frozen=True, slots=True)
class RunInWorker:
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


@dataclass(frozen=True, slots=True)
class TellMapOutputs:
    """Pass map outputs on to the reduce that runs in a worker."""

    worker: int
    attempt_id: str
    outputs: tuple[MapOutput, ...]


@dataclass(frozen=True, slots=True)
class KillWorker:
    """Kill a worker's processes; answered by WorkerExited."""

    worker: int


@dataclass(frozen=True, slots=True)
class CleanAttempt:
    """Delete an ended attempt's files, but for its logs; `keep_output`: and its map output."""

    job_id: str
    attempt_id: str
    keep_output: bool


@dataclass(frozen=True, slots=True)
class FetchJob:
    """Get a job's facts and code; answered by JobFetched or JobFetchFailed."""

    job_id: str


@dataclass(frozen=True, slots=True)
class ForgetJob:
    """Delete all files of a job; none of its workers lives any more."""

    job_id: str


@dataclass(frozen=True, slots=True)
class SendStatus:
    """Send a Mesos status update of a slot; `state` is Mesos' name of it."""

    slot_id: str
    state: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class HeartbeatNow:
    """There is something to report: do not wait for the held heartbeat's answer."""


@dataclass(frozen=True, slots=True)
class Exit:
    """All workers are gone and all slots ended: end the process."""

    reason: str


Command = (
    StartWorker
    | RunInWorker
    | TellMapOutputs
    | KillWorker
    | CleanAttempt
    | FetchJob
    | ForgetJob
    | SendStatus
    | HeartbeatNow
    | Exit
)
