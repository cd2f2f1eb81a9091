"""The JobTracker's records of agents, TaskTrackers and slots."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import StrEnum
from sys import intern
from typing import Any

from mrmesos.jobtracker.core.messages.events import Unavailability
from mrmesos.jobtracker.core.model.change_listener import NOBODY, ChangeListener
from mrmesos.jobtracker.core.model.constraints import Constraints
from mrmesos.jobtracker.core.model.demand import GPUS
from mrmesos.jobtracker.core.model.reachability import Reachability
from mrmesos.jobtracker.core.model.task import TaskAttempt
from mrmesos.resources import Amounts, Resource
from mrmesos.transitions import Transitions


class TrackerState(StrEnum):
    """STARTING (launched, not heard) -> LIVE -> LEAVING (told to leave) -> forgotten."""

    STARTING = "STARTING"
    LIVE = "LIVE"
    LEAVING = "LEAVING"


class SlotState(StrEnum):
    """LAUNCHING (accepted) -> RUNNING (Mesos or the tracker reported it) -> ENDING.

    An ENDING slot gets no work. It is forgotten when Mesos says that it ended.
    """

    LAUNCHING = "LAUNCHING"
    RUNNING = "RUNNING"
    ENDING = "ENDING"


TRACKER_TRANSITIONS = Transitions(
    "tracker",
    {
        TrackerState.STARTING: (TrackerState.LIVE, TrackerState.LEAVING),
        TrackerState.LIVE: (TrackerState.LEAVING,),
    },
)
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

    id: str
    agent_id: str
    tracker_id: str
    capacity: Amounts
    launched: float
    role: str = "*"
    """Mesos offered its resources to this role."""
    taken: Amounts = field(default_factory=dict)
    """The resources of the Mesos task."""
    state: SlotState = SlotState.LAUNCHING
    attempt: TaskAttempt | None = None
    free_since: float | None = None
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


@dataclass(slots=True, eq=False)
class ExecutorEnd:
    """What Mesos has said about an executor's end since `since`. A FAILURE event has the wait
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

    id: str
    agent_id: str
    hostname: str
    resources: tuple[Mapping[str, Any], ...]
    launched: float
    state: TrackerState = TrackerState.STARTING
    url: str = ""
    heard: float | None = None
    sequence: int = -1
    slots: dict[str, Slot] = field(default_factory=dict)
    outputs: dict[str, set[int]] = field(default_factory=dict)
    """The maps whose output it holds, for each job that may still need the output."""
    cursors: dict[str, int] = field(default_factory=dict)
    """How many entries of each job's map output news we have sent to it."""
    strays: dict[str, float] = field(default_factory=dict)
    """Slots in its heartbeats that we do not know, and since when."""
    idle_since: float | None = None
    leaving_since: float | None = None
    ended: ExecutorEnd | None = None
    """Set when Mesos said that it ended. More details may follow."""
    silent: bool = False
    """Set when it sends no heartbeats, but Mesos has not said that it ended (silence.py)."""
    takes_slots: bool = True
    """Whether it may get further slots. Mesos refuses them if it was started by another command
    than today's. It must also be alive, as far as Mesos has said.
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
        return bool(self.outputs) and any(self.outputs.values())


@dataclass(slots=True, eq=False)
class Agent:
    """A host that Mesos offered. `tracker` is its one TaskTracker that may get slots."""

    id: str
    hostname: str
    address: str
    seen: float = 0.0
    """When we last got an offer of it."""
    tracker: Tracker | None = None
    rack: str = ""
    """Empty if unknown."""
    size: dict[str, int] = field(default_factory=dict)
    """The most that it ever offered at once."""
    gpus: bool = False
    """Whether it ever offered GPUs. Kept here because a look into `size` is another memory access
    in the hot path.
    """
    offered: Sequence[Resource] = ()
    """The resources of its last offers."""
    free: Amounts = field(default_factory=dict)
    """The amounts that could be taken of `offered`."""
    pace: float = 1.0
    """The speed of attempts here, relative to attempts of the same jobs elsewhere."""
    launch_failures: int = 0
    avoid_until: float = 0.0
    parole_until: float = 0.0
    """Until when we avoid the agent because we gave up a TaskTracker here. `silences` counts such
    TaskTrackers in a row.
    """
    silences: int = 0
    attributes: Mapping[str, str] = field(default_factory=dict)
    suits: dict[Constraints, bool] = field(default_factory=dict)
    """For each Constraints that was asked, whether the agent's attributes meet it."""
    away: Unavailability | None = None
    """Its planned maintenance, if Mesos has announced one."""
    closes: float = math.inf
    """From when it takes no further attempts, because its maintenance is near."""
    lease_ended: float = -math.inf
    """When the lease of a slot here last ended."""
    passed: float | None = None
    """When all jobs last passed over what it offered. None after something started here."""
    hosts: tuple[str, ...] = field(init=False)
    """The names that filesystems may use for this host."""

    def __post_init__(self) -> None:
        # Agents and jobs share one string per host. A dict look-up then compares no characters.
        names = (self.hostname, self.address) if self.address else (self.hostname,)
        self.hosts = tuple(map(intern, names))

    def takes(self, now: float) -> bool:
        """Whether attempts may be started here."""
        silent = self.tracker is not None and self.tracker.silent
        return self.avoid_until <= now < self.closes and not silent

    def has(self, attributes: Mapping[str, str]) -> None:
        """Note the attributes in an offer. They may change when the agent restarts."""
        if attributes != self.attributes:
            self.attributes = attributes
            self.suits.clear()


@dataclass(slots=True)
class Rack:
    """Its host names, each with its number of agents. `version` grows with each change."""

    hosts: dict[str, int] = field(default_factory=dict)
    version: int = 0


@dataclass(slots=True)
class Faults:
    """How many jobs avoided a host and succeeded nevertheless.

    `since` is when the last fault was forgiven, or the first one noted. `until` is when an avoided
    host is tried again.
    """

    count: int
    since: float
    until: float = 0.0


@dataclass(slots=True)
class Cluster:
    """All agents, TaskTrackers and slots, by id. `hosts` has the agents (mostly one) of each host
    name.
    """

    agents: dict[str, Agent] = field(default_factory=dict)
    trackers: dict[str, Tracker] = field(default_factory=dict)
    slots: dict[str, Slot] = field(default_factory=dict)
    hosts: dict[str, list[Agent]] = field(default_factory=dict)
    racks: dict[str, Rack] = field(default_factory=dict)
    rack_changes: int = 0
    size: dict[str, int] = field(default_factory=dict)
    """The sum of each agent's `size`, in thousandths by resource."""
    closing: dict[str, Agent] = field(default_factory=dict)
    """Agents whose maintenance is planned or under way."""
    losses: int = 0
    """Grows each time that an agent is lost, or that one becomes avoided."""
    avoiding_until: float = 0.0
    """After this time, no agent is avoided."""
    reach: Reachability = field(default_factory=Reachability)
    notes: ChangeListener = NOBODY

    def see_agent(self, agent_id: str, hostname: str, address: str, rack: str) -> Agent:
        """The agent of an offer. The agent, or its rack, may be new."""
        agent = self.agents.get(agent_id)
        if agent is None:
            agent = self.agents[agent_id] = Agent(agent_id, hostname, address)
            for host in agent.hosts:
                self.hosts.setdefault(host, []).append(agent)
        elif agent.rack == rack:
            return agent
        self._leave_rack(agent)
        agent.rack = rack
        if rack:
            known = self.racks.setdefault(rack, Rack())
            self.rack_changes += 1
            known.version = self.rack_changes
            for host in agent.hosts:
                known.hosts[host] = known.hosts.get(host, 0) + 1
        return agent

    def _leave_rack(self, agent: Agent) -> None:
        rack = self.racks.get(agent.rack)
        if rack is None:
            return
        self.rack_changes += 1
        rack.version = self.rack_changes
        for host in agent.hosts:
            rack.hosts[host] -= 1
            if not rack.hosts[host]:
                del rack.hosts[host]
        if not rack.hosts:
            del self.racks[agent.rack]

    def forget_agent(self, agent_id: str) -> None:
        """The agent is gone."""
        agent = self.agents.pop(agent_id, None)
        if agent is None:
            return
        self.losses += 1
        self.closing.pop(agent_id, None)
        for name, amount in agent.size.items():
            self.size[name] -= amount
        self._leave_rack(agent)
        for host in agent.hosts:
            self.hosts[host].remove(agent)
            if not self.hosts[host]:
                del self.hosts[host]

    def see_size(self, agent: Agent, offered: Amounts) -> bool:
        """Note what an agent offers. Returns whether it is more than ever before."""
        grown = False
        for name, amount in offered.items():
            if (more := amount - agent.size.get(name, 0)) > 0:
                agent.size[name] = amount
                agent.gpus |= name == GPUS
                self.size[name] = self.size.get(name, 0) + more
                grown = True
        return grown

    def avoid(self, agent: Agent, until: float) -> None:
        """Start nothing there for a while."""
        agent.avoid_until = until
        self.avoiding_until = max(self.avoiding_until, until)
        self.losses += 1

    def usable(self, now: float) -> Callable[[str], bool]:
        """A function from a host name to whether, as far as we know, attempts could start there."""
        if now >= self.avoiding_until:
            return self.hosts.__contains__
        return lambda host: any(agent.takes(now) for agent in self.hosts.get(host, ()))

    def hostnames(self) -> set[str]:
        """The host names of all agents."""
        return {agent.hostname for agent in self.agents.values()}

    def has_others(
        self, than: Set[str], now: float, suits: Callable[[Agent], bool] | None = None
    ) -> bool:
        """Whether the cluster has a usable agent that `suits`, on a host that is not in `than`."""
        return any(
            agent.hostname not in than and agent.takes(now) and (suits is None or suits(agent))
            for agent in self.agents.values()
        )

    def trackers_on(self, agent_id: str) -> list[Tracker]:
        """All TaskTrackers of an agent, including those that are leaving."""
        return [tracker for tracker in self.trackers.values() if tracker.agent_id == agent_id]

    def add_tracker(self, tracker: Tracker) -> None:
        """A TaskTracker will be launched."""
        self.trackers[tracker.id] = tracker
        self.notes.tracker(tracker)

    def drop_tracker(self, tracker: Tracker) -> None:
        """A TaskTracker is forgotten."""
        del self.trackers[tracker.id]
        self.notes.tracker(tracker)

    def add_slot(self, slot: Slot) -> None:
        """A slot was accepted."""
        self.slots[slot.id] = slot
        self.trackers[slot.tracker_id].slots[slot.id] = slot
        self.notes.slot(slot)

    def drop_slot(self, slot: Slot) -> None:
        """A slot has ended."""
        self.slots.pop(slot.id, None)
        tracker = self.trackers.get(slot.tracker_id)
        if tracker is not None:
            tracker.slots.pop(slot.id, None)
        self.notes.slot(slot)

    def validate(self) -> None:
        """Check the invariants."""
        for slot in self.slots.values():
            tracker = self.trackers.get(slot.tracker_id)
            assert tracker is None or slot.id in tracker.slots, slot
            assert tracker is not None or slot.state is SlotState.ENDING, slot
            if slot.attempt is not None and slot.state is not SlotState.ENDING:
                assert slot.attempt.slot_id == slot.id, slot
                assert slot.free_since is None, slot
        for tracker in self.trackers.values():
            assert all(self.slots.get(s.id) is s for s in tracker.slots.values()), tracker
        for agent in self.agents.values():
            assert all(agent in self.hosts[host] for host in agent.hosts), agent
            assert not agent.rack or all(h in self.racks[agent.rack].hosts for h in agent.hosts)
            if agent.tracker is not None:
                assert self.trackers.get(agent.tracker.id) is agent.tracker, agent
                assert agent.tracker.state is not TrackerState.LEAVING, agent
