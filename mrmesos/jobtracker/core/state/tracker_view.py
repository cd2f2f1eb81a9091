"""The core's data for the page of a TaskTracker. Thread: the core's, between two events."""

from __future__ import annotations

from msgspec import Struct

from mrmesos.jobtracker.core.model.slot import Slot
from mrmesos.jobtracker.core.state.state import State
from mrmesos.resources import Amounts
from mrmesos.wire.ids import TrackerId


class SlotView(Struct, frozen=True, kw_only=True):
    """A slot, and the attempt in it, if one runs. Amounts are in thousandths."""

    id: str
    role: str
    state: str
    taken: Amounts
    launched: float
    attempt: str
    since: float | None
    progress: float


class TrackerView(Struct, frozen=True, kw_only=True):
    """A TaskTracker. `hosts` are its agent's name and address, as Mesos gives them."""

    id: str
    agent_id: str
    hostname: str
    hosts: tuple[str, ...]
    rack: str
    url: str
    state: str
    launched: float
    heard: float | None
    outputs: dict[str, int]
    """For each job, the number of map outputs here that the job may need."""
    slots: list[SlotView]
    own: Amounts


def tracker_view(st: State, tracker_id: str) -> TrackerView | None:
    """A TaskTracker. None if it is unknown."""
    tracker = st.cluster.trackers.get(TrackerId(tracker_id))
    if tracker is None:
        return None
    agent = st.cluster.agents.get(tracker.agent_id)
    return TrackerView(
        id=tracker.id,
        agent_id=tracker.agent_id,
        hostname=tracker.hostname,
        hosts=agent.hosts if agent is not None else (tracker.hostname,),
        rack=agent.rack if agent is not None else "",
        url=tracker.url,
        state="silent" if tracker.silent else tracker.state.value.lower(),
        launched=tracker.launched,
        heard=tracker.heard,
        outputs={job: len(maps) for job, maps in tracker.outputs.items() if maps},
        slots=[_slot(slot) for slot in tracker.slots.values()],
        own=st.settings.tracker,
    )


def _slot(slot: Slot) -> SlotView:
    attempt = slot.attempt
    return SlotView(
        id=slot.id,
        role=slot.role,
        state=slot.state.value.lower(),
        taken=slot.taken,
        launched=slot.launched,
        attempt=attempt.id if attempt is not None else "",
        since=attempt.start if attempt is not None else None,
        progress=attempt.progress if attempt is not None else 0.0,
    )


def tracker_of(st: State, attempt_id: str) -> TrackerView | None:
    """The TaskTracker that runs an attempt. None if the attempt does not run."""
    attempt = st.attempts.get(attempt_id)
    return None if attempt is None else tracker_view(st, attempt.tracker_id)
