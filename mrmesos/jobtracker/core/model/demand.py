"""What a job asks of an agent beside free resources: attributes, a role, GPUs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mrmesos.jobtracker.core.model.constraints import NO_CONSTRAINTS, Constraints

if TYPE_CHECKING:
    from mrmesos.jobtracker.core.model.cluster import Agent

GPUS = "gpus"
"""Mesos' name of the resource."""


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
