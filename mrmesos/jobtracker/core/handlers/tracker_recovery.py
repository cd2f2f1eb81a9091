"""The first heartbeats of TaskTrackers that an earlier JobTracker process started.

The numbers of actions grow from one life of the JobTracker to the next. Suppose that a heartbeat
acknowledges an action of this life. Then its TaskTracker will not carry out any older action that
it had not received. So the attempts in that heartbeat are all that it runs.
"""

from __future__ import annotations

from mrmesos.jobtracker.core.handlers import attempts
from mrmesos.jobtracker.core.model.slot import SlotState
from mrmesos.jobtracker.core.model.tracker import Tracker
from mrmesos.jobtracker.core.policies.dispatch import came_free, kill_attempt, kill_slot
from mrmesos.jobtracker.core.state.mailbox import first_number
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire.heartbeat import Heartbeat
from mrmesos.wire.ids import SlotId
from mrmesos.wire.job import JobState


def adopt(st: State, tracker: Tracker, beat: Heartbeat) -> None:
    """Compare, once, a tracker's running attempts with those that the journal has for it."""
    if tracker.id not in st.recovery.unheard or beat.acknowledged < first_number(st.recovery.life):
        return
    expected = st.recovery.unheard.pop(tracker.id)
    for slot_id, attempt_id in beat.attempts.items():
        slot = tracker.slots.get(SlotId(slot_id))
        if slot is None or slot.state is SlotState.ENDING:
            continue
        if attempt_id not in st.attempts:
            kill_slot(st, slot)  # its start was not journaled in time, or we gave the attempt up
    for attempt_id in sorted(expected):
        attempt = st.attempts.get(attempt_id)
        if attempt is None:
            continue
        if attempt.slot_id in beat.slots and beat.attempts.get(attempt.slot_id) != attempt_id:
            attempts.lost(st, attempt, "its TaskTracker never heard of it")
        elif attempt not in attempt.task.running:
            kill_attempt(st, attempt, "another attempt was first")
        elif st.jobs[attempt.task.job_id].state is not JobState.RUNNING:
            kill_attempt(st, attempt, "the job no longer needs it")
    for slot in tracker.slots.values():
        if slot.state is SlotState.RUNNING and slot.attempt is None and slot not in st.slots.free:
            came_free(st, slot)
