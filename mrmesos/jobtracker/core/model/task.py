"""TaskInProgress and TaskAttempt: the JobTracker's records of a task and of each try at it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from sys import intern
from typing import TYPE_CHECKING

from mrmesos.api.context import Counters
from mrmesos.api.split import Split
from mrmesos.jobtracker.core.messages.journal_records import AttemptRecord
from mrmesos.jobtracker.core.model.listeners import NOBODY, ChangeListener
from mrmesos.transitions import STORY_LINES, Transitions
from mrmesos.wire import ids
from mrmesos.wire.ids import AgentId, HostName, SlotId, TaskKind, TrackerId
from mrmesos.wire.job import Sandbox
from mrmesos.wire.task import (
    Attempt,
    AttemptError,
    AttemptState,
    ErrorKind,
    FreeTask,
    Locality,
    MapTask,
    ReduceTask,
)

if TYPE_CHECKING:
    from mrmesos.jobtracker.core.model.pending_tasks import HostTasks
    from mrmesos.jobtracker.core.model.tracker import Tracker

ATTEMPTS_KEPT = 64

_NOISE = frozenset({ErrorKind.FETCH, ErrorKind.LOST, ErrorKind.INTERNAL})


class TaskState(StrEnum):
    """PENDING -> RUNNING -> SUCCEEDED. Back to PENDING if its attempts or its output are lost.

    Only free tasks: WAITING for other tasks, before PENDING; DROPPED if it failed or was cancelled.
    """

    WAITING = "WAITING"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    DROPPED = "DROPPED"


TASK_TRANSITIONS = Transitions(
    "task",
    {
        # RUNNING -> RUNNING: a backup begins, or one of two attempts ends.
        TaskState.WAITING: (TaskState.PENDING, TaskState.DROPPED),
        TaskState.PENDING: (TaskState.RUNNING, TaskState.DROPPED),
        TaskState.RUNNING: (
            TaskState.RUNNING,
            TaskState.PENDING,
            TaskState.SUCCEEDED,
            TaskState.DROPPED,
        ),
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
    """One try at a task. Times are Unix seconds. `hostname` is the host of the agent `agent_id`."""

    id: str
    task: TaskInProgress
    slot_id: SlotId
    tracker_id: TrackerId
    agent_id: AgentId
    hostname: HostName
    locality: Locality
    start: float
    backup: bool = False
    """Whether it began while another attempt of the task ran (speculation.py)."""
    state: AttemptState = AttemptState.RUNNING
    end: float | None = None
    progress: float = 0.0
    told: float | None = None
    """When its progress was last reported. `moved` is when the progress last grew."""
    moved: float = 0.0
    slow: bool = False
    """Whether it was found slow (speculation.py)."""
    status: str = ""
    counters: Counters = field(default_factory=dict)
    error: AttemptError | None = None
    kill_asked: str = ""
    """Why it is being killed. Empty if it is not."""
    sandbox: Sandbox | None = None
    """Of its TaskTracker. None if that is unknown."""
    memory_mb: int = 0
    """Its memory, if the job's setting was raised before it began (more_memory.py)."""
    fetched: bool = False
    """Whether a reduce has fetched all map outputs that it needs."""

    def transition(
        self,
        state: AttemptState,
        now: float,
        error: AttemptError | None = None,
        counters: Counters | None = None,
    ) -> None:
        """End the attempt. Raises BadTransition if it has ended before."""
        ATTEMPT_TRANSITIONS.check(self, self.state, state, self.task.story)
        self.state, self.end = state, now
        self.error = error or self.error
        if counters is not None:
            self.counters = counters
        self.task.notes.attempt(self)

    def record(self) -> AttemptRecord:
        """Its record for the journal."""
        task = self.task
        return AttemptRecord(
            id=self.id,
            job_id=task.job_id,
            slot_id=self.slot_id,
            tracker_id=self.tracker_id,
            agent_id=self.agent_id,
            hostname=self.hostname,
            locality=self.locality,
            start=self.start,
            backup=self.backup,
            state=self.state,
            end=self.end,
            counters=self.counters,
            error=self.error,
            won=task.winner is self,
            waited_for=self.state is AttemptState.RUNNING and self not in task.running,
            failures=task.failures,
            losses=task.losses,
            silences=task.silences,
            memory_mb=self.memory_mb,
        )

    @staticmethod
    def restored(record: AttemptRecord, task: TaskInProgress) -> TaskAttempt:
        """Add an attempt from its record in the journal."""
        attempt = TaskAttempt(
            id=record.id,
            task=task,
            slot_id=SlotId(record.slot_id),
            tracker_id=TrackerId(record.tracker_id),
            agent_id=AgentId(record.agent_id),
            hostname=HostName(record.hostname),
            locality=record.locality,
            start=record.start,
            backup=record.backup,
            state=record.state,
            end=record.end,
            counters=record.counters,
            error=record.error,
            memory_mb=record.memory_mb,
        )
        task.attempts.append(attempt)
        if record.state is AttemptState.FAILED:
            task.failed_on.add(attempt.hostname)
        task.failures = max(task.failures, record.failures)
        task.losses = max(task.losses, record.losses)
        task.silences = max(task.silences, record.silences)
        if record.won:
            task.winner = attempt
        if record.state is AttemptState.RUNNING and not record.waited_for:
            task.running = (*task.running, attempt)
        return attempt


@dataclass(slots=True, eq=False)
class TaskInProgress:
    """The JobTracker's record of one map, one reduce, or one free task."""

    job_id: str
    kind: TaskKind
    index: int
    split: Split | None = None
    hosts: tuple[HostName, ...] = field(init=False)
    """The hosts that store its split. The names are interned: every split brings its own strings,
    and in a large cluster most of a choice's time goes into reading them from memory.
    """
    fresh: bool = False
    """Whether it waits and never failed. PendingTasks keeps this here to save a look-up."""
    queues: tuple[HostTasks, ...] = ()
    """The queues by host that PendingTasks put it in."""
    state: TaskState = TaskState.PENDING
    attempts: list[TaskAttempt] = field(default_factory=list)
    running: tuple[TaskAttempt, ...] = ()
    """The attempts that may still win, the oldest first. Once an attempt has won, the others no
    longer count here. They run on in their slots until their end is reported.
    """
    winner: TaskAttempt | None = None
    next_number: int = 0
    failures: int = 0
    losses: int = 0
    silences: int = 0
    """How often a TaskTracker was given up as silent while it ran this task (silence.py)."""
    failed_on: set[HostName] = field(default_factory=set)
    """The hosts where an attempt failed."""
    pending_since: float = 0.0
    story: list[str] = field(default_factory=list)
    notes: ChangeListener = NOBODY
    counts: dict[TaskState, int] | None = None
    """How many tasks of its TaskSet are in each state. None if it is in no set."""
    key: int = 0
    """The number of a free task in its queue."""
    free: FreeTask | None = None
    """The call that a free task runs. None once the task is over."""

    def __post_init__(self) -> None:
        hosts = () if self.split is None else self.split.hosts
        self.hosts = tuple([HostName(intern(host)) for host in dict.fromkeys(hosts)])

    @property
    def id(self) -> str:
        """`task_…_m_000003`."""
        return ids.task_id(self.job_id, self.kind, self.index)

    def start(
        self,
        slot_id: SlotId,
        tracker: Tracker,
        locality: Locality,
        now: float,
        memory_mb: int = 0,
    ) -> TaskAttempt:
        """Begin a new attempt. It is a backup if another attempt runs."""
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
            sandbox=tracker.sandbox,
            memory_mb=memory_mb,
        )
        self.transition(TaskState.RUNNING, now, f"{name} on {tracker.hostname}, {slot_id}")
        self.attempts.append(attempt)
        if len(self.attempts) > ATTEMPTS_KEPT:
            del self.attempts[0]
        self.running = (*self.running, attempt)
        self.notes.attempt(attempt)
        return attempt

    def won(self, attempt: TaskAttempt, now: float) -> None:
        """A running attempt is the first to succeed."""
        self.transition(TaskState.SUCCEEDED, now, attempt.id)
        for each in self.running:  # we only wait for the end of the others
            self.notes.attempt(each)
        self.running, self.winner = (), attempt

    def lost(self, attempt: TaskAttempt, now: float, why: str) -> None:
        """A running attempt ended without success. If it was the only one, the task waits again."""
        others = tuple(a for a in self.running if a is not attempt)
        self.transition(
            TaskState.RUNNING if others else TaskState.PENDING, now, f"{attempt.id}: {why}"
        )
        self.running, self.pending_since = others, now

    def drop(self, now: float, why: str) -> None:
        """A free task gets no further attempt. We only wait for the end of its running attempts."""
        self.transition(TaskState.DROPPED, now, why)
        for each in self.running:
            self.notes.attempt(each)
        self.running = ()

    def withdraw(self, now: float, why: str) -> None:
        """The winner's output is gone. The task waits again."""
        self.transition(TaskState.PENDING, now, f"output withdrawn: {why}")
        if self.winner is not None:
            self.notes.attempt(self.winner)
        self.winner, self.pending_since = None, now

    def forget(self) -> None:
        """Its job is over. Drop the references that form cycles, so that its memory is freed at
        once, and not by a look for cyclic garbage: that stops all threads.
        """
        self.attempts, self.running, self.winner, self.queues = [], (), None, ()

    def wire(self, attempt: TaskAttempt) -> Attempt:
        """The attempt as the TaskTracker gets it."""
        task: MapTask | ReduceTask | FreeTask
        if self.split is not None:
            task = MapTask(self.split)
        else:
            task = ReduceTask(self.index) if self.free is None else self.free
        return Attempt(
            attempt_id=attempt.id,
            job_id=self.job_id,
            slot_id=attempt.slot_id,
            task=task,
            memory_mb=attempt.memory_mb,
        )

    def first_real_error(self) -> AttemptError | None:
        """The error to show for this task: the earliest that does not follow from another."""
        failed = [a for a in self.attempts if a.error is not None]
        failed.sort(key=lambda a: (a.error is not None and a.error.kind in _NOISE, a.end or 0.0))
        return failed[0].error if failed else None

    def transition(self, state: TaskState, now: float, why: str) -> None:
        """Change to `state`. Raises BadTransition if TASK_TRANSITIONS does not allow it."""
        story = self.story
        story.append(f"{now:.3f} {self.state} -> {state}: {why}")
        if len(story) > STORY_LINES:
            del story[0]
        TASK_TRANSITIONS.check(self, self.state, state, story)
        if self.counts is not None:
            self.counts[self.state] -= 1
            self.counts[state] += 1
        self.state = state
