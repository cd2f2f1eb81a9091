"""The simulated Mesos master: agents' free resources, filters, and DRF between frameworks.

A scheduler sees the same as with Mesos' hierarchical allocator
(`src/master/allocator/mesos/hierarchical.cpp`). There is an allocation each interval and at every
revive, with the agents in random order. All free resources of an agent go to the framework with
the smallest weighted dominant share that does not refuse them. Each framework has a role of its
own. There are no reservations and no quota.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from mrmesos.jobtracker.core.messages.events import Offer
from mrmesos.simulator.clock import Clock
from mrmesos.simulator.machines import Amounts, SimAgent, allocatable, within


@dataclass(slots=True, eq=False)
class SimulatedAgent(SimAgent):
    """A machine. If agents are split among frameworks, only the framework `partition` gets offers
    of it.
    """

    rack: int
    total: Amounts
    attributes: Mapping[str, str]
    partition: int | None = None
    failing: float = 0.0
    """The probability that an attempt fails here."""
    offers: list[Offer | None] = field(default_factory=lambda: [None])
    """By the framework's number: an offer of what is free now, kept until that changes."""
    seen: Amounts | None = None
    """A copy of `free`, kept until that changes."""


@dataclass(slots=True, eq=False)
class Account:
    """The master's record of one framework."""

    number: int
    weight: float
    partitioned: bool = False
    """Whether it gets offers of only some agents."""
    suppressed: bool = False
    held: Amounts = field(default_factory=dict)
    times: int = 0
    """The number of offers that it got. Of two frameworks with equal shares, the one with fewer
    offers goes first.
    """
    refused: dict[str, tuple[float, Amounts]] = field(default_factory=dict)
    """By agent: the end of the filter, and the refused amounts."""
    deferred: tuple[float, Sequence[str]] | None = None
    """The latest filter, of many agents by id, before it is in `refused`. Mostly a revive drops it
    before anybody asks for it.
    """
    before: dict[str, Amounts] = field(default_factory=dict)
    """The free amounts of agents when `deferred` was set, if they have changed since."""


DEFER_AGENTS = 32
"""A filter of fewer agents is not put off."""


class Bidder(Protocol):
    """A framework: answers offers at once."""

    account: Account

    def offered(self, agents: Sequence[SimulatedAgent]) -> None:
        """Take resources of these agents, and refuse the rest."""


class Master:
    """Counts the resources of each framework, and offers the free ones."""

    def __init__(self, clock: Clock, interval: float, rng: Random) -> None:
        self.agents: dict[str, SimulatedAgent] = {}
        self._clock = clock
        self._interval = interval
        self._rng = rng
        self._bidders: list[Bidder] = []
        self._roomy: dict[str, SimulatedAgent] = {}
        self._total: Amounts = {}
        self._asked = False
        self._deferring: list[Account] = []
        """Those with a `deferred` filter."""

    def start(self) -> None:
        """Begin to allocate, once an interval."""
        self._clock.after(0.0, self._every_interval)

    def add_bidder(self, bidder: Bidder) -> None:
        """A framework subscribes."""
        self._bidders.append(bidder)

    # --- Agents ----------------------------------------------------------------------------------

    def add_agent(self, agent: SimulatedAgent) -> None:
        """An agent registers."""
        self.agents[agent.id] = agent
        self._count(agent, 1)
        self._roomy[agent.id] = agent

    def remove_agent(self, agent: SimulatedAgent) -> None:
        """The agent is gone. Everything that was held there must have been given back before."""
        del self.agents[agent.id]
        self._count(agent, -1)
        self._roomy.pop(agent.id, None)
        for bidder in self._bidders:
            bidder.account.refused.pop(agent.id, None)

    def _count(self, agent: SimulatedAgent, sign: int) -> None:
        for name, amount in agent.total.items():
            self._total[name] = self._total.get(name, 0) + sign * amount

    @property
    def total(self) -> Amounts:
        """All agents' resources."""
        return self._total

    def use(self, account: Account, agent: SimulatedAgent, amounts: Amounts) -> None:
        """A framework accepts these. Raises AssertionError if the agent has less."""
        self._changes(agent)
        free, held = agent.free, account.held
        for name, amount in amounts.items():
            left = free.get(name, 0) - amount
            if left < 0:
                raise AssertionError(f"{agent.id}: more {name} accepted than offered")
            free[name] = left
            held[name] = held.get(name, 0) + amount
        if not allocatable(free):
            self._roomy.pop(agent.id, None)

    def give_back(self, account: Account, agent: SimulatedAgent, amounts: Amounts) -> None:
        """A framework no longer uses these."""
        self._changes(agent)
        free, held = agent.free, account.held
        for name, amount in amounts.items():
            free[name] += amount
            held[name] -= amount
        if agent.alive and agent.id not in self._roomy and allocatable(free):
            self._roomy[agent.id] = agent

    def _changes(self, agent: SimulatedAgent) -> None:
        """The agent's free resources are about to change."""
        for account in self._deferring:
            if agent.id not in account.before:
                account.before[agent.id] = agent.seen or dict(agent.free)
        agent.offers = [None] * len(agent.offers)
        agent.seen = None

    # --- Offers ----------------------------------------------------------------------------------

    def refuse(self, account: Account, agent_ids: Sequence[str], seconds: float) -> None:
        """For some time (at least an interval), offer neither these resources nor less of them."""
        if seconds <= 0:
            return
        self._enter_deferred(account)
        until = self._clock.now + max(seconds, self._interval)
        if len(agent_ids) < DEFER_AGENTS:
            self._enter(account, until, agent_ids)
        else:
            account.deferred = until, agent_ids
            self._deferring.append(account)

    def _enter_deferred(self, account: Account) -> None:
        """Put the filter that was put off where `_wants` finds it."""
        if account.deferred is not None:
            self._enter(account, *account.deferred)
            self._forget_deferred(account)

    def _enter(self, account: Account, until: float, agent_ids: Sequence[str]) -> None:
        refused, before = account.refused, account.before
        for agent_id in agent_ids:
            agent = self.agents.get(agent_id)
            if agent is None:
                continue  # it is lost
            seen = before.get(agent_id)
            if seen is None:
                if agent.seen is None:
                    agent.seen = dict(agent.free)
                seen = agent.seen
            old = refused.get(agent_id)
            if agent.alive and not (old is not None and old[0] >= until and within(seen, old[1])):
                refused[agent_id] = until, seen

    def _forget_deferred(self, account: Account) -> None:
        account.deferred = None
        account.before.clear()
        if account in self._deferring:
            self._deferring.remove(account)

    def suppress(self, account: Account) -> None:
        """No offers until the framework revives."""
        account.suppressed = True

    def revive(self, account: Account) -> None:
        """Forget the framework's filters, and allocate now."""
        account.suppressed = False
        account.refused.clear()
        self._forget_deferred(account)
        if not self._asked:
            self._asked = True
            self._clock.after(0.0, self._allocate_now)

    def _every_interval(self) -> None:
        self._allocate()
        self._clock.after(self._interval, self._every_interval)

    def _allocate_now(self) -> None:
        self._asked = False
        self._allocate()

    def _allocate(self) -> None:
        wanting = [b for b in self._bidders if not b.account.suppressed]
        if not wanting or not self._roomy:
            return
        for bidder in wanting:
            self._enter_deferred(bidder.account)
        agents = list(self._roomy.values())
        if len(wanting) == 1:
            # Agents are numbered at random. So starting anywhere is as good as shuffling them all.
            start = int(self._rng.random() * len(agents))
            taken = agents[start:] + agents[:start]
            account = wanting[0].account
            if account.refused or account.partitioned:
                taken = [agent for agent in taken if self._wants(account, agent)]
            if taken:
                account.times += len(taken)
                wanting[0].offered(taken)
            return
        self._rng.shuffle(agents)
        for bidder, batch in self._deal(agents, wanting):
            bidder.offered(batch)

    def _deal(
        self, agents: Iterable[SimulatedAgent], wanting: Sequence[Bidder]
    ) -> list[tuple[Bidder, list[SimulatedAgent]]]:
        """Deal the agents to several frameworks that want them. Offered resources count as held."""
        offered: list[tuple[Bidder, list[SimulatedAgent]]] = [(bidder, []) for bidder in wanting]
        counted = [dict(bidder.account.held) for bidder in wanting]
        shares = [self._share(n, b.account.weight) for n, b in zip(counted, wanting, strict=True)]
        for agent in agents:
            places = sorted(
                range(len(wanting)), key=lambda at: (shares[at], wanting[at].account.times)
            )
            for place in places:
                account = wanting[place].account
                if self._wants(account, agent):
                    offered[place][1].append(agent)
                    account.times += 1
                    for name, amount in agent.free.items():
                        counted[place][name] = counted[place].get(name, 0) + amount
                    shares[place] = self._share(counted[place], account.weight)
                    break
        return [(bidder, batch) for bidder, batch in offered if batch]

    def _share(self, held: Amounts, weight: float) -> float:
        """The weighted dominant share."""
        parts = (held.get(n, 0) / total for n, total in self._total.items() if total)
        return max(parts, default=0.0) / weight

    def _wants(self, account: Account, agent: SimulatedAgent) -> bool:
        if agent.partition is not None and agent.partition != account.number:
            return False
        refused = account.refused.get(agent.id)
        if refused is None:
            return True
        if refused[0] <= self._clock.now:
            del account.refused[agent.id]
            return True
        return not within(agent.free, refused[1])
