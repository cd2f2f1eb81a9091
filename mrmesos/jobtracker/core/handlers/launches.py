"""New records for an accepted offer: a slot, and the TaskTracker that Mesos may start with it."""

from __future__ import annotations

from mrmesos.jobtracker.core.model.agent import Agent
from mrmesos.jobtracker.core.model.slot import Slot
from mrmesos.jobtracker.core.model.tracker import Tracker
from mrmesos.jobtracker.core.state.state import State
from mrmesos.resources import Amounts, Pool


def new_tracker(st: State, agent: Agent, pool: Pool) -> Tracker:
    """A new TaskTracker for the agent. It takes its own resources from the offered ones."""
    resources = pool.take(st.settings.tracker)
    tracker = Tracker(
        st.name("tracker"),
        agent.id,
        agent.hostname,
        resources,
        launched=st.now,
        notes=st.changes,
    )
    agent.tracker = tracker
    st.cluster.add_tracker(tracker)
    st.mailboxes.open(tracker.id)
    return tracker


def new_slot(st: State, tracker: Tracker, role: str, capacity: Amounts, taken: Amounts) -> Slot:
    """A new slot on the tracker's agent, made of resources that were offered to `role`."""
    slot = Slot(
        id=st.name("slot"),
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
