"""A small world around the production core: a Mesos, agents and TaskTrackers on a virtual clock.

Everything that happens comes from one seeded generator, so a seed is a whole history. Messages
take time; heartbeats and their answers get lost, doubled and overtaken; executors, agents and the
connection to the master come and go; attempts fail. `World.run()` checks the promises as it goes.
"""

from __future__ import annotations

import heapq
import math
from typing import Any

from mrmesos.api.formats import TextInput, TextOutput
from mrmesos.api.split import FileSlice, Split
from mrmesos.jobtracker.core.handlers import silence
from mrmesos.jobtracker.core.handlers.slots import HOLD_SECONDS
from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.scheduling.eligibility import TRIAL_SILENCES
from mrmesos.wire import heartbeat as hb
from mrmesos.wire.ids import TaskKind, parse_attempt
from mrmesos.wire.job import JobSpec, JobState
from mrmesos.wire.task import Attempt, AttemptError, ErrorKind
from tests.jobtracker.sim_base import DRAIN, EXPIRY, Faults
from tests.jobtracker.sim_trackers import TrackerSide

LIMIT_SECONDS = 4000.0
BACKUPS_MAX = 2
STRAYS_END = 30.0
"""Seconds until slots that nobody knows have ended, once nothing fails any more."""

__all__ = ["Faults", "World"]


class World(TrackerSide):
    """One seed's history. With `faults` not given, a random mixture of them."""

    def __init__(
        self, seed: int, faults: Faults | None = None, agents: int = 0, jobs: int = 0
    ) -> None:
        super().__init__(seed, faults)
        self.strays: dict[str, float] = {}
        self.urgent: set[str] = set()  # attempts begun as nobody heard the one before
        for number in range(agents or self.rng.randint(1, 5)):
            self.add_agent("ssd" if not number else self.rng.choice(["ssd", "hdd"]))
        self.at(0.0, self.register)
        self.at(0.2, self.tick)
        self.at(1.0, self.allocation)
        self.at(15.0, self.speak)
        self.jobs_wanted = jobs or self.rng.randint(1, 4)
        for _ in range(self.jobs_wanted):
            self.at(self.rng.uniform(0, 30), self.submit)
        self.at(0.5, self.chaos)

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
        assert not self.unacked, "updates are not acknowledged"
        left = [t for t in self.trackers.values() if not t.gone]
        assert len(left) <= self.spares, "trackers are left"
        assert self.suppressed == set(self.roles) or self.spares, "offers still flow"
        assert self.core.idle or left
        assert not self.core.st.attempts

    def unfinished(self) -> list[Any]:
        return [status for status in self.core.job_statuses() if not status.state.ended]

    # --- The core and its shell

    def tell(self, event: ev.Event) -> None:
        self.note(f"-> {event}")
        self.told += 1
        match event:
            case ev.OffersReceived():
                self.away |= {offer.agent_id: offer.unavailability for offer in event.offers}
            case ev.InverseOffersReceived():
                self.away |= {offer.agent_id: offer.unavailability for offer in event.offers}
        commands = self.core.handle(event, self.now)
        self.core.validate()
        self.check_backups()
        actions = self.new_actions()
        for tracker_id, action in actions:
            self.note(f"   <- {tracker_id}: {action}")
            self.check_action(tracker_id, action)
        answered: list[str] = []
        for command in commands:
            self.note(f"   <- {command}")
            if isinstance(command, cmd.AcceptOffers | cmd.DeclineOffers):
                answered.extend(command.offer_ids)
            self.check_placed(command)
            self.carry_out(command)
        self.check_outputs(actions)
        if isinstance(event, ev.InverseOffersReceived):
            self.check_given_back(event, commands)
        if isinstance(event, ev.OffersReceived):
            assert sorted(answered) == sorted(o.offer_id for o in event.offers), "offers unanswered"
        else:
            assert not answered, "answered offers that were not there"

    def check_backups(self) -> None:
        """Slow tasks have few backups; those of tasks that nobody hears are not counted."""
        state = self.core.st
        for job in state.jobs.values():
            backups = [attempt for attempt in job.running.values() if attempt.backup]
            new = [attempt for attempt in backups if attempt.start == self.now]
            for attempt in new:
                others = (other for other in attempt.task.running if other is not attempt)
                if any(silence.unheard(state, other) for other in others):
                    self.urgent.add(attempt.id)
            counted = [attempt.id for attempt in backups if attempt.id not in self.urgent]
            many = len(counted) > BACKUPS_MAX and any(attempt.id in counted for attempt in new)
            assert not many, "more backups than allowed"

    def check_outputs(self, actions: list[tuple[str, hb.Action]]) -> None:
        """Map outputs that are gone come again where a reduce has yet to fetch them, else not."""
        jobs = self.core.st.jobs
        for job in jobs.values():
            # After a restart it is not known at first how far running reduces are.
            wanting = len(job.reduces.pending) > 0 or any(
                reduce.told is not None and not reduce.fetched and reduce in reduce.task.running
                for reduce in job.running_reduces.values()
            )
            waits = job.needs_map_outputs and wanting and job.outputs.absent
            assert not waits, "a reduce waits for map outputs that nobody makes"
        for _, action in actions:
            if isinstance(action, hb.MapOutputs) and not all(
                output.attempt_id for output in action.outputs
            ):
                told = jobs.get(action.job_id)
                if told is not None and told.needs_map_outputs:
                    assert told.fetching, "a map runs again that nobody needs"

    def check_given_back(
        self, asked: ev.InverseOffersReceived, commands: list[cmd.Command]
    ) -> None:
        """No agent is given back that has map output which a reduce has yet to fetch."""
        # Nothing is given back where no maintenance is planned or where it is already over.
        agents = {
            offer.offer_id: offer.agent_id
            for offer in asked.offers
            if offer.unavailability is not None and offer.unavailability.end > self.now
        }
        state = self.core.st
        for command in commands:
            accepted = command.offer_ids if isinstance(command, cmd.AcceptInverseOffers) else ()
            for offer_id in (offer_id for offer_id in accepted if offer_id in agents):
                for tracker in state.cluster.trackers_on(agents[offer_id]):
                    wanted = {job_id for job_id, maps in tracker.outputs.items() if maps}
                    jobs = (state.jobs[job_id] for job_id in wanted & state.jobs.keys())
                    waits = any(job.needs_map_outputs and job.fetching for job in jobs)
                    assert not waits, "given back with map output that a reduce needs"

    def check_placed(self, command: cmd.Command) -> None:
        if isinstance(command, cmd.AcceptOffers):
            attempts = [(launch.first, launch.agent_id) for launch in command.launches]
            roles = {self.role_of[offer_id] for offer_id in command.offer_ids}
            assert len(roles) == 1, "roles are mixed"
            self.role_of |= dict.fromkeys([task.slot_id for task in command.tasks], *roles)
            self.check_attempts(attempts)

    def check_action(self, tracker_id: str, action: hb.Action) -> None:
        """See check_attempts."""
        if isinstance(action, hb.RunAttempt):
            tracker = self.core.st.cluster.trackers[tracker_id]
            self.check_attempts([(action.attempt, tracker.agent_id)])

    def check_attempts(self, attempts: list[tuple[Attempt, str]]) -> None:
        """No attempt on an agent that its job's constraints forbid, or that is soon to be away."""
        for attempt, agent_id in attempts:
            self.check_attempt(attempt.attempt_id, self.agents[agent_id].hostname)
            asked = self.job_roles.get(attempt.job_id)
            assert asked in (None, self.role_of[attempt.slot_id]), "resources of another role"
            wanted = self.disks.get(attempt.job_id)
            assert wanted in (None, self.agents[agent_id].disk), "forbidden by constraints"
            away = self.away.get(agent_id)
            free = away is None or self.now < away.start - DRAIN or self.now >= away.end
            assert free, "started on an agent that is soon to be away"
        if attempts and (cap := self.core.st.settings.cap):
            held = dict.fromkeys(cap, 0)
            for slot in self.core.st.cluster.slots.values():
                held = {name: held[name] + slot.taken.get(name, 0) for name in cap}
            assert all(held[name] <= cap[name] for name in cap), "more held than the cap"

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
            case cmd.WakeTracker():
                self.at(self.latency(), lambda: self.ask(command.tracker_id))
            case cmd.AnswerHeartbeat():
                self.answer(command)
            case _:
                epoch = self.epoch
                self.to_mesos = max(self.to_mesos, self.now + self.latency())
                self.at(self.to_mesos - self.now, lambda: self.mesos_call(command, epoch))

    def check_attempt(self, attempt_id: str, host: str) -> None:
        """Not beside another attempt of its task, not a backup too many, and not where its job, or
        all, start nothing any more.
        """
        job = self.core.st.jobs[parse_attempt(attempt_id).job_id]
        attempt = job.running[attempt_id]
        most = job.settings.maxattempts(attempt.task.kind)
        assert attempt.task.failures < most, "it failed too often to be tried again"
        same = [other for other in attempt.task.running if other.hostname == host]
        assert same == [attempt], "two attempts of a task on one host"
        assert len(attempt.task.running) <= 2
        assert attempt.backup == (len(attempt.task.running) == 2)
        blind = attempt.backup and attempt.task.kind is TaskKind.REDUCE and job.outputs.absent
        assert not blind, "a backup begins without map output that is gone"
        state = self.core.st
        tracker = state.cluster.trackers[attempt.tracker_id]
        assert not tracker.silent, "started where nobody is heard"
        ran = [slot.attempt for slot in tracker.slots.values() if slot.attempt is not None]
        alone = any(a.task.silences >= TRIAL_SILENCES for a in ran if a.start < self.now)
        assert not alone, "started beside a task that is to run alone"
        assert host not in job.hosts.shunned, "started on a host that the job came to avoid"
        faults = self.core.st.faults.by_host.get(host)
        assert faults is None or faults.until <= self.now, "started on a host that all avoid"

    def tick(self) -> None:
        self.tell(ev.Tick())
        for slot in self.core.st.slots.held.values():
            assert self.now - (slot.free_since or 0.0) < HOLD_SECONDS, "a slot is hoarded"
        for job in self.core.st.jobs.values():
            if job.state is JobState.RUNNING and job.hosts.shunned:
                usable = self.hosts_for(job)
                assert 3 * len(usable & set(job.hosts.shunned)) <= len(usable), (
                    "too many hosts are avoided"
                )
        self.look_for_strays()
        self.at(0.5, self.tick)

    def look_for_strays(self) -> None:
        """Nothing is held for long that the JobTracker does not know, in peace."""
        known = self.core.st.cluster.slots
        strays = {
            slot_id
            for tracker in self.trackers.values()
            if tracker.up and not tracker.gone and not tracker.agent.cut_off
            for slot_id in tracker.slots
            if slot_id not in known and not self.faulty
        }
        self.strays = {slot_id: self.strays.get(slot_id, self.now) for slot_id in strays}
        for slot_id, since in self.strays.items():
            assert self.now - since < STRAYS_END, f"{slot_id}, which nobody knows, lives on"

    def hosts_for(self, job: JobInProgress) -> set[str]:
        """The hosts that could run all tasks of a job."""
        return {
            agent.hostname
            for agent in self.core.st.cluster.agents.values()
            if job.settings.demand.suits(agent)
            and all(job.fits(kind, agent) for kind in TaskKind if job.of(kind).tasks)
        }

    def submit(self) -> None:
        job_id = self.core.next_job_id()
        maps, reduces, conf = self.random_job()
        self.specs[job_id] = (maps, reduces)
        if len(self.roles) > 1 and self.rng.random() < 0.5:
            conf["job.role"] = self.job_roles[job_id] = self.rng.choice(self.roles)
        if conf["job.constraints"]:
            self.disks[job_id] = "ssd"
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
            when = self.rng.uniform(0, 40)
            # One in ten while its splits are still being planned.
            self.at(when if when > 4 else when / 8, lambda: self.kill_job(job_id))

    def random_job(self) -> tuple[int, int, dict[str, str]]:
        """How many maps and reduces, and its settings."""
        maps, reduces = self.rng.choice([0, 1, 3, 8, 20]), self.rng.choice([0, 1, 2, 4, 8])
        conf = {
            "map.memory.mb": str(self.rng.choice([128, 512, 1024])),
            "reduce.memory.mb": str(self.rng.choice([256, 1024])),
            "map.cpus": str(self.rng.choice([0.05, 0.5, 1.0])),
            "reduce.cpus": str(self.rng.choice([0.5, 1.0])),
            "job.priority": self.rng.choice(["HIGH", "NORMAL", "VERY_LOW"]),
            "job.maxtaskfailures.per.tracker": str(self.rng.choice([1, 2, 3])),
            "job.speculative.lag": str(self.rng.choice([1.0, 3.0])),
            "job.speculative.speculative-cap-running-tasks": "0",
            "job.speculative.minimum-allowed-tasks": str(BACKUPS_MAX),
            "job.constraints": self.rng.choice(["", "", "disk = ssd"]),
            "job.pool": self.rng.choice(["a", "b", ""]),
            "locality.wait.node": self.rng.choice(["0", "1", "3", "2 offers"]),
            "locality.wait.rack": self.rng.choice(["0", "1", "5 offers"]),
            "job.reduce.slowstart.completedmaps": str(self.rng.choice([0.0, 0.3, 1.0])),
        }
        return maps, reduces, conf

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
        assert not self.core.st.jobs[command.job_id].writers, "committed beside who still writes"

    def check_ended(self, job_id: str) -> None:
        status = self.core.job_status(job_id)
        assert status is not None
        assert (status.state is JobState.SUCCEEDED) == (job_id in self.committed), status
        assert (status.state is JobState.KILLED) <= (job_id in self.killed), status
        if status.state is JobState.FAILED:
            assert status.error is not None
            self.note(f"{job_id} failed: {status.error}")
            f = self.faults
            may = f.attempt_fails or f.bad_hosts or f.plan_fails or f.commit_fails or f.launch_fails
            silent = f.silence or f.heartbeat_lost or f.unheard
            assert may or status.error.kind is ErrorKind.LOST or silent, status.error

    # --- Chaos

    def cut(self, seconds: float) -> None:
        """Two hosts cease to reach each other for a while, or only one of them the other."""
        hosts = sorted({agent.hostname for agent in self.agents.values() if agent.alive})
        if len(hosts) < 2:
            return
        one, other = self.rng.sample(hosts, 2)
        for pair in [(one, other), (other, one)][: self.rng.randint(1, 2)]:
            self.cuts[pair] = self.now + seconds
            self.note(f"=== {pair[0]} cannot fetch from {pair[1]} for {seconds} s")

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
        if machines and self.chance(faults.partition):
            self.cut_off(self.rng.choice(machines))
        if machines and self.chance(faults.maintenance):
            self.plan_maintenance(self.rng.choice(machines))
        if machines and self.chance(faults.unheard):
            self.rng.choice(machines).unheard_until = self.now + self.rng.choice([5.0, 25.0, 60.0])
        if self.chance(faults.cut):
            self.cut(self.rng.choice([25.0, math.inf]))
        if self.chance(faults.disconnect):
            self.disconnect()
        self.at(0.5, self.chaos)
