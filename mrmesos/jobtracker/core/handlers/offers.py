"""Answers to offers. Every offer is answered at once: accepted with slots, or declined.

Comes in: all offers of one message. Goes out: AcceptOffers and DeclineOffers, each with a filter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field

from mrmesos.jobtracker.core.handlers import jobs, maintenance
from mrmesos.jobtracker.core.messages.commands import (
    AcceptOffers,
    DeclineOffers,
    ShutdownTracker,
    SlotLaunch,
    WarmTrackerLaunch,
)
from mrmesos.jobtracker.core.messages.events import Offer
from mrmesos.jobtracker.core.model.agent import Agent
from mrmesos.jobtracker.core.policies import host_faults, warm_trackers
from mrmesos.jobtracker.core.policies.dispatch import new_slot, new_tracker, start_attempt
from mrmesos.jobtracker.core.policies.quota import Quota
from mrmesos.jobtracker.core.scheduling.eligibility import Fit
from mrmesos.jobtracker.core.scheduling.find_task import NOTHING, Choice, Found, NotYet, find_task
from mrmesos.jobtracker.core.state.state import State
from mrmesos.resources import Amounts, Pool, Resource, total
from mrmesos.wire.ids import AgentId, HostName, TrackerId

REFUSE_SECONDS_LOCALITY = 0.5
"""Filter of an offer that we decline because each task waits for a better agent. Mesos' allocator
keeps a filter for at least an allocation interval (1 s). In between, it can offer the agent to
other frameworks.
"""
NO_WORK = "no task waits"
COME_BACK_SECONDS = 2.0
"""If all our tasks passed an agent over, and it is offered again this soon, it stood idle."""


@dataclass(slots=True, eq=False)
class _Offered:
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


class _Batch:
    """The offers of one message. A small job brings offers of all agents, and takes few of them. So
    only those at which we look for a task get an `_Offered`.
    """

    __slots__ = ("agents", "changed", "groups", "offers", "passed", "places", "seen")

    def __init__(self, st: State, offers: Sequence[Offer]) -> None:
        self.agents: list[Agent] = []
        """By place, as all else here: the agent of an offer, or of several joined offers."""
        self.passed: dict[int, bool] = {}
        """Agents that all our tasks passed over the last time, and whether that was within
        COME_BACK_SECONDS: then they stood idle.
        """
        self.changed: list[int] = []
        """Agents that may offer other resources than the last time."""
        self.seen: dict[int, _Offered] = {}
        self.groups: list[tuple[Offer, ...]] | None = None
        """The offers by agent and role, if an agent has several."""
        self.offers = offers
        _hear(st, offers, self)
        self.places = dict(zip(self.agents, range(len(offers)), strict=True))
        if len(self.places) < len(self.agents):
            self._join()

    def _join(self) -> None:
        joined: dict[tuple[Agent, str], tuple[Offer, ...]] = {}
        for agent, offer in zip(self.agents, self.offers, strict=True):
            key = agent, offer.role
            joined[key] = (*joined.get(key, ()), offer)
        idle = {self.agents[place]: idle for place, idle in self.passed.items()}
        self.agents, self.groups = [agent for agent, _ in joined], list(joined.values())
        self.passed = {n: idle[agent] for n, agent in enumerate(self.agents) if agent in idle}
        self.changed = list(range(len(self.agents)))

    def group(self, place: int) -> tuple[Offer, ...]:
        """The offers at a place."""
        return (self.offers[place],) if self.groups is None else self.groups[place]

    def of(self, agents: Set[Agent]) -> list[int]:
        """The places of these agents."""
        if self.groups is None:
            places = self.places
            return sorted([places[agent] for agent in agents if agent in places])
        return [place for place, agent in enumerate(self.agents) if agent in agents]

    def look(self, place: int) -> _Offered:
        """The offers at a place, joined."""
        entry = self.seen.get(place)
        if entry is None:
            agent, group = self.agents[place], self.group(place)
            resources = _resources(group)
            # An agent with offers to several roles remembers the last ones.
            free = agent.free if agent.offered == resources else total(resources)
            entry = _Offered(agent, group[0].role, group, resources, free)
            self.seen[place] = entry
        return entry

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


def receive(st: State, offers: Sequence[Offer]) -> None:
    """Answer all offers of one message.

    In each round, every agent takes one more task, so that work spreads. The rounds end when no
    agent takes another task. Then each offer is accepted or declined.
    """
    st.offers.last = st.now
    batch = _Batch(st, offers)
    _read(st, batch)
    if st.offers.unjudged:
        jobs.judge_new(st)
    before = st.index.chances.passed, st.index.chances.again
    st.index.count_idle(sum(batch.passed.values()))
    _place(st, batch)
    _place_warm_trackers(st, batch)
    _note_passed(st, batch)
    st.index.chances.offered(before)
    _answer(st, batch)


def _hear(st: State, offers: Sequence[Offer], batch: _Batch) -> None:
    """Note what offers say about their agents, and the agent of each in `batch`."""
    now, agents, known_trackers = st.now, st.cluster.agents, st.cluster.trackers
    heard = batch.agents
    for offer in offers:
        agent = agents.get(AgentId(offer.agent_id))
        if agent is None or agent.offer is not offer:
            if agent is None or agent.rack != offer.rack:
                agent = st.cluster.see_agent(
                    AgentId(offer.agent_id), HostName(offer.hostname), offer.address, offer.rack
                )
                st.index.see_agent(agent)
                host_faults.seen(st, agent)
            agent.offer = offer
            agent.url = offer.agent_url
            attributes = offer.attributes
            if attributes is not agent.attributes and attributes != agent.attributes:
                agent.has(attributes)
                host_faults.seen(st, agent)
        agent.seen = now
        if offer.unavailability is not agent.away and offer.unavailability != agent.away:
            maintenance.learn(st, agent, offer.unavailability)
        if offer.executor_ids:
            for executor_id in offer.executor_ids:
                if executor_id not in known_trackers:
                    st.emit(ShutdownTracker(TrackerId(executor_id), agent.id))
        if agent.offered is not offer.resources:
            batch.changed.append(len(heard))
        if agent.passed is not None:
            batch.passed[len(heard)] = now - agent.passed <= COME_BACK_SECONDS
        heard.append(agent)


def _resources(group: tuple[Offer, ...]) -> tuple[Resource, ...]:
    if len(group) == 1:
        return group[0].resources
    return tuple([resource for offer in group for resource in offer.resources])


def _read(st: State, batch: _Batch) -> None:
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
        if st.cluster.see_size(agent, agent.free):
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


def _note_passed(st: State, batch: _Batch) -> None:
    """Note which agents all tasks passed over. `receive` counted the idle ones before the choice,
    so those that are used now are subtracted again.
    """
    taken = 0
    for place in sorted({*batch.passed, *batch.seen}):
        entry, idle = batch.seen.get(place), batch.passed.get(place, False)
        passed = entry is not None and isinstance(entry.choice, NotYet)
        unused = idle and not (entry is not None and entry.launches)
        taken += idle and not (passed and unused)
        st.index.chances.passed += passed and not unused
        batch.agents[place].passed = st.now if passed else None
    st.index.count_idle(-taken)


def _nearest_first(st: State, batch: _Batch) -> Iterator[int]:
    """The places of the batch. Those of agents that store data of waiting maps come first. A job
    whose data is on an offered agent then neither waits nor reads over the network.
    """
    st.index.flush()
    agents = batch.agents
    hosts = [host for host, jobs in st.index.hosts.items() if jobs]
    if not hosts:
        yield from range(len(agents))
        return
    if len(hosts) < len(agents):  # a small job's data is on few of the agents
        storing = {agent for host in hosts for agent in st.cluster.hosts.get(host, ())}
        near = batch.of(storing)
    else:
        stored_on = st.index.stored_on
        near = [place for place, agent in enumerate(agents) if stored_on(agent)]
    yield from near
    first = set(near)
    for place in range(len(agents)):
        if place not in first:
            yield place


def _place(st: State, batch: _Batch) -> None:
    """Go round the agents until no agent takes another task, or no task waits."""
    quota = Quota(st) if st.settings.cap else None
    taking: Iterable[_Offered] = (
        batch.look(place)
        for place in _nearest_first(st, batch)
        if batch.agents[place].takes(st.now)
    )
    while taking:
        again = []
        for entry in taking:
            if not st.index.has_work:
                return
            if _place_one(st, entry, quota):
                again.append(entry)
        taking = again


def _place_one(st: State, entry: _Offered, quota: Quota | None) -> bool:
    tracker, own = entry.agent.tracker, st.settings.tracker
    free = entry.free if quota is None else quota.within(entry.free)
    fit = Fit(free, own if tracker is None else {}, own["cpus"])
    choice = entry.choice = find_task(st.index, entry.agent, tracker, fit.fits, entry.role)
    if not isinstance(choice, Found):
        return False
    pool = entry.pool
    if pool is None:
        pool = entry.pool = Pool(entry.resources)
        entry.free = pool.free
    need = choice.job.settings.need(choice.task.kind)
    taken = fit.asks(need)
    if quota is not None:
        quota.spend(taken, fit.beside)
    if tracker is None:
        tracker = new_tracker(st, entry.agent, pool)
    resources = pool.take(taken)
    slot = new_slot(st, tracker, entry.role, need, taken)
    first = start_attempt(st, choice, slot, tracker)
    entry.launches.append(
        SlotLaunch(slot.id, tracker.id, slot.agent_id, resources, tracker.resources, first)
    )
    return True


def _place_warm_trackers(st: State, batch: _Batch) -> None:
    wanted = warm_trackers.missing(st)
    quota = Quota(st) if wanted > 0 and st.settings.cap else None
    for place, agent in enumerate(batch.agents) if wanted > 0 else ():
        if wanted <= 0 or agent.tracker is not None or not agent.takes(st.now):
            continue
        entry = batch.look(place)
        pool = Pool(entry.resources)
        free = pool.free if quota is None else quota.within(pool.free)
        entry.warm_tracker = warm_trackers.place(st, agent, entry.role, free, pool)
        if entry.warm_tracker is not None:
            wanted -= 1
            if quota is not None:
                quota.spend(st.settings.tracker, warm_trackers.NEED)


def _answer(st: State, batch: _Batch) -> None:
    wanted = bool(warm_trackers.wanted_roles(st))
    declined: dict[float, list[str]] = {}
    for place in range(len(batch.agents)) if wanted else sorted(batch.seen):
        agent, entry = batch.agents[place], batch.seen.get(place)
        choice = NOTHING if entry is None else entry.choice
        refuse = _refuse_seconds(st, agent, choice) if wanted else st.settings.refuse_idle
        ids = [offer.offer_id for offer in batch.group(place)]
        if entry is not None and entry.used:
            st.offers.taken += len(ids)
            st.emit(AcceptOffers(tuple(ids), tuple(entry.launches), refuse, entry.warm_tracker))
        elif wanted:
            declined.setdefault(refuse, []).extend(ids)
            _count_declined(st, _reason(st, agent, choice), len(ids))
    if not wanted and (unused := batch.unused()):  # most offers
        declined[st.settings.refuse_idle] = unused
        _count_declined(st, NO_WORK, len(unused))
    for refuse, offer_ids in declined.items():
        st.emit(DeclineOffers(tuple(offer_ids), refuse))


def _count_declined(st: State, reason: str, number: int) -> None:
    st.offers.declined[reason] = st.offers.declined.get(reason, 0) + number


def _reason(st: State, agent: Agent, choice: Choice) -> str:
    """Why nothing starts on an agent although tasks wait, in words for people."""
    if agent.avoid_until > st.now:
        return "the agent is avoided"
    if st.now >= agent.closes:
        return "the agent's maintenance is near"
    if not agent.takes(st.now):
        return "the TaskTracker there is silent"
    if isinstance(choice, NotYet):
        return "tasks wait for a better agent"
    return "no waiting task fits or may run there"


def _refuse_seconds(st: State, agent: Agent, choice: Choice) -> float:
    if agent.avoid_until > st.now:
        return min(st.settings.refuse_busy, max(0.5, agent.avoid_until - st.now))
    if isinstance(choice, NotYet):
        return REFUSE_SECONDS_LOCALITY
    return st.settings.refuse_busy
