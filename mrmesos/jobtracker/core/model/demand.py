"""What a job demands of an agent, apart from free resources: attributes, a role, GPUs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mrmesos.jobtracker.core.model.constraints import NO_CONSTRAINTS, Constraints

if TYPE_CHECKING:
    from mrmesos.jobtracker.core.model.agent import Agent

GPUS = "gpus"
"""The resource's name in Mesos."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Constraints on the agent's attributes, the Mesos role of the resources, and GPUs.

    Jobs that demand the same have equal Demands, so each agent is checked once per Demand.
    """

    constraints: Constraints = NO_CONSTRAINTS
    role: str = ""
    """Empty: any of the framework's roles."""
    gpus: bool = False

    def met_by(self, agent: Agent, role: str) -> bool:
        """Whether the job may use resources of `agent` that are offered to `role`."""
        return (not self.role or self.role == role) and self.suits(agent)

    def suits(self, agent: Agent) -> bool:
        """Whether this agent may run the job's tasks at all, ignoring how much it has free.

        A job without GPUs does not use agents with GPUs. Mesos asks this of frameworks that can
        use GPUs (FrameworkInfo.Capability.GPU_RESOURCES in mesos.proto).
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
