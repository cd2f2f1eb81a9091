"""The state of a TaskTracker's core: jobs, slots, workers and running attempts."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from mrmesos.conf import (
    MAP_MEMORY_MB,
    REDUCE_MEMORY_MB,
    SKIP_RECORDS_MAX,
    TASK_TIMEOUT,
    TASK_USERLOG_LIMIT_KB,
    Conf,
)
from mrmesos.tasktracker.core.bad_record_bisection import Bisection
from mrmesos.tasktracker.core.commands import SlotReport
from mrmesos.transitions import Transitions
from mrmesos.wire.job import JobFacts
from mrmesos.wire.task import (
    Attempt,
    AttemptError,
    AttemptProgress,
    AttemptState,
    FreeTask,
    MapOutput,
    MapTask,
    ReduceTask,
)


class WorkerState(StrEnum):
    """STARTING until ready, then IDLE, or BUSY with one attempt; DYING after the kill command."""

    STARTING = "STARTING"
    IDLE = "IDLE"
    BUSY = "BUSY"
    DYING = "DYING"


WORKER_TRANSITIONS = Transitions(
    "worker",
    {
        WorkerState.STARTING: (WorkerState.IDLE, WorkerState.DYING),
        WorkerState.IDLE: (WorkerState.BUSY, WorkerState.DYING),
        WorkerState.BUSY: (WorkerState.IDLE, WorkerState.DYING),
    },
)


@dataclass(slots=True)
class WorkerProcess:
    """One worker process. `job_id` is empty until its first attempt (a blank worker).

    A worker of a `session` takes attempts of all jobs of the session. Between two of these jobs,
    `job_id` is empty. `overdue` says that it was killed because it never became ready.
    """

    number: int
    state: WorkerState
    since: float
    job_id: str = ""
    session: str = ""
    attempt_id: str = ""
    overdue: bool = False

    @property
    def id(self) -> str:
        """Its name in messages."""
        return f"worker {self.number}"

    @property
    def blank(self) -> bool:
        """Whether it has run nothing yet."""
        return not self.job_id and not self.session

    def transition(self, state: WorkerState) -> None:
        """Change to `state`. Raises BadTransition if the table does not allow it."""
        WORKER_TRANSITIONS.check(self, self.state, state)
        self.state = state


@dataclass(slots=True)
class HeldSlot:
    """One Mesos task. `ending` is the state to report after its attempt has ended."""

    slot_id: str
    ports: tuple[int, ...] = ()
    attempt_id: str = ""
    ending: SlotReport | None = None
    message: str = ""


class Verdict(msgspec.Struct, frozen=True):
    """How to report an attempt whose worker is being killed."""

    state: AttemptState
    error: AttemptError | None


@dataclass(slots=True)
class RunningAttempt:
    """An attempt in a slot. It waits for its job's code and for a worker, then it runs."""

    attempt: Attempt
    begun: float
    worker: int | None = None
    last_active: float = 0.0
    position: str = ""
    progress: AttemptProgress | None = None
    verdict: Verdict | None = None
    bisection: Bisection | None = None

    @property
    def is_map(self) -> bool:
        """Whether it leaves map output."""
        return isinstance(self.attempt.task, MapTask)

    @property
    def is_reduce(self) -> bool:
        """Whether it reads map output."""
        return isinstance(self.attempt.task, ReduceTask)

    @property
    def is_free(self) -> bool:
        """Whether it is a free task."""
        return isinstance(self.attempt.task, FreeTask)


class AttemptLimits(msgspec.Struct, frozen=True):
    """A job's limits for one kind of attempt. `timeout` is in seconds; 0 means none."""

    timeout: float
    memory_mb: int
    memory_setting: str
    log_kb: int
    bad_records: int

    @classmethod
    def of(cls, facts: JobFacts, run: RunningAttempt) -> AttemptLimits:
        """Read a job's settings. Raises ConfError."""
        conf = Conf(facts.spec.conf)
        memory = REDUCE_MEMORY_MB if run.is_reduce else MAP_MEMORY_MB
        return cls(
            timeout=conf.get_as(TASK_TIMEOUT),
            memory_mb=run.attempt.memory_mb or conf.get_as(memory),
            memory_setting="the `ram` of the task" if run.is_free else memory.name,
            log_kb=conf.get_as(TASK_USERLOG_LIMIT_KB),
            bad_records=conf.get_as(SKIP_RECORDS_MAX),
        )


@dataclass(slots=True)
class JobHere:
    """A job on this TaskTracker. `outputs` has all its map outputs on any host, by map index."""

    job_id: str
    facts: JobFacts | None = None
    code_path: str = ""
    fetching: bool = False
    forgotten: bool = False
    outputs: dict[int, MapOutput] = field(default_factory=dict)
