"""Decides which framework gets which offer: DRF over roles, then over the frameworks of a role.

It follows Mesos' hierarchical allocator (`src/master/allocator/mesos/hierarchical.cpp`), without
quota, sharing between nested roles, and maintenance. Pure: callers pass the time and the random
generator.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import msgspec

from mrmesos.minimesos.model.resources import SCALAR, Bucket, Resources

DEFAULT_REFUSE_SECONDS = 5.0
MAX_REFUSE_SECONDS = 365 * 86400.0
MIN_CPUS = 10  # thousandths: an offer needs at least this much cpus ...
MIN_MEM = 32 * 1000  # ... or this many thousandths of a megabyte
MAX_FILTERS = 64  # per framework, role and agent; the oldest go first


@dataclass(slots=True)
class Share:
    """The resources that a role or framework holds, offered or used, and its number of
    allocations.
    """

    held: dict[str, int] = field(default_factory=dict)
    times: int = 0

    def change(self, resources: Resources, sign: int) -> None:
        """Add resources (`sign` 1) or subtract them (-1)."""
        for name, amount in resources.scalars().items():
            self.held[name] = self.held.get(name, 0) + sign * amount

    def dominant(self, total: dict[str, int]) -> float:
        """The dominant share: the largest fraction of the cluster held of any resource."""
        parts = (held / total[name] for name, held in self.held.items() if total.get(name))
        return max(parts, default=0.0)


@dataclass(slots=True)
class Refusal:
    """A filter: do not offer these resources of one agent again before `until`."""

    resources: Resources
    until: float


@dataclass(slots=True)
class Candidate:
    """The allocator's record of a framework."""

    roles: tuple[str, ...]
    suppressed: set[str] = field(default_factory=set)
    active: bool = True
    shares: dict[str, Share] = field(default_factory=dict)  # by role
    refusals: dict[tuple[str, str], list[Refusal]] = field(default_factory=dict)  # (role, agent)

    def share(self, role: str) -> Share:
        """The framework's share in `role`."""
        return self.shares.setdefault(role, Share())


class Allocation(msgspec.Struct, frozen=True):
    """Resources to offer: on one agent, to one framework, for `role`."""

    framework: str
    role: str
    agent: str
    resources: Resources


def allocatable(resources: Resources) -> bool:
    """Whether this is enough for an offer (Mesos' `min_allocatable_resources`)."""
    sums = resources.scalars()
    return sums.get("cpus", 0) >= MIN_CPUS or sums.get("mem", 0) >= MIN_MEM


def usable_by(role: str, bucket: Bucket) -> bool:
    """All roles may use unreserved resources; a role and its sub-roles use reserved ones."""
    owner = bucket.reserved_for
    return owner is None or owner == role or role.startswith(owner + "/")


def _held_by(role: str) -> Callable[[Bucket], bool]:
    return lambda bucket: bucket.allocation == role


def offer_order(resources: Resources) -> Resources:
    """Sort as Mesos lists an offer: reserved resources, then ranges and sets, then scalars."""
    reserved = resources.filter(lambda b: bool(b.reservations))
    discrete = resources.filter(lambda b: not b.reservations and b.kind != SCALAR)
    scalars = resources.filter(lambda b: not b.reservations and b.kind == SCALAR)
    return reserved + discrete + scalars


class Allocator:
    """Records all allocations and decides what to offer next. Times are in seconds."""

    def __init__(
        self,
        interval: float = 1.0,
        weights: dict[str, float] | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.interval = interval
        self.weights = dict(weights or {})
        self._rng = rng or random.Random()
        self._totals: dict[str, Resources] = {}
        self._given: dict[str, Resources] = {}  # by agent, unallocated
        self._roomy: set[str] = set()  # agents with enough left for an offer
        self._paused: set[str] = set()
        self._frameworks: dict[str, Candidate] = {}
        self._roles: dict[str, Share] = {}
        self._cluster: dict[str, int] = {}

    def add_agent(self, agent: str, total: Resources) -> None:
        """Add an agent whose resources are all free."""
        self._count(self._totals.get(agent, Resources()), -1)
        self._totals[agent] = total
        self._give(agent, Resources())
        self._count(total, +1)

    def remove_agent(self, agent: str) -> None:
        """Remove an agent. The caller has recovered its resources before."""
        self._count(self._totals.pop(agent, Resources()), -1)
        self._given.pop(agent, None)
        self._paused.discard(agent)
        self._roomy.discard(agent)
        for framework in self._frameworks.values():
            for key in [key for key in framework.refusals if key[1] == agent]:
                del framework.refusals[key]

    def _count(self, total: Resources, sign: int) -> None:
        for name, amount in total.scalars().items():
            self._cluster[name] = self._cluster.get(name, 0) + sign * amount

    def pause(self, agent: str) -> None:
        """Stop offers of an agent for now. Its filters stay."""
        self._paused.add(agent)

    def resume(self, agent: str) -> None:
        """Offer the agent's resources again."""
        self._paused.discard(agent)

    def add_framework(
        self, name: str, roles: Iterable[str], suppressed: Iterable[str] = ()
    ) -> None:
        """Add a framework, or change the roles and suppressed roles of a known one."""
        known = self._frameworks.get(name)
        if known is None:
            self._frameworks[name] = Candidate(tuple(roles), set(suppressed))
        else:
            known.roles = tuple(roles)
            known.suppressed = set(suppressed)

    def remove_framework(self, name: str) -> None:
        """Remove a framework. The caller has recovered its resources before."""
        self._frameworks.pop(name, None)

    def activate(self, name: str) -> None:
        """Make offers to the framework again."""
        self._frameworks[name].active = True

    def deactivate(self, name: str) -> None:
        """Stop offers to a disconnected framework; drop its filters and suppressions."""
        framework = self._frameworks[name]
        framework.active = False
        framework.refusals.clear()
        framework.suppressed.clear()

    def suppress(self, name: str, roles: Iterable[str] = ()) -> None:
        """Stop offers for these roles. No roles means all roles of the framework."""
        framework = self._frameworks[name]
        framework.suppressed |= set(roles) or set(framework.roles)

    def revive(self, name: str, roles: Iterable[str] = ()) -> None:
        """Resume offers for these roles and drop their filters. No roles means all roles."""
        framework = self._frameworks[name]
        revived = set(roles) or set(framework.roles)
        framework.suppressed -= revived
        for key in [key for key in framework.refusals if key[0] in revived]:
            del framework.refusals[key]

    def available(self, agent: str) -> Resources:
        """The resources that are neither offered nor used."""
        return self._totals[agent] - self._given[agent]

    def recover(
        self,
        name: str,
        agent: str,
        resources: Resources,
        refuse_seconds: float | None = None,
        now: float = 0.0,
    ) -> None:
        """Take back allocated resources. With `refuse_seconds` above 0, add a filter for them.

        As in Mesos, a filter lasts at least one allocation interval.
        """
        for role in resources.roles():
            part = resources.filter(_held_by(role))
            self._charge(name, role, agent, part, -1)
            framework = self._frameworks.get(name)
            if refuse_seconds is None or refuse_seconds == 0 or framework is None:
                continue
            if refuse_seconds < 0:  # invalid: Mesos then uses its default
                refuse_seconds = DEFAULT_REFUSE_SECONDS
            lasts = max(min(refuse_seconds, MAX_REFUSE_SECONDS), self.interval)
            filters = framework.refusals.setdefault((role, agent), [])
            filters.append(Refusal(part.unallocate(), now + lasts))
            del filters[:-MAX_FILTERS]

    def occupy(self, name: str, agent: str, resources: Resources) -> None:
        """Record what a framework uses on an agent that has returned."""
        for role in resources.roles():
            self._charge(name, role, agent, resources.filter(_held_by(role)), +1)

    def recount(self, held: Iterable[tuple[str, str, Resources]]) -> None:
        """Count all allocations again from `held`: (framework, agent, resources)."""
        for agent in self._given:
            self._give(agent, Resources())
        shares = [share for one in self._frameworks.values() for share in one.shares.values()]
        shares += self._roles.values()
        times = [share.times for share in shares]
        for share in shares:
            share.held.clear()
        for framework, agent, resources in held:
            self.occupy(framework, agent, resources)
        for share, before in zip(shares, times, strict=True):
            share.times = before

    def _give(self, agent: str, given: Resources) -> None:
        self._given[agent] = given
        if allocatable(self.available(agent)):
            self._roomy.add(agent)
        else:
            self._roomy.discard(agent)

    def _charge(self, name: str, role: str, agent: str, resources: Resources, sign: int) -> None:
        bare = resources.unallocate()
        if agent in self._given:
            given = self._given[agent]
            self._give(agent, given + bare if sign > 0 else given - bare)
        shares = [self._roles.setdefault(role, Share())]
        if name in self._frameworks:
            shares.append(self._frameworks[name].share(role))
        for share in shares:
            share.change(bare, sign)
            share.times += sign > 0

    def allocate(self, now: float) -> list[Allocation]:
        """Allocate what is free, agent by agent, to the smallest share that does not refuse it."""
        made: list[Allocation] = []
        roomy = self._roomy - self._paused
        agents = [agent for agent in self._totals if agent in roomy]
        self._rng.shuffle(agents)
        for agent in agents:
            for role in self._sorted_roles():
                for name in self._sorted_frameworks(role):
                    free = self.available(agent).filter(partial(usable_by, role))
                    if not allocatable(free):
                        break
                    if self._refused(self._frameworks[name], role, agent, free, now):
                        continue
                    offer = offer_order(free).allocate(role)
                    self._charge(name, role, agent, offer, +1)
                    made.append(Allocation(name, role, agent, offer))
        return made

    def _sorted_roles(self) -> list[str]:
        wanted = {
            role
            for framework in self._frameworks.values()
            if framework.active
            for role in framework.roles
            if role not in framework.suppressed
        }

        def key(role: str) -> tuple[float, int, str]:
            share = self._roles.setdefault(role, Share())
            return share.dominant(self._cluster) / self.weights.get(role, 1.0), share.times, role

        return sorted(wanted, key=key)

    def _sorted_frameworks(self, role: str) -> list[str]:
        wanted = [
            name
            for name, framework in self._frameworks.items()
            if framework.active and role in framework.roles and role not in framework.suppressed
        ]

        def key(name: str) -> tuple[float, int, str]:
            share = self._frameworks[name].share(role)
            return share.dominant(self._cluster), share.times, name

        return sorted(wanted, key=key)

    @staticmethod
    def _refused(framework: Candidate, role: str, agent: str, offer: Resources, now: float) -> bool:
        """Whether a filter of the framework covers these resources of this agent."""
        filters = framework.refusals.get((role, agent))
        if not filters:
            return False
        filters[:] = [one for one in filters if one.until > now]
        return any(one.resources.contains(offer) for one in filters)
