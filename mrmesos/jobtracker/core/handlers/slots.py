"""The life of slots: what Mesos says of them, and the next attempt for one that came free."""

from __future__ import annotations

from mrmesos.jobtracker.core.handlers import attempts, leases, trackers
from mrmesos.jobtracker.core.handlers.dispatch import began, end_slot, run_next
from mrmesos.jobtracker.core.messages.commands import Acknowledge, KillSlot
from mrmesos.jobtracker.core.messages.events import SlotUpdated
from mrmesos.jobtracker.core.model.cluster import Agent, Slot, SlotState, Tracker, TrackerState
from mrmesos.jobtracker.core.model.fit import Fit
from mrmesos.jobtracker.core.scheduling.find_task import Found, NotYet, find_task
from mrmesos.jobtracker.core.state.state import State

LEASE_LEAST = 0.5
"""Shortest lease, as a share of `slot.lease.seconds`, which is the longest."""
_GOLDEN = 0.6180339887498949
"""Its multiples without their whole part, any number of them in a row, lie evenly in 0 to 1."""
LEASE_GAP_SECONDS = 1.5
"""Least time between two ends of leases on one agent: longer than Mesos' allocation interval, so
that what they give back comes in two offers, which may go to two frameworks.
"""
HOLD_SECONDS = 2.0
"""Longest time that a slot is kept without work, for a task that waits for a better agent, where
nobody else wants it.
"""

# What ran in a slot is given up in every state of _OVER. In some it may run on: UNREACHABLE and
# LOST (the agent is out of the master's sight), GONE_BY_OPERATOR (the operator may err), UNKNOWN
# (the master forgot). When such an agent returns, Mesos says that the slot runs, and as it is
# known no more it is killed. DROPPED (it never started) and GONE are final.
_ALIVE = frozenset({"TASK_STAGING", "TASK_STARTING", "TASK_RUNNING"})
_OVER = frozenset(
    {
        "TASK_FINISHED",
        "TASK_FAILED",
        "TASK_KILLED",
        "TASK_ERROR",
        "TASK_LOST",
        "TASK_DROPPED",
        "TASK_UNREACHABLE",
        "TASK_GONE",
        "TASK_GONE_BY_OPERATOR",
        "TASK_UNKNOWN",
    }
)
# Reasons by which Mesos says that the executor itself is gone (mesos.proto, TaskStatus.Reason).
_TRACKER_DEAD = (
    "REASON_EXECUTOR_TERMINATED",
    "REASON_EXECUTOR_REGISTRATION_TIMEOUT",
    "REASON_EXECUTOR_REREGISTRATION_TIMEOUT",
    "REASON_EXECUTOR_UNREGISTERED",
    "REASON_CONTAINER_",
)
_NO_WORDS = ("", "Executor terminated")
"""Messages of Mesos that say no more than the reason."""
# Why a launch may be void without anybody's failure: the offer or the connection was gone, or the
# agent.
_NOBODYS_FAULT = (
    "REASON_INVALID_OFFERS",
    "REASON_MASTER_DISCONNECTED",
    "REASON_RECONCILIATION",
    "REASON_AGENT_",
)
_NOT_RUN = _OVER - {"TASK_FINISHED", "TASK_KILLED"}


def updated(st: State, event: SlotUpdated) -> None:
    """A status update of Mesos. Every one that wants it is acknowledged, also of unknown slots."""
    slot = st.cluster.slots.get(event.slot_id)
    if slot is not None:
        slot.told = st.now
    if slot is None:
        if event.state in _ALIVE:
            st.emit(KillSlot(event.slot_id, event.agent_id))
    elif event.state in ("TASK_STARTING", "TASK_RUNNING"):
        if slot.state is SlotState.LAUNCHING:
            began(st, slot)
    elif event.state in _OVER:
        _over(st, slot, event)
    if event.uuid:
        agent_id = event.agent_id or (slot.agent_id if slot is not None else "")
        st.last.append(Acknowledge(event.slot_id, agent_id, event.uuid))


def _over(st: State, slot: Slot, event: SlotUpdated) -> None:
    words = ": ".join(filter(None, (event.state, event.reason, event.message)))
    tracker = st.cluster.trackers.get(slot.tracker_id)
    unwanted = slot.state is SlotState.ENDING
    blameless = unwanted or event.reason.startswith(_NOBODYS_FAULT)
    if tracker is not None and event.reason.startswith(_TRACKER_DEAD):
        enough = event.message not in _NO_WORDS
        trackers.ended_by_update(st, tracker, words, enough=enough, blameless=blameless)
        return
    drop(st, slot, words)
    if tracker is None:
        return
    if event.state in _NOT_RUN and tracker.state is TrackerState.STARTING:
        if not blameless:
            trackers.gone(st, tracker, words, by_mesos=False, failed_launch=True)
        elif not tracker.slots:
            trackers.gone(st, tracker, words, by_mesos=False)
    elif event.state == "TASK_ERROR" and not unwanted:
        trackers.launch_failed(st, tracker.agent_id, words)
    elif unwanted and not tracker.slots:
        trackers.vacated(st, tracker)


def drop(st: State, slot: Slot, words: str) -> None:
    """The slot is over, and what ran in it is lost."""
    attempt = slot.attempt
    st.held.pop(slot.id, None)
    st.cluster.drop_slot(slot)
    st.changes.slot(slot)
    if attempt is not None and attempt.id in st.attempts:
        attempts.lost(st, attempt, f"its slot on {attempt.agent} ended: {words}")


def serve_free(st: State) -> None:
    """Give each slot whose attempt just ended the next one, or end it."""
    while st.free:
        serve(st, st.free.pop())


def lease_seconds(slot_id: str, longest: float) -> float:
    """How old a slot may become: between LEASE_LEAST and all of `longest`, by its number.

    Slots that are launched together so end one after another. If all slots of an agent ended at
    once, Mesos would offer the whole agent to one framework, and to the other the next time.
    """
    spread = int(slot_id.rpartition("_")[2]) * _GOLDEN % 1.0
    return longest * (LEASE_LEAST + (1.0 - LEASE_LEAST) * spread)


def _lease_over(st: State, slot: Slot, tracker: Tracker, agent: Agent) -> bool:
    """Whether a slot is due to go back to Mesos. Of several that are due, one goes at a time."""
    longest = st.settings.slot_lease
    if st.now - slot.launched < lease_seconds(slot.id, longest):
        return False
    if not leases.may_end(st, slot):
        return False
    # An agent of many slots may not be held for longer than a lease by this.
    gap = min(LEASE_GAP_SECONDS, longest * LEASE_LEAST / len(tracker.slots))
    if st.now - agent.lease_ended < gap:
        return False
    agent.lease_ended = st.now
    return True


def serve(st: State, slot: Slot) -> None:
    """The next attempt for a slot without one, as for an offer of its size.

    Nothing fits, or its lease is over: it ends, so that Mesos can offer its resources to whoever
    they are due to. So it does where a task would fit but waits for a better agent: another
    framework may have data here, and what is due to us comes as an offer of another agent. Only
    where nobody wants what we pass over is it kept for HOLD_SECONDS.
    """
    if slot.state is not SlotState.RUNNING or slot.attempt is not None:
        return
    if slot.id not in st.cluster.slots or slot.tracker_id in st.unheard:
        return  # adoption.py sees to a slot whose tracker has yet to tell what it runs
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
    chances, room = st.index.chances, Fit(slot.capacity)
    choice = find_task(st.index, agent, tracker, room.fits, slot.role)
    if isinstance(choice, Found):
        st.held.pop(slot.id, None)
        run_next(st, choice, slot, tracker)
    elif isinstance(choice, NotYet) and chances.unwanted and st.now - free_since < HOLD_SECONDS:
        chances.passed += 1
        chances.again += slot.id in st.held
        st.held[slot.id] = slot
    else:
        end_slot(st, slot)
