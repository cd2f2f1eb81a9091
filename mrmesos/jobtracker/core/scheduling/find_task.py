"""findTask: the next attempt for an agent with free resources, or none.

Comes in: an agent, and what fits there. Goes out: Found, NotYet or Nothing. It changes only what
jobs remember of chances that they passed over. docs/scheduling.md describes the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from itertools import islice

from msgspec import Struct

from mrmesos.jobtracker.core.model.agent import Agent
from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.model.pending_tasks import LOOK_AT
from mrmesos.jobtracker.core.model.task import TaskInProgress
from mrmesos.jobtracker.core.model.tracker import Tracker
from mrmesos.jobtracker.core.scheduling import output_placement
from mrmesos.jobtracker.core.scheduling.delay_scheduling import ANY, RACK
from mrmesos.jobtracker.core.scheduling.eligibility import (
    barred,
    may_back_up,
    may_replace,
    on_trial,
)
from mrmesos.jobtracker.core.scheduling.job_entry import JobEntry, Shape
from mrmesos.jobtracker.core.scheduling.job_index import JobIndex
from mrmesos.jobtracker.core.scheduling.job_set import EVERY_JOB, NO_JOBS, JobSet
from mrmesos.jobtracker.core.scheduling.quick_answer import all_wait, differs, map_needs
from mrmesos.resources import Amounts
from mrmesos.wire.ids import HostName, TaskKind
from mrmesos.wire.task import Locality

SPREAD_SECONDS = 0.5
"""A job's reduces pass over agents that already run their share of them, for this long in all."""


class Found(Struct, frozen=True):
    """A task to start here."""

    job: JobInProgress
    task: TaskInProgress
    locality: Locality


class NotYet(Struct, frozen=True):
    """A task would fit here, but it waits for a better agent."""


class Nothing(Struct, frozen=True):
    """No task that may run now fits here."""


Choice = Found | NotYet | Nothing
NOT_YET, NOTHING = NotYet(), Nothing()


def find_task(
    index: JobIndex,
    agent: Agent,
    tracker: Tracker | None,
    fits: Callable[[Amounts], bool],
    role: str = "*",
) -> Choice:
    """The next task for `agent`. `fits(need)` says whether a task with that need fits. `role` is
    the role that the free resources are offered to.

    Jobs are asked in the order of the index. A job that waits for locality lets later jobs pass.
    """
    if index.trials and tracker is not None and on_trial(tracker):
        return NOTHING
    if not index.has_work:
        return NOTHING
    if all_wait(index) and not differs(index, agent):
        return NOT_YET if any(map(fits, map_needs(index))) else NOTHING
    return _Search(index, agent, tracker, fits, role).run()


def find_for(
    index: JobIndex,
    agent: Agent,
    fits: Callable[[Amounts], bool],
    entry: JobEntry,
    kind: TaskKind,
) -> Found | None:
    """The result of `find_task` if only tasks of this kind of this job waited, and none of its
    conditions on agents and sizes kept them off. This begins no wait. Valid after `flush`.
    """
    crowded_since = entry.crowded_since
    found = _Search(index, agent, agent.tracker, fits, agent.role).only(entry, kind)
    entry.crowded_since = crowded_since
    return found


class _Search:
    """The state of one choice."""

    __slots__ = (
        "_agent",
        "_barred",
        "_cluster",
        "_fits",
        "_index",
        "_later",
        "_role",
        "_sizes",
        "_tracker",
        "_waiting",
    )

    def __init__(
        self,
        index: JobIndex,
        agent: Agent,
        tracker: Tracker | None,
        fits: Callable[[Amounts], bool],
        role: str,
    ) -> None:
        self._index, self._cluster, self._role = index, index.cluster, role
        self._agent, self._tracker, self._fits = agent, tracker, fits
        self._sizes: dict[Shape, bool] = {}
        self._waiting = NO_JOBS  # jobs whose maps wait for a better agent
        self._barred = (
            NO_JOBS,
            NO_JOBS,
        )  # jobs whose maps, and jobs whose reduces, may not run here
        self._later = False  # whether a task must first be tried on other agents

    def run(self) -> Choice:
        while True:
            choice = self._choose()
            passed = self._passing_over(choice)
            if not passed or not self._index.pass_over(self._those_that_fit(passed)):
                break
            self._index.flush()
        if self._index.unheard and (instead := self._unheard(choice)) is not None:
            return instead
        if choice is not None:
            return choice
        if self._later or self._any_fits(self._waiting):
            return NOT_YET
        return self._backup() if self._index.backups else NOTHING

    def only(self, entry: JobEntry, kind: TaskKind) -> Found | None:
        """The choice among the tasks of one kind of one job."""
        return self._map(entry) if kind is TaskKind.MAP else self._reduce(entry)

    def _passing_over(self, choice: Found | None) -> JobSet:
        """The jobs that come before the chosen one and pass this agent over. A job whose wait
        already runs is left out, unless that wait counts chances.
        """
        index = self._index
        wait = index.clocked ^ index.counting if index.counting else index.clocked
        passing = self._waiting & ~wait
        if not passing or choice is None:
            return passing
        return passing & index.order.before(index.entries[choice.job.id].rank)

    def _choose(self) -> Found | None:
        """The first job's task that may start here, ignoring backups."""
        index, agent = self._index, self._agent
        here = index.stored_on(agent)
        if index.rack_level and agent.rack:
            here |= index.rack_level & index.racks.get(agent.rack, NO_JOBS)
        maps_barred, reduces_barred = barred(index, agent, self._role)
        if self._cluster.reach.until > index.now:
            maps_cut, reduces_cut = output_placement.barred(index, agent)
            maps_barred, reduces_barred = maps_barred | maps_cut, reduces_barred | reduces_cut
        self._barred = maps_barred, reduces_barred
        wanting, reduces = index.maps, index.reduces
        if maps_barred | reduces_barred:
            wanting, reduces = wanting & ~maps_barred, reduces & ~reduces_barred
        # With many jobs these sets are long integers, so each operation counts. Most are empty.
        if anywhere := index.any_level | index.loose | index.retries:
            here |= anywhere
        maps = wanting & here
        self._waiting = wanting ^ maps
        while candidates := (maps | reduces if reduces else maps):
            bit = index.order.first(candidates)
            entry = index.entry_of(bit)
            wants_map, wants_reduce = maps & bit, reduces & bit
            if wants_map and not self._has_room(entry.map_shape):
                maps &= ~entry.map_shape.maps
                wants_map = NO_JOBS
            if wants_reduce and not self._has_room(entry.reduce_shape):
                reduces &= ~entry.reduce_shape.reduces
                wants_reduce = NO_JOBS
            if not wants_map and not wants_reduce:
                continue
            found = self._of_job(entry, wants_map, wants_reduce)
            if found is not None:
                return found
            if wants_map:
                maps ^= bit
                self._waiting |= bit
            reduces &= ~bit
        return None

    def _has_room(self, shape: Shape) -> bool:
        known = self._sizes.get(shape)
        if known is None:
            known = self._sizes[shape] = self._fits(shape.need)
        return known

    def _any_fits(self, jobs: JobSet) -> bool:
        shapes = self._index.shapes.values()
        return any(shape.maps & jobs and self._has_room(shape) for shape in shapes)

    def _those_that_fit(self, jobs: JobSet) -> JobSet:
        fit = NO_JOBS
        for shape in self._index.shapes.values():
            if shape.maps & jobs and self._has_room(shape):
                fit |= shape.maps
        return jobs & fit

    def _of_job(self, entry: JobEntry, wants_map: JobSet, wants_reduce: JobSet) -> Found | None:
        if wants_map and wants_reduce and self._turn_of_reduces(entry.job):
            return self._reduce(entry) or self._map(entry)
        found = self._map(entry) if wants_map else None
        return self._reduce(entry) if found is None and wants_reduce else found

    def _turn_of_reduces(self, job: JobInProgress) -> bool:
        """Whether a reduce goes next, by the map/reduce ratio of the attempts on this
        TaskTracker.
        """
        maps = reduces = 0
        for slot in self._tracker.slots.values() if self._tracker is not None else ():
            if slot.attempt is not None:
                if slot.attempt.task.kind is TaskKind.REDUCE:
                    reduces += 1
                else:
                    maps += 1
        return (reduces + 1) * job.settings.ratio <= maps

    def _map(self, entry: JobEntry) -> Found | None:
        index, agent, job = self._index, self._agent, entry.job
        pending, level = job.maps.pending, entry.clock.level
        if pending.retries:
            task = pending.retry_for(agent.hostname, self._others(job, TaskKind.MAP), index.now)
            if task is not None:
                return Found(job, task, self._locality(task))
            self._later = True
        for host in agent.hosts:
            if (task := pending.on_host(host)) is not None:
                return Found(job, task, Locality.NODE_LOCAL)
        if index.loose & entry.bit:
            task = pending.without_preference(index.usable(job))
            if task is not None:
                return Found(job, task, Locality.ANY)
            index.touch(job)
        if level >= RACK and (rack := self._cluster.racks.get(agent.rack)) is not None:
            task = pending.on_rack(agent.rack, rack.version, rack.hosts)
            if task is not None:
                return Found(job, task, Locality.RACK_LOCAL)
        if level == ANY and (task := pending.first()) is not None:
            return Found(job, task, self._locality(task))
        return None

    def _reduce(self, entry: JobEntry) -> Found | None:
        if self._crowded(entry):
            self._later = True
            return None
        job = entry.job
        pending = job.reduces.pending
        task = None
        if pending.retries:
            task = pending.retry_for(
                self._agent.hostname, self._others(job, TaskKind.REDUCE), self._index.now
            )
            self._later |= task is None
        if task is None:
            task = pending.first()
        return None if task is None else Found(job, task, Locality.ANY)

    def _crowded(self, entry: JobEntry) -> bool:
        """Whether this agent runs its share of the job's reduces while others may have room."""
        job, agents = entry.job, len(self._cluster.agents)
        if self._tracker is None or agents < 2 or len(job.reduces.tasks) < 2:
            return False
        mine = job.running_reduces
        here = sum(
            slot.attempt is not None and slot.attempt.id in mine
            for slot in self._tracker.slots.values()
        )
        if here * agents < len(job.reduces.tasks):
            return False
        if entry.crowded_since is None:
            entry.crowded_since = self._index.now
        return self._index.now - entry.crowded_since < SPREAD_SECONDS

    def _unheard(self, choice: Found | None) -> Found | None:
        """Another attempt of a task that runs on a silent TaskTracker, if it goes before `choice`.
        It goes first if its job comes first, or if the chosen reduce would wait for this map.
        """
        ahead, of, kind = EVERY_JOB, None, None
        if choice is not None:
            ahead = self._index.order.before(self._index.entries[choice.job.id].rank)
            of, kind = choice.job, choice.task.kind
        for task, job in islice(self._index.unheard.items(), LOOK_AT):
            entry = self._index.entries.get(job.id)
            if entry is None or entry.bit & self._barred[task.kind is TaskKind.REDUCE]:
                continue
            awaited = job is of and task.kind is TaskKind.MAP and kind is TaskKind.REDUCE
            if not (awaited or entry.bit & ahead):
                continue
            if self._fits(job.settings.need(task.kind)) and may_replace(job, task, self._agent):
                return Found(job, task, self._locality(task))
        return None

    def _backup(self) -> Choice:
        """A backup attempt of a slow task. Called when no waiting task can start here."""
        for task, job in islice(self._index.backups.items(), LOOK_AT):
            entry = self._index.entries.get(job.id)
            if entry is None or entry.bit & self._barred[task.kind is TaskKind.REDUCE]:
                continue
            fits = self._fits(job.settings.need(task.kind))
            if fits and may_back_up(job, task, self._agent):
                return Found(job, task, self._locality(task))
        return NOTHING

    def _others(self, job: JobInProgress, kind: TaskKind) -> Callable[[Set[HostName]], bool]:
        """A function that says whether a task of the job could run on an agent that is not on one
        of the given hosts.
        """
        now = self._index.now
        return lambda than: self._cluster.has_others(
            than,
            now,
            lambda agent: (
                job.fits(kind, agent)
                and job.suits(agent)
                and not output_placement.is_barred(self._cluster, job, kind, agent, now)
            ),
        )

    def _locality(self, task: TaskInProgress) -> Locality:
        hosts = task.split.hosts if task.split is not None else ()
        if any(host in hosts for host in self._agent.hosts):
            return Locality.NODE_LOCAL
        rack = self._cluster.racks.get(self._agent.rack)
        if rack is not None and any(host in rack.hosts for host in hosts):
            return Locality.RACK_LOCAL
        return Locality.ANY
