"""Who is offered what: DRF over roles, then over the frameworks of a role.

The decisions of Mesos' hierarchical allocator (`src/master/allocator/mesos/hierarchical.cpp`)
without quota, nested roles' sharing and maintenance. Pure: the clock and the shuffle come in.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from mrmesos.minimesos.model.resources import SCALAR, Bucket, Resources

DEFAULT_REFUSE_SECONDS = 5.0
MAX_REFUSE_SECONDS = 365 * 86400.0
MIN_CPUS = 10  # thousandths: an offer needs this much cpus ...
MIN_MEM = 32 * 1000  # ... or this many thousandths of a megabyte
MAX_FILTERS = 64  # per framework, role and agent; the oldest go first


@dataclass(slots=True)
class Share:
    """What a role or a framework holds in all, offered or used, and how often it was given any."""

    held: dict[str, int] = field(default_factory=dict)
    times: int = 0

    def change(self, resources: Resources, sign: int) -> None:
        """Count resources in (`sign` 1) or out (-1)."""
        for name, amount in resources.scalars().items():
            self.held[name] = self.held.get(name, 0) + sign * amount

    def dominant(self, total: dict[str, int]) -> float:
        """The largest fraction of the cluster held of any one resource."""
        parts = (held / total[name] for name, held in self.held.items() if total.get(name))
        return max(parts, default=0.0)


@dataclass(slots=True)
class Refusal:
    """A framework's wish not to be offered these resources of one agent again until `until`."""

    resources: Resources
    until: float


@dataclass(slots=True)
class Candidate:
    """A framework as the allocator knows it."""

    roles: tuple[str, ...]
    suppressed: set[str] = field(default_factory=set)
    active: bool = True
    shares: dict[str, Share] = field(default_factory=dict)  # by role
    refusals: dict[tuple[str, str], list[Refusal]] = field(default_factory=dict)  # (role, agent)

    def share(self, role: str) -> Share:
        """What the framework holds as `role`."""
        return self.shares.setdefault(role, Share())


@dataclass(frozen=True, slots=True)
class Allocation:
    """Resources that one framework shall be offered on one agent, held by `role`."""

    framework: str
    role: str
    agent: str
    resources: Resources


def allocatable(resources: Resources) -> bool:
    """Whether it is worth an offer at all (Mesos' `min_allocatable_resources`)."""
    sums = resources.scalars()
    return sums.get("cpus", 0) >= MIN_CPUS or sums.get("mem", 0) >= MIN_MEM


def usable_by(role: str, bucket: Bucket) -> bool:
    """Unreserved resources are anybody's, reserved ones their role's and its sub-roles'."""
    owner = bucket.reserved_for
    return owner is None or owner == role or role.startswith(owner + "/")


def _held_by(role: str) -> Callable[[Bucket], bool]:
    return lambda bucket: bucket.allocation == role


def offer_order(resources: Resources) -> Resources:
    """Reserved first, then ranges and sets, then scalars: the order in which Mesos lists offers."""
    reserved = resources.filter(lambda b: bool(b.reservations))
    discrete = resources.filter(lambda b: not b.reservations and b.kind != SCALAR)
    scalars = resources.filter(lambda b: not b.reservations and b.kind == SCALAR)
    return reserved + discrete + scalars


class Allocator:
    """Keeps what is given to whom, and decides what to offer next. Times are in seconds."""

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
        self._paused: set[str] = set()
        self._frameworks: dict[str, Candidate] = {}
        self._roles: dict[str, Share] = {}
        self._cluster: dict[str, int] = {}

    def add_agent(self, agent: str, total: Resources) -> None:
        """An agent with all its resources free."""
        self._totals[agent] = total
        self._given[agent] = Resources()
        self._sum_cluster()

    def remove_agent(self, agent: str) -> None:
        """The agent's resources must have been recovered before."""
        self._totals.pop(agent, None)
        self._given.pop(agent, None)
        self._paused.discard(agent)
        for framework in self._frameworks.values():
            for key in [key for key in framework.refusals if key[1] == agent]:
                del framework.refusals[key]
        self._sum_cluster()

    def pause(self, agent: str) -> None:
        """Offer nothing of an agent for now; filters stay."""
        self._paused.add(agent)

    def resume(self, agent: str) -> None:
        """Offer its resources again."""
        self._paused.discard(agent)

    def _sum_cluster(self) -> None:
        self._cluster = {}
        for total in self._totals.values():
            for name, amount in total.scalars().items():
                self._cluster[name] = self._cluster.get(name, 0) + amount

    def add_framework(
        self, name: str, roles: Iterable[str], suppressed: Iterable[str] = ()
    ) -> None:
        """A framework, or new roles and suppressions of a known one."""
        known = self._frameworks.get(name)
        if known is None:
            self._frameworks[name] = Candidate(tuple(roles), set(suppressed))
        else:
            known.roles = tuple(roles)
            known.suppressed = set(suppressed)

    def remove_framework(self, name: str) -> None:
        """The framework's resources must have been recovered before."""
        self._frameworks.pop(name, None)

    def activate(self, name: str) -> None:
        """Offer to the framework again."""
        self._frameworks[name].active = True

    def deactivate(self, name: str) -> None:
        """A disconnected framework gets no offers; its filters and suppressions are forgotten."""
        framework = self._frameworks[name]
        framework.active = False
        framework.refusals.clear()
        framework.suppressed.clear()

    def suppress(self, name: str, roles: Iterable[str] = ()) -> None:
        """No offers for these roles (all of the framework's when none is named)."""
        framework = self._frameworks[name]
        framework.suppressed |= set(roles) or set(framework.roles)

    def revive(self, name: str, roles: Iterable[str] = ()) -> None:
        """Also forgets the filters of these roles (all of the framework's when none is named)."""
        framework = self._frameworks[name]
        revived = set(roles) or set(framework.roles)
        framework.suppressed -= revived
        for key in [key for key in framework.refusals if key[0] in revived]:
            del framework.refusals[key]

    def available(self, agent: str) -> Resources:
        """What nobody has been offered or uses."""
        return self._totals[agent] - self._given[agent]

    def recover(
        self,
        name: str,
        agent: str,
        resources: Resources,
        refuse_seconds: float | None = None,
        now: float = 0.0,
    ) -> None:
        """Take back allocated resources; `refuse_seconds` above 0 leaves a filter for them.

        As in Mesos a filter lives at least one allocation interval.
        """
        for role in resources.roles():
            part = resources.filter(_held_by(role))
            self._charge(name, role, agent, part, -1)
            framework = self._frameworks.get(name)
            if refuse_seconds is None or refuse_seconds == 0 or framework is None:
                continue
            if refuse_seconds < 0:  # Mesos takes its default for a nonsensical wish
                refuse_seconds = DEFAULT_REFUSE_SECONDS
            lasts = max(min(refuse_seconds, MAX_REFUSE_SECONDS), self.interval)
            filters = framework.refusals.setdefault((role, agent), [])
            filters.append(Refusal(part.unallocate(), now + lasts))
            del filters[:-MAX_FILTERS]

    def occupy(self, name: str, agent: str, resources: Resources) -> None:
        """An agent comes back with what a framework uses there."""
        for role in resources.roles():
            self._charge(name, role, agent, resources.filter(_held_by(role)), +1)

    def recount(self, held: Iterable[tuple[str, str, Resources]]) -> None:
        """Begin the books anew with all that is held, each by a framework on an agent."""
        self._given = {agent: Resources() for agent in self._given}
        shares = [share for one in self._frameworks.values() for share in one.shares.values()]
        shares += self._roles.values()
        times = [share.times for share in shares]
        for share in shares:
            share.held.clear()
        for framework, agent, resources in held:
            self.occupy(framework, agent, resources)
        for share, before in zip(shares, times, strict=True):
            share.times = before

    def _charge(self, name: str, role: str, agent: str, resources: Resources, sign: int) -> None:
        bare = resources.unallocate()
        if agent in self._given:
            given = self._given[agent]
            self._given[agent] = given + bare if sign > 0 else given - bare
        shares = [self._roles.setdefault(role, Share())]
        if name in self._frameworks:
            shares.append(self._frameworks[name].share(role))
        for share in shares:
            share.change(bare, sign)
            share.times += sign > 0

    def allocate(self, now: float) -> list[Allocation]:
        """Give what is free, agent by agent, to whoever holds the smallest share and wants it."""
        made: list[Allocation] = []
        agents = [agent for agent in self._totals if agent not in self._paused]
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
        """Whether the framework refused these resources, or more, of this agent before."""
        filters = framework.refusals.get((role, agent))
        if not filters:
            return False
        filters[:] = [one for one in filters if one.until > now]
        return any(one.resources.contains(offer) for one in filters)
