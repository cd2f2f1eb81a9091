"""Attempts: what a TaskTracker is asked to run, and what it reports."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from mrmesos.api.context import Counters
from mrmesos.api.split import Split
from mrmesos.bounds import Fraction, Index, Name, Seconds, Text

FailedFetches = Annotated[list[Name], msgspec.Meta(max_length=100_000)]
"""Map attempts whose output a reduce could not get."""


class Locality(StrEnum):
    """Where a map ran relative to its data; reduces are always ANY."""

    NODE_LOCAL = "NODE_LOCAL"
    RACK_LOCAL = "RACK_LOCAL"
    ANY = "ANY"


class AttemptState(StrEnum):
    """The life of an attempt. KILLED is the engine's doing and never counts against the job."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    KILLED = "KILLED"


class ErrorKind(StrEnum):
    """What made an attempt fail; decides which error a job shows and who is to blame."""

    USER_CODE = "user code"
    INPUT = "input"
    OUTPUT = "output"
    MEMORY = "memory"
    CRASH = "crash"
    TIMEOUT = "timeout"
    FETCH = "fetch"
    LOST = "lost"
    INTERNAL = "internal"


class AttemptError(msgspec.Struct, frozen=True, kw_only=True):
    """The first real error of an attempt.

    `message` is one line; `detail` the traceback of user code; `where` names the input file and
    offset or the reduce key; `record` is a shortened repr of it; `hostname` and `log` say where it
    ran and where its output is.
    """

    kind: ErrorKind
    message: Text
    detail: Text = ""
    where: Text = ""
    record: Text = ""
    attempt_id: Name = ""
    hostname: Name = msgspec.field(default="", name="agent")
    log: Text = ""


class MapTask(msgspec.Struct, frozen=True, tag="map"):
    """A map attempt's own facts."""

    split: Split


class ReduceTask(msgspec.Struct, frozen=True, tag="reduce"):
    """A reduce attempt's own facts; `partition` is its index."""

    partition: Index


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to run in a slot. The job's facts are fetched by `job_id`, once per tracker.

    `ports` are those of the slot; its TaskTracker, which Mesos tells of them, writes them here.
    """

    attempt_id: Name
    job_id: Name
    slot_id: Name
    task: MapTask | ReduceTask
    ports: Annotated[tuple[Index, ...], msgspec.Meta(max_length=65_536)] = ()


class SlotData(msgspec.Struct, frozen=True, kw_only=True):
    """The data of the Mesos task that is a slot. `key` is what its TaskTracker signs requests to
    the JobTracker with: of what a framework says of tasks and executors, Mesos' endpoints show all
    but a task's data. `first` is the first attempt; None where the TaskTracker is ahead of need.
    """

    key: Name
    first: Attempt | None = None


class MapOutput(msgspec.Struct, frozen=True, kw_only=True):
    """A finished map's output, for reduces: attempt, and base URL of the tracker that serves it.

    `attempt_id` empty means: the output that was announced for this map is gone, await another.
    """

    map_index: Index
    attempt_id: Name
    url: Text


class AttemptReport(msgspec.Struct, frozen=True, kw_only=True):
    """The end of an attempt. Sent until answered; the first one for an attempt id counts.
    `state` is any but RUNNING.

    `fetch_failed` lists the map attempts whose output a reduce could not get. `log_tail` is the
    end of what it printed.
    """

    attempt_id: Name
    slot_id: Name
    state: AttemptState
    started: Seconds
    ended: Seconds
    counters: Counters = {}
    error: AttemptError | None = None
    fetch_failed: FailedFetches = []
    log_tail: Text = ""

    def __post_init__(self) -> None:
        if self.state is AttemptState.RUNNING:
            raise ValueError(f"the report of an end says RUNNING of {self.attempt_id[:100]!r}")


class AttemptProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a running attempt is (0 to 1), and map outputs that it cannot fetch now.

    `fetch_failed` names their attempts in every heartbeat for as long as that lasts; one that is
    not named any more has come, can be had again, or was withdrawn. `fetch_answered` are those of
    them whose TaskTracker answered the last try: what it has is damaged or gone, and the way to it
    is good. `fetched`: a reduce has all its segments, and needs no TaskTracker for them any more.
    """

    attempt_id: Name
    progress: Fraction
    status: Text = ""
    counters: Counters = {}
    fetch_failed: FailedFetches = []
    fetch_answered: FailedFetches = []
    fetched: bool = False
