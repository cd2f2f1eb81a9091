"""The JobTracker's records of all agents, racks, TaskTrackers and slots."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Set
from dataclasses import dataclass, field

from mrmesos.jobtracker.core.model.agent import Agent
from mrmesos.jobtracker.core.model.demand import GPUS
from mrmesos.jobtracker.core.model.listeners import NOBODY, ChangeListener
from mrmesos.jobtracker.core.model.reachability import Reachability
from mrmesos.jobtracker.core.model.slot import Slot, SlotState
from mrmesos.jobtracker.core.model.tracker import Tracker, TrackerState
from mrmesos.resources import Amounts
from mrmesos.wire.ids import AgentId, HostName, SlotId, TrackerId


@dataclass(slots=True)
class Rack:
    """Its host names, each with its number of agents. `version` grows with each change."""

    hosts: dict[HostName, int] = field(default_factory=dict)
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

    agents: dict[AgentId, Agent] = field(default_factory=dict)
    trackers: dict[TrackerId, Tracker] = field(default_factory=dict)
    slots: dict[SlotId, Slot] = field(default_factory=dict)
    by_agent: dict[AgentId, dict[TrackerId, Tracker]] = field(default_factory=dict)
    """All TaskTrackers of each agent, including those that are leaving."""
    crowded: dict[AgentId, None] = field(default_factory=dict)
    """The agents with several TaskTrackers."""
    own: Amounts = field(default_factory=dict)
    """The resources that a TaskTracker takes for itself."""
    hosts: dict[HostName, list[Agent]] = field(default_factory=dict)
    racks: dict[str, Rack] = field(default_factory=dict)
    rack_changes: int = 0
    size: dict[str, int] = field(default_factory=dict)
    """The sum of each agent's `size`, in thousandths by resource."""
    closing: dict[AgentId, Agent] = field(default_factory=dict)
    """Agents whose maintenance is planned or under way."""
    losses: int = 0
    """Grows each time that an agent is lost, or that one becomes avoided."""
    by_heard: OrderedDict[TrackerId, Tracker] = field(default_factory=OrderedDict)
    """TaskTrackers in the order of their last heartbeats, the oldest first."""
    unsettled: dict[TrackerId, Tracker] = field(default_factory=dict)
    """TaskTrackers at which each tick looks: those that are new or leaving, and those without slots
    and map outputs. A tick removes the others.
    """
    silent: dict[TrackerId, Tracker] = field(default_factory=dict)
    """TaskTrackers that send no heartbeats although they should (silence.py)."""
    avoiding_until: float = 0.0
    """After this time, no agent is avoided."""
    reach: Reachability = field(default_factory=Reachability)
    notes: ChangeListener = NOBODY

    def see_agent(self, agent_id: AgentId, hostname: HostName, address: str, rack: str) -> Agent:
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

    def forget_agent(self, agent_id: AgentId) -> None:
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

    def see_size(self, agent: Agent, offered: Amounts, *, beside: bool) -> bool:
        """Note what an agent offers, `beside` our running TaskTracker or not. If not, a TaskTracker
        takes a part of it; its CPUs serve tasks, too. Returns whether it is more than ever before.
        """
        grown = False
        room, size = agent.offered_room, agent.size
        for name, amount in offered.items():
            if amount > room.get(name, 0):
                takes = 0 if name == "cpus" or beside else self.own.get(name, 0)
                if amount - takes > room.get(name, 0):
                    room[name] = amount - takes
                    grown = True
            if (more := amount - size.get(name, 0)) > 0:
                size[name] = amount
                agent.gpus |= name == GPUS
                self.size[name] = self.size.get(name, 0) + more
                grown = True
        return grown

    def whole_room(self, agent: Agent) -> dict[str, int]:
        """The room for tasks on an agent, beside a TaskTracker, whose CPUs they use, too. The agent
        has the most that it ever offered at once, or its last offers and the resources that our
        TaskTrackers and slots held then.

        After a restart of the JobTracker, agents offer only what our slots leave free. It may be
        too much for a moment, because the journal has slots that have ended meanwhile.
        """
        trackers = self.by_agent.get(agent.id, {}).values()
        held = [self.own for tracker in trackers if tracker.launched < agent.seen]
        for tracker in trackers:
            held += [slot.taken for slot in tracker.slots.values() if slot.launched < agent.seen]
        if agent.given_back_since == agent.seen:
            held.append(agent.given_back)
        room = dict(agent.size)
        if held:
            now = dict(agent.free)
            for amounts in held:
                _add(now, amounts)
            for name, amount in now.items():
                room[name] = max(amount, room.get(name, 0))
        room["mem"] = room.get("mem", 0) - self.own.get("mem", 0)
        return room

    def _gave_back(self, agent_id: AgentId, launched: float, amounts: Amounts) -> None:
        agent = self.agents.get(agent_id)
        if agent is None or launched >= agent.seen:
            return
        if agent.given_back_since != agent.seen:
            agent.given_back_since, agent.given_back = agent.seen, {}
        _add(agent.given_back, amounts)

    def avoid(self, agent: Agent, until: float) -> None:
        """Start nothing there for a while."""
        agent.avoid_until = until
        self.avoiding_until = max(self.avoiding_until, until)
        self.losses += 1

    def usable(self, now: float) -> Callable[[HostName], bool]:
        """A function from a host name to whether, as far as we know, attempts could start there."""
        if now >= self.avoiding_until:
            return self.hosts.__contains__
        return lambda host: any(agent.takes(now) for agent in self.hosts.get(host, ()))

    def hostnames(self) -> set[HostName]:
        """The host names of all agents."""
        return {agent.hostname for agent in self.agents.values()}

    def has_others(
        self, than: Set[HostName], now: float, suits: Callable[[Agent], bool] | None = None
    ) -> bool:
        """Whether the cluster has a usable agent that `suits`, on a host that is not in `than`."""
        return any(
            agent.hostname not in than and agent.takes(now) and (suits is None or suits(agent))
            for agent in self.agents.values()
        )

    def trackers_on(self, agent_id: AgentId) -> list[Tracker]:
        """All TaskTrackers of an agent, including those that are leaving."""
        return list(self.by_agent.get(agent_id, {}).values())

    def add_tracker(self, tracker: Tracker) -> None:
        """A TaskTracker will be launched."""
        self.enter_tracker(tracker)
        self.notes.tracker(tracker)

    def enter_tracker(self, tracker: Tracker) -> None:
        """Enter a TaskTracker here. The journal has its record already, or will be told of it."""
        self.trackers[tracker.id] = self.unsettled[tracker.id] = tracker
        there = self.by_agent.setdefault(tracker.agent_id, {})
        there[tracker.id] = tracker
        if len(there) > 1:
            self.crowded[tracker.agent_id] = None
        if tracker.heard is not None:
            self.by_heard[tracker.id] = tracker

    def hear(self, tracker: Tracker, now: float) -> None:
        """A heartbeat came."""
        tracker.heard = now
        self.by_heard[tracker.id] = tracker
        self.by_heard.move_to_end(tracker.id)

    def drop_outputs(self, tracker: Tracker, job_id: str, *, only: int | None = None) -> None:
        """A job's map outputs on a TaskTracker are not needed any more, or one of them is gone."""
        if only is not None:
            indexes = tracker.outputs.get(job_id, set())
            indexes.discard(only)
            if indexes:
                return
        tracker.outputs.pop(job_id, None)
        if not tracker.outputs and not tracker.slots:
            self.unsettled[tracker.id] = tracker

    def drop_tracker(self, tracker: Tracker) -> None:
        """A TaskTracker is forgotten."""
        self._gave_back(tracker.agent_id, tracker.launched, self.own)
        del self.trackers[tracker.id]
        there = self.by_agent[tracker.agent_id]
        del there[tracker.id]
        if len(there) == 1:
            del self.crowded[tracker.agent_id]
        if not there:
            del self.by_agent[tracker.agent_id]
        for those in (self.by_heard, self.unsettled, self.silent):
            those.pop(tracker.id, None)
        self.notes.tracker(tracker)

    def add_slot(self, slot: Slot) -> None:
        """A slot was accepted."""
        self.slots[slot.id] = slot
        self.trackers[slot.tracker_id].slots[slot.id] = slot
        self.notes.slot(slot)

    def drop_slot(self, slot: Slot) -> None:
        """A slot has ended."""
        self._gave_back(slot.agent_id, slot.launched, slot.taken)
        self.slots.pop(slot.id, None)
        tracker = self.trackers.get(slot.tracker_id)
        if tracker is not None:
            tracker.slots.pop(slot.id, None)
            if not tracker.slots and not tracker.outputs:
                self.unsettled[tracker.id] = tracker
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
        heard = [tracker.heard or 0.0 for tracker in self.by_heard.values()]
        assert heard == sorted(heard)
        for tracker in self.trackers.values():
            assert tracker.heard is None or tracker.id in self.by_heard, tracker
            settled = tracker.state is TrackerState.LIVE and (tracker.slots or tracker.outputs)
            assert settled or tracker.id in self.unsettled, tracker
        silent = {tracker.id for tracker in self.trackers.values() if tracker.silent}
        assert silent == self.silent.keys(), silent ^ self.silent.keys()
        for tracker in self.trackers.values():
            assert all(self.slots.get(s.id) is s for s in tracker.slots.values()), tracker
        for agent in self.agents.values():
            assert all(agent in self.hosts[host] for host in agent.hosts), agent
            assert not agent.rack or all(h in self.racks[agent.rack].hosts for h in agent.hosts)
            if agent.tracker is not None:
                assert self.trackers.get(agent.tracker.id) is agent.tracker, agent
                assert agent.tracker.state is not TrackerState.LEAVING, agent
        there = {t.id: t for trackers in self.by_agent.values() for t in trackers.values()}
        assert there == self.trackers
        several = {agent_id for agent_id, trackers in self.by_agent.items() if len(trackers) > 1}
        assert several == self.crowded.keys()


def _add(sums: dict[str, int], amounts: Amounts) -> None:
    for name, amount in amounts.items():
        sums[name] = sums.get(name, 0) + amount
