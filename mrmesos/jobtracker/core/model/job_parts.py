"""The parts of a JobInProgress, one for each subject. Each says which modules write it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from mrmesos.api.context import Counters
from mrmesos.jobtracker.core.model.pending_tasks import PendingTasks
from mrmesos.jobtracker.core.model.task import TaskAttempt, TaskInProgress, TaskState
from mrmesos.wire.ids import HostName, TrackerId
from mrmesos.wire.task import AttemptError, MapOutput


@dataclass(slots=True, eq=False)
class Pace:
    """The pace of a job's maps or reduces, measured on the attempts that won (speculation.py)."""

    count: int = 0
    seconds: float = 0.0
    rates: float = 0.0
    """Sum of the progress rates (1/s) of these attempts; `squares` is the sum of their squares."""
    squares: float = 0.0
    review_at: float = 0.0
    """When to look at the running attempts again. `reviewed` is when we looked last."""
    reviewed: float = 0.0
    wants_news: bool = True
    """Whether that look lacked the progress of an attempt. So the next progress brings a look."""
    candidates: list[TaskInProgress] = field(default_factory=list)
    """The tasks that the last review found slow."""

    def add(self, seconds: float) -> None:
        """An attempt won after this many seconds."""
        self.count += 1
        self.seconds += seconds
        self.rates += 1 / seconds
        self.squares += 1 / seconds**2


@dataclass(slots=True, eq=False)
class TaskSet:
    """All tasks of one kind. Written by JobInProgress and restore.py; `pace` by
    policies/speculation.py.
    """

    tasks: list[TaskInProgress] = field(default_factory=list)
    pending: PendingTasks = field(default_factory=lambda: PendingTasks(()))
    """The tasks that wait."""
    counts: dict[TaskState, int] = field(default_factory=lambda: dict.fromkeys(TaskState, 0))
    """How many of them are in each state. The tasks' own transitions write it."""
    over: float | None = None
    """When the last one was done. None while any is not done."""
    pace: Pace = field(default_factory=Pace)

    def __post_init__(self) -> None:
        for task in self.tasks:
            self._count(task)

    def _count(self, task: TaskInProgress) -> None:
        task.counts = self.counts
        self.counts[task.state] += 1

    def add(self, task: TaskInProgress) -> None:
        """One more task, which does not wait in `pending` yet."""
        self.tasks.append(task)
        self._count(task)

    @property
    def done(self) -> int:
        """The number of tasks with a winner."""
        return self.counts[TaskState.SUCCEEDED]

    @property
    def dropped(self) -> int:
        """How many free tasks failed or were cancelled."""
        return self.counts[TaskState.DROPPED]

    @property
    def waiting(self) -> int:
        """How many free tasks wait for other tasks."""
        return self.counts[TaskState.WAITING]

    def validate(self, running: Mapping[str, TaskAttempt]) -> None:
        """Check the invariants. `running` are the job's attempts that run, by id."""
        tasks, pending = self.tasks, self.pending
        counts = Counter(task.state for task in tasks)
        assert counts == Counter(self.counts), (self.counts, counts)
        assert len(pending) == counts[TaskState.PENDING]
        for task in tasks:
            assert (task in pending) == (task.state is TaskState.PENDING), task.story
            assert (task.winner is not None) == (task.state is TaskState.SUCCEEDED), task.story
            assert bool(task.running) == (task.state is TaskState.RUNNING), task.story
            assert len({a.hostname for a in task.running}) == len(task.running), task.story
            for attempt in task.running:
                assert running.get(attempt.id) is attempt, task.story


@dataclass(slots=True, eq=False)
class JobCounters:
    """A job's counters. Written by JobInProgress, and by restore.py."""

    won: Counters = field(default_factory=dict)
    """The sums over the attempts that won."""
    own: dict[str, int] = field(default_factory=dict)
    """The JobTracker's own counters."""
    beyond: str = ""
    """A counter whose total does not fit into 64 bits, as `group: name`."""


@dataclass(slots=True, eq=False)
class KnownOutputs:
    """The hosts of the map outputs. Written by JobInProgress, handlers/attempts.py and
    restore.py.
    """

    by_map: dict[int, MapOutput] = field(default_factory=dict)
    on_host: dict[HostName, int] = field(default_factory=dict)
    """How many of `by_map` each host has."""
    news: list[MapOutput] = field(default_factory=list)
    """The news for reduces, in order. Each TaskTracker has a cursor into it."""
    told: float = 0.0
    """When the news was last sent (policies/output_news.py)."""
    absent: set[int] = field(default_factory=set)
    """Maps whose output was lost after all reduces had fetched it."""

    def add(self, winner: TaskAttempt, url: str) -> MapOutput:
        """A map's output is on the winner's host."""
        index, host = winner.task.index, winner.hostname
        output = self.by_map[index] = MapOutput(map_index=index, attempt_id=winner.id, url=url)
        self.on_host[host] = self.on_host.get(host, 0) + 1
        return output

    def withdraw(self, winner: TaskAttempt) -> None:
        """A map's output is gone. Reduces that heard of this output must hear of its loss."""
        index, host = winner.task.index, winner.hostname
        self.absent.discard(index)
        if self.by_map.pop(index, None) is None:
            return
        self.on_host[host] -= 1
        if not self.on_host[host]:
            del self.on_host[host]
        self.news.append(MapOutput(map_index=index, attempt_id="", url=""))


@dataclass(slots=True, eq=False)
class FetchTrouble:
    """Map outputs that reduces could not fetch. Written by handlers/fetch_failures.py.
    JobInProgress removes attempts that ended.
    """

    complaints: dict[str, dict[int, set[HostName]]] = field(default_factory=dict)
    """By map attempt: the reduces that could not fetch its output, each with its hosts."""
    failing: dict[str, dict[str, float]] = field(default_factory=dict)
    """By running reduce attempt: the map attempts whose output it cannot fetch, and since when."""
    blamed: dict[HostName, dict[int, HostName]] = field(default_factory=dict)
    """By reading host: the maps that ran again because only this host found their output damaged,
    each with the host that had the output.
    """
    made_again: set[int] = field(default_factory=set)
    """Maps that ran again because only one host could not fetch their output for long."""
    moves: dict[int, int] = field(default_factory=dict)
    """How often each reduce moved because it could not fetch."""


@dataclass(slots=True, eq=False)
class JobHosts:
    """A job's own knowledge of hosts. `failures` is written by policies/host_faults.py, `shunned`
    by the index on its behalf, and `trackers` by policies/dispatch.py; restore.py fills them.
    """

    failures: dict[HostName, int] = field(default_factory=dict)
    """The number of failed attempts, by host."""
    shunned: dict[HostName, None] = field(default_factory=dict)
    """Hosts that the job avoids, the oldest first."""
    trackers: set[TrackerId] = field(default_factory=set)
    """The TaskTrackers that were given an attempt of the job."""


@dataclass(slots=True, eq=False)
class JobWaits:
    """Why and since when a job waits. Written by handlers/deadlines.py and handlers/jobs.py. The
    start of an attempt (policies/dispatch.py) resets it.
    """

    stuck_since: float | None = None
    """Since when its reduces run, its maps wait, and none of its maps runs."""
    maps_first: bool = False
    """Reduces were killed to make room for maps. No reduce starts before a map has started."""
    reduces_blocked: str = ""
    """The global resource that its reduces wait for. Written by model/global_resources.py."""
    idle_since: float | None = None
    """Since when tasks wait and none runs."""
    too_large_since: float | None = None
    """Since when tasks wait whose memory was raised to more than any agent has."""
    words: str = ""
    """The reason, for people."""


@dataclass(slots=True, eq=False)
class JobEnding:
    """How a job ends. Written by handlers/jobs.py; restore.py fills it."""

    error: AttemptError | None = None
    killed_by: str = ""
    since: float = 0.0
    """When it began to commit or abort. Both first wait for the attempts that write its output."""
    asked: bool = False
    """CommitJob or AbortJob was emitted."""
    ended: float | None = None
