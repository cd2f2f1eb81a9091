"""When a slot's lease may end: only while a Mesos master can offer its resources again.

A slot past its lease goes back to Mesos, so that Mesos' DRF can give its resources to another
framework. While no master can do that, ending the slot would only leave the resources idle.
"""

from __future__ import annotations

from mrmesos.jobtracker.core.messages.events import (
    AgentLost,
    Event,
    InverseOfferRescinded,
    InverseOffersReceived,
    MasterHeard,
    OfferRescinded,
    OffersReceived,
    Registered,
    SlotUpdated,
    TrackerLost,
)
from mrmesos.jobtracker.core.model.slot import Slot
from mrmesos.jobtracker.core.state.state import State

MASTER_SILENT_SECONDS = 20.0
"""A master sends something at least every 15 s: HEARTBEAT (Mesos' DEFAULT_HEARTBEAT_INTERVAL)."""
FIRST_OFFERS_SECONDS = 30.0
"""A new subscription has this long to bring offers. On a full cluster there may be none."""
TAKEN_SECONDS = 3.0
"""A working Mesos confirms the end of a slot within this time."""
TRY_AGAIN_SECONDS = 30.0
"""If Mesos does not confirm the end of one slot, other slots stay for this long."""

_FROM_MASTER = frozenset(
    {
        AgentLost,
        InverseOfferRescinded,
        InverseOffersReceived,
        MasterHeard,
        OfferRescinded,
        OffersReceived,
        Registered,
        SlotUpdated,
        TrackerLost,
    }
)


def hear(st: State, event: Event) -> None:
    """Note when the master last said anything."""
    if type(event) in _FROM_MASTER:
        if isinstance(event, SlotUpdated) and not event.from_master:
            return
        st.subscription.master_heard = st.now


def master_there(st: State) -> bool:
    """Whether the Mesos master can act, as far as we know."""
    link = st.subscription
    return link.connected and st.now - link.master_heard <= MASTER_SILENT_SECONDS


def may_end(st: State, slot: Slot) -> bool:
    """Whether Mesos can give the slot's resources to somebody, so that its lease may end."""
    if not master_there(st):
        return False
    since = st.subscription.since
    if max(slot.told, slot.launched) < since:
        # A new master, and the slot's agent has not registered with it yet. So the master could
        # not offer the freed resources.
        return False
    offered = st.offers.last is not None and st.offers.last >= since
    if not offered and st.now - since < FIRST_OFFERS_SECONDS:
        return False
    return _taken(st)


def _given_back(st: State) -> Slot | None:
    """A slot that we gave back, if it has not ended. Its end will show whether Mesos takes slots
    back.
    """
    slot_id = st.slots.given_back
    return None if slot_id is None else st.cluster.slots.get(slot_id)


def _taken(st: State) -> bool:
    """Whether Mesos confirmed the end of the slot given back before, or still has time to."""
    before = _given_back(st)
    if before is None or before.ending_since is None:
        return True
    waits = st.now - before.ending_since
    return waits <= TAKEN_SECONDS or waits > TRY_AGAIN_SECONDS


def give_back(st: State, slot: Slot) -> None:
    """A slot is being given back. Remember it, to see whether Mesos confirms its end."""
    before = _given_back(st)
    if before is None or st.now - (before.ending_since or 0.0) > TRY_AGAIN_SECONDS:
        st.slots.given_back = slot.id
