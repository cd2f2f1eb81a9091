"""A small world around the production core: a Mesos, agents and TaskTrackers on a virtual clock.

Everything that happens comes from one seeded generator, so a seed is a whole history. Messages
take time; heartbeats and their answers get lost, doubled and overtaken; executors, agents and the
connection to the master come and go; attempts fail. `World.run()` checks the promises as it goes.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mrmesos.api.formats import TextInput, TextOutput
from mrmesos.api.split import FileSlice, Split
from mrmesos.conf import Conf
from mrmesos.jobtracker import commands as cmd
from mrmesos.jobtracker import events as ev
from mrmesos.jobtracker.core import JobTracker
from mrmesos.jobtracker.mailbox import Mailboxes
from mrmesos.wire import heartbeat as hb
from mrmesos.wire.ids import parse_attempt
from mrmesos.wire.job import JobSpec, JobState
from mrmesos.wire.task import (
    Attempt,
    AttemptError,
    AttemptProgress,
    AttemptReport,
    AttemptState,
    ErrorKind,
    MapOutput,
    MapTask,
)

EXPIRY = 20.0
CONF = {"tasktracker.expiry.seconds": str(EXPIRY)}
LIMIT_SECONDS = 4000.0
Amounts = dict[str, float]


def amounts(*lists: tuple[Mapping[str, Any], ...]) -> Amounts:
    """Resource JSON summed by name."""
    sums: Amounts = {}
    for resources in lists:
        for resource in resources:
            name = resource["name"]
            sums[name] = round(sums.get(name, 0) + resource["scalar"]["value"], 3)
    return sums


def minus(left: Amounts, right: Amounts) -> Amounts:
    """What is left, by name."""
    return {name: round(value - right.get(name, 0), 3) for name, value in left.items()}


def as_json(values: Amounts) -> tuple[dict[str, Any], ...]:
    """Resource JSON."""
    return tuple(
        {"name": name, "type": "SCALAR", "scalar": {"value": value}, "role": "*"}
        for name, value in values.items()
        if value > 0
    )


@dataclass(slots=True)
class Faults:
    """How often things go wrong; all zero is a peaceful world. `until` they stop."""

    attempt_fails: float = 0.0
    heartbeat_lost: float = 0.0
    heartbeat_doubled: float = 0.0
    launch_fails: float = 0.0
    executor_dies: float = 0.0
    agent_dies: float = 0.0
    silence: float = 0.0
    disconnect: float = 0.0
    rescind: float = 0.0
    kill_job: float = 0.0
    plan_fails: float = 0.0
    commit_fails: float = 0.0
    fetch_fails: float = 0.0
    until: float = 120.0


@dataclass(slots=True)
class SimAgent:
    """A machine."""

    id: str
    hostname: str
    resources: Amounts
    free: Amounts
    alive: bool = True
    filtered_until: float = 0.0
    filtered: Amounts = field(default_factory=dict)


@dataclass(slots=True)
class SimSlot:
    """A Mesos task."""

    id: str
    agent: SimAgent
    tracker_id: str
    resources: Amounts
    first: Attempt
    state: str = "TASK_STAGING"
    attempt: str = ""


@dataclass(slots=True)
class SimTracker:
    """An executor process."""

    id: str
    agent: SimAgent
    resources: Amounts
    up: bool = False
    gone: bool = False
    slots: dict[str, SimSlot] = field(default_factory=dict)
    sequence: int = 0
    done: int = 0
    reports: dict[str, AttemptReport] = field(default_factory=dict)
    running: dict[str, tuple[Attempt, float]] = field(default_factory=dict)
    outputs: dict[str, dict[int, MapOutput]] = field(default_factory=dict)
    silent_until: float = 0.0
    answered: float = 0.0


class World:
    """See the module. `history` holds the last events, for when something fails."""

    def __init__(self, seed: int, faults: Faults | None = None, agents: int = 0, jobs: int = 0):
        self.rng = random.Random(seed)
        self.faults = faults if faults is not None else random_faults(self.rng)
        self.now = 1_000_000.0
        self.start = self.now
        self.heap: list[tuple[float, int, Callable[[], None]]] = []
        self.counter = 0
        self.history: list[str] = []
        self.core = JobTracker(Conf(CONF), "202611201130")
        self.mailboxes = Mailboxes()
        self.to_mesos = self.from_mesos = 0.0
        self.connected = False
        self.epoch = 0
        self.suppressed = False
        self.agents: dict[str, SimAgent] = {}
        self.offers: dict[str, tuple[SimAgent, Amounts]] = {}
        self.slots: dict[str, SimSlot] = {}
        self.trackers: dict[str, SimTracker] = {}
        self.unacked: dict[str, ev.SlotUpdated] = {}
        self.launched: set[str] = set()
        self.succeeded: set[str] = set()
        self.specs: dict[str, tuple[int, int]] = {}
        self.ended: set[str] = set()
        self.committed: set[str] = set()
        self.killed: set[str] = set()
        self.aborting: set[str] = set()
        self.void: set[str] = set()
        self.placed: list[tuple[str, str]] = []
        for _ in range(agents or self.rng.randint(1, 5)):
            self.add_agent()
        self.at(0.0, self.register)
        self.at(0.2, self.tick)
        self.at(1.0, self.allocation)
        self.jobs_wanted = jobs or self.rng.randint(1, 4)
        for _ in range(self.jobs_wanted):
            self.at(self.rng.uniform(0, 30), self.submit)
        self.at(0.5, self.chaos)

    # --- Clock and chance

    def at(self, delay: float, action: Callable[[], None]) -> None:
        self.counter += 1
        heapq.heappush(self.heap, (self.now + delay, self.counter, action))

    def chance(self, probability: float) -> bool:
        return self.faulty and self.rng.random() < probability

    @property
    def faulty(self) -> bool:
        return self.now - self.start < self.faults.until

    def note(self, text: str) -> None:
        self.history.append(f"{self.now - self.start:8.3f} {text}")
        del self.history[:-400]

    def run(self) -> None:
        quiet_since = None
        while self.heap:
            self.now, _, action = heapq.heappop(self.heap)
            action()
            over = len(self.ended) == self.jobs_wanted and not self.faulty
            quiet_since = (quiet_since or self.now) if over else None
            if quiet_since is not None and self.now - quiet_since > 3 * EXPIRY + 30:
                break
            assert self.now - self.start < LIMIT_SECONDS, f"not over: {self.unfinished()}"
        assert not self.slots, "slots are left"
        assert not [t for t in self.trackers.values() if not t.gone], "trackers are left"
        assert self.suppressed, "offers still flow"
        assert self.core.idle
        assert not self.core.state.attempts

    def unfinished(self) -> list[Any]:
        return [status for status in self.core.job_statuses() if not status.state.ended]

    # --- The core and its shell

    def tell(self, event: ev.Event) -> None:
        self.note(f"-> {event}")
        commands = self.core.handle(event, self.now)
        self.core.validate()
        answered: list[str] = []
        for command in commands:
            self.note(f"   <- {command}")
            if isinstance(command, cmd.AcceptOffers | cmd.DeclineOffers):
                answered.extend(command.offer_ids)
            self.carry_out(command)
        if isinstance(event, ev.OffersReceived):
            assert sorted(answered) == sorted(o.offer_id for o in event.offers), "offers unanswered"
        else:
            assert not answered, "answered offers that were not there"

    def carry_out(self, command: cmd.Command) -> None:
        match command:
            case cmd.PlanJob():
                self.at(self.rng.uniform(0.01, 1.0), lambda: self.plan(command))
            case cmd.CommitJob():
                self.check_winners(command)
                self.at(self.rng.uniform(0.01, 1.0), lambda: self.commit(command))
            case cmd.AbortJob():
                self.at(
                    self.rng.uniform(0.01, 1.0), lambda: self.tell(ev.JobAborted(command.job_id))
                )
            case cmd.JobEnded():
                assert command.job_id not in self.ended
                self.ended.add(command.job_id)
                self.check_ended(command.job_id)
            case cmd.SendActions():
                if self.mailboxes.put(command.tracker_id, command.actions):
                    self.at(self.latency(), lambda: self.answer(command.tracker_id))
            case cmd.ForgetTracker():
                self.mailboxes.forget(command.tracker_id)
            case _:
                if isinstance(command, cmd.AcceptOffers):
                    for launch in command.launches:
                        self.mailboxes.open(launch.tracker_id)
                epoch = self.epoch
                self.to_mesos = max(self.to_mesos, self.now + self.latency())
                self.at(self.to_mesos - self.now, lambda: self.mesos_call(command, epoch))

    def latency(self) -> float:
        return self.rng.uniform(0.001, 0.02)

    def tick(self) -> None:
        self.tell(ev.Tick())
        self.at(0.5, self.tick)

    def submit(self) -> None:
        job_id = self.core.next_job_id()
        maps, reduces = self.rng.choice([0, 1, 3, 8, 20]), self.rng.choice([0, 1, 1, 2, 4])
        self.specs[job_id] = (maps, reduces)
        conf = {
            "map.memory.mb": str(self.rng.choice([128, 512, 1024])),
            "reduce.memory.mb": str(self.rng.choice([256, 1024])),
            "map.cpus": str(self.rng.choice([0.05, 0.5, 1.0])),
            "reduce.cpus": str(self.rng.choice([0.5, 1.0])),
            "job.reduce.slowstart.completedmaps": str(self.rng.choice([0.0, 0.3, 1.0])),
        }
        spec = JobSpec(
            name="sim",
            user="nobody",
            inputs=("memory://in",),
            output=f"memory://{job_id}",
            input_format=TextInput(),
            output_format=TextOutput(),
            num_reducers=reduces,
            conf=conf,
            code="0" * 64,
        )
        self.tell(ev.JobSubmitted(job_id, spec, "token"))
        if self.chance(self.faults.kill_job):
            self.at(self.rng.uniform(0, 40), lambda: self.kill_job(job_id))

    def kill_job(self, job_id: str) -> None:
        status = self.core.job_status(job_id)
        assert status is not None
        if status.state in (JobState.PREP, JobState.RUNNING):
            self.killed.add(job_id)
        self.tell(ev.KillAsked(job_id, "somebody"))

    def plan(self, command: cmd.PlanJob) -> None:
        if self.chance(self.faults.plan_fails):
            error = AttemptError(kind=ErrorKind.INPUT, message="no such input")
            self.tell(ev.JobPlanFailed(command.job_id, error))
            return
        hosts = [agent.hostname for agent in self.agents.values()] + ["elsewhere"]
        splits = []
        for i in range(self.specs[command.job_id][0]):
            where = tuple(self.rng.sample(hosts, min(len(hosts), self.rng.randint(0, 3))))
            splits.append(Split((FileSlice("memory://in", i, 1),), 1, where))
        self.tell(ev.JobPlanned(command.job_id, tuple(splits)))

    def commit(self, command: cmd.CommitJob) -> None:
        if self.chance(self.faults.commit_fails):
            error = AttemptError(kind=ErrorKind.OUTPUT, message="no space")
            self.tell(ev.JobCommitFailed(command.job_id, error))
        else:
            self.committed.add(command.job_id)
            self.tell(ev.JobCommitted(command.job_id))

    def check_winners(self, command: cmd.CommitJob) -> None:
        maps, reduces = self.specs[command.job_id]
        kind = "reduce" if reduces else "map"
        names = [parse_attempt(attempt_id) for attempt_id in command.winners]
        assert [n.index for n in names] == list(range(reduces or maps)), "not one winner a task"
        assert all(n.kind == kind and n.job_id == command.job_id for n in names)
        assert set(command.winners) <= self.succeeded

    def check_ended(self, job_id: str) -> None:
        status = self.core.job_status(job_id)
        assert status is not None
        assert (status.state is JobState.SUCCEEDED) == (job_id in self.committed), status
        assert (status.state is JobState.KILLED) <= (job_id in self.killed), status
        if status.state is JobState.FAILED:
            assert status.error is not None
            self.note(f"{job_id} failed: {status.error}")
            f = self.faults
            may = f.attempt_fails or f.plan_fails or f.commit_fails or f.launch_fails
            assert may or status.error.kind is ErrorKind.LOST, status.error

    # --- Mesos

    def register(self) -> None:
        self.connected, self.suppressed = True, False
        self.epoch += 1
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
        """Send an event down the stream, in order; lost with the connection."""
        epoch = self.epoch
        self.from_mesos = max(self.from_mesos, self.now + self.latency())
        self.at(
            self.from_mesos - self.now,
            lambda: self.tell(event) if self.connected and epoch == self.epoch else None,
        )

    def update(self, slot: SimSlot, state: str, reason: str = "", acked: bool = True) -> None:
        self.counter += 1
        uuid = f"u{self.counter}" if acked else ""
        update = ev.SlotUpdated(slot.id, slot.agent.id, state, reason, "", "", uuid)
        if uuid:
            self.unacked[uuid] = update
            self.at(10.0, lambda: self.again(uuid))
        if self.connected:
            self.event(update)

    def again(self, uuid: str) -> None:
        if uuid in self.unacked:
            if self.connected:
                self.event(self.unacked[uuid])
            self.at(10.0, lambda: self.again(uuid))

    def add_agent(self) -> None:
        self.counter += 1
        size = {
            "cpus": float(self.rng.choice([1, 2, 4])),
            "mem": float(self.rng.choice([2048, 4096])),
        }
        agent = SimAgent(f"S{self.counter}", f"host{self.counter}", size, dict(size))
        self.agents[agent.id] = agent

    def allocation(self) -> None:
        self.allocate()
        self.at(1.0, self.allocation)

    def allocate(self) -> None:
        if not self.connected or self.suppressed:
            return
        made = []
        for agent in self.agents.values():
            held = [a for a, _ in self.offers.values() if a is agent]
            free = agent.free
            if not agent.alive or held or free["cpus"] < 0.01 or free["mem"] < 32:
                continue
            within = all(free[n] <= agent.filtered.get(n, 0) for n in free)
            if self.now < agent.filtered_until and within:
                continue
            self.counter += 1
            self.offers[f"O{self.counter}"] = (agent, dict(free))
            agent.free = dict.fromkeys(free, 0.0)
            mine = [t.id for t in self.trackers.values() if t.agent is agent and not t.gone]
            made.append(
                ev.Offer(
                    f"O{self.counter}", agent.id, agent.hostname, as_json(free), {}, tuple(mine)
                )
            )
            if self.chance(self.faults.rescind):
                self.take_back(f"O{self.counter}")
                self.event(ev.OfferRescinded(f"O{self.counter}"))
        if made:
            self.event(ev.OffersReceived(tuple(made)))

    def take_back(self, offer_id: str) -> None:
        agent, held = self.offers.pop(offer_id)
        for name, value in held.items():
            agent.free[name] = round(agent.free[name] + value, 3)

    def mesos_call(self, command: cmd.Command, epoch: int) -> None:
        if not self.connected or epoch != self.epoch:
            self.note(f"dropped {command}")
            if isinstance(command, cmd.AcceptOffers):
                self.void.update(launch.tracker_id for launch in command.launches)
            return
        match command:
            case cmd.AcceptOffers():
                self.accept(command)
            case cmd.DeclineOffers():
                for offer_id in command.offer_ids:
                    if offer_id in self.offers:
                        self.filter(offer_id, command.refuse_seconds)
            case cmd.Suppress():
                self.suppressed = True
            case cmd.Revive():
                self.suppressed = False
                for agent in self.agents.values():
                    agent.filtered_until = 0.0
                self.allocate()
            case cmd.Acknowledge():
                self.unacked.pop(command.uuid, None)
            case cmd.KillSlot():
                self.kill_slot(command.slot_id, command.agent_id)
            case cmd.Reconcile():
                self.reconcile(command)
            case cmd.ShutdownTracker():
                tracker = self.trackers.get(command.tracker_id)
                if tracker is not None and tracker.up:
                    self.at(self.latency(), lambda: self.executor_gone(tracker))
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
                pool = {n: pool.get(n, 0) + held[n] for n in held}
                self.take_back(offer_id)
        for launch in command.launches:
            agent = self.agents[launch.agent_id]
            resources = amounts(launch.resources)
            slot = SimSlot(launch.slot_id, agent, launch.tracker_id, resources, launch.first)
            assert launch.slot_id not in self.slots
            self.placed.append((launch.first.attempt_id, agent.id))
            if not valid:
                self.void.add(launch.tracker_id)
                self.update(slot, "TASK_LOST", "REASON_INVALID_OFFERS", acked=False)
                continue
            tracker = self.trackers.get(launch.tracker_id)
            own = amounts(launch.tracker_resources)
            asked = dict(resources)
            if tracker is None:
                asked = {n: round(asked.get(n, 0) + own.get(n, 0), 3) for n in {**asked, **own}}
                tracker = SimTracker(launch.tracker_id, agent, own, answered=self.now)
                self.trackers[tracker.id] = tracker
                self.at(self.rng.uniform(0.1, 1.0), partial(self.executor_up, tracker))
            assert tracker.resources == own, "an executor's resources changed"
            if tracker.gone:
                self.update(slot, "TASK_LOST", "REASON_EXECUTOR_TERMINATED", acked=False)
                continue
            if any(pool.get(name, 0) < value for name, value in asked.items()):
                # The core may think that an executor runs whose first launch was void.
                assert launch.tracker_id in self.void, "more accepted than offered"
                if not tracker.slots:
                    tracker.gone = True
                self.update(slot, "TASK_ERROR", "REASON_TASK_INVALID", acked=False)
                continue
            pool = minus(pool, asked)
            agent.free = minus(agent.free, asked)
            self.slots[slot.id] = tracker.slots[slot.id] = slot
            if tracker.up:
                self.at(self.latency(), partial(self.slot_up, slot, tracker))
        if valid and command.offer_ids:
            agent.filtered_until = self.now + command.refuse_seconds
            agent.filtered = dict(agent.free)

    def executor_up(self, tracker: SimTracker) -> None:
        if tracker.gone:
            return
        if self.chance(self.faults.launch_fails):
            self.executor_gone(tracker)
            return
        tracker.up = True
        tracker.answered = self.now
        for slot in list(tracker.slots.values()):
            self.slot_up(slot, tracker)
        self.heartbeat(tracker)
        self.beat(tracker)

    def slot_up(self, slot: SimSlot, tracker: SimTracker) -> None:
        if tracker.gone or slot.id not in tracker.slots or slot.state != "TASK_STAGING":
            return
        slot.state = "TASK_RUNNING"
        self.update(slot, "TASK_RUNNING")
        self.begin(tracker, slot, slot.first)

    def slot_over(self, slot: SimSlot, state: str, reason: str = "") -> None:
        self.slots.pop(slot.id, None)
        tracker = self.trackers[slot.tracker_id]
        tracker.slots.pop(slot.id, None)
        if slot.agent.alive:
            for name, value in slot.resources.items():
                slot.agent.free[name] = round(slot.agent.free[name] + value, 3)
        self.update(slot, state, reason)

    def executor_gone(self, tracker: SimTracker) -> None:
        if tracker.gone:
            return
        tracker.gone, tracker.up = True, False
        tracker.running.clear()
        for slot in list(tracker.slots.values()):
            self.slot_over(slot, "TASK_FAILED", "REASON_EXECUTOR_TERMINATED")
        for name, value in tracker.resources.items():
            tracker.agent.free[name] = round(tracker.agent.free[name] + value, 3)
        if self.connected and not self.chance(0.2):
            self.event(ev.TrackerLost(tracker.id, tracker.agent.id, 256))

    def agent_gone(self, agent: SimAgent) -> None:
        agent.alive = False
        for offer_id, (owner, _) in list(self.offers.items()):
            if owner is agent:
                self.take_back(offer_id)
                if self.connected:
                    self.event(ev.OfferRescinded(offer_id))
        for tracker in list(self.trackers.values()):
            if tracker.agent is agent and not tracker.gone:
                tracker.gone, tracker.up = True, False
                tracker.running.clear()
                for slot in list(tracker.slots.values()):
                    self.slot_over(slot, "TASK_LOST", "REASON_AGENT_REMOVED")
        if self.connected:
            self.event(ev.AgentLost(agent.id))
        self.at(self.rng.uniform(1, 20), self.add_agent)

    def kill_slot(self, slot_id: str, agent_id: str) -> None:
        slot = self.slots.get(slot_id)
        if slot is None:
            if self.connected:
                self.event(ev.SlotUpdated(slot_id, agent_id, "TASK_LOST", "REASON_RECONCILIATION"))
            return
        tracker = self.trackers[slot.tracker_id]
        if tracker.up and slot.attempt:
            self.finish(tracker, slot.attempt, AttemptState.KILLED)
        self.slot_over(slot, "TASK_KILLED")
        if not tracker.up and not tracker.slots:
            self.executor_gone(tracker)

    def reconcile(self, command: cmd.Reconcile) -> None:
        asked = command.slots or tuple((s.id, s.agent.id) for s in self.slots.values())
        for slot_id, agent_id in asked:
            slot = self.slots.get(slot_id)
            state = slot.state if slot is not None else "TASK_LOST"
            self.event(ev.SlotUpdated(slot_id, agent_id, state, "REASON_RECONCILIATION"))

    # --- TaskTrackers

    def beat(self, tracker: SimTracker) -> None:
        if tracker.gone:
            return
        if self.now - tracker.answered > EXPIRY:
            self.executor_gone(tracker)
            return
        self.heartbeat(tracker)
        self.at(1.0, lambda: self.beat(tracker))

    def heartbeat(self, tracker: SimTracker) -> None:
        if tracker.gone or not tracker.up:
            return
        tracker.sequence += 1
        progress = [
            AttemptProgress(
                attempt_id=attempt_id,
                progress=self.rng.random(),
                fetch_failed=self.missing(tracker, attempt)[1],
            )
            for attempt_id, (attempt, _) in tracker.running.items()
        ]
        beat = hb.Heartbeat(
            tracker_id=tracker.id,
            agent_id=tracker.agent.id,
            hostname=tracker.agent.hostname,
            url=f"http://{tracker.id}",
            sequence=tracker.sequence,
            acknowledged=tracker.done,
            slots=list(tracker.slots),
            reports=list(tracker.reports.values()),
            progress=progress,
        )
        if self.now < tracker.silent_until or self.chance(self.faults.heartbeat_lost):
            return
        self.at(self.rng.uniform(0.001, 0.05), lambda: self.hear(tracker, beat))
        if self.chance(self.faults.heartbeat_doubled):
            self.at(self.rng.uniform(0.001, 3.0), lambda: self.hear(tracker, beat))

    def hear(self, tracker: SimTracker, beat: hb.Heartbeat) -> None:
        if beat.tracker_id not in self.mailboxes:
            self.at(self.latency(), lambda: self.executor_gone(tracker))
            return
        self.mailboxes.acknowledge(beat.tracker_id, beat.acknowledged)
        self.tell(ev.HeartbeatReceived(beat))
        self.answer(beat.tracker_id, beat)

    def answer(self, tracker_id: str, beat: hb.Heartbeat | None = None) -> None:
        tracker = self.trackers.get(tracker_id)
        actions = self.mailboxes.to_send(tracker_id)
        if tracker is None or actions is None:
            return
        if self.now < tracker.silent_until or self.chance(self.faults.heartbeat_lost):
            return
        told = [r.attempt_id for r in beat.reports] if beat is not None else []
        self.at(self.rng.uniform(0.001, 0.05), lambda: self.receive(tracker, actions, told))

    def receive(self, tracker: SimTracker, actions: list[hb.Numbered], told: list[str]) -> None:
        if tracker.gone or not tracker.up:
            return
        tracker.answered = self.now
        for attempt_id in told:
            tracker.reports.pop(attempt_id, None)
        for numbered in actions:
            if numbered.number == tracker.done + 1 and not tracker.gone:
                tracker.done = numbered.number
                self.act(tracker, numbered.action)

    def act(self, tracker: SimTracker, action: hb.Action) -> None:
        match action:
            case hb.RunAttempt():
                slot = tracker.slots.get(action.attempt.slot_id)
                if slot is not None:
                    self.begin(tracker, slot, action.attempt)
            case hb.KillAttempt():
                if action.attempt_id in tracker.running:
                    self.finish(tracker, action.attempt_id, AttemptState.KILLED)
            case hb.EndSlot():
                slot = tracker.slots.get(action.slot_id)
                if slot is not None:
                    assert not slot.attempt, "a slot ends under its attempt"
                    self.slot_over(slot, "TASK_FINISHED")
            case hb.MapOutputs():
                table = tracker.outputs.setdefault(action.job_id, {})
                for output in action.outputs:
                    table[output.map_index] = output
            case hb.ForgetJob():
                assert action.job_id in self.ended
                tracker.outputs.pop(action.job_id, None)
            case hb.Leave():
                assert not tracker.slots
                self.executor_gone(tracker)

    def begin(self, tracker: SimTracker, slot: SimSlot, attempt: Attempt) -> None:
        assert not slot.attempt, "a slot runs two attempts"
        assert attempt.attempt_id not in self.launched, "an attempt is launched twice"
        assert attempt.slot_id == slot.id
        self.launched.add(attempt.attempt_id)
        slot.attempt = attempt.attempt_id
        tracker.running[attempt.attempt_id] = (attempt, self.now)
        self.at(self.rng.uniform(0.05, 5.0), lambda: self.work(tracker, attempt))

    def missing(self, tracker: SimTracker, attempt: Attempt) -> tuple[bool, list[str]]:
        """Whether a reduce still waits for map outputs, and those that it cannot fetch."""
        if isinstance(attempt.task, MapTask):
            return False, []
        table = tracker.outputs.get(attempt.job_id, {})
        waits, bad = False, []
        for index in range(self.specs[attempt.job_id][0]):
            output = table.get(index)
            if output is None or not output.attempt_id:
                waits = True
                continue
            source = self.trackers[output.url.removeprefix("http://")]
            broken = self.rng.random() < self.faults.fetch_fails if self.faulty else False
            if source.gone or broken:
                waits = True
                bad.append(output.attempt_id)
        return waits, bad

    def work(self, tracker: SimTracker, attempt: Attempt) -> None:
        if tracker.gone or attempt.attempt_id not in tracker.running:
            return
        if self.chance(self.faults.attempt_fails):
            self.finish(tracker, attempt.attempt_id, AttemptState.FAILED)
        elif self.missing(tracker, attempt)[0]:
            self.at(0.5, lambda: self.work(tracker, attempt))
        else:
            self.finish(tracker, attempt.attempt_id, AttemptState.SUCCEEDED)

    def finish(self, tracker: SimTracker, attempt_id: str, state: AttemptState) -> None:
        attempt, started = tracker.running.pop(attempt_id)
        slot = tracker.slots[attempt.slot_id]
        slot.attempt = ""
        if state is AttemptState.SUCCEEDED:
            self.succeeded.add(attempt_id)
        failed = state is AttemptState.FAILED
        tracker.reports[attempt_id] = AttemptReport(
            attempt_id=attempt_id,
            slot_id=slot.id,
            state=state,
            started=started,
            ended=self.now,
            counters={"task": {"RECORDS": 1}},
            error=AttemptError(kind=ErrorKind.USER_CODE, message="boom") if failed else None,
        )
        self.heartbeat(tracker)

    # --- Chaos

    def chaos(self) -> None:
        faults = self.faults
        alive = [t for t in self.trackers.values() if t.up and not t.gone]
        if alive and self.chance(faults.executor_dies):
            self.executor_gone(self.rng.choice(alive))
        if alive and self.chance(faults.silence):
            long = self.rng.uniform(0.5, 1.5 * EXPIRY)
            self.rng.choice(alive).silent_until = self.now + long
        machines = [agent for agent in self.agents.values() if agent.alive]
        if machines and self.chance(faults.agent_dies):
            self.agent_gone(self.rng.choice(machines))
        if self.chance(faults.disconnect):
            self.disconnect()
        self.at(0.5, self.chaos)


def random_faults(rng: random.Random) -> Faults:
    """Each kind of fault in about half of the worlds."""

    def some(most: float) -> float:
        return rng.uniform(0, most) if rng.random() < 0.5 else 0.0

    return Faults(
        attempt_fails=some(0.3),
        heartbeat_lost=some(0.4),
        heartbeat_doubled=some(0.4),
        launch_fails=some(0.4),
        executor_dies=some(0.05),
        agent_dies=some(0.02),
        silence=some(0.03),
        disconnect=some(0.03),
        rescind=some(0.3),
        kill_job=some(0.6),
        plan_fails=some(0.2),
        commit_fails=some(0.2),
        fetch_fails=some(0.02),
    )
