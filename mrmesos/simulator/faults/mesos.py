"""A Mesos with faults: offers, filters, executors, and updates until they are acknowledged."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import partial

from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.mesos.slot_updates import slot_updated
from mrmesos.resources import total
from mrmesos.simulator.faults.base import FaultWorldState
from mrmesos.simulator.faults.machines import (
    FaultyAgent,
    FaultySlot,
    FaultyTracker,
    minus,
    plus,
)
from mrmesos.simulator.machines import Amounts, allocatable, resources, within
from mrmesos.wire.task import AttemptState

ALLOCATION_SECONDS = 1.0
"""A Mesos master's `allocation_interval`."""


class FaultyMesos(FaultWorldState):
    """Answers the core's calls as a master would, in order and with delay."""

    @abstractmethod
    def beat(self, tracker: FaultyTracker) -> None:
        """A TaskTracker begins to send heartbeats."""

    @abstractmethod
    def finish(self, tracker: FaultyTracker, attempt_id: str, state: AttemptState) -> None:
        """An attempt ends."""

    def register(self) -> None:
        self.connected, self.suppressed = True, set()
        self.epoch += 1
        for offer_id in list(self.offers):  # of an earlier subscription: nobody will answer them
            self.take_back(offer_id)
        self.from_mesos = self.now
        self.tell(ev.Registered("framework"))
        for update in list(self.unacked.values()):
            self.event(update)
        self.allocate()

    def disconnect(self) -> None:
        if not self.connected:
            return
        self.connected = False
        for offer_id in list(self.offers):
            self.take_back(offer_id)
        self.tell(ev.Disconnected())
        self.at(self.rng.uniform(0.1, 15), self.register)

    def event(self, event: ev.Event) -> None:
        """Send an event down the stream. If the connection ends, the event is lost.

        Without faults, each event arrives once, and in order. With faults, some arrive late, so
        others overtake them, and some arrive twice. Some are lost on the way, but only events that
        Mesos sends once, and whose content the JobTracker also learns in other ways.
        """
        may_be_lost = isinstance(event, ev.TrackerLost | ev.AgentLost | ev.OfferRescinded)
        may_be_lost |= isinstance(event, ev.SlotUpdated)
        if may_be_lost and self.chance(self.faults.event_lost):
            self.note(f"lost: {event}")
            return
        if self.chance(self.faults.event_doubled):
            self.at(self.rng.uniform(0.0, 5.0), partial(self.deliver, event, self.epoch))
        if self.chance(self.faults.event_late):
            self.at(self.rng.uniform(0.0, 5.0), partial(self.deliver, event, self.epoch))
            return
        self.from_mesos = max(self.from_mesos, self.now + self.latency())
        self.at(self.from_mesos - self.now, partial(self.deliver, event, self.epoch))

    def deliver(self, event: ev.Event, epoch: int) -> None:
        """An event arrives, if its connection has not ended."""
        if self.connected and epoch == self.epoch:
            self.tell(event)

    def update(self, slot_id: str, agent_id: str, state: str, reason: str = "") -> None:
        uuid = f"u{self.clock.number()}"
        update = slot_updated(slot_id, agent_id, state, reason, "", uuid)
        self.unacked[uuid] = update
        self.at(10.0, lambda: self.again(uuid))
        if self.connected:
            self.event(update)

    def say(self, slot_id: str, agent_id: str, state: str, reason: str) -> None:
        """Send an update that the master itself makes. Nobody has to acknowledge it."""
        if self.connected:
            self.event(slot_updated(slot_id, agent_id, state, reason))

    def answer(self, slot_id: str, agent_id: str, state: str) -> None:
        self.say(slot_id, agent_id, state, "REASON_RECONCILIATION")

    def soon(self, action: Callable[[FaultySlot], None], slot: FaultySlot) -> None:
        action(slot)  # the call itself has already taken its time

    def again(self, uuid: str) -> None:
        if uuid in self.unacked:
            if self.connected:
                self.event(self.unacked[uuid])
            self.at(10.0, lambda: self.again(uuid))

    def add_agent(self, disk: str = "ssd", hostname: str = "") -> None:
        """Register an agent. The successor of a lost agent has its disk, because jobs may ask for
        that.
        """
        number = self.clock.number()
        size = {
            "cpus": self.rng.choice([1000, 2000, 4000]),
            "mem": self.rng.choice([2048_000, 4096_000]),
        }
        rack = self.rng.choice(["", "/a", "/b"]) if self.racks else ""
        host = hostname or f"host{number}"
        agent = FaultyAgent(f"S{number}", host, size, rack, disk)
        agent.slowness = 4.0 if self.chance(self.faults.straggles) else 1.0
        agent.bad = self.chance(self.faults.bad_hosts)
        self.agents[agent.id] = agent

    def speak(self) -> None:
        """The master's HEARTBEAT."""
        if self.connected:
            self.event(ev.MasterHeard())
        self.at(15.0, self.speak)

    def allocation(self) -> None:
        self.allocate()
        self.at(ALLOCATION_SECONDS, self.allocation)

    def allocate(self) -> None:
        roles = sorted(set(self.roles) - self.suppressed)
        if not self.connected or not roles:
            return
        made = []
        for agent in self.agents.values():
            held = [a for a, _ in self.offers.values() if a is agent]
            free = agent.free
            if not agent.alive or agent.cut_off or held or not allocatable(free):
                continue
            if self.now < agent.filtered_until and within(free, agent.filtered):
                continue
            mine = [t.id for t in self.trackers.values() if t.agent is agent and not t.gone]
            agent.free = dict.fromkeys(free, 0)
            for part in self.parts(free):
                offer_id = f"O{self.clock.number()}"
                self.offers[offer_id] = (agent, part)
                role = self.role_of[offer_id] = self.rng.choice(roles)
                made.append(
                    ev.Offer(
                        offer_id,
                        agent.id,
                        agent.hostname,
                        resources(part),
                        executor_ids=tuple(mine),
                        rack=agent.rack,
                        attributes={"disk": agent.disk},
                        unavailability=agent.away,
                        role=role,
                        agent_url=f"http://{agent.hostname}:5051",
                    )
                )
                if self.chance(self.faults.rescind):
                    self.take_back(offer_id)
                    self.event(ev.OfferRescinded(offer_id))
        if made:
            self.event(ev.OffersReceived(tuple(made)))

    def parts(self, free: Amounts) -> list[Amounts]:
        """The free resources as one offer, or sometimes as two."""
        if not self.chance(0.1):
            return [dict(free)]
        part = {name: round(value * self.rng.random()) for name, value in free.items()}
        return [part, minus(free, part)]

    def take_back(self, offer_id: str) -> None:
        agent, held = self.offers.pop(offer_id)
        agent.free = plus(agent.free, held)

    def mesos_call(self, command: cmd.Command, epoch: int) -> None:
        if not self.connected or epoch != self.epoch:
            self.note(f"dropped {command}")
            if isinstance(command, cmd.AcceptOffers):
                self.void.update(launch.tracker_id for launch in command.tasks)
            return
        match command:
            case cmd.AcceptOffers():
                self.accept(command)
            case cmd.DeclineOffers():
                for offer_id in command.offer_ids:
                    if offer_id in self.offers:
                        self.filter(offer_id, command.refuse_seconds)
            case cmd.AcceptInverseOffers() | cmd.DeclineInverseOffers():
                pass
            case cmd.Suppress():
                self.suppressed |= set(command.roles or self.roles)
            case cmd.Revive():
                self.suppressed -= set(command.roles or self.roles)
                for agent in self.agents.values():
                    agent.filtered_until = 0.0
                self.allocate()
            case cmd.Acknowledge():
                self.unacked.pop(command.uuid, None)
            case cmd.KillSlot():
                self.kill_slot(command.slot_id, command.agent_id)
            case cmd.Reconcile():
                self.reconcile(command.slots)
            case cmd.ShutdownTracker():
                tracker = self.trackers.get(command.tracker_id)
                if tracker is not None and tracker.up and not tracker.agent.cut_off:
                    self.at(self.latency(), partial(self.executor_ended, tracker))
            case cmd.ReadSandbox(sandbox, hostname):
                read = ev.SandboxRead(sandbox.tracker, hostname, "no such file")
                self.at(self.latency(), partial(self.tell, read))
            case _:
                raise AssertionError(command)

    def filter(self, offer_id: str, seconds: float) -> None:
        agent, held = self.offers[offer_id]
        agent.filtered_until, agent.filtered = self.now + seconds, held
        self.take_back(offer_id)

    def accept(self, command: cmd.AcceptOffers) -> None:
        valid = all(offer_id in self.offers for offer_id in command.offer_ids)
        pool: Amounts = {}
        agents = {self.offers[o][0].id for o in command.offer_ids if o in self.offers}
        assert len(agents) <= 1
        for offer_id in command.offer_ids:
            if offer_id in self.offers:
                agent, held = self.offers[offer_id]
                pool = plus(pool, held)
                self.take_back(offer_id)
        for launch in command.tasks:
            agent = self.agents[launch.agent_id]
            first = launch.first if isinstance(launch, cmd.SlotLaunch) else None
            assert launch.slot_id not in self.slots
            if first is not None:
                self.placed.append((first.attempt_id, agent.id))
            if not valid:
                self.void.add(launch.tracker_id)
                self.say(launch.slot_id, agent.id, "TASK_LOST", "REASON_INVALID_OFFERS")
                continue
            tracker = self.trackers.get(launch.tracker_id)
            own, asked = total(launch.tracker_resources), total(launch.resources)
            slot = partial(FaultySlot, launch.slot_id, amounts=asked, first=first)
            if tracker is None:
                asked = plus(asked, own)
                tracker = FaultyTracker(launch.tracker_id, agent, own, answered=self.now)
                self.new_executor(tracker, self.rng.uniform(0.1, 1.0))
            assert tracker.own == own, "an executor's resources changed"
            if tracker.gone:
                self.say(launch.slot_id, agent.id, "TASK_LOST", "REASON_EXECUTOR_TERMINATED")
                continue
            if any(pool.get(name, 0) < value for name, value in asked.items()):
                # The core may believe that an executor runs although its first launch was void.
                assert launch.tracker_id in self.void, "more accepted than offered"
                if not tracker.slots:
                    tracker.gone = True
                self.say(launch.slot_id, agent.id, "TASK_ERROR", "REASON_TASK_INVALID")
                continue
            pool = minus(pool, asked)
            agent.free = minus(agent.free, asked)
            self.staged(slot(tracker), self.latency())
        if valid and command.offer_ids:
            agent.filtered_until = self.now + command.refuse_seconds
            agent.filtered = dict(agent.free)

    def comes_up(self) -> bool:
        return not self.chance(self.faults.launch_fails)

    def came_up(self, tracker: FaultyTracker) -> None:
        tracker.answered = self.now
        self.beat(tracker)

    def came_to_run(self, slot: FaultySlot) -> None:
        pass

    def released(self, slot: FaultySlot) -> None:
        self.give_back(slot.tracker.agent, slot.amounts)

    def gone(self, tracker: FaultyTracker) -> None:
        tracker.running.clear()
        self.give_back(tracker.agent, tracker.own)

    def give_back(self, agent: FaultyAgent, amounts: Amounts) -> None:
        if agent.alive:
            agent.free = plus(agent.free, amounts)

    def tell_lost(self, tracker: FaultyTracker) -> None:
        if self.connected and not self.chance(0.2):
            self.event(ev.TrackerLost(tracker.id, tracker.agent.id, 256))

    def agent_gone(self, agent: FaultyAgent) -> None:
        agent.alive = False
        for offer_id, (owner, _) in list(self.offers.items()):
            if owner is agent:
                self.take_back(offer_id)
                if self.connected:
                    self.event(ev.OfferRescinded(offer_id))
        for tracker in list(self.trackers.values()):
            if tracker.agent is agent and not tracker.gone:
                lost = list(tracker.slots)
                self.take_down(tracker)
                for slot_id in lost:
                    self.update(slot_id, agent.id, "TASK_LOST", "REASON_AGENT_REMOVED")
        if self.connected:
            self.event(ev.AgentLost(agent.id))
        again = self.rng.choice([agent.hostname, ""])  # the same machine, with a new agent id
        self.at(self.rng.uniform(1, 20), partial(self.add_agent, agent.disk, again))

    def plan_maintenance(self, agent: FaultyAgent) -> None:
        """The operator wants a machine for a while, and may change their mind."""
        name, start = f"I{self.clock.number()}", self.now + self.rng.uniform(0, 20)
        agent.away = ev.Unavailability(start, start + self.rng.uniform(1, 20))
        if self.connected and not agent.cut_off:
            self.event(ev.InverseOffersReceived((ev.InverseOffer(name, agent.id, agent.away),)))
        self.at(self.rng.uniform(1, 40), partial(self.cancel_maintenance, agent, name))

    def cancel_maintenance(self, agent: FaultyAgent, name: str) -> None:
        """The operator no longer wants the machine."""
        agent.away = None
        if self.connected and not agent.cut_off:
            self.event(ev.InverseOfferRescinded(name))

    def cut_off(self, agent: FaultyAgent) -> None:
        """The master loses sight of an agent. It reports everything there as lost, although it
        still runs.
        """
        if agent.cut_off:
            return
        agent.cut_off = True
        for offer_id, (owner, _) in list(self.offers.items()):
            if owner is agent:
                self.take_back(offer_id)
                if self.connected:
                    self.event(ev.OfferRescinded(offer_id))
        for slot in self.slots.values():
            if slot.tracker.agent is agent:
                self.say(slot.id, agent.id, "TASK_UNREACHABLE", "REASON_AGENT_REMOVED")
        if self.connected:
            self.event(ev.AgentLost(agent.id))
        self.at(self.rng.uniform(0.5, 40), partial(self.back, agent))

    def back(self, agent: FaultyAgent) -> None:
        agent.cut_off = False
        for slot in self.slots.values():
            if slot.tracker.agent is agent and slot.tracker.up:
                self.say(slot.id, agent.id, "TASK_RUNNING", "REASON_AGENT_REREGISTERED")

    def kill_slot(self, slot_id: str, agent_id: str) -> None:
        slot = self.slots.get(slot_id)
        if slot is not None:
            tracker = slot.tracker
            if tracker.agent.cut_off:
                return
            if tracker.up and slot.attempt:
                self.finish(tracker, slot.attempt, AttemptState.KILLED)
        super().kill_slot(slot_id, agent_id)
