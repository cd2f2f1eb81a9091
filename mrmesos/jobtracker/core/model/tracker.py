"""A TaskTracker: one executor process on an agent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mrmesos.jobtracker.core.messages.journal_records import TrackerRecord
from mrmesos.jobtracker.core.model.agent import Agent
from mrmesos.jobtracker.core.model.listeners import NOBODY, ChangeListener
from mrmesos.jobtracker.core.model.slot import Slot
from mrmesos.transitions import Transitions
from mrmesos.wire.ids import AgentId, HostName, SlotId, TrackerId
from mrmesos.wire.job import Sandbox


class TrackerState(StrEnum):
    """STARTING (launched, not heard) -> LIVE -> LEAVING (told to leave) -> forgotten."""

    STARTING = "STARTING"
    LIVE = "LIVE"
    LEAVING = "LEAVING"


TRACKER_TRANSITIONS = Transitions(
    "tracker",
    {
        TrackerState.STARTING: (TrackerState.LIVE, TrackerState.LEAVING),
        TrackerState.LIVE: (TrackerState.LEAVING,),
    },
)


@dataclass(slots=True, eq=False)
class ExecutorEnd:
    """The messages of Mesos about an executor's end, since `since`. A FAILURE event has the wait
    status of its process. Updates of its tasks have reasons and words. Either may come first, and
    either may never come (trackers.py).
    """

    since: float
    failed_launch: bool
    told: bool = False
    """The FAILURE event came."""
    status: int | None = None
    words: str = ""


@dataclass(slots=True, eq=False)
class Tracker:
    """One executor process. `resources` is the Resource JSON of its ExecutorInfo."""

    id: TrackerId
    agent_id: AgentId
    hostname: HostName
    resources: tuple[Mapping[str, Any], ...]
    launched: float
    sandbox: Sandbox | None = None
    state: TrackerState = TrackerState.STARTING
    url: str = ""
    heard: float | None = None
    sequence: int = -1
    slots: dict[SlotId, Slot] = field(default_factory=dict)
    outputs: dict[str, set[int]] = field(default_factory=dict)
    """The maps whose output it holds, for each job that may still need the output. No set is
    empty.
    """
    cursors: dict[str, int] = field(default_factory=dict)
    """How many entries of each job's map output news we have sent to it."""
    strays: dict[SlotId, float] = field(default_factory=dict)
    """Slots in its heartbeats that we do not know, and since when."""
    idle_since: float | None = None
    leaving_since: float | None = None
    ended: ExecutorEnd | None = None
    """Set when Mesos said that it ended. More details may follow."""
    silent: bool = False
    """Set when it sends no heartbeats, but Mesos has not said that it ended (silence.py)."""
    takes_slots: bool = True
    """Whether it may get further slots. It must be alive as far as Mesos has said. Mesos also
    refuses further slots if today's command for TaskTrackers is not the one that started it.
    """

    notes: ChangeListener = NOBODY

    def transition(self, state: TrackerState, now: float) -> None:
        """Change to `state`. Raises BadTransition if TRACKER_TRANSITIONS does not allow it."""
        TRACKER_TRANSITIONS.check(self, self.state, state)
        self.state = state
        if state is TrackerState.LEAVING:
            self.leaving_since = now
        self.notes.tracker(self)

    @property
    def holds_output(self) -> bool:
        """Whether a job may still need map output that it holds."""
        return bool(self.outputs)

    def record(self, agent: Agent | None) -> TrackerRecord:
        """Its record for the journal, with the data of its agent. None if the agent is
        forgotten.
        """
        if agent is None:
            agent = Agent(self.agent_id, self.hostname, "")
        return TrackerRecord(
            id=self.id,
            agent_id=agent.id,
            hostname=agent.hostname,
            agent_address=agent.address,
            rack=agent.rack,
            resources=tuple(dict(resource) for resource in self.resources),
            launched=self.launched,
            url=self.url,
            leaving=self.state is TrackerState.LEAVING,
            attributes=dict(agent.attributes),
            sandbox=self.sandbox,
        )

    @staticmethod
    def restored(
        record: TrackerRecord, now: float, *, takes_slots: bool, notes: ChangeListener
    ) -> Tracker:
        """The TaskTracker that a record describes. It has until the usual deadline to be heard."""
        tracker = Tracker(
            TrackerId(record.id),
            AgentId(record.agent_id),
            HostName(record.hostname),
            record.resources,
            launched=record.launched,
            sandbox=record.sandbox,
            takes_slots=takes_slots,
            notes=notes,
        )
        tracker.url, tracker.heard = record.url, now
        if record.leaving:
            tracker.transition(TrackerState.LEAVING, now)
        elif record.url:
            tracker.transition(TrackerState.LIVE, now)
        return tracker
