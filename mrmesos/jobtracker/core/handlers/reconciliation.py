"""Asking Mesos how our slots stand, as its document "Task Reconciliation" demands.

After each subscription, and now and then, explicitly until there was an update of every slot (a new
master does not answer for agents that it does not know yet), and once implicitly: what Mesos has of
ours that we do not know is then killed.
"""

from __future__ import annotations

import math

from mrmesos.jobtracker.core.messages.commands import Reconcile
from mrmesos.jobtracker.core.state.state import State

EVERY_SECONDS = 900.0
FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 60.0


def begin(st: State) -> None:
    """A subscription knows nothing of what we sent before."""
    asking = st.asking
    asking.since, asking.pause = st.now, FIRST_PAUSE_SECONDS
    asking.next = st.now + asking.pause
    known = tuple((slot.id, slot.agent_id) for slot in st.cluster.slots.values())
    if known:
        st.emit(Reconcile(known))
    st.emit(Reconcile(()))


def tick(st: State) -> None:
    """Ask again for slots that nothing was heard of since."""
    asking = st.asking
    if not st.connected or st.now < asking.next:
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
