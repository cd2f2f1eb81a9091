"""Rounds over offers: every offer is answered at once, accepted with slots or declined."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from mrmesos.jobtracker import maintenance
from mrmesos.jobtracker.budget import Budget
from mrmesos.jobtracker.cluster import Agent, Slot, Tracker
from mrmesos.jobtracker.commands import AcceptOffers, DeclineOffers, ShutdownTracker, SlotLaunch
from mrmesos.jobtracker.events import Offer
from mrmesos.jobtracker.find_task import NOTHING, Choice, Found, NotYet, find_task
from mrmesos.jobtracker.orders import start_attempt
from mrmesos.jobtracker.room import Room
from mrmesos.jobtracker.state import State
from mrmesos.mesos.resources import Amounts, Pool, Resource

REFUSE_SECONDS_LOCALITY = 0.5
"""Filter of an offer passed over while a task waits for a better agent. Mesos' allocator keeps a
filter for an allocation interval (1 s) at least, so that others are offered the agent in between.
"""
COME_BACK_SECONDS = 2.0
"""An agent that is offered again so soon after all passed it over stood idle in between."""


@dataclass(slots=True)
class _Offered:
    """What one agent offers to one role of ours; several such offers are one."""

    agent: Agent
    role: str
    idle: bool
    """All passed it over not long ago."""
    offer_ids: list[str] = field(default_factory=list)
    resources: list[Resource] = field(default_factory=list)
    launches: list[SlotLaunch] = field(default_factory=list)
    choice: Choice = NOTHING


def receive(st: State, offers: Sequence[Offer]) -> None:
    """Answer offers: in rounds, each agent takes one more task until none takes another, so that
    work spreads; then one accept or decline for each.
    """
    offered: dict[tuple[str, str], _Offered] = {}
    for offer in offers:
        agent, new = st.cluster.see_agent(
            offer.agent_id, offer.hostname, offer.address, st.now, offer.rack
        )
        if new:
            st.index.see_agent(agent)
        agent.has(offer.attributes)
        maintenance.learn(st, agent, offer.unavailability)
        entry = offered.get((agent.id, offer.role))
        if entry is None:
            idle = agent.passed is not None and st.now - agent.passed <= COME_BACK_SECONDS
            entry = offered[agent.id, offer.role] = _Offered(agent, offer.role, idle)
        entry.offer_ids.append(offer.offer_id)
        entry.resources += offer.resources
        for executor_id in offer.executor_ids:
            if executor_id not in st.cluster.trackers:
                st.emit(ShutdownTracker(executor_id, agent.id))
    st.last_offer = st.now
    pools = [(entry, Pool(entry.resources)) for entry in offered.values()]
    grown = False
    for entry, pool in pools:
        _remember_size(st, pool.free)
        grown |= st.cluster.see_size(entry.agent, pool.free)
    if grown:
        st.index.see_sizes()
    _count_idle(st, offered.values(), 1)
    taking = [(entry, pool) for entry, pool in pools if entry.agent.takes(st.now)]
    budget = Budget(st) if taking and st.settings.cap else None
    while taking:
        taking = [(entry, pool) for entry, pool in taking if _place_one(st, entry, pool, budget)]
    _note_passed(st, offered.values())
    _answer(st, list(offered.values()))


def _remember_size(st: State, here: Amounts) -> None:
    known = st.largest_offer
    if (here.get("cpus", 0), here.get("mem", 0)) >= (known.get("cpus", 0), known.get("mem", 0)):
        st.largest_offer = dict(here)


def _count_idle(st: State, offered: Iterable[_Offered], sign: int) -> None:
    idle = sum(entry.idle for entry in offered)
    st.index.chances.passed += sign * idle
    st.index.chances.again += sign * idle


def _note_passed(st: State, offered: Collection[_Offered]) -> None:
    """Chances that came back idle were counted before the choice, and those taken now are not."""
    taken = [e for e in offered if e.idle and (e.launches or not isinstance(e.choice, NotYet))]
    _count_idle(st, taken, -1)
    for entry in offered:
        passed = isinstance(entry.choice, NotYet)
        st.index.chances.passed += passed and not (entry.idle and not entry.launches)
        entry.agent.passed = st.now if passed else None


def _place_one(st: State, entry: _Offered, pool: Pool, budget: Budget | None) -> bool:
    tracker, own = entry.agent.tracker, st.settings.tracker
    free = pool.free if budget is None else budget.within(pool.free)
    if tracker is None:
        room = Room(free, own, own["cpus"])
    else:
        room = Room(free, carried=0 if tracker.carried else own["cpus"])
    choice = entry.choice = find_task(st.index, entry.agent, tracker, room.fits, entry.role)
    if not isinstance(choice, Found):
        return False
    need = choice.job.settings.need(choice.task.kind)
    taken = room.asks(need)
    if budget is not None:
        budget.spend(taken, room.beside)
    if tracker is None:
        tracker = _new_tracker(st, entry, pool)
    resources = pool.take(taken)
    slot = Slot(
        id=st.name("slot"),
        agent_id=entry.agent.id,
        tracker_id=tracker.id,
        capacity=need,
        carries=room.carried > 0,
        launched=st.now,
        role=entry.role,
        taken=taken,
        asked=st.now,
    )
    st.cluster.add_slot(slot)
    first = start_attempt(st, choice, slot, tracker)
    entry.launches.append(
        SlotLaunch(slot.id, tracker.id, slot.agent_id, resources, tracker.resources, first)
    )
    return True


def _new_tracker(st: State, entry: _Offered, pool: Pool) -> Tracker:
    resources = pool.take(st.settings.tracker)
    agent = entry.agent
    tracker = Tracker(st.name("tracker"), agent.id, agent.hostname, resources, launched=st.now)
    st.cluster.trackers[tracker.id] = agent.tracker = tracker
    return tracker


def _answer(st: State, offered: list[_Offered]) -> None:
    hungry = st.hungry()
    declined: dict[float, list[str]] = {}
    for entry in offered:
        refuse = _refuse_seconds(st, entry, hungry)
        if entry.launches:
            st.emit(AcceptOffers(tuple(entry.offer_ids), tuple(entry.launches), refuse))
        else:
            declined.setdefault(refuse, []).extend(entry.offer_ids)
    for refuse, offer_ids in declined.items():
        st.emit(DeclineOffers(tuple(offer_ids), refuse))


def _refuse_seconds(st: State, entry: _Offered, hungry: bool) -> float:
    if not hungry:
        return st.settings.refuse_idle
    if entry.agent.avoid_until > st.now:
        return min(st.settings.refuse_busy, max(0.5, entry.agent.avoid_until - st.now))
    if isinstance(entry.choice, NotYet):
        return REFUSE_SECONDS_LOCALITY
    return st.settings.refuse_busy
