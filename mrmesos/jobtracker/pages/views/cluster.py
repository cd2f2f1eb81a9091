"""The data of the cluster's page: sums, and the agents in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mrmesos.wire.cluster import AgentView, ClusterView

AGENTS_MAX = 500
IN_SIGHT_SECONDS = 60.0
"""If an agent has no TaskTracker of ours and was not offered for this long, it may be gone or
full.
"""


@dataclass(slots=True)
class Held:
    """One resource, in thousandths: the part that we hold, and the most that agents have
    offered.
    """

    name: str
    held: int
    size: int

    @property
    def part(self) -> float:
        """The part that we hold."""
        return min(1.0, self.held / self.size) if self.size else 0.0


@dataclass(slots=True)
class ClusterPage:
    """The cluster in figures."""

    view: ClusterView
    agents: list[AgentView]
    further: int
    slots: int
    busy: int
    held: list[Held]
    avoided: list[AgentView]
    declined: list[tuple[str, int]]


def cluster_page(view: ClusterView) -> ClusterPage:
    """The sums over all agents. Agents that run our attempts come first."""
    agents = sorted(view.agents, key=lambda agent: (not agent.slots, agent.hostname, agent.id))
    return ClusterPage(
        view=view,
        agents=agents[:AGENTS_MAX],
        further=max(0, len(agents) - AGENTS_MAX),
        slots=sum(agent.slots for agent in agents),
        busy=sum(agent.busy for agent in agents),
        held=_held(agents),
        avoided=[agent for agent in agents if agent.avoided],
        declined=sorted(view.offers.declined.items(), key=lambda item: -item[1]),
    )


def _held(agents: Iterable[AgentView]) -> list[Held]:
    sums = {"cpus": Held("cpus", 0, 0), "mem": Held("mem", 0, 0)}
    for agent in agents:
        for name, amount in agent.size.items():
            if name in ("disk", "ports"):
                continue
            known = sums.setdefault(name, Held(name, 0, 0))
            known.size += max(amount, agent.held.get(name, 0))
            known.held += agent.held.get(name, 0)
    return list(sums.values())
