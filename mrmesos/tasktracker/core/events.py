"""What happens to a TaskTracker. The core takes these one at a time, each with the time it came."""

from __future__ import annotations

from msgspec import Struct

from mrmesos.task.drivers.record_spans import Span
from mrmesos.wire.heartbeat import HeartbeatAnswer
from mrmesos.wire.job import JobFacts
from mrmesos.wire.task import Attempt
from mrmesos.worker.messages import Done, WorkerProgress


class SlotLaunched(Struct, frozen=True):
    """Mesos launched a slot with its first attempt, or none for now. `ports` are among its
    resources.
    """

    slot_id: str
    attempt: Attempt | None
    ports: tuple[int, ...] = ()


class BadSlotLaunched(Struct, frozen=True):
    """Mesos launched a task that makes no sense to us."""

    slot_id: str
    message: str


class SlotKilled(Struct, frozen=True):
    """Mesos wants a slot to end."""

    slot_id: str


class HeartbeatAnswered(Struct, frozen=True):
    """The JobTracker answered a heartbeat that held the reports of these attempts."""

    answer: HeartbeatAnswer
    reported: tuple[str, ...] = ()


class JobFetched(Struct, frozen=True):
    """A job's facts and code are here."""

    facts: JobFacts
    code_path: str


class JobFetchFailed(Struct, frozen=True):
    """A job's facts or code are not to be had. `gone`: the JobTracker does not know the job."""

    job_id: str
    message: str
    gone: bool = False


class WorkerReady(Struct, frozen=True):
    """A worker has started and can run attempts."""

    worker: int


class WorkerProgressed(Struct, frozen=True):
    """A worker told how far it is."""

    worker: int
    message: WorkerProgress


class WorkerDone(Struct, frozen=True):
    """A worker's attempt has ended. `peak_bytes` is the most memory its processes used."""

    worker: int
    message: Done
    log_tail: str = ""
    peak_bytes: int = 0


class WorkerOverMemory(Struct, frozen=True):
    """A worker's processes use more bytes of memory than its attempt may."""

    worker: int
    attempt_id: str
    used_bytes: int


class WorkerBroken(Struct, frozen=True):
    """A worker sends what is no message of ours."""

    worker: int
    message: str


class WorkerExited(Struct, frozen=True):
    """A worker process is gone, with all its children. `status` as subprocess gives it: the exit
    status, or minus the number of the signal; None where that is not known. `at`: the records that
    user code had in hand.
    """

    worker: int
    status: int | None
    log_tail: str = ""
    peak_bytes: int = 0
    at: Span | None = None


class LeaveAsked(Struct, frozen=True):
    """Somebody wants this TaskTracker to end: Mesos, a signal, or the JobTracker is gone."""

    reason: str


class TrackerTick(Struct, frozen=True):
    """Time passed: timeouts, the spare worker. Comes about twice a second."""


Event = (
    SlotLaunched
    | BadSlotLaunched
    | SlotKilled
    | HeartbeatAnswered
    | JobFetched
    | JobFetchFailed
    | WorkerReady
    | WorkerProgressed
    | WorkerDone
    | WorkerOverMemory
    | WorkerBroken
    | WorkerExited
    | LeaveAsked
    | TrackerTick
)
