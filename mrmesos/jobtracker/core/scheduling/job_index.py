"""The index of waiting tasks: which jobs could start a map or a reduce on an agent.

A set of jobs is one integer with a bit for each job (job_set.py). So findTask does not look at
all jobs, but only at those that it starts or makes wait for the first time. A job says when it
changed (`touch`), and the index updates its sets before the next choice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from mrmesos.jobtracker.core.model.agent import Agent
from mrmesos.jobtracker.core.model.cluster import Cluster
from mrmesos.jobtracker.core.model.demand import ANYWHERE
from mrmesos.jobtracker.core.model.global_resources import GlobalResources
from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.model.pending_tasks import PendingTasks
from mrmesos.jobtracker.core.model.task import TaskInProgress
from mrmesos.jobtracker.core.scheduling.delay_scheduling import ANY, RACK, Chances, DelayClock
from mrmesos.jobtracker.core.scheduling.eligibility import Eligibility
from mrmesos.jobtracker.core.scheduling.job_entry import NOTHING_WAITS, Deadlines, JobEntry, Shapes
from mrmesos.jobtracker.core.scheduling.job_order import Order, Rank, cost
from mrmesos.jobtracker.core.scheduling.job_set import NO_JOBS, JobSet
from mrmesos.wire.ids import HostName, TaskKind
from mrmesos.wire.task import Locality

Where = TypeVar("Where", bound=str)


def _put(jobs: JobSet, bit: JobSet, inside: bool) -> JobSet:
    return jobs | bit if inside else jobs & ~bit


class JobIndex:
    """The running jobs. The bit sets are public for `find_task`, which reads them after `flush`."""

    def __init__(self, cluster: Cluster, order: Order) -> None:
        self.cluster = cluster
        self.chances = Chances()
        self.now = 0.0
        self.shapes: Shapes = {}
        self.order = order
        self.eligibility = Eligibility()
        self.backups: dict[TaskInProgress, JobInProgress] = {}
        """Slow tasks that want a backup attempt (speculation.py)."""
        self.unheard: dict[TaskInProgress, JobInProgress] = {}
        """Tasks that run only on silent TaskTrackers and want another attempt (silence.py)."""
        self.shared = GlobalResources(self.touch)
        self.trials = False  # whether any task must run alone (eligibility.on_trial)
        self._rated: dict[str, int] = {}  # the size of the cluster from which costs are computed
        self._touched: dict[str, JobEntry] = {}
        self.entries: dict[str, JobEntry] = {}
        """The running jobs, by id."""
        self._at: list[JobEntry | None] = []
        self._deadlines = Deadlines()
        self._clear()

    def _clear(self) -> None:
        # Jobs with waiting tasks: maps, reduces, and some kinds of maps.
        self.maps = NO_JOBS
        self.reduces = NO_JOBS
        self.retries = NO_JOBS  # maps that failed before
        self.loose = NO_JOBS  # maps without preference
        self.hosts: dict[HostName, JobSet] = {}  # maps that never failed, by host of their data
        self.racks: dict[str, JobSet] = {}  # … by rack; some bits are out of date
        self.eligibility.clear()
        # Which jobs avoid a host
        self.shunned: dict[HostName, JobSet] = {}
        # Jobs by their delay clock.
        self.clocked = NO_JOBS  # a wait for locality runs
        self.counting = NO_JOBS  # a wait runs that counts chances
        self.rack_level = NO_JOBS
        self.any_level = NO_JOBS

    def add(self, job: JobInProgress) -> None:
        """A job was planned, and may run."""
        if len(self._at) > 4 * len(self.entries) + 1024:
            self._renumber()
        settings = job.settings
        clock = DelayClock(settings.wait_node, settings.wait_rack)
        costs = cost(settings.map_need, self._rated), cost(settings.reduce_need, self._rated)
        entry = self.entries[job.id] = JobEntry(job, clock, *costs)
        self._enter(entry)

    def _enter(self, entry: JobEntry) -> None:
        """Give the entry the next bit, and set this bit in the sets."""
        job, settings = entry.job, entry.job.settings
        bit = entry.bit = JobSet(1 << len(self._at))
        self._at.append(entry)
        entry.enter(self.shapes)
        self.eligibility.add(settings.demand, bit)
        entry.rank = Rank(bit, settings.priority, settings.pool)
        entry.waits = NOTHING_WAITS
        for host in job.hosts.shunned:
            self.shunned[host] = self.shunned.get(host, NO_JOBS) | bit
        pending = job.maps.pending
        pending.new_hosts = [host for host in pending.hosts if pending.waits_for(host)]
        pending.done_hosts = []
        self.order.add(entry.rank)
        self._file_clock(entry)
        self._touched[job.id] = entry

    def resize(self, job: JobInProgress) -> None:
        """The job's tasks need other amounts than before."""
        if (entry := self.entries.get(job.id)) is not None:
            entry.leave(self.shapes)
            entry.enter(self.shapes)
            self._rate(entry)

    def remove(self, job: JobInProgress) -> None:
        """A job no longer runs."""
        self._touched.pop(job.id, None)
        entry = self.entries.pop(job.id, None)
        if entry is None:
            return
        entry.left = True
        self.unheard = {task: of for task, of in self.unheard.items() if of is not job}
        bit = entry.bit
        self._at[bit.bit_length() - 1] = None
        self.maps &= ~bit
        self.reduces &= ~bit
        self.retries &= ~bit
        self.loose &= ~bit
        self.clocked &= ~bit
        self.counting &= ~bit
        self.rack_level &= ~bit
        self.any_level &= ~bit
        for host in job.hosts.shunned:
            self._drop(self.shunned, host, bit)
        for host in job.maps.pending.hosts:
            self._drop(self.hosts, host, bit)
            for agent in self.cluster.hosts.get(host, ()):
                self._drop(self.racks, agent.rack, bit)
        entry.leave(self.shapes)
        self.order.discard(entry.rank)
        self.eligibility.discard(job.settings.demand, bit)
        if not self.entries:
            self._at.clear()
            self._deadlines.clear()
            self._clear()

    @staticmethod
    def _drop(masks: dict[Where, JobSet], name: Where, bit: JobSet) -> None:
        mask = masks.get(name, NO_JOBS) & ~bit
        if mask:
            masks[name] = mask
        else:
            masks.pop(name, None)

    def _renumber(self) -> None:
        """Give the lowest bits to the present jobs, in their order, because many have ended."""
        entered = [entry for entry in self._at if entry is not None]
        self._at.clear()
        self._clear()
        self.shapes.clear()
        for entry in entered:
            self.order.discard(entry.rank)
        for entry in entered:
            self._enter(entry)

    def touch(self, job: JobInProgress) -> None:
        """Something in a job changed."""
        if (entry := self.entries.get(job.id)) is not None:
            self._touched[job.id] = entry

    def want_backup(self, task: TaskInProgress, job: JobInProgress) -> None:
        """See JobListener."""
        self.backups[task] = job

    def drop_backup(self, task: TaskInProgress) -> None:
        """See JobListener."""
        self.backups.pop(task, None)

    def has_unheard_maps(self, job: JobInProgress) -> bool:
        """See JobListener."""
        return any(of is job and task.kind is TaskKind.MAP for task, of in self.unheard.items())

    def no_backup(self, task: TaskInProgress) -> None:
        """See JobListener."""
        for those in (self.backups, self.unheard):
            if those:
                those.pop(task, None)

    def flush(self) -> None:
        """Update the sets for all jobs that changed."""
        while self._touched:
            self._refresh(self._touched.popitem()[1])

    def _refresh(self, entry: JobEntry) -> None:
        job, bit = entry.job, entry.bit
        pending = job.maps.pending
        wants = len(pending) > 0 and not job.blocked
        waits = (wants, job.wants_reduce, wants and pending.retries, wants and pending.loose)
        if waits != entry.waits:
            entry.waits = waits
            self.maps = _put(self.maps, bit, waits[0])
            self.reduces = _put(self.reduces, bit, waits[1])
            self.retries = _put(self.retries, bit, waits[2])
            self.loose = _put(self.loose, bit, waits[3])
        if pending.new_hosts:
            self._file_hosts(bit, pending)
        if pending.done_hosts:
            hosts = self.hosts
            for host in pending.done_hosts:
                hosts[host] ^= bit
            pending.done_hosts.clear()
        if not wants and entry.clock.forget():
            self._file_clock(entry)
        if entry.crowded_since is not None and not len(job.reduces.pending):
            entry.crowded_since = None
        reduces = len(job.running_reduces)
        maps = len(job.running) - reduces
        self.order.use(entry.rank, maps * entry.map_cost + reduces * entry.reduce_cost)

    def _file_hosts(self, bit: JobSet, pending: PendingTasks) -> None:
        for host in pending.new_hosts:
            self.hosts[host] = self.hosts.get(host, NO_JOBS) | bit
            for agent in self.cluster.hosts.get(host, ()):
                if agent.rack:
                    self.racks[agent.rack] = self.racks.get(agent.rack, NO_JOBS) | bit
        pending.new_hosts = []

    def see_agent(self, agent: Agent) -> None:
        """An agent is new, or its rack changed."""
        if agent.rack:
            mask = self.racks.get(agent.rack, NO_JOBS)
            for host in agent.hosts:
                mask |= self.hosts.get(host, NO_JOBS)
            if mask:
                self.racks[agent.rack] = mask

    def see_sizes(self) -> None:
        """An agent offered more than before. If the cluster's proportions changed by more than a
        tenth, compute all costs again.
        """
        size, rated = self.cluster.size, self._rated
        if len(size) == len(rated) and all(
            abs(size[name] * rated["cpus"] - rated[name] * size["cpus"]) * 10
            <= rated[name] * size["cpus"]
            for name in size
        ):
            return
        self._rated = {"cpus": 0, **size}
        for entry in self.entries.values():
            self._rate(entry)

    def _rate(self, entry: JobEntry) -> None:
        settings = entry.job.settings
        entry.map_cost = cost(settings.map_need, self._rated)
        entry.reduce_cost = cost(settings.reduce_need, self._rated)
        self._touched[entry.job.id] = entry

    # --- What find_task asks

    @property
    def has_work(self) -> bool:
        """Whether a task waits and may run now, or a running task wants another attempt."""
        if self._touched:
            self.flush()
        return bool(self.maps or self.reduces or self.backups or self.unheard)

    def roles_with_work(self, roles: frozenset[str]) -> frozenset[str]:
        """The roles of `roles` whose resources a task waits for."""
        if not self.has_work:
            return frozenset()
        if self.backups or self.unheard:
            return roles
        return self.eligibility.roles(self.maps | self.reduces, roles)

    def stored_on(self, agent: Agent) -> JobSet:
        """The jobs with waiting maps that never failed and whose data the agent has. Valid after
        `flush`.
        """
        hosts = agent.hosts
        if len(hosts) == 1:  # most agents
            return self.hosts.get(hosts[0], NO_JOBS)
        jobs = NO_JOBS
        for host in hosts:
            jobs |= self.hosts.get(host, NO_JOBS)
        return jobs

    def entry_of(self, bit: JobSet) -> JobEntry:
        """The entry of the job that has this bit."""
        entry = self._at[bit.bit_length() - 1]
        if entry is None:
            raise AssertionError("no job has this bit")
        return entry

    def entries_of(self, jobs: JobSet) -> Iterator[JobEntry]:
        """The entries of a set of jobs, the oldest first."""
        while jobs:
            low = jobs & -jobs
            yield self.entry_of(low)
            jobs ^= low

    # --- Waiting for locality

    def count_idle(self, number: int) -> None:
        """This many chances came back that all jobs had passed over and nobody has used since."""
        self.chances.passed += number
        self.chances.again += number

    def advance(self, now: float) -> None:
        """Set the time, and end the waits whose deadline has come."""
        self.now = now
        if now >= self._deadlines.next:
            for entry in self._deadlines.due(now):
                self._over(entry)

    def pass_over(self, jobs: JobSet) -> bool:
        """These jobs pass over a chance, although their maps would fit. Returns whether one of them
        need not wait after all. Then the choice must be made again.
        """
        again = False
        for entry in self.entries_of(jobs & ~self.clocked & ~self.any_level):
            if not entry.job.maps.pending.fresh:
                continue
            if self.find_homeless(entry.job):
                again = True
                continue
            clock = entry.clock
            clock.start(self.now, self.chances)
            self._file_clock(entry)
            if clock.wait.seconds and clock.since is not None:
                deadline = clock.since + clock.wait.seconds
                self._deadlines.add(deadline, entry, len(self.entries))
                again |= deadline <= self.now
        for entry in self.entries_of(jobs & self.counting):
            if entry.clock.skip():
                self._over(entry)
        if again:
            self.advance(self.now)
        return again

    def usable(self, job: JobInProgress) -> Callable[[HostName], bool]:
        """A function from a host name to whether, as far as we know, the job could run there."""
        now, hosts = self.now, self.cluster.hosts
        if job.settings.demand == ANYWHERE and not job.hosts.shunned:
            return self.cluster.usable(now)
        return lambda host: any(a.takes(now) and job.suits(a) for a in hosts.get(host, ()))

    def shun(self, job: JobInProgress, host: HostName) -> None:
        """The job avoids a host from now on. Maps whose data is only there run elsewhere."""
        job.hosts.shunned[host] = None
        self.cluster.losses += 1
        if (entry := self.entries.get(job.id)) is not None:
            self.shunned[host] = self.shunned.get(host, NO_JOBS) | entry.bit

    def forgive(self, job: JobInProgress, host: HostName) -> None:
        """The job may use a host again that it avoided."""
        del job.hosts.shunned[host]
        if (entry := self.entries.get(job.id)) is not None:
            self._drop(self.shunned, host, entry.bit)

    def find_homeless(self, job: JobInProgress) -> bool:
        """Look for maps whose hosts are all lost, avoided or unknown. Returns whether one waits."""
        if not job.maps.pending.look_for_homeless(self.usable(job), self.cluster.losses):
            return False
        self.touch(job)
        return True

    def started(self, job: JobInProgress, locality: Locality) -> None:
        """A map of the job was started."""
        entry = self.entries.get(job.id)
        if entry is not None and entry.clock.started(locality, self.now, self.chances):
            self._file_clock(entry)

    def tick(self) -> None:
        """Check jobs that wait for locality: the hosts they wait for may be gone."""
        for entry in self.entries_of(self.clocked & self.maps):
            self.find_homeless(entry.job)

    def _over(self, entry: JobEntry) -> None:
        racks = bool(self.cluster.racks)
        deadline = entry.clock.over(self.now, self.chances, racks=racks)
        self._file_clock(entry)
        if deadline is not None:
            self._deadlines.add(deadline, entry, len(self.entries))

    def _file_clock(self, entry: JobEntry) -> None:
        bit, clock = entry.bit, entry.clock
        waits = clock.since is not None
        self.clocked = _put(self.clocked, bit, waits)
        self.counting = _put(self.counting, bit, waits and clock.wait.offers > 0)
        self.rack_level = _put(self.rack_level, bit, clock.level >= RACK)
        self.any_level = _put(self.any_level, bit, clock.level == ANY)
