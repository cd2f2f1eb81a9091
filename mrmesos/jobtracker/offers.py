"""Rounds over offers: every offer is answered at once, accepted with slots or declined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mrmesos.jobtracker.cluster import Agent, Slot, Tracker
from mrmesos.jobtracker.commands import AcceptOffers, DeclineOffers, ShutdownTracker, SlotLaunch
from mrmesos.jobtracker.events import Offer
from mrmesos.jobtracker.find_task import Choice, Found, Nothing, NotYet, find_task
from mrmesos.jobtracker.orders import start_attempt
from mrmesos.jobtracker.room import Room
from mrmesos.jobtracker.state import State
from mrmesos.mesos.resources import Resource, take, total

REFUSE_SECONDS_LOCALITY = 0.5
"""Filter of an offer passed over while a task waits for a better agent."""


@dataclass(slots=True)
class _Offered:
    """What one agent offers; several offers of it are one."""

    agent: Agent
    offer_ids: list[str] = field(default_factory=list)
    pool: tuple[Resource, ...] = ()
    launches: list[SlotLaunch] = field(default_factory=list)
    choice: Choice = field(default_factory=lambda: Nothing(wanted=False))


def receive(st: State, offers: Sequence[Offer]) -> None:
    """Answer offers: in rounds, each agent takes one more task until none takes another, so that
    work spreads; then one accept or decline for each.
    """
    offered: dict[str, _Offered] = {}
    for offer in offers:
        agent = st.cluster.see_agent(offer.agent_id, offer.hostname, offer.address, st.now)
        entry = offered.setdefault(agent.id, _Offered(agent))
        entry.offer_ids.append(offer.offer_id)
        entry.pool += offer.resources
        for executor_id in offer.executor_ids:
            if executor_id not in st.cluster.trackers:
                st.emit(ShutdownTracker(executor_id, agent.id))
    st.last_offer = st.now
    for entry in offered.values():
        _remember_size(st, entry.pool)
    taking = [entry for entry in offered.values() if entry.agent.avoid_until <= st.now]
    while taking:
        taking = [entry for entry in taking if _place_one(st, entry)]
    _answer(st, list(offered.values()))


def _remember_size(st: State, pool: Sequence[Resource]) -> None:
    here, known = total(pool), st.largest_offer
    if [here.get(n, 0) for n in ("cpus", "mem")] >= [known.get(n, 0) for n in ("cpus", "mem")]:
        st.largest_offer = here


def _place_one(st: State, entry: _Offered) -> bool:
    tracker, own = entry.agent.tracker, st.settings.tracker
    if tracker is None:
        room = Room(total(entry.pool), own, own["cpus"])
    else:
        room = Room(total(entry.pool), carried=0 if tracker.carried else own["cpus"])
    entry.choice = find_task(st.jobs.values(), st.cluster, entry.agent, tracker, room.fits, st.now)
    if not isinstance(entry.choice, Found):
        return False
    if tracker is None:
        tracker = _new_tracker(st, entry)
    need = entry.choice.job.settings.need(entry.choice.task.kind)
    resources, entry.pool = take(entry.pool, room.asks(need))
    slot = Slot(
        id=st.name("slot"),
        agent_id=entry.agent.id,
        tracker_id=tracker.id,
        capacity=need,
        carries=room.carried > 0,
        launched=st.now,
        asked=st.now,
    )
    st.cluster.add_slot(slot)
    first = start_attempt(st, entry.choice, slot, tracker)
    entry.launches.append(
        SlotLaunch(slot.id, tracker.id, slot.agent_id, resources, tracker.resources, first)
    )
    return True


def _new_tracker(st: State, entry: _Offered) -> Tracker:
    resources, entry.pool = take(entry.pool, st.settings.tracker)
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
