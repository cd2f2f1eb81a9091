"""A slot: resources accepted on an agent."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from mrmesos.jobtracker.core.messages.journal_records import SlotRecord
from mrmesos.jobtracker.core.model.listeners import NOBODY, ChangeListener
from mrmesos.jobtracker.core.model.task import TaskAttempt
from mrmesos.resources import Amounts
from mrmesos.transitions import Transitions
from mrmesos.wire.ids import AgentId, SlotId, TrackerId


class SlotState(StrEnum):
    """LAUNCHING (accepted) -> RUNNING (Mesos or the tracker reported it) -> ENDING.

    An ENDING slot gets no work. It is forgotten when Mesos says that it ended.
    """

    LAUNCHING = "LAUNCHING"
    RUNNING = "RUNNING"
    ENDING = "ENDING"


SLOT_TRANSITIONS = Transitions(
    "slot",
    {
        SlotState.LAUNCHING: (SlotState.RUNNING, SlotState.ENDING),
        SlotState.RUNNING: (SlotState.ENDING,),
        SlotState.ENDING: (SlotState.ENDING,),  # given back first, killed later
    },
)


@dataclass(slots=True, eq=False)
class Slot:
    """Resources accepted on an agent: one Mesos task. `capacity` is the most that an attempt here
    may need. The Mesos task takes slightly fewer CPUs, because TaskTrackers have the rest.
    """

    id: SlotId
    agent_id: AgentId
    tracker_id: TrackerId
    capacity: Amounts
    launched: float
    role: str = "*"
    """Mesos offered its resources to this role."""
    taken: Amounts = field(default_factory=dict)
    """The resources of the Mesos task."""
    state: SlotState = SlotState.LAUNCHING
    attempt: TaskAttempt | None = None
    free_since: float | None = None
    session: str = ""
    """The session of its last attempt's job."""
    listed: bool = False
    """A heartbeat has named it."""
    missing_since: float | None = None
    ending_since: float | None = None
    kill_sent: float | None = None
    asked: float = 0.0
    """When we last asked Mesos for its state."""
    told: float = 0.0
    """When Mesos last sent an update of it."""
    notes: ChangeListener = NOBODY

    def transition(self, state: SlotState, now: float) -> None:
        """Change to `state`. Raises BadTransition if SLOT_TRANSITIONS does not allow it."""
        SLOT_TRANSITIONS.check(self, self.state, state)
        self.state = state
        if state is SlotState.ENDING:  # the journal does not tell LAUNCHING from RUNNING
            self.free_since = None
            self.ending_since = now if self.ending_since is None else self.ending_since
            self.notes.slot(self)

    def record(self) -> SlotRecord:
        """Its record for the journal."""
        return SlotRecord(
            id=self.id,
            agent_id=self.agent_id,
            tracker_id=self.tracker_id,
            capacity=dict(self.capacity),
            launched=self.launched,
            ending=self.state is SlotState.ENDING,
            taken=dict(self.taken),
            role=self.role,
        )

    @staticmethod
    def restored(record: SlotRecord, now: float, notes: ChangeListener) -> Slot:
        """The slot that a record describes. It is LAUNCHING until somebody reports it."""
        slot = Slot(
            id=SlotId(record.id),
            agent_id=AgentId(record.agent_id),
            tracker_id=TrackerId(record.tracker_id),
            capacity=record.capacity,
            launched=record.launched,
            role=record.role,
            taken=record.taken,
            asked=now,
            notes=notes,
        )
        if record.ending:
            slot.transition(SlotState.ENDING, now)
        return slot
