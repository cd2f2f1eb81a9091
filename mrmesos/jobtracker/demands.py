"""What jobs ask of an agent beside room on it, and which jobs it is barred to.

Sets of jobs are integers with a bit for each, as in `job_index`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mrmesos.jobtracker.constraints import NO_CONSTRAINTS, Constraints
from mrmesos.wire.ids import TaskKind

if TYPE_CHECKING:
    from mrmesos.jobtracker.cluster import Agent
    from mrmesos.jobtracker.job import JobInProgress
    from mrmesos.jobtracker.job_index import JobIndex

GPUS = "gpus"

CAUTION = 2.0
"""An attempt is taken to need so many times what those of its job took on average."""

EVERY_JOB = -1
"""As a set of jobs."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Constraints on the agent's attributes, the Mesos role of the resources, and GPUs.

    Equal for all jobs that ask the same, so agents are looked at once for each Demand.
    """

    constraints: Constraints = NO_CONSTRAINTS
    role: str = ""
    """Empty where any of ours will do."""
    gpus: bool = False

    def met_by(self, agent: Agent, role: str) -> bool:
        """Whether resources that `agent` has, offered to `role`, may be used."""
        return (not self.role or self.role == role) and self.suits(agent)

    def suits(self, agent: Agent) -> bool:
        """Whether the agent will do, whatever it offers to whom.

        As Mesos asks of frameworks that know of GPUs, work without any keeps off such agents
        (FrameworkInfo.Capability.GPU_RESOURCES in mesos.proto).
        """
        if agent.gpus and not self.gpus:
            return False
        if not self.constraints:
            return True
        known = agent.suits.get(self.constraints)
        if known is None:
            known = self.constraints.allow(agent.hostname, agent.attributes)
            agent.suits[self.constraints] = known
        return known


ANYWHERE = Demand()


@dataclass(slots=True)
class Demands:
    """The jobs by what they demand."""

    jobs: dict[Demand, int] = field(default_factory=dict)
    special: int = 0
    """Those that demand anything at all."""

    def add(self, demand: Demand, bit: int) -> None:
        """A job runs."""
        self.jobs[demand] = self.jobs.get(demand, 0) | bit
        if demand != ANYWHERE:
            self.special |= bit

    def discard(self, demand: Demand, bit: int) -> None:
        """A job that was added runs no more."""
        self.special &= ~bit
        if left := self.jobs[demand] & ~bit:
            self.jobs[demand] = left
        else:
            del self.jobs[demand]

    def clear(self) -> None:
        """No job runs."""
        self.jobs.clear()
        self.special = 0

    def barred(self, agent: Agent, role: str) -> int:
        """The jobs that may not use what `agent` offers to `role`."""
        if not self.special and not agent.gpus:
            return 0
        barred = 0
        for demand, jobs in self.jobs.items():
            if not demand.met_by(agent, role):
                barred |= jobs
        return barred

    def roles(self, hungry: int, all_roles: frozenset[str]) -> frozenset[str]:
        """Those of `all_roles` that some job among `hungry` may use."""
        if hungry & ~self.special:
            return all_roles
        wanted: set[str] = set()
        for demand, jobs in self.jobs.items():
            if jobs & hungry:
                if not demand.role:
                    return all_roles
                wanted.add(demand.role)
        return all_roles & wanted


def expected_seconds(job: JobInProgress, kind: TaskKind) -> float:
    """How long an attempt may take; 0 where none of its kind has ended yet."""
    pace = job.pace(kind)
    return CAUTION * pace.seconds / pace.count if pace.count else 0.0


def barred(index: JobIndex, agent: Agent, role: str) -> tuple[int, int]:
    """The jobs whose maps, and those whose reduces, may not be started on `agent` with resources
    that it offers to `role`: they ask for others, failed here too often, or would not end before
    its maintenance.
    """
    by_demand = index.demands.barred(agent, role) | index.shunned.get(agent.hostname, 0)
    if agent.away is None or agent.closes == math.inf:
        return by_demand, by_demand
    if index.now >= agent.closes:
        return EVERY_JOB, EVERY_JOB
    left = agent.away.start - index.now
    too_long = {TaskKind.MAP: by_demand, TaskKind.REDUCE: by_demand}
    for job in index.jobs_of(index.maps | index.reduces):
        for kind in TaskKind:
            if job.place is not None and expected_seconds(job, kind) > left:
                too_long[kind] |= job.place.bit
    return too_long[TaskKind.MAP], too_long[TaskKind.REDUCE]
