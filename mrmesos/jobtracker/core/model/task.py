"""TaskInProgress and its attempts: states, and what is remembered of each try."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from sys import intern
from typing import TYPE_CHECKING

from mrmesos.api.context import Counters
from mrmesos.api.split import Split
from mrmesos.jobtracker.core.model.change_listener import NOBODY, ChangeListener
from mrmesos.transitions import STORY_LINES, Transitions
from mrmesos.wire import ids
from mrmesos.wire.ids import TaskKind
from mrmesos.wire.task import (
    Attempt,
    AttemptError,
    AttemptState,
    ErrorKind,
    Locality,
    MapTask,
    ReduceTask,
)

if TYPE_CHECKING:
    from mrmesos.jobtracker.core.model.cluster import Tracker
    from mrmesos.jobtracker.core.model.pending_tasks import HostTasks

ATTEMPTS_KEPT = 64

_NOISE = frozenset({ErrorKind.FETCH, ErrorKind.LOST, ErrorKind.INTERNAL})


class TaskState(StrEnum):
    """PENDING -> RUNNING -> SUCCEEDED; back to PENDING when its attempts or its output are gone."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"


TASK_TRANSITIONS = Transitions(
    "task",
    {
        # A backup begins, or one of two attempts ends: it stays RUNNING.
        TaskState.PENDING: (TaskState.RUNNING,),
        TaskState.RUNNING: (TaskState.RUNNING, TaskState.PENDING, TaskState.SUCCEEDED),
        TaskState.SUCCEEDED: (TaskState.PENDING,),
    },
)
ATTEMPT_TRANSITIONS = Transitions(
    "attempt",
    {
        AttemptState.RUNNING: (
            AttemptState.SUCCEEDED,
            AttemptState.FAILED,
            AttemptState.KILLED,
        )
    },
)


@dataclass(slots=True, eq=False)
class TaskAttempt:
    """One try at a task. Times are Unix seconds; `hostname` is that of `agent_id`."""

    id: str
    task: TaskInProgress
    slot_id: str
    tracker_id: str
    agent_id: str
    hostname: str
    locality: Locality
    start: float
    backup: bool = False
    """Begun while another attempt of the task ran (speculation.py)."""
    state: AttemptState = AttemptState.RUNNING
    end: float | None = None
    progress: float = 0.0
    told: float | None = None
    """When it was last told of; `moved`: when that was more than before."""
    moved: float = 0.0
    slow: bool = False
    """Found to be so (speculation.py)."""
    status: str = ""
    counters: Counters = field(default_factory=dict)
    error: AttemptError | None = None
    kill_asked: str = ""
    """Why it is being killed; empty while nobody wants that."""
    fetched: bool = False
    """A reduce that has all map outputs it needs."""

    def transition(
        self,
        state: AttemptState,
        now: float,
        error: AttemptError | None = None,
        counters: Counters | None = None,
    ) -> None:
        """It ends. Raises BadTransition where it has ended before."""
        ATTEMPT_TRANSITIONS.check(self, self.state, state, self.task.story)
        self.state, self.end = state, now
        self.error = error or self.error
        if counters is not None:
            self.counters = counters
        self.task.notes.attempt(self)


@dataclass(slots=True, eq=False)
class TaskInProgress:
    """The JobTracker's record of one map or one reduce."""

    job_id: str
    kind: TaskKind
    index: int
    split: Split | None = None
    hosts: tuple[str, ...] = field(init=False)
    """Those that store its split, each one string in the whole process: every split comes with
    strings of its own, and in a large cluster it is the fetching of those from memory that costs.
    """
    fresh: bool = False
    """Waits, and never failed. Kept by PendingTasks, here as that spares it a look elsewhere."""
    queues: tuple[HostTasks, ...] = ()
    """Where PendingTasks has it, by host."""
    state: TaskState = TaskState.PENDING
    attempts: list[TaskAttempt] = field(default_factory=list)
    running: tuple[TaskAttempt, ...] = ()
    """Those that may still win, the oldest first. Once one has won, the others are only waited
    for: they run on in their slots until they are reported as ended, and no longer count here.
    """
    winner: TaskAttempt | None = None
    next_number: int = 0
    failures: int = 0
    losses: int = 0
    silences: int = 0
    """Attempts whose TaskTracker fell silent under them, and was given up (silence.py)."""
    failed_on: set[str] = field(default_factory=set)
    """Names of hosts."""
    pending_since: float = 0.0
    story: list[str] = field(default_factory=list)
    notes: ChangeListener = NOBODY

    def __post_init__(self) -> None:
        hosts = () if self.split is None else self.split.hosts
        self.hosts = tuple(map(intern, dict.fromkeys(hosts)))

    @property
    def id(self) -> str:
        """`task_…_m_000003`."""
        return ids.task_id(self.job_id, self.kind, self.index)

    def start(self, slot_id: str, tracker: Tracker, locality: Locality, now: float) -> TaskAttempt:
        """Begin a new attempt: a backup where another one runs."""
        name = ids.attempt_id(self.job_id, self.kind, self.index, self.next_number)
        self.next_number += 1
        attempt = TaskAttempt(
            id=name,
            task=self,
            slot_id=slot_id,
            tracker_id=tracker.id,
            agent_id=tracker.agent_id,
            hostname=tracker.hostname,
            locality=locality,
            start=now,
            backup=bool(self.running),
        )
        self.transition(TaskState.RUNNING, now, f"{name} on {tracker.hostname}, {slot_id}")
        self.attempts.append(attempt)
        del self.attempts[:-ATTEMPTS_KEPT]
        self.running = (*self.running, attempt)
        self.notes.attempt(attempt)
        return attempt

    def won(self, attempt: TaskAttempt, now: float) -> None:
        """A running attempt succeeded, the first of them."""
        self.transition(TaskState.SUCCEEDED, now, attempt.id)
        for each in self.running:  # the others are only waited for
            self.notes.attempt(each)
        self.running, self.winner = (), attempt

    def lost(self, attempt: TaskAttempt, now: float, why: str) -> None:
        """A running attempt ended without success: the task waits again, if it was the only one."""
        others = tuple(a for a in self.running if a is not attempt)
        self.transition(
            TaskState.RUNNING if others else TaskState.PENDING, now, f"{attempt.id}: {why}"
        )
        self.running, self.pending_since = others, now

    def withdraw(self, now: float, why: str) -> None:
        """The winner's output is gone: the task waits again."""
        self.transition(TaskState.PENDING, now, f"output withdrawn: {why}")
        if self.winner is not None:
            self.notes.attempt(self.winner)
        self.winner, self.pending_since = None, now

    def wire(self, attempt: TaskAttempt) -> Attempt:
        """What the TaskTracker is asked to run."""
        task = ReduceTask(self.index) if self.split is None else MapTask(self.split)
        return Attempt(
            attempt_id=attempt.id, job_id=self.job_id, slot_id=attempt.slot_id, task=task
        )

    def first_real_error(self) -> AttemptError | None:
        """The error to show for this task: the earliest that is not the echo of another trouble."""
        failed = [a for a in self.attempts if a.error is not None]
        failed.sort(key=lambda a: (a.error is not None and a.error.kind in _NOISE, a.end or 0.0))
        return failed[0].error if failed else None

    def transition(self, state: TaskState, now: float, why: str) -> None:
        """Go on to `state`. Raises BadTransition where that cannot be."""
        self.story.append(f"{now:.3f} {self.state} -> {state}: {why}")
        del self.story[:-STORY_LINES]
        TASK_TRANSITIONS.check(self, self.state, state, self.story)
        self.state = state
