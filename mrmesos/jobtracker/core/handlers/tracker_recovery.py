"""The first words of TaskTrackers that an earlier JobTracker left behind.

Numbers of actions grow from one life of the JobTracker to the next. A heartbeat that acknowledges
one of this life was made by a TaskTracker that will carry out nothing of what the earlier ones said
and it had not heard; so what it lists then is all that there is.
"""

from __future__ import annotations

from mrmesos.jobtracker.core.handlers import attempts
from mrmesos.jobtracker.core.handlers.dispatch import came_free, kill_attempt, kill_slot
from mrmesos.jobtracker.core.model.cluster import SlotState, Tracker
from mrmesos.jobtracker.core.state.mailbox import first_number
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire.heartbeat import Heartbeat
from mrmesos.wire.job import JobState


def adopt(st: State, tracker: Tracker, beat: Heartbeat) -> None:
    """Hold what a tracker runs against what we thought it ran, once, when it tells."""
    if tracker.id not in st.unheard or beat.acknowledged < first_number(st.life):
        return
    expected = st.unheard.pop(tracker.id)
    for slot_id, attempt_id in beat.attempts.items():
        slot = tracker.slots.get(slot_id)
        if slot is None or slot.state is SlotState.ENDING:
            continue
        if attempt_id not in st.attempts:
            kill_slot(st, slot)  # a start that was not journaled in time, or that we gave up
    for attempt_id in sorted(expected):
        attempt = st.attempts.get(attempt_id)
        if attempt is None:
            continue
        if attempt.slot_id in beat.slots and beat.attempts.get(attempt.slot_id) != attempt_id:
            attempts.lost(st, attempt, "its TaskTracker never heard of it")
        elif attempt not in attempt.task.running:
            kill_attempt(st, attempt, "another attempt was first")
        elif st.jobs[attempt.task.job_id].state is not JobState.RUNNING:
            kill_attempt(st, attempt, "the job needs it no more")
    for slot in tracker.slots.values():
        if slot.state is SlotState.RUNNING and slot.attempt is None and slot not in st.free:
            came_free(st, slot)
