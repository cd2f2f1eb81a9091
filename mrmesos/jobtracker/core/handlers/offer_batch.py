"""The offers of one message, by agent: what they say about their agents, and what is free there.

Comes in: the offers of one OffersReceived event. Goes out: agents that are new or changed, and the
order of agents in which offers.py looks for tasks.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field

from mrmesos.jobtracker.core.handlers import maintenance
from mrmesos.jobtracker.core.messages.commands import (
    ShutdownTracker,
    SlotLaunch,
    WarmTrackerLaunch,
)
from mrmesos.jobtracker.core.messages.events import Offer
from mrmesos.jobtracker.core.model.agent import Agent
from mrmesos.jobtracker.core.policies import host_faults
from mrmesos.jobtracker.core.scheduling.find_task import NOT_YET, NOTHING, Choice
from mrmesos.jobtracker.core.state.state import State
from mrmesos.resources import Amounts, Pool, Resource, total
from mrmesos.wire.ids import AgentId, HostName, TrackerId

COME_BACK_SECONDS = 2.0
"""If all our tasks passed an agent over, and it is offered again this soon, it stood idle."""


@dataclass(slots=True, eq=False)
class Offered:
    """All offers of one agent to one of our roles, joined, once we look at them."""

    agent: Agent
    role: str
    offers: tuple[Offer, ...]
    resources: Sequence[Resource]
    free: Amounts
    """The amounts that we can take of `resources`."""
    pool: Pool | None = None
    """Takes resources out of the offers. Made when the first task is found."""
    launches: list[SlotLaunch] = field(default_factory=list)
    warm_tracker: WarmTrackerLaunch | None = None
    choice: Choice = NOTHING

    @property
    def used(self) -> bool:
        """Whether we accept the offers."""
        return bool(self.launches) or self.warm_tracker is not None


class Batch:
    """The offers of one message. A small job brings offers of all agents, and takes few of them. So
    only those at which we look for a task get an `Offered`.
    """

    __slots__ = ("agents", "changed", "groups", "offers", "passed", "passing", "places", "seen")

    def __init__(self, st: State, offers: Sequence[Offer]) -> None:
        self.agents: list[Agent] = []
        """By place, as all else here: the agent of an offer, or of several joined offers."""
        self.passed: dict[int, bool] = {}
        """Agents that all our tasks passed over the last time, and whether that was within
        COME_BACK_SECONDS: then they stood idle.
        """
        self.changed: list[int] = []
        """Agents that may offer other resources than the last time."""
        self.passing: set[int] = set()
        """Agents that all our tasks pass over now, and that have no `Offered`."""
        self.seen: dict[int, Offered] = {}
        self.groups: list[tuple[Offer, ...]] | None = None
        """The offers by agent and role, if an agent has several."""
        self.offers = offers
        _hear(st, offers, self)
        self.places = dict(zip(self.agents, range(len(offers)), strict=True))
        if len(self.places) < len(self.agents):
            self._join()
        _read(st, self)

    def _join(self) -> None:
        joined: dict[tuple[Agent, str], tuple[Offer, ...]] = {}
        for agent, offer in zip(self.agents, self.offers, strict=True):
            key = agent, offer.role
            joined[key] = (*joined.get(key, ()), offer)
        idle = {self.agents[place]: idle for place, idle in self.passed.items()}
        self.agents, self.groups = [agent for agent, _ in joined], list(joined.values())
        self.passed = {n: idle[agent] for n, agent in enumerate(self.agents) if agent in idle}
        self.changed = list(range(len(self.agents)))
        for agent in self.agents:
            agent.offer = None  # because `offered` is of several

    def group(self, place: int) -> tuple[Offer, ...]:
        """The offers at a place."""
        return (self.offers[place],) if self.groups is None else self.groups[place]

    def of(self, agents: Set[Agent]) -> list[int]:
        """The places of these agents."""
        if self.groups is None:
            places = self.places
            return sorted([places[agent] for agent in agents if agent in places])
        return [place for place, agent in enumerate(self.agents) if agent in agents]

    def look(self, place: int) -> Offered:
        """The offers at a place, joined."""
        entry = self.seen.get(place)
        if entry is None:
            agent, group = self.agents[place], self.group(place)
            resources = _resources(group)
            # An agent with offers to several roles remembers the last ones.
            free = agent.free if agent.offered == resources else total(resources)
            entry = Offered(agent, group[0].role, group, resources, free)
            self.seen[place] = entry
        return entry

    def choice(self, place: int) -> Choice:
        """The last answer of findTask for a place."""
        entry = self.seen.get(place)
        if entry is not None:
            return entry.choice
        return NOT_YET if place in self.passing else NOTHING

    def unused(self) -> list[str]:
        """The ids of all offers that we do not accept."""
        used = {place for place, entry in self.seen.items() if entry.used}
        if self.groups is None:
            ids = [offer.offer_id for offer in self.offers]
            for place in sorted(used, reverse=True):
                del ids[place]
            return ids
        return [
            offer.offer_id
            for place, group in enumerate(self.groups)
            if place not in used
            for offer in group
        ]


def _hear(st: State, offers: Sequence[Offer], batch: Batch) -> None:
    """Note what offers say about their agents, and the agent of each in `batch`."""
    now, agents = st.now, st.cluster.agents
    heard = batch.agents
    for offer in offers:
        agent = agents.get(AgentId(offer.agent_id))
        if agent is None or agent.offer is not offer:
            agent = _learn(st, offer, agent)
            if agent.offered is not offer.resources:
                batch.changed.append(len(heard))
        agent.seen = now
        if agent.passed is not None:
            batch.passed[len(heard)] = now - agent.passed <= COME_BACK_SECONDS
        heard.append(agent)


def _learn(st: State, offer: Offer, agent: Agent | None) -> Agent:
    """Note what a new offer says about its agent."""
    if agent is None or agent.rack != offer.rack:
        agent = st.cluster.see_agent(
            AgentId(offer.agent_id), HostName(offer.hostname), offer.address, offer.rack
        )
        st.index.see_agent(agent)
        host_faults.seen(st, agent)
    agent.offer, agent.url = offer, offer.agent_url
    attributes = offer.attributes
    if attributes is not agent.attributes and attributes != agent.attributes:
        agent.has(attributes)
        host_faults.seen(st, agent)
    if offer.unavailability is not agent.away and offer.unavailability != agent.away:
        maintenance.learn(st, agent, offer.unavailability)
    for executor_id in offer.executor_ids:
        if executor_id not in st.cluster.trackers:
            st.emit(ShutdownTracker(TrackerId(executor_id), agent.id))
            agent.offer = None  # say so again with the next offer
    return agent


def _resources(group: tuple[Offer, ...]) -> tuple[Resource, ...]:
    if len(group) == 1:
        return group[0].resources
    return tuple([resource for offer in group for resource in offer.resources])


def _read(st: State, batch: Batch) -> None:
    """Sum up the offered resources. Most agents offer exactly what they offered last time, and the
    comparison costs a fraction of the sum.
    """
    grown = False
    for place in batch.changed:
        agent, group = batch.agents[place], batch.group(place)
        resources = _resources(group)
        same, agent.offered = agent.offered == resources, resources
        if same:
            continue
        agent.free, agent.role = total(resources), group[0].role
        _remember_size(st, agent.free)
        # Our journal may have a TaskTracker that has died meanwhile, so the offers tell.
        beside = agent.tracker is not None and any(
            agent.tracker.id in offer.executor_ids for offer in group
        )
        if st.cluster.see_size(agent, agent.free, beside=beside):
            grown = True
            host_faults.seen(st, agent)
    if grown:
        st.index.see_sizes()


def _remember_size(st: State, here: Amounts) -> None:
    known = st.offers.largest
    if here.get("cpus", 0) < known.get("cpus", 0):  # most agents
        return
    if (here.get("cpus", 0), here.get("mem", 0)) >= (known.get("cpus", 0), known.get("mem", 0)):
        st.offers.largest = dict(here)
