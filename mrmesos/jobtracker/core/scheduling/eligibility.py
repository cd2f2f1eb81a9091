"""Whether an attempt may start on an agent: its job's demands are met, and enough is free there.

Comes in: an agent, or what is free on it. Goes out: sets of jobs, or yes and no. Pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mrmesos.jobtracker.core.model.demand import ANYWHERE, Demand
from mrmesos.jobtracker.core.scheduling.job_set import EVERY_JOB, NO_JOBS, JobSet
from mrmesos.resources import Amounts
from mrmesos.wire.ids import SETS, TaskKind

if TYPE_CHECKING:
    from mrmesos.jobtracker.core.model.agent import Agent
    from mrmesos.jobtracker.core.model.job import JobInProgress
    from mrmesos.jobtracker.core.model.task import TaskInProgress
    from mrmesos.jobtracker.core.model.tracker import Tracker
    from mrmesos.jobtracker.core.scheduling.job_index import JobIndex

TRIAL_SILENCES = 2
"""If this many TaskTrackers fell silent while they ran a task, nothing starts beside that task."""

CAUTION = 2.0
"""We expect an attempt to take this many times the average of its job's attempts."""

SLOW_AGENT = 0.7
"""An agent is slow if its pace is below this part of the average pace."""

LEAST_CPUS = 10
"""In thousandths. Mesos' own minimum (MIN_CPUS): the agent's cgroups refuse smaller shares."""


@dataclass(slots=True)
class Fit:
    """The free resources that an attempt could use: a slot's, or the rest of an agent's offers.

    `beside` is what a new TaskTracker takes for itself. `left` is the part of the attempt's CPUs
    that a slot does not take, because TaskTrackers have it.
    """

    free: Amounts
    beside: Amounts = field(default_factory=dict)
    left: int = 0

    def asks(self, need: Amounts) -> dict[str, int]:
        """The resources that a slot for `need` takes from the offer."""
        return {**need, "cpus": max(LEAST_CPUS, need.get("cpus", 0) - self.left)}

    def fits(self, need: Amounts) -> bool:
        """Whether a slot for `need` fits, together with `beside`."""
        free, beside = self.free, self.beside
        for name, amount in need.items():
            if name == "cpus" and self.left:
                amount = max(LEAST_CPUS, amount - self.left)
            if free.get(name, 0) < amount + beside.get(name, 0):
                return False
        return True

    def lacks(self, need: Amounts) -> dict[str, int]:
        """The resources that a slot for `need` lacks here. Empty if it fits."""
        free, beside = self.free, self.beside
        asked = self.asks(need) if self.left else need
        missing = {n: a + beside.get(n, 0) - free.get(n, 0) for n, a in asked.items()}
        return {name: amount for name, amount in missing.items() if amount > 0}


@dataclass(slots=True)
class Eligibility:
    """The running jobs, grouped by their Demand."""

    jobs: dict[Demand, JobSet] = field(default_factory=dict)
    special: JobSet = NO_JOBS
    """The jobs that demand anything at all."""

    def add(self, demand: Demand, bit: JobSet) -> None:
        """Add a running job."""
        self.jobs[demand] = self.jobs.get(demand, NO_JOBS) | bit
        if demand != ANYWHERE:
            self.special |= bit

    def discard(self, demand: Demand, bit: JobSet) -> None:
        """Remove a job that was added."""
        self.special &= ~bit
        if left := self.jobs[demand] & ~bit:
            self.jobs[demand] = left
        else:
            del self.jobs[demand]

    def clear(self) -> None:
        """Remove all jobs."""
        self.jobs.clear()
        self.special = NO_JOBS

    def barred(self, agent: Agent, role: str) -> JobSet:
        """The jobs that may not use the resources that `agent` offers to `role`."""
        if not self.special and not agent.gpus:
            return NO_JOBS
        barred = NO_JOBS
        for demand, jobs in self.jobs.items():
            if not demand.met_by(agent, role):
                barred |= jobs
        return barred

    def roles(self, with_work: JobSet, all_roles: frozenset[str]) -> frozenset[str]:
        """The roles of `all_roles` that a job in the set `with_work` may use."""
        if not with_work:
            return frozenset()
        if with_work & ~self.special:
            return all_roles
        wanted: set[str] = set()
        for demand, jobs in self.jobs.items():
            if jobs & with_work:
                if not demand.role:
                    return all_roles
                wanted.add(demand.role)
        return all_roles & wanted


def expected_seconds(job: JobInProgress, kind: TaskKind) -> float:
    """How long we expect an attempt to take. 0 if none of its kind has ended yet."""
    pace = job.of(kind).pace
    return CAUTION * pace.seconds / pace.count if pace.count else 0.0


def barred(index: JobIndex, agent: Agent, role: str) -> tuple[JobSet, JobSet]:
    """Two sets: the jobs whose maps, and the jobs whose reduces, may not start on `agent` with
    resources that it offers to `role`. Their demands are not met, or they failed too often here, or
    they would not end before the agent's maintenance.
    """
    if not (index.eligibility.special or index.shunned or agent.gpus or agent.away is not None):
        return NO_JOBS, NO_JOBS  # most agents
    by_demand = index.eligibility.barred(agent, role) | index.shunned.get(agent.hostname, NO_JOBS)
    if agent.away is None or agent.closes == math.inf:
        return by_demand, by_demand
    if index.now >= agent.closes:
        return EVERY_JOB, EVERY_JOB
    left = agent.away.start - index.now
    too_long = {TaskKind.MAP: by_demand, TaskKind.REDUCE: by_demand}
    for entry in index.entries_of(index.maps | index.reduces):
        for kind in SETS:
            if expected_seconds(entry.job, kind) > left:
                too_long[kind] |= entry.bit
    return too_long[TaskKind.MAP], too_long[TaskKind.REDUCE]


def may_replace(job: JobInProgress, task: TaskInProgress, agent: Agent) -> bool:
    """Whether an agent may run one more attempt of a running task."""
    return (
        agent.hostname not in task.failed_on
        and not job.index.shared.lacks(job.settings.shared(task.kind))
        and not (job.outputs.absent and task.kind is TaskKind.REDUCE)
        and all(attempt.hostname != agent.hostname for attempt in task.running)
    )


def on_trial(tracker: Tracker) -> bool:
    """Whether a TaskTracker runs a task that must run alone (silence.py)."""
    return any(
        slot.attempt is not None and slot.attempt.task.silences >= TRIAL_SILENCES
        for slot in tracker.slots.values()
    )


def may_back_up(job: JobInProgress, task: TaskInProgress, agent: Agent) -> bool:
    """Whether an agent may run a backup attempt of a slow task."""
    return (
        agent.pace >= SLOW_AGENT and job.backups < job.backups_max and may_replace(job, task, agent)
    )
