"""The journal's records: one for each thing, with its present state.

A record replaces the earlier one of the same key. So the journal never holds more than the
JobTracker knows, and a restart only reads it (restore.py). Records are MessagePack maps by field
name. A new field with a default keeps the FORMAT, and so does a new kind: an older release reports
its rows as those of another release. Any other change needs the next FORMAT number.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, get_args

import msgspec

from mrmesos.api.context import Counters
from mrmesos.api.split import InputTable, Split
from mrmesos.wire.chain import ChainSpec, ChainState, ChainStatus, StepState
from mrmesos.wire.job import JobReport, JobSpec, JobState, Sandbox
from mrmesos.wire.queue import QueueSpec, QueueState, QueueStatus, TaskEnd, TaskSpec
from mrmesos.wire.task import AttemptError, AttemptState, Locality

FORMAT = 3
"""A journal of format 2, which had no checksums, is upgraded. Any other format is refused."""


class Key(NamedTuple):
    """The key of a record. `job` is empty if it belongs to no job."""

    job: str
    kind: str
    name: str


class LifeRecord(msgspec.Struct, frozen=True):
    """One start of the JobTracker. `number` counts the starts from 0. Names contain `stamp`.

    `address` is the `host:port` that TaskTrackers were told, with `https://` before it if they use
    that. `command` starts a TaskTracker. The TaskTrackers' keys are made from `secret`.
    """

    kind: ClassVar[str] = "life"

    number: int
    stamp: str
    address: str = ""
    command: str = ""
    secret: str = ""

    @property
    def filed_as(self) -> Key:
        """Its key."""
        return Key("", self.kind, "")


class FrameworkRecord(msgspec.Struct, frozen=True):
    """The id that Mesos gave us. Empty after that framework was removed."""

    kind: ClassVar[str] = "framework"

    framework_id: str

    @property
    def filed_as(self) -> Key:
        """Its key."""
        return Key("", self.kind, "")


class TrackerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A TaskTracker and its agent. `url` is empty before the TaskTracker's first heartbeat."""

    kind: ClassVar[str] = "tracker"

    id: str
    agent_id: str
    hostname: str
    agent_address: str
    rack: str
    resources: tuple[dict[str, Any], ...]
    launched: float
    url: str
    leaving: bool
    attributes: dict[str, str] = {}
    sandbox: Sandbox | None = None

    @property
    def filed_as(self) -> Key:
        """Its key."""
        return Key("", self.kind, self.id)


class SlotRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A Mesos task that has not ended as far as we know."""

    kind: ClassVar[str] = "slot"

    id: str
    agent_id: str
    tracker_id: str
    capacity: dict[str, int]
    launched: float
    ending: bool
    taken: dict[str, int] = {}
    role: str = "*"

    @property
    def filed_as(self) -> Key:
        """Its key."""
        return Key("", self.kind, self.id)


class JobRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A job in progress. `key` is the client's key (see JobSubmitted)."""

    kind: ClassVar[str] = "job"

    id: str
    spec: JobSpec
    token: str
    key: str
    submitted: float
    state: JobState
    started: float | None
    error: AttemptError | None
    killed_by: str

    @property
    def filed_as(self) -> Key:
        """Its key."""
        return Key(self.id, self.kind, "")


class PlanRecord(msgspec.Struct, frozen=True):
    """The splits of a job, in the order of its maps, and the columns of its inputs."""

    kind: ClassVar[str] = "plan"

    job_id: str
    splits: tuple[Split, ...]
    tables: tuple[InputTable, ...] = ()

    @property
    def filed_as(self) -> Key:
        """Its key."""
        return Key(self.job_id, self.kind, "")


class TallyRecord(msgspec.Struct, frozen=True):
    """A job's counters that the JobTracker itself keeps."""

    kind: ClassVar[str] = "tally"

    job_id: str
    counters: dict[str, int]

    @property
    def filed_as(self) -> Key:
        """Its key."""
        return Key(self.job_id, self.kind, "")


class AttemptRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An attempt of a job in progress. `won`: its output is the task's output. `waited_for`: it
    still runs, but another attempt has won. `failures`, `losses` and `silences` are the counts of
    its task.
    """

    kind: ClassVar[str] = "attempt"

    id: str
    job_id: str
    slot_id: str
    tracker_id: str
    agent_id: str
    hostname: str = msgspec.field(name="agent")  # the name in old journals
    locality: Locality
    start: float
    backup: bool = False
    state: AttemptState = AttemptState.RUNNING
    end: float | None = None
    counters: Counters = {}
    error: AttemptError | None = None
    won: bool = False
    waited_for: bool = False
    failures: int = 0
    losses: int = 0
    silences: int = 0
    memory_mb: int = 0

    @property
    def filed_as(self) -> Key:
        """Its key."""
        return Key(self.job_id, self.kind, self.id)


class EndedRecord(msgspec.Struct, frozen=True):
    """A job that has ended. All its other records are dropped."""

    kind: ClassVar[str] = "ended"

    report: JobReport
    key: str

    @property
    def filed_as(self) -> Key:
        """Its key."""
        return Key(self.report.status.job_id, self.kind, "")


class NoticeRecord(msgspec.Struct, frozen=True):
    """A job that has ended, and whose `job.end-notification.url` we have not called yet. `conf` has
    the job's settings for this call. The record is dropped when the call succeeded or was given up.
    """

    kind: ClassVar[str] = "notice"

    job_id: str
    state: JobState
    conf: dict[str, str]

    @property
    def filed_as(self) -> Key:
        """Its key."""
        return Key("", self.kind, self.job_id)


class StepRecord(msgspec.Struct, frozen=True):
    """A step: its state, and the id and token of its job."""

    state: StepState
    job_id: str
    token: str


class ChainRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A chain in progress. `steps` are in the order of its spec."""

    kind: ClassVar[str] = "chain"

    id: str
    spec: ChainSpec
    key: str
    submitted: float
    state: ChainState
    steps: tuple[StepRecord, ...]
    error: AttemptError | None = None
    killed_by: str = ""

    @property
    def filed_as(self) -> Key:
        """Its key."""
        return Key(self.id, self.kind, "")


class ChainEndedRecord(msgspec.Struct, frozen=True):
    """A chain that has ended."""

    kind: ClassVar[str] = "chain_ended"

    status: ChainStatus
    key: str

    @property
    def filed_as(self) -> Key:
        """Its key."""
        return Key(self.status.chain_id, self.kind, "")


class QueueRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A live queue of free tasks. `highest` is the highest key of its tasks so far."""

    kind: ClassVar[str] = "queue"

    id: str
    spec: QueueSpec
    token: str
    key: str
    submitted: float
    state: QueueState
    highest: int
    words: str = ""

    @property
    def filed_as(self) -> Key:
        """Its key."""
        return Key(self.id, self.kind, "")


class FreeTaskRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A free task that is not over, and its place: the number `index` of the job `job_id`.

    `dropped`: it gets no further attempt, and we only wait for the end of its running one. Then
    `error` says why. If there is no `error`, the task was cancelled.
    """

    kind: ClassVar[str] = "free_task"

    queue_id: str
    spec: TaskSpec
    job_id: str
    index: int
    added: float
    dropped: bool = False
    error: AttemptError | None = None

    @property
    def filed_as(self) -> Key:
        """Its key."""
        return Key(self.queue_id, self.kind, str(self.spec.key))


class TaskEndRecord(msgspec.Struct, frozen=True):
    """The end of a free task, until the client has taken it."""

    kind: ClassVar[str] = "task_end"

    queue_id: str
    end: TaskEnd

    @property
    def filed_as(self) -> Key:
        """Its key."""
        return Key(self.queue_id, self.kind, str(self.end.number))


class QueueEndedRecord(msgspec.Struct, frozen=True):
    """A queue that has ended."""

    kind: ClassVar[str] = "queue_ended"

    status: QueueStatus
    key: str

    @property
    def filed_as(self) -> Key:
        """Its key."""
        return Key(self.status.queue_id, self.kind, "")


Record = (
    LifeRecord
    | FrameworkRecord
    | TrackerRecord
    | SlotRecord
    | JobRecord
    | PlanRecord
    | TallyRecord
    | AttemptRecord
    | EndedRecord
    | NoticeRecord
    | ChainRecord
    | ChainEndedRecord
    | QueueRecord
    | FreeTaskRecord
    | TaskEndRecord
    | QueueEndedRecord
)


class WriteRecords(msgspec.Struct, frozen=True):
    """The command to write the journal. The event's other effects wait until this is done.

    First remove all records of the jobs in `drop_jobs`, and the keys in `drop`. Then write `put`.
    With `sync`, not even a loss of power may undo it.
    """

    after_journal: ClassVar[bool] = False

    put: tuple[Record, ...]
    drop: tuple[Key, ...] = ()
    drop_jobs: tuple[str, ...] = ()
    sync: bool = False


KINDS: dict[str, type[Record]] = {record.kind: record for record in get_args(Record)}
