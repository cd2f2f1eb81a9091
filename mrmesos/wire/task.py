"""Messages about attempts: requests to TaskTrackers, and their reports."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from mrmesos.api.context import Counters
from mrmesos.api.split import Split
from mrmesos.bounds import PROFILE_MAX, Count, Fraction, Index, Name, Seconds, Sha256, Text
from mrmesos.wire.trace import Measures

INLINE_BYTES = 256 << 10
"""Most bytes of a free task's pickle, or of its result, in a message. Larger ones go through files
in the queue's store.
"""
Inline = Annotated[bytes, msgspec.Meta(max_length=INLINE_BYTES)]
FailedFetches = Annotated[list[Name], msgspec.Meta(max_length=100_000)]
"""Most map attempts that a report names because a reduce could not get their output."""


class Locality(StrEnum):
    """The place of a map relative to its data. Reduces are always ANY."""

    NODE_LOCAL = "NODE_LOCAL"
    RACK_LOCAL = "RACK_LOCAL"
    ANY = "ANY"


class AttemptState(StrEnum):
    """The states of an attempt. KILLED never counts as a failure of the job."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    KILLED = "KILLED"


class ErrorKind(StrEnum):
    """The cause of a failed attempt. It decides which error a job shows, and what is blamed."""

    USER_CODE = "user code"
    INPUT = "input"
    OUTPUT = "output"
    MEMORY = "memory"
    CRASH = "crash"
    TIMEOUT = "timeout"
    FETCH = "fetch"
    LOST = "lost"
    SETTINGS = "settings"
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
    """The input of a map attempt."""

    split: Split


class ReduceTask(msgspec.Struct, frozen=True, tag="reduce"):
    """The input of a reduce attempt. `partition` is its index."""

    partition: Index


class Stored(msgspec.Struct, frozen=True):
    """A file with a pickle. It is checked against `sha256` before it is unpickled."""

    uri: Text
    sha256: Sha256
    size: Count


class FreeTask(msgspec.Struct, frozen=True, kw_only=True, tag="free"):
    """A free task: the pickle of the callable, by value or in a file.

    `store` is the directory (a URI) for results that are too large for a message. It is empty if
    there is none.
    """

    name: Name
    payload: Inline = b""
    stored: Stored | None = None
    store: Text = ""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to run in a slot. A tracker fetches the job's facts once, by `job_id`.

    `ports` are the slot's ports. Mesos tells them to the TaskTracker, which sets them here.
    `memory_mb` is its memory, where the JobTracker has raised the job's setting. Otherwise 0.
    """

    attempt_id: Name
    job_id: Name
    slot_id: Name
    task: MapTask | ReduceTask | FreeTask
    ports: Annotated[tuple[Index, ...], msgspec.Meta(max_length=65_536)] = ()
    memory_mb: Count = 0


class SlotData(msgspec.Struct, frozen=True, kw_only=True):
    """The `data` of the Mesos task of a slot.

    The TaskTracker signs its requests to the JobTracker with `key`. The key is here because Mesos'
    endpoints show all other fields of tasks and executors. `first` is the first attempt. It is None
    if the TaskTracker is started before it is needed.
    """

    key: Name
    first: Attempt | None = None


class MapOutput(msgspec.Struct, frozen=True, kw_only=True):
    """A finished map's output, for reduces: its attempt, and the base URL of its tracker.

    If `attempt_id` is empty, the announced output of this map is lost; wait for another.
    """

    map_index: Index
    attempt_id: Name
    url: Text


class FreeResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a free task, or the exception that it raised, pickled.

    `value` is empty if the pickle is in a file, or if an exception cannot be pickled.
    """

    value: Inline = b""
    stored: Stored | None = None


class AttemptReport(msgspec.Struct, frozen=True, kw_only=True):
    """The end of an attempt. A tracker repeats it until it is answered; only the first one counts.

    `state` is not RUNNING. `fetch_failed` lists the map attempts whose output a reduce could not
    fetch. `log_tail` is the end of the attempt's log. `result` is that of a free task. `profile` is
    a packed one (wire/profile.py), if the job asked for it. `trace` is the
    context of the attempt's span, and `spans` are parts of it, if traces are on.
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
    result: FreeResult | None = None
    profile: Annotated[str, msgspec.Meta(max_length=PROFILE_MAX)] = ""
    trace: Name = ""
    spans: Measures = ()

    def __post_init__(self) -> None:
        if self.state is AttemptState.RUNNING:
            raise ValueError(
                f"the report of an ended attempt is RUNNING: {self.attempt_id[:100]!r}"
            )


class AttemptProgress(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of a running attempt (0 to 1), and the map outputs that it cannot fetch now.

    `fetch_failed` names their attempts in every heartbeat while the failure lasts. An attempt that
    is no longer named was fetched, can be reached again, or was withdrawn. `fetch_answered` lists
    the failed ones whose TaskTracker answered the last try: the connection works, but the output is
    damaged or missing. `fetched` says that a reduce has all its segments and needs no other
    TaskTracker.
    """

    attempt_id: Name
    progress: Fraction
    status: Text = ""
    counters: Counters = {}
    fetch_failed: FailedFetches = []
    fetch_answered: FailedFetches = []
    fetched: bool = False
