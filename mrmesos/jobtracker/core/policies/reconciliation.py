"""Asks Mesos for the state of our slots, as its document "Task Reconciliation" demands.

This happens after each subscription, and every EVERY_SECONDS. Explicit reconciliation repeats until
every slot had an update, because a new master does not answer for agents that it does not know yet.
Implicit reconciliation is sent once: Mesos then reports all our tasks, and those that we do not
know are killed.
"""

from __future__ import annotations

import math

from mrmesos.jobtracker.core.messages.commands import Reconcile
from mrmesos.jobtracker.core.state.state import State

EVERY_SECONDS = 900.0
FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 60.0


def begin(st: State) -> None:
    """Start reconciliation. A new subscription forgets what we asked in the old one."""
    asking = st.subscription.asking
    asking.since, asking.pause = st.now, FIRST_PAUSE_SECONDS
    asking.next = st.now + asking.pause
    known = tuple((slot.id, slot.agent_id) for slot in st.cluster.slots.values())
    if known:
        st.emit(Reconcile(known))
    st.emit(Reconcile(()))


def tick(st: State) -> None:
    """Ask again for slots that had no update since the reconciliation began."""
    asking = st.subscription.asking
    if not st.subscription.connected or st.now < asking.next:
        return
    if asking.since == math.inf:
        begin(st)
        return
    silent = tuple(
        (slot.id, slot.agent_id)
        for slot in st.cluster.slots.values()
        if slot.told < asking.since and slot.launched < asking.since
    )
    if silent:
        asking.pause = min(2 * asking.pause, LONGEST_PAUSE_SECONDS)
        asking.next = st.now + asking.pause
        st.emit(Reconcile(silent))
    else:
        asking.since, asking.next = math.inf, st.now + EVERY_SECONDS
