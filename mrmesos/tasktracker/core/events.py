"""Events of a TaskTracker. The core handles them one at a time, each with its time of arrival."""

from __future__ import annotations

from msgspec import Struct

from mrmesos.task.drivers.record_spans import Span
from mrmesos.wire.heartbeat import HeartbeatAnswer
from mrmesos.wire.job import JobFacts
from mrmesos.wire.task import Attempt
from mrmesos.worker.messages import Done, WorkerProgress


class SlotLaunched(Struct, frozen=True):
    """Mesos launched a slot, with its first attempt or none. Its resources include `ports`."""

    slot_id: str
    attempt: Attempt | None
    ports: tuple[int, ...] = ()


class BadSlotLaunched(Struct, frozen=True):
    """Mesos launched a task that we cannot read."""

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
    """A job's facts and code have arrived."""

    facts: JobFacts
    code_path: str


class JobFetchFailed(Struct, frozen=True):
    """A job's facts or code could not be fetched. `gone`: the JobTracker does not know the job."""

    job_id: str
    message: str
    gone: bool = False


class WorkerReady(Struct, frozen=True):
    """A worker has started and can run attempts."""

    worker: int


class WorkerProgressed(Struct, frozen=True):
    """A worker reported its progress."""

    worker: int
    message: WorkerProgress


class WorkerDone(Struct, frozen=True):
    """A worker's attempt has ended. `peak_bytes` is the most memory its processes used."""

    worker: int
    message: Done
    log_tail: str = ""
    peak_bytes: int = 0


class WorkerOverMemory(Struct, frozen=True):
    """A worker's processes use more memory than the attempt's limit."""

    worker: int
    attempt_id: str
    used_bytes: int


class WorkerBroken(Struct, frozen=True):
    """A worker sent invalid messages, or its channel is broken."""

    worker: int
    message: str


class WorkerExited(Struct, frozen=True):
    """A worker process and all its children are gone.

    `status` is as in subprocess: the exit status, or minus the number of the signal; None if
    unknown. `at`: the records that user code worked on.
    """

    worker: int
    status: int | None
    log_tail: str = ""
    peak_bytes: int = 0
    at: Span | None = None


class LeaveAsked(Struct, frozen=True):
    """This TaskTracker must end: Mesos or a signal asks for it, or the JobTracker is gone."""

    reason: str


class TrackerTick(Struct, frozen=True):
    """Time has passed. Drives timeouts and the spare worker; comes about twice a second."""


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
