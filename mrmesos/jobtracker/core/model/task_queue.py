"""TaskQueue: the JobTracker's live record of a queue of free tasks, and the ended queues.

The tasks themselves are in jobs, one job for each kind of demand (handlers/queues.py). So a queue
knows only the order of its tasks, and what became of them.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from mrmesos.jobtracker.core.messages.journal_records import FreeTaskRecord, QueueRecord
from mrmesos.jobtracker.core.model.task import TaskInProgress
from mrmesos.transitions import Transitions
from mrmesos.wire.queue import QueueSpec, QueueState, QueueStatus, TaskEnd, TaskSpec
from mrmesos.wire.task import AttemptError, AttemptState, FreeResult

if TYPE_CHECKING:
    from mrmesos.jobtracker.core.model.job import JobInProgress

QUEUE_TRANSITIONS = Transitions(
    "queue",
    {
        QueueState.OPEN: (QueueState.CLOSED, QueueState.STOPPING),
        QueueState.CLOSED: (QueueState.ENDED, QueueState.STOPPING),
        QueueState.STOPPING: (QueueState.KILLED,),
    },
)
Demanded = tuple[object, ...]
"""The properties of a task that decide which job of its queue holds it."""


class QueueListener(Protocol):
    """Hears which queues and free tasks have changed."""

    def queue(self, queue: TaskQueue) -> None:
        """The queue is new, or its state changed, or it has new tasks."""

    def free_task(self, queue: TaskQueue, queued: QueuedTask) -> None:
        """The task is new, or was dropped."""

    def task_over(self, queue: TaskQueue, key: int) -> None:
        """Nothing more happens to the task."""

    def task_end(self, queue: TaskQueue, end: TaskEnd) -> None:
        """The client must hear how a task ended."""

    def ends_taken(self, queue: TaskQueue, numbers: Iterable[int]) -> None:
        """The client has heard of these ends."""


@dataclass(slots=True, eq=False)
class QueuedTask:
    """A free task that is not over. `job_id` is the job that holds it."""

    spec: TaskSpec
    job_id: str
    task: TaskInProgress
    added: float
    waits: int = 0
    """How many tasks it waits for."""
    waiters: list[QueuedTask] = field(default_factory=list)
    """The tasks that wait for it."""
    dropped: bool = False
    """It gets no further attempt. `error` says why. If there is no `error`, it was cancelled."""
    error: AttemptError | None = None
    result: FreeResult | None = None

    @property
    def runs(self) -> bool:
        """Whether an attempt of it runs."""
        return any(attempt.state is AttemptState.RUNNING for attempt in self.task.attempts)

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled, so that its client need not hear how it ends."""
        return self.dropped and self.error is None

    def record(self, queue_id: str) -> FreeTaskRecord:
        """As the journal has it."""
        return FreeTaskRecord(
            queue_id=queue_id,
            spec=self.spec,
            job_id=self.job_id,
            index=self.task.index,
            added=self.added,
            dropped=self.dropped,
            error=self.error,
        )


@dataclass(slots=True, eq=False)
class TaskQueue:
    """A queue that has not ended. Only handlers/queues.py, and restore_queues.py, change it."""

    id: str
    spec: QueueSpec
    token: str
    submitted: float
    notes: QueueListener
    key: str = ""
    state: QueueState = QueueState.OPEN
    highest: int = -1
    """The highest key of its tasks so far."""
    words: str = ""
    """Why it is killed."""
    heard: float = 0.0
    """When its client last asked anything."""
    tasks: dict[int, QueuedTask] = field(default_factory=dict)
    """The tasks that are not over, by key."""
    ends: OrderedDict[int, TaskEnd] = field(default_factory=OrderedDict)
    """The ends that the client has not taken, by number."""
    failed: dict[int, str] = field(default_factory=dict)
    """The failed tasks among them: their names by key."""
    number: int = 0
    """The number of the last end."""
    unread: int = 0
    """The size of `ends`."""
    cancelled: int = 0
    """How many of `tasks` were cancelled. Each still has an attempt that must end."""
    jobs: dict[str, bool] = field(default_factory=dict)
    """Its jobs that have not ended. True: its tasks fail if no agent could run them."""
    known_jobs: dict[str, None] = field(default_factory=dict)
    """Its jobs, also those that have ended."""
    by_demand: dict[Demanded, str] = field(default_factory=dict)
    """The job that takes the next task of a demand."""
    _deadlines: list[tuple[float, int]] = field(default_factory=list)

    def transition(self, state: QueueState) -> None:
        """Change to `state`. Raises BadTransition if QUEUE_TRANSITIONS does not allow it."""
        QUEUE_TRANSITIONS.check(self, self.state, state)
        self.state = state
        self.notes.queue(self)

    def add_job(self, job_id: str, *, strict: bool) -> None:
        """A job of it that has not ended. `strict`: the value in `jobs`."""
        self.jobs[job_id] = strict
        self.known_jobs[job_id] = None

    def of_job(self, job: JobInProgress) -> list[QueuedTask]:
        """The tasks of one of its jobs that are not over. A job has far fewer than a queue."""
        return [self.tasks[task.key] for task in job.maps.tasks if task.key in self.tasks]

    def enter(self, queued: QueuedTask) -> None:
        """Add a task, and find what it waits for. Its `after` are known not to have failed."""
        spec = queued.spec
        self.tasks[spec.key] = queued
        self.cancelled += queued.cancelled
        if spec.deadline:
            heapq.heappush(self._deadlines, (queued.added + spec.deadline, spec.key))
        for key in {*spec.after, *spec.behind}:
            if (other := self.tasks.get(key)) is not None and other is not queued:
                other.waiters.append(queued)
                queued.waits += 1

    def drop(self, queued: QueuedTask, error: AttemptError | None) -> None:
        """A task gets no further attempt. `error`: why. None if it is cancelled."""
        self.cancelled -= queued.cancelled
        queued.dropped, queued.error = True, error
        self.cancelled += queued.cancelled

    def leave(self, queued: QueuedTask) -> None:
        """A task is over."""
        del self.tasks[queued.spec.key]
        self.cancelled -= queued.cancelled

    def failed_before(self, keys: Iterable[int]) -> str:
        """The name of the first of these tasks that has failed. Empty if none has."""
        return next((self.failed[key] for key in keys if key in self.failed), "")

    def keep(self, end: TaskEnd, name: str) -> None:
        """Keep an end until the client has taken it."""
        self.ends[end.number] = end
        self.unread += end.size
        if end.error is not None:
            self.failed[end.key] = name

    def take(self, number: int) -> list[int]:
        """The client has the ends up to this number. Returns the numbers of those forgotten now."""
        taken: list[int] = []
        while self.ends and (first := next(iter(self.ends))) <= number:
            end = self.ends.pop(first)
            self.unread -= end.size
            self.failed.pop(end.key, None)
            taken.append(first)
        return taken

    def overdue(self, now: float) -> Iterable[QueuedTask]:
        """The tasks whose deadline has come."""
        while self._deadlines and self._deadlines[0][0] <= now:
            queued = self.tasks.get(heapq.heappop(self._deadlines)[1])
            if queued is not None:
                yield queued

    def record(self) -> QueueRecord:
        """As the journal has it."""
        return QueueRecord(
            id=self.id,
            spec=self.spec,
            token=self.token,
            key=self.key,
            submitted=self.submitted,
            state=self.state,
            highest=self.highest,
            words=self.words,
        )

    def validate(self, jobs: Collection[str]) -> None:
        """Check the invariants, between two events. Raises AssertionError."""
        assert not self.state.ended, self.id
        assert self.jobs.keys() <= set(jobs), self.id
        assert self.unread == sum(end.size for end in self.ends.values()), self.id
        assert set(self.failed) == {e.key for e in self.ends.values() if e.error}, self.id
        assert set(self.by_demand.values()) <= self.jobs.keys(), self.id
        assert self.cancelled == sum(one.cancelled for one in self.tasks.values()), self.id
        waits = dict.fromkeys(self.tasks, 0)
        for key, queued in self.tasks.items():
            assert queued.spec.key == key <= self.highest, (self.id, key)
            assert queued.job_id in self.jobs, queued.task.story
            assert not queued.dropped or queued.runs, f"{queued.task.id} is over"
            for waiter in queued.waiters:
                if waiter.spec.key in waits:
                    waits[waiter.spec.key] += 1
        for key, queued in self.tasks.items():
            assert queued.dropped or queued.waits == waits[key], queued.task.story
            waiting = queued.task.state.value == "WAITING"
            assert queued.dropped or waiting == bool(queued.waits), queued.task.story


@dataclass(slots=True)
class Queues:
    """All queues. Written by handlers/queues.py; `ended_jobs` by handlers/jobs.py."""

    live: dict[str, TaskQueue] = field(default_factory=dict)
    ended_jobs: list[JobInProgress] = field(default_factory=list)
    """Jobs of queues that ended in this event."""
    news: dict[str, None] = field(default_factory=dict)
    """Queues that have ends which the client may not know."""
    ended: OrderedDict[str, QueueStatus] = field(default_factory=OrderedDict)

    def of(self, queue_id: str, key: int) -> tuple[TaskQueue, QueuedTask] | None:
        """A queue and its task, if that is not over."""
        queue = self.live.get(queue_id)
        queued = None if queue is None else queue.tasks.get(key)
        return None if queue is None or queued is None else (queue, queued)

    def keep(self, status: QueueStatus, most: int) -> list[str]:
        """Keep an ended queue. Forgets the oldest if there are more than `most`; returns those."""
        self.ended[status.queue_id] = status
        return [self.ended.popitem(last=False)[0] for _ in range(len(self.ended) - most)]
