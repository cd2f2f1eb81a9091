"""Answers to offers. Every offer is answered at once: accepted with slots, or declined.

Comes in: all offers of one message. Goes out: AcceptOffers and DeclineOffers, each with a filter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mrmesos.jobtracker.core.handlers import maintenance
from mrmesos.jobtracker.core.messages.commands import (
    AcceptOffers,
    DeclineOffers,
    ShutdownTracker,
    SlotLaunch,
    SpareLaunch,
)
from mrmesos.jobtracker.core.messages.events import Offer
from mrmesos.jobtracker.core.model.agent import Agent
from mrmesos.jobtracker.core.policies import host_faults, warm_trackers
from mrmesos.jobtracker.core.policies.dispatch import new_slot, new_tracker, start_attempt
from mrmesos.jobtracker.core.policies.quota import Quota
from mrmesos.jobtracker.core.scheduling.eligibility import Fit
from mrmesos.jobtracker.core.scheduling.find_task import NOTHING, Choice, Found, NotYet, find_task
from mrmesos.jobtracker.core.state.state import State
from mrmesos.resources import Amounts, Pool, Resource
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
    """All offers of one agent to one of our roles, joined."""

    agent: Agent
    role: str
    offers: list[Offer]
    resources: Sequence[Resource]
    free: Amounts
    """The amounts that we can take of `resources`. Valid after `_read`."""
    idle: bool
    """All our tasks passed the agent over within COME_BACK_SECONDS."""
    pool: Pool | None = None
    """Takes resources out of the offers. Made when the first task is found."""
    launches: list[SlotLaunch] = field(default_factory=list)
    spare: SpareLaunch | None = None
    choice: Choice = NOTHING


def receive(st: State, offers: Sequence[Offer]) -> None:
    """Answer all offers of one message.

    In each round, every agent takes one more task, so that work spreads. The rounds end when no
    agent takes another task. Then each offer is accepted or declined.
    """
    st.offers.last = st.now
    offered = _by_agent(st, offers)
    _read(st, offered)
    before = st.index.chances.passed, st.index.chances.again
    st.index.count_idle(sum([entry.idle for entry in offered]))
    _place(st, _nearest_first(st, [e for e in offered if e.agent.takes(st.now)]))
    _place_spares(st, offered)
    _note_passed(st, offered)
    st.index.chances.offered(before)
    _answer(st, offered)


def _by_agent(st: State, offers: Sequence[Offer]) -> list[_Offered]:
    offered: dict[tuple[str, str], _Offered] = {}
    now, agents, known_trackers = st.now, st.cluster.agents, st.cluster.trackers
    for offer in offers:
        agent_id = AgentId(offer.agent_id)
        agent = agents.get(agent_id)
        if agent is None or agent.rack != offer.rack:
            agent = st.cluster.see_agent(
                agent_id, HostName(offer.hostname), offer.address, offer.rack
            )
            st.index.see_agent(agent)
            host_faults.seen(st, agent)
        agent.seen = now
        agent.url = offer.agent_url
        if offer.attributes != agent.attributes:
            agent.has(offer.attributes)
            host_faults.seen(st, agent)
        if offer.unavailability != agent.away:
            maintenance.learn(st, agent, offer.unavailability)
        for executor_id in offer.executor_ids:
            if executor_id not in known_trackers:
                st.emit(ShutdownTracker(TrackerId(executor_id), agent.id))
        key = (agent.id, offer.role)
        entry = offered.get(key)
        if entry is None:
            idle = agent.passed is not None and now - agent.passed <= COME_BACK_SECONDS
            offered[key] = _Offered(agent, offer.role, [offer], offer.resources, agent.free, idle)
        else:
            entry.offers.append(offer)
            entry.resources = (*entry.resources, *offer.resources)
    return list(offered.values())


def _read(st: State, offered: Iterable[_Offered]) -> None:
    """Sum up the offered resources. Most agents offer exactly what they offered last time, and the
    comparison costs a fraction of the sum.
    """
    grown = False
    for entry in offered:
        agent = entry.agent
        if agent.offered != entry.resources:
            agent.offered, agent.free = entry.resources, Pool(entry.resources).free
            agent.role = entry.role
            _remember_size(st, agent.free)
            if st.cluster.see_size(agent, agent.free):
                grown = True
                host_faults.seen(st, agent)
        entry.free = agent.free
    if grown:
        st.index.see_sizes()


def _remember_size(st: State, here: Amounts) -> None:
    known = st.offers.largest
    if (here.get("cpus", 0), here.get("mem", 0)) >= (known.get("cpus", 0), known.get("mem", 0)):
        st.offers.largest = dict(here)


def _note_passed(st: State, offered: Iterable[_Offered]) -> None:
    """Note which agents all tasks passed over. `receive` counted the idle ones before the choice,
    so those that are used now are subtracted again.
    """
    taken = 0
    for entry in offered:
        passed = isinstance(entry.choice, NotYet)
        if not passed and not entry.idle:  # most agents, if few tasks wait
            entry.agent.passed = None
            continue
        unused = entry.idle and not entry.launches
        taken += entry.idle and not (passed and unused)
        st.index.chances.passed += passed and not unused
        entry.agent.passed = st.now if passed else None
    st.index.count_idle(-taken)


def _nearest_first(st: State, offered: list[_Offered]) -> list[_Offered]:
    """Put the agents first that store data of waiting maps. A job whose data is on an offered agent
    then neither waits nor reads over the network.
    """
    st.index.flush()
    hosts = [host for host, jobs in st.index.hosts.items() if jobs]
    if not hosts:
        return offered
    near: list[_Offered] = []
    far: list[_Offered] = []
    if len(hosts) < len(offered):  # a small job's data is on few of the agents
        storing = {agent.id for host in hosts for agent in st.cluster.hosts.get(host, ())}
        for entry in offered:
            (near if entry.agent.id in storing else far).append(entry)
    else:
        stored_on = st.index.stored_on
        for entry in offered:
            (near if stored_on(entry.agent) else far).append(entry)
    return near + far


def _place(st: State, taking: list[_Offered]) -> None:
    """Go round the agents until no agent takes another task, or no task waits."""
    quota = Quota(st) if taking and st.settings.cap else None
    while taking:
        again = []
        for entry in taking:
            if not st.index.hungry:
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


def _place_spares(st: State, offered: Iterable[_Offered]) -> None:
    wanted = warm_trackers.missing(st)
    quota = Quota(st) if wanted > 0 and st.settings.cap else None
    for entry in offered if wanted > 0 else ():
        agent = entry.agent
        if wanted <= 0 or agent.tracker is not None or not agent.takes(st.now):
            continue
        pool = Pool(entry.resources)
        free = pool.free if quota is None else quota.within(pool.free)
        entry.spare = warm_trackers.place(st, agent, entry.role, free, pool)
        if entry.spare is not None:
            wanted -= 1
            if quota is not None:
                quota.spend(st.settings.tracker, warm_trackers.NEED)


def _answer(st: State, offered: Iterable[_Offered]) -> None:
    hungry = bool(warm_trackers.wanted_roles(st))
    declined: dict[float, list[str]] = {}
    unused: list[str] = []
    for entry in offered:
        if not hungry and not entry.launches and entry.spare is None:  # most offers
            unused += [offer.offer_id for offer in entry.offers]
            continue
        refuse = _refuse_seconds(st, entry) if hungry else st.settings.refuse_idle
        if entry.launches or entry.spare is not None:
            taken = tuple([offer.offer_id for offer in entry.offers])
            st.offers.taken += len(taken)
            st.emit(AcceptOffers(taken, tuple(entry.launches), refuse, entry.spare))
            continue
        ids = declined.get(refuse)
        if ids is None:
            ids = declined[refuse] = []
        for offer in entry.offers:
            ids.append(offer.offer_id)
        reason = _reason(st, entry)
        st.offers.declined[reason] = st.offers.declined.get(reason, 0) + len(entry.offers)
    if unused:
        declined[st.settings.refuse_idle] = unused
        st.offers.declined[NO_WORK] = st.offers.declined.get(NO_WORK, 0) + len(unused)
    for refuse, offer_ids in declined.items():
        st.emit(DeclineOffers(tuple(offer_ids), refuse))


def _reason(st: State, entry: _Offered) -> str:
    """Why nothing starts on an agent although tasks wait, in words for people."""
    if entry.agent.avoid_until > st.now:
        return "the agent is avoided"
    if st.now >= entry.agent.closes:
        return "the agent's maintenance is near"
    if not entry.agent.takes(st.now):
        return "the TaskTracker there is silent"
    if isinstance(entry.choice, NotYet):
        return "tasks wait for a better agent"
    return "no waiting task fits or may run there"


def _refuse_seconds(st: State, entry: _Offered) -> float:
    if entry.agent.avoid_until > st.now:
        return min(st.settings.refuse_busy, max(0.5, entry.agent.avoid_until - st.now))
    if isinstance(entry.choice, NotYet):
        return REFUSE_SECONDS_LOCALITY
    return st.settings.refuse_busy
