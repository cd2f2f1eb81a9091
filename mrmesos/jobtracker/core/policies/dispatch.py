"""Makes and ends slots and TaskTrackers, starts and kills attempts.

Comes in: what handlers decided. Goes out: changed records, actions for TaskTrackers, commands
for Mesos.
"""

from __future__ import annotations

from mrmesos.jobtracker.core.messages.commands import KillSlot
from mrmesos.jobtracker.core.model.agent import Agent
from mrmesos.jobtracker.core.model.slot import Slot, SlotState
from mrmesos.jobtracker.core.model.task import TaskAttempt
from mrmesos.jobtracker.core.model.tracker import Tracker
from mrmesos.jobtracker.core.policies import leases
from mrmesos.jobtracker.core.scheduling.find_task import Found
from mrmesos.jobtracker.core.state.state import State
from mrmesos.resources import Amounts, Pool
from mrmesos.wire.heartbeat import EndSlot, KillAttempt, RunAttempt
from mrmesos.wire.ids import SlotId, TaskKind, TrackerId
from mrmesos.wire.job import Sandbox
from mrmesos.wire.task import Attempt, Locality

_LOCAL_COUNTER = {
    Locality.NODE_LOCAL: "DATA_LOCAL_MAPS",
    Locality.RACK_LOCAL: "RACK_LOCAL_MAPS",
    Locality.ANY: "OTHER_LOCAL_MAPS",
}


def new_tracker(st: State, agent: Agent, pool: Pool) -> Tracker:
    """A new TaskTracker for the agent. It takes its own resources from the offered ones."""
    resources = pool.take(st.settings.tracker)
    name = TrackerId(st.name("tracker"))
    sandbox = Sandbox(
        agent.url, st.subscription.framework_id, name, has_logs=st.settings.logs_in_sandbox
    )
    tracker = Tracker(
        name,
        agent.id,
        agent.hostname,
        resources,
        launched=st.now,
        sandbox=sandbox if agent.url else None,
        notes=st.changes,
    )
    agent.tracker = tracker
    st.cluster.add_tracker(tracker)
    st.mailboxes.open(tracker.id)
    return tracker


def new_slot(st: State, tracker: Tracker, role: str, capacity: Amounts, taken: Amounts) -> Slot:
    """A new slot on the tracker's agent, made of resources that were offered to `role`."""
    slot = Slot(
        id=SlotId(st.name("slot")),
        agent_id=tracker.agent_id,
        tracker_id=tracker.id,
        capacity=capacity,
        launched=st.now,
        role=role,
        taken=taken,
        asked=st.now,
        notes=st.changes,
    )
    st.cluster.add_slot(slot)
    return slot


def start_attempt(st: State, found: Found, slot: Slot, tracker: Tracker) -> Attempt:
    """Begin an attempt in a slot that has none. The caller sends it."""
    job, task = found.job, found.task
    if slot.attempt is not None:
        raise AssertionError(f"{slot.id} already runs {slot.attempt.id}")
    memory_mb = job.spec.raised_mb(task.kind) if job.spec.raised else 0
    attempt = task.start(slot.id, tracker, found.locality, st.now, memory_mb)
    if not attempt.backup:
        job.of(task.kind).pending.remove(task)
    job.add_running(attempt)
    st.attempts[attempt.id] = attempt
    job.hosts.trackers.add(tracker.id)
    job.started = job.started or st.now
    if job.waits.idle_since is not None:  # other texts are about its other attempts
        job.waits.idle_since, job.waits.words = None, ""
    if (agent := st.cluster.agents.get(slot.agent_id)) is not None:
        agent.passed = None
    if attempt.backup:
        job.count(f"SPECULATIVE_{task.kind.plural}")
    slot.attempt, slot.free_since, slot.session = attempt, None, job.spec.session
    tracker.idle_since = None
    if task.kind is not TaskKind.REDUCE:
        job.waits.stuck_since, job.waits.maps_first = None, False
        if not attempt.backup:
            st.index.started(job, found.locality)
        if task.free is None:
            job.count("LAUNCHED_MAPS")
            job.count(_LOCAL_COUNTER[found.locality])
        else:
            job.count("LAUNCHED_TASKS")
    else:
        job.count("LAUNCHED_REDUCES")
        st.changes.reduce_began(job, tracker.id)
    return task.wire(attempt)


def began(st: State, slot: Slot) -> None:
    """The slot runs. If it has no attempt, it is free. A warm TaskTracker starts like this, and an
    earlier JobTracker may have left a slot like this.
    """
    slot.transition(SlotState.RUNNING, st.now)
    if slot.attempt is None:
        came_free(st, slot)


def came_free(st: State, slot: Slot) -> None:
    """The slot runs nothing. After the event it gets the next attempt, or ends (slots.py)."""
    slot.free_since = st.now
    st.slots.free.append(slot)


def run_next(st: State, found: Found, slot: Slot, tracker: Tracker) -> None:
    """Begin an attempt in a slot whose last one ended."""
    attempt = start_attempt(st, found, slot, tracker)
    st.post(tracker.id, RunAttempt(attempt))


def kill_attempt(st: State, attempt: TaskAttempt, reason: str) -> None:
    """Ask for the end of a running attempt. It ends when its TaskTracker or Mesos reports so."""
    if attempt.kill_asked:
        return
    attempt.kill_asked = reason
    slot = st.cluster.slots[attempt.slot_id]
    if slot.state is SlotState.RUNNING:
        st.post(slot.tracker_id, KillAttempt(attempt.id, reason))
    elif slot.state is SlotState.LAUNCHING:
        # The tracker may not have heard of the attempt yet, and would ignore its end. Mesos keeps
        # LAUNCH and KILL of one task in order.
        kill_slot(st, slot)


def kill_slot(st: State, slot: Slot) -> None:
    """Have Mesos end the slot and its attempt. Repeated until Mesos reports the end."""
    slot.transition(SlotState.ENDING, st.now)
    slot.kill_sent = st.now
    st.slots.held.pop(slot.id, None)
    st.emit(KillSlot(slot.id, slot.agent_id))


def end_slot(st: State, slot: Slot) -> None:
    """Have the TaskTracker give a free slot back to Mesos."""
    if slot.attempt is not None:
        raise AssertionError(f"{slot.id} still runs {slot.attempt.id}")
    leases.give_back(st, slot)
    slot.transition(SlotState.ENDING, st.now)
    st.slots.held.pop(slot.id, None)
    st.post(slot.tracker_id, EndSlot(slot.id))
