"""The life of slots: status updates of Mesos, and the next attempt for a free slot.

Comes in: SlotUpdated events, and slots whose attempt ended. Goes out: acknowledgements, and for
each free slot its next attempt or its end.
"""

from __future__ import annotations

from mrmesos.jobtracker.core.handlers import attempts, jobs, trackers
from mrmesos.jobtracker.core.messages.commands import Acknowledge, KillSlot
from mrmesos.jobtracker.core.messages.events import EndCause, SlotStatus, SlotUpdated
from mrmesos.jobtracker.core.model.agent import Agent
from mrmesos.jobtracker.core.model.slot import Slot, SlotState
from mrmesos.jobtracker.core.model.tracker import Tracker, TrackerState
from mrmesos.jobtracker.core.policies import leases, more_memory
from mrmesos.jobtracker.core.policies.dispatch import began, end_slot, run_next
from mrmesos.jobtracker.core.scheduling.eligibility import Fit
from mrmesos.jobtracker.core.scheduling.find_task import NOTHING, Found, NotYet, find_task
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire.ids import AgentId, SlotId

LEASE_LEAST = 0.5
"""The shortest lease, as a share of `slot.lease.seconds`. That setting is the longest lease."""
_GOLDEN = 0.6180339887498949
"""The golden ratio's fraction. The fractional parts of its multiples spread evenly over 0 to 1."""
LEASE_GAP_SECONDS = 1.5
"""Least time between the ends of two leases on one agent. It is longer than Mesos' allocation
interval (1 s). So Mesos offers the two slots' resources separately, and may offer them to two
frameworks.
"""
HOLD_SECONDS = 2.0
"""A slot without work stays this long at most, while a task waits for a better agent and no other
framework wants the slot's resources.
"""
SESSION_SECONDS = 0.5
"""A slot waits this long for the next job of its session. Without that, each short job would wait
for an offer, and Mesos would start and end a task for it.
"""

_ALIVE = frozenset({SlotStatus.STAGING, SlotStatus.RUNNING})


def updated(st: State, event: SlotUpdated) -> None:
    """Handle a status update of Mesos. An update with a uuid is acknowledged, even if we do not
    know the slot.
    """
    slot_id, agent_id = SlotId(event.slot_id), AgentId(event.agent_id)
    slot = st.cluster.slots.get(slot_id)
    if slot is not None:
        slot.told = st.now
    if slot is None:
        if event.status in _ALIVE:
            st.emit(KillSlot(slot_id, agent_id))
    elif event.status is SlotStatus.RUNNING:
        if slot.state is SlotState.LAUNCHING:
            began(st, slot)
    elif event.status is SlotStatus.ENDED:
        _over(st, slot, event)
    if event.uuid:
        if not agent_id and slot is not None:
            agent_id = slot.agent_id
        st.out.last.append(Acknowledge(slot_id, agent_id, event.uuid))


def _over(st: State, slot: Slot, event: SlotUpdated) -> None:
    words, cause = event.words, event.cause
    tracker = st.cluster.trackers.get(slot.tracker_id)
    unwanted = slot.state is SlotState.ENDING
    if event.over_memory:  # any attempt in the container may be the cause
        for each in tracker.slots.values() if tracker is not None else (slot,):
            if each.attempt is not None:
                more_memory.died_of_memory(st, each.attempt)
    if tracker is not None and cause is EndCause.TRACKER_ENDED:
        trackers.ended_by_update(st, tracker, words, enough=event.explained, blameless=unwanted)
        return
    drop(st, slot, words)
    if tracker is None:
        return
    if cause is not EndCause.AS_ASKED and tracker.state is TrackerState.STARTING:
        if not unwanted and cause is not EndCause.VOID:
            trackers.gone(st, tracker, words, by_mesos=False, failed_launch=True)
        elif not tracker.slots:
            trackers.gone(st, tracker, words, by_mesos=False)
    elif cause is EndCause.REFUSED and not unwanted:
        trackers.launch_failed(st, tracker.agent_id, words)
    elif unwanted and not tracker.slots:
        trackers.vacated(st, tracker)


def drop(st: State, slot: Slot, words: str) -> None:
    """Forget a slot that has ended. Its running attempt is lost."""
    attempt = slot.attempt
    st.slots.held.pop(slot.id, None)
    st.cluster.drop_slot(slot)
    if attempt is not None and attempt.id in st.attempts:
        attempts.lost(st, attempt, f"its slot on {attempt.hostname} ended: {words}")


def serve_free(st: State) -> None:
    """Give the next attempt to each slot whose attempt just ended, or end the slot."""
    while st.slots.free:
        serve(st, st.slots.free.pop())


def serve_held(st: State) -> None:
    """Look again for an attempt for each slot that is kept for a moment."""
    for slot in list(st.slots.held.values()):
        serve(st, slot)


def lease_seconds(slot_id: SlotId, longest: float) -> float:
    """How old a slot may become: from LEASE_LEAST of `longest` to all of it, by the slot's number.

    So slots that were launched together end one after another. If all slots of an agent ended at
    once, Mesos would offer the whole agent to one framework, and next time to another one.
    """
    spread = int(slot_id.rpartition("_")[2]) * _GOLDEN % 1.0
    return longest * (LEASE_LEAST + (1.0 - LEASE_LEAST) * spread)


def _lease_over(st: State, slot: Slot, tracker: Tracker, agent: Agent) -> bool:
    """Whether a slot must go back to Mesos now. If several are due, they go one at a time."""
    longest = st.settings.slot_lease
    age = st.now - slot.launched
    if age < LEASE_LEAST * longest or age < lease_seconds(slot.id, longest):
        return False
    if not leases.may_end(st, slot):
        return False
    # On an agent with many slots the gap is shorter, so that no slot outlives its lease by far.
    gap = min(LEASE_GAP_SECONDS, longest * LEASE_LEAST / len(tracker.slots))
    if st.now - agent.lease_ended < gap:
        return False
    agent.lease_ended = st.now
    return True


def serve(st: State, slot: Slot) -> None:
    """Start the next attempt in a free slot, chosen as for an offer of the slot's size.

    The slot ends if no task fits, or if its lease is over. Mesos then offers its resources to the
    framework that is due. The slot also ends if a task fits but waits for a better agent: another
    framework may have data here, and we get an offer of another agent instead. But if no other
    framework wants the offers that we pass over, the slot stays for up to HOLD_SECONDS. If no task
    waits and its session may bring the next job soon, it stays for up to SESSION_SECONDS.
    """
    if slot.state is not SlotState.RUNNING or slot.attempt is not None:
        return
    if slot.id not in st.cluster.slots or slot.tracker_id in st.recovery.unheard:
        # The TaskTracker has not said yet what it runs. tracker_recovery.py then serves the slot.
        return
    tracker = st.cluster.trackers.get(slot.tracker_id)
    agent = st.cluster.agents.get(slot.agent_id)
    free_since = st.now if slot.free_since is None else slot.free_since
    if (
        tracker is None
        or agent is None
        or tracker.state is TrackerState.LEAVING
        or tracker.ended is not None
        or slot.missing_since is not None
        or agent.avoid_until > st.now
        or _lease_over(st, slot, tracker, agent)
    ):
        end_slot(st, slot)
        return
    if st.offers.unjudged:
        jobs.judge_new(st)
    chances, room = st.index.chances, Fit(slot.capacity)
    choice = find_task(st.index, agent, tracker, room.fits, slot.role)
    if isinstance(choice, Found):
        st.slots.held.pop(slot.id, None)
        run_next(st, choice, slot, tracker)
    elif isinstance(choice, NotYet) and chances.unwanted and st.now - free_since < HOLD_SECONDS:
        chances.passed += 1
        chances.again += slot.id in st.slots.held
        st.slots.held[slot.id] = slot
    elif choice is NOTHING and slot.session and st.now - free_since < SESSION_SECONDS:
        st.slots.held[slot.id] = slot
    else:
        end_slot(st, slot)
