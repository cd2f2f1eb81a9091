"""JobInProgress: the JobTracker's live record of a job."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mrmesos.api.context import add_counters
from mrmesos.api.split import InputTable, Split
from mrmesos.bounds import bounded
from mrmesos.jobtracker.core.messages.journal_records import JobRecord
from mrmesos.jobtracker.core.model.job_parts import (
    FetchTrouble,
    JobCounters,
    JobEnding,
    JobHosts,
    JobWaits,
    KnownOutputs,
    TaskSet,
)
from mrmesos.jobtracker.core.model.listeners import NOBODY, ChangeListener, JobListener
from mrmesos.jobtracker.core.model.pending_tasks import PendingTasks
from mrmesos.jobtracker.core.model.settings import JobSettings
from mrmesos.jobtracker.core.model.task import TaskAttempt, TaskInProgress, TaskState
from mrmesos.transitions import Transitions
from mrmesos.wire.ids import SETS, TaskKind
from mrmesos.wire.job import JobSpec, JobState
from mrmesos.wire.task import FreeTask

if TYPE_CHECKING:
    from mrmesos.jobtracker.core.model.agent import Agent

JOB_COUNTERS = "job"
"""The group of the counters that the JobTracker itself keeps for a job."""

JOB_TRANSITIONS = Transitions(
    "job",
    {
        JobState.PREP: (JobState.RUNNING, JobState.ABORTING, JobState.FAILED),
        JobState.RUNNING: (JobState.COMMITTING, JobState.ABORTING),
        JobState.COMMITTING: (JobState.ABORTING, JobState.SUCCEEDED),
        JobState.ABORTING: (JobState.FAILED, JobState.KILLED),
    },
)


@dataclass(slots=True, eq=False)
class JobInProgress:
    """A job that has not ended. Only `transition`, called by the handlers, changes its state."""

    id: str
    spec: JobSpec
    token: str
    settings: JobSettings
    submitted: float
    index: JobListener
    notes: ChangeListener = NOBODY
    key: str = ""
    """The client's key. A client that submits again sends the same key."""
    state: JobState = JobState.PREP
    started: float | None = None
    planning: bool = True
    """PlanJob was emitted, and is not answered yet."""
    tables: tuple[InputTable, ...] = ()
    """The columns of its inputs, if planning has decided them."""
    maps: TaskSet = field(default_factory=TaskSet)
    reduces: TaskSet = field(default_factory=TaskSet)
    maps_for_reduces: int = 0
    """How many maps must be done before reduces start."""
    running: dict[str, TaskAttempt] = field(default_factory=dict)
    running_reduces: dict[str, TaskAttempt] = field(default_factory=dict)
    """The reduces of `running`."""
    backups: int = 0
    """The number of running backup attempts."""
    counters: JobCounters = field(default_factory=JobCounters)
    outputs: KnownOutputs = field(default_factory=KnownOutputs)
    fetch: FetchTrouble = field(default_factory=FetchTrouble)
    hosts: JobHosts = field(default_factory=JobHosts)
    waits: JobWaits = field(default_factory=JobWaits)
    ending: JobEnding = field(default_factory=JobEnding)
    blocked: str = ""
    """The global resource that its maps wait for, or `paused`. Written by global_resources.py."""
    paused: str = ""
    """Why its queue starts no task now. Written by handlers/queues.py, as is `closed`."""
    closed: bool = False
    """It gets no further free tasks."""

    def transition(self, state: JobState) -> None:
        """Change to `state`. Raises BadTransition if JOB_TRANSITIONS does not allow it."""
        JOB_TRANSITIONS.check(self, self.state, state)
        self.state = state
        if state is JobState.RUNNING:
            self.index.shared.enter(self)
            self.index.add(self)
        else:
            self.index.shared.leave(self)
            self.index.remove(self)
            for kind in SETS:
                self.drop_candidates(kind)
        self.notes.job(self)

    def plan(self, splits: Sequence[Split], tables: tuple[InputTable, ...] = ()) -> None:
        """Make a map for each split, and the reduces."""
        self.tables = tables
        maps = [
            TaskInProgress(
                self.id, TaskKind.MAP, i, split, pending_since=self.submitted, notes=self.notes
            )
            for i, split in enumerate(splits)
        ]
        reduces = [
            TaskInProgress(
                self.id, TaskKind.REDUCE, i, pending_since=self.submitted, notes=self.notes
            )
            for i in range(self.spec.num_reducers)
        ]
        self.maps = TaskSet(maps, PendingTasks(maps))
        self.reduces = TaskSet(reduces, PendingTasks(reduces))
        self.maps_for_reduces = math.ceil(self.settings.slowstart * len(maps))

    def add_free(self, key: int, free: FreeTask | None, now: float) -> TaskInProgress:
        """One more free task. It waits for other tasks until `ready` is called."""
        task = TaskInProgress(
            self.id,
            TaskKind.FREE,
            len(self.maps.tasks),
            state=TaskState.WAITING,
            pending_since=now,
            notes=self.notes,
            key=key,
            free=free,
        )
        self.maps.add(task)
        return task

    def ready(self, task: TaskInProgress, now: float) -> None:
        """A free task waits for no other task any more."""
        task.transition(TaskState.PENDING, now, "waits for no other task")
        task.pending_since = now
        if task.failed_on:  # before a restart
            self.maps.pending.put_back(task)
        else:
            self.maps.pending.add(task)
        self.index.touch(self)

    def drop(self, task: TaskInProgress, now: float, why: str) -> None:
        """A free task failed, or was cancelled."""
        if task.state is TaskState.PENDING:
            self.maps.pending.remove(task)
        task.drop(now, why)
        self.index.touch(self)
        self.index.no_backup(task)

    @property
    def first_kind(self) -> TaskKind:
        """The kind of its first set of tasks."""
        return TaskKind.FREE if self.spec.queue else TaskKind.MAP

    @property
    def planned(self) -> bool:
        """Whether its tasks are known. Then its output directory was made, too."""
        return not self.planning and bool(self.maps.tasks or self.reduces.tasks)

    def of(self, kind: TaskKind) -> TaskSet:
        """Its maps (or free tasks) or its reduces."""
        return self.reduces if kind is TaskKind.REDUCE else self.maps

    @property
    def wants_map(self) -> bool:
        """Whether a map waits and may run now."""
        return self.state is JobState.RUNNING and len(self.maps.pending) > 0 and not self.blocked

    @property
    def wants_reduce(self) -> bool:
        """Whether a reduce waits and may run now (job.reduce.slowstart.completedmaps)."""
        return (
            bool(self.reduces.tasks)
            and self.maps.done >= self.maps_for_reduces
            and self.state is JobState.RUNNING
            and len(self.reduces.pending) > 0
            and not self.waits.reduces_blocked
            and not (self.waits.maps_first and (len(self.maps.pending) > 0 or self.unheard_maps))
            and (not len(self.maps.pending) or self._in_ratio)
        )

    @property
    def unheard_maps(self) -> bool:
        """Whether a map runs only on silent TaskTrackers and wants another attempt (silence.py)."""
        return self.index.has_unheard_maps(self)

    @property
    def _in_ratio(self) -> bool:
        """Whether the map/reduce ratio allows one more reduce."""
        reduces = len(self.running_reduces)
        return (reduces + 1) * self.settings.ratio <= len(self.running) - reduces

    def fits(self, kind: TaskKind, agent: Agent) -> bool:
        """Whether an agent has ever offered enough for a task of this kind and a TaskTracker."""
        need = self.settings.need(kind)
        return all(agent.offered_room.get(name, 0) >= amount for name, amount in need.items())

    def suits(self, agent: Agent) -> bool:
        """Whether its tasks may run on an agent at all, ignoring what is free there."""
        return agent.hostname not in self.hosts.shunned and self.settings.demand.suits(agent)

    @property
    def has_work(self) -> bool:
        """Whether a task waits and may run now."""
        return self.wants_map or self.wants_reduce

    @property
    def complete(self) -> bool:
        """Whether every task that writes the job's output has a winner. A job of free tasks also
        needs to be closed.
        """
        if self.spec.queue:
            return self.closed and self.maps.done + self.maps.dropped == len(self.maps.tasks)
        if self.reduces.tasks:
            return self.reduces.done == len(self.reduces.tasks)
        return self.maps.done == len(self.maps.tasks)

    @property
    def needs_map_outputs(self) -> bool:
        """Whether a reduce may still read map outputs."""
        return self.state is JobState.RUNNING and self.reduces.done < len(self.reduces.tasks)

    @property
    def fetching(self) -> bool:
        """Whether a reduce still has to fetch map outputs, as far as we know."""
        running = self.running_reduces.values()
        return len(self.reduces.pending) > 0 or any(
            not attempt.fetched and attempt in attempt.task.running for attempt in running
        )

    def count(self, name: str, amount: int = 1) -> None:
        """Add to one of the job's own counters."""
        own = self.counters.own
        own[name] = bounded(own.get(name, 0) + amount)

    def task_won(self, attempt: TaskAttempt, now: float) -> None:
        """An attempt is the first of its task to succeed."""
        attempt.task.won(attempt, now)
        self.index.touch(self)
        self.index.no_backup(attempt.task)
        beyond = add_counters(self.counters.won, attempt.counters)
        self.counters.beyond = self.counters.beyond or beyond
        if attempt.task.kind is not TaskKind.REDUCE:
            self.maps.over = now if self.maps.done == len(self.maps.tasks) else None

    def task_back(self, attempt: TaskAttempt, now: float, why: str) -> None:
        """An attempt ended without success. Its task waits again, unless another attempt runs.

        An attempt that no longer counts (another attempt has won, or it was written off) changes
        nothing here.
        """
        task = attempt.task
        if attempt not in task.running:
            return
        task.lost(attempt, now, why)
        self.index.touch(self)
        self.index.no_backup(task)
        if not task.running:
            self.of(task.kind).pending.put_back(task)

    def withdraw_map(self, task: TaskInProgress, now: float, why: str, *, urgent: bool) -> None:
        """A finished map's output is gone. Tell the reduces, and let the map wait again."""
        winner = task.winner
        if winner is None:
            raise AssertionError(f"{task.id} has no output to withdraw")
        task.withdraw(now, why)
        task.losses += 1
        self.maps.over = None
        self.index.touch(self)
        add_counters(
            self.counters.won,
            {g: {n: -v for n, v in names.items()} for g, names in winner.counters.items()},
        )
        self.fetch.complaints.pop(winner.id, None)
        for failing in self.fetch.failing.values():
            failing.pop(winner.id, None)
        self.maps.pending.put_back(task, urgent=urgent)
        self.outputs.withdraw(winner)
        self.notes.outputs(self)

    @property
    def writers(self) -> dict[str, TaskAttempt]:
        """The running attempts that write the job's output."""
        return self.running_reduces if self.reduces.tasks else self.running

    def winners(self) -> tuple[str, ...]:
        """The attempts whose files are part of the job's output. A map that skipped bad records is
        one of them, because it wrote those records to a file.
        """
        tasks = self.reduces.tasks or self.maps.tasks
        kept_aside = [
            t.winner.id
            for t in (self.maps.tasks if self.reduces.tasks else ())
            if t.winner is not None and t.winner.counters.get("task", {}).get("SKIPPED_RECORDS")
        ]
        return (*(t.winner.id for t in tasks if t.winner is not None), *kept_aside)

    @property
    def running_maps(self) -> int:
        """The number of running map attempts."""
        return len(self.running) - len(self.running_reduces)

    @property
    def backups_max(self) -> int:
        """Most backup attempts that may run at once."""
        share = math.ceil(self.settings.speculative_share * len(self.running))
        return max(self.settings.speculative_least, share)

    def drop_candidates(self, kind: TaskKind) -> None:
        """Forget which tasks were found slow."""
        pace = self.of(kind).pace
        for task in pace.candidates:
            self.index.drop_backup(task)
        pace.candidates.clear()

    def add_running(self, attempt: TaskAttempt) -> None:
        """Add an attempt that runs. It may already have been told to end."""
        self.index.touch(self)
        if shared := self.settings.shared(attempt.task.kind):
            self.index.shared.take(shared)
        self.running[attempt.id] = attempt
        self.backups += attempt.backup
        self.index.no_backup(attempt.task)
        if attempt.task.kind is TaskKind.REDUCE:
            self.running_reduces[attempt.id] = attempt

    def drop_running(self, attempt: TaskAttempt) -> None:
        """An attempt ended, in any state."""
        del self.running[attempt.id]
        if shared := self.settings.shared(attempt.task.kind):
            self.index.shared.give(shared)
        self.backups -= attempt.backup
        self.index.touch(self)
        self.running_reduces.pop(attempt.id, None)
        self.fetch.failing.pop(attempt.id, None)

    def record(self) -> JobRecord:
        """Its record for the journal."""
        return JobRecord(
            id=self.id,
            spec=self.spec,
            token=self.token,
            key=self.key,
            submitted=self.submitted,
            state=self.state,
            started=self.started,
            error=self.ending.error,
            killed_by=self.ending.killed_by,
        )

    def validate(self) -> None:
        """Check the invariants."""
        self.maps.validate(self.running)
        self.reduces.validate(self.running)
        reduces = {a.id for a in self.running.values() if a.task.kind is TaskKind.REDUCE}
        assert set(self.running_reduces) == reduces, self.id
        assert self.backups == sum(a.backup for a in self.running.values()), self.id
        assert self.fetch.failing.keys() <= self.running_reduces.keys(), self.id
        assert sum(self.outputs.on_host.values()) == len(self.outputs.by_map), self.id
        if self.needs_map_outputs:
            assert set(self.outputs.by_map) == {
                t.index for t in self.maps.tasks if t.state is TaskState.SUCCEEDED
            }, self.id
