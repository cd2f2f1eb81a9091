"""One history of the production core: its jobs, its faults, and the shell of its commands.

Everything that happens comes from one seeded generator, so a seed is a whole history. Messages take
time. Heartbeats and their answers get lost, doubled and overtaken. Executors, agents and the
connection to the master come and go. Attempts fail. invariants.py checks the promises after each
event, and at the end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

from msgspec.structs import replace

from mrmesos.api.split import FileSlice, Split
from mrmesos.jobtracker.core.handlers.deadlines import LEAVE_SECONDS
from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.state import queries
from mrmesos.simulator.faults.base import EXPIRY
from mrmesos.simulator.faults.fault_plan import FaultPlan
from mrmesos.simulator.faults.invariants import BACKUPS_MAX, STORE_WORDS, CheckedWorld
from mrmesos.simulator.faults.mesos import ALLOCATION_SECONDS
from mrmesos.simulator.job_spec import simulated_job
from mrmesos.wire.job import JobState
from mrmesos.wire.task import AttemptError, ErrorKind

USER = "user"
"""The users who submit jobs. A job without a pool is in the pool of its user."""
TOO_LARGE_MB = "9999"
"""No agent has so much memory."""
MEMORY_MAX_MB = ("0", "1024", "1500", "3000")
"""Only some agents have the last one, and they may all be lost."""
"""Each agent has so much. With a higher cap, a job may wait for a large agent that was lost."""
LIMIT_SECONDS = 4000.0
CLOSE_SECONDS = LEAVE_SECONDS + 5.0
"""All TaskTrackers are gone within this time after the JobTracker ends. Mesos ends a TaskTracker
that does not hear the order.
"""
TICK_SECONDS = 0.5
QUIET_SECONDS = 3 * EXPIRY + 30.0
"""A history goes on for this long after its last job and its last fault."""
WARM_SECONDS = EXPIRY + 2 * TICK_SECONDS
"""A warm TaskTracker may start at any time, also on an unheard agent. Then its slot stays until the
TaskTracker expires.
"""


class FaultWorld(CheckedWorld):
    """One seed's history. With `faults` not given, a random mixture of them."""

    def __init__(
        self, seed: int, faults: FaultPlan | None = None, agents: int = 0, jobs: int = 0
    ) -> None:
        super().__init__(seed, faults)
        for number in range(agents or self.rng.randint(1, 5)):
            self.add_agent("ssd" if not number else self.rng.choice(["ssd", "hdd"]))
        self.at(0.0, self.register)
        self.at(0.2, self.tick)
        self.at(ALLOCATION_SECONDS, self.allocation)
        self.at(15.0, self.speak)
        self.jobs_wanted = jobs or self.rng.randint(1, 4)
        for _ in range(self.jobs_wanted):
            self.at(self.rng.uniform(0, 30), self.submit)
        self.at(0.5, self.chaos)

    def run(self) -> None:
        """Run until all is quiet. Raises AssertionError if the core broke a promise."""
        quiet_since = None
        while self.clock.step():
            over = self.jobs_over and self.queues_over and not self.faulty
            quiet_since = (quiet_since or self.now) if over else None
            if quiet_since is not None and self.now - quiet_since > self.quiet_seconds:
                break
            assert self.clock.elapsed < LIMIT_SECONDS, f"not over: {self.unfinished()}"
        self.check_all_given_back()
        self.close()

    def close(self) -> None:
        """The JobTracker ends, and so do its TaskTrackers."""
        self.tell(ev.Closing())
        end = self.now + CLOSE_SECONDS
        while self.now < end and self.clock.step():
            pass
        assert all(tracker.gone for tracker in self.trackers.values()), "trackers outlive the end"
        assert self.core.idle

    @property
    def quiet_seconds(self) -> float:
        """After this long without events, everything must have been given back."""
        starting = self.warm_trackers and (self.slots or self.unacked)
        return QUIET_SECONDS + (WARM_SECONDS if starting else 0.0)

    @property
    def jobs_over(self) -> bool:
        """Whether all jobs that users want have ended."""
        return len(self.ended & self.specs.keys()) == self.jobs_wanted

    @property
    def queues_over(self) -> bool:
        """Whether no queue of free tasks is open (free_tasks.py)."""
        return True

    def unfinished(self) -> list[Any]:
        return [status for status in queries.job_statuses(self.core.st) if not status.state.ended]

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
        self.check_places()
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
        self.check_answered(event, answered)

    def carry_out(self, command: cmd.Command) -> None:
        match command:
            case cmd.PlanJob():
                self.store_is_silent(command.job_id)
                self.at(self.rng.uniform(0.01, 1.0), lambda: self.plan(command))
            case cmd.CommitJob():
                self.check_winners(command)
                self.store_is_silent(command.job_id)
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
                self.send_answer(command)
            case _:
                self.send_on(command)

    def store_is_silent(self, name: str) -> None:
        """Perhaps the store that a job or a chain needs now does not answer for a while."""
        if self.users.random() < self.faults.store_silent:
            self.at(0.0, partial(self.tell, ev.StoreSilent(name, STORE_WORDS)))

    def send_on(self, command: cmd.Command) -> None:
        """Give Mesos a call."""
        epoch = self.epoch
        self.to_mesos = max(self.to_mesos, self.now + self.latency())
        self.at(self.to_mesos - self.now, lambda: self.mesos_call(command, epoch))

    def tick(self) -> None:
        self.tell(ev.Tick())
        self.check_held()
        self.look_for_strays()
        self.at(TICK_SECONDS, self.tick)

    def submit(self) -> None:
        job_id = self.core.next_job_id()
        maps, reduces, conf = self.random_job()
        maps = self.may_be_impossible(job_id, maps, reduces, conf)
        self.specs[job_id] = (maps, reduces)
        if len(self.roles) > 1 and self.rng.random() < 0.5:
            conf["job.role"] = self.job_roles[job_id] = self.rng.choice(self.roles)
        if conf["job.constraints"]:
            self.disks[job_id] = "ssd"
        spec = replace(simulated_job("sim", job_id, reduces, conf, user=USER), session=self.session)
        self.may_move(job_id, conf)
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
            "task.memory.max.mb": self.limits.choice(MEMORY_MAX_MB),
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

    def may_be_impossible(self, job_id: str, maps: int, reduces: int, conf: dict[str, str]) -> int:
        """Perhaps no agent can run the new job. Returns the number of its maps."""
        if self.limits.random() >= self.faults.impossible:
            return maps
        conf["job.fail-if-impossible"] = "true"
        if self.limits.random() < 0.5:
            conf["job.constraints"], self.impossible[job_id] = "disk = tape", "disk = tape"
        else:
            kinds = ("map", "reduce")[: 2 if reduces else 1]
            conf[f"{self.limits.choice(kinds)}.memory.mb"] = TOO_LARGE_MB
            conf["map.reduce.ratio"] = self.limits.choice(("0", "2"))
            conf["job.constraints"] = ""  # or else the agents that meet them may be gone
            self.impossible[job_id] = "the largest offer seen"
        return max(1, maps)  # a job without tasks would succeed

    def kill_job(self, job_id: str) -> None:
        status = queries.job_status(self.core.st, job_id)
        assert status is not None
        if status.state in (JobState.PREP, JobState.RUNNING):
            self.killed.add(job_id)
        self.tell(ev.KillAsked(job_id, "somebody"))

    def may_move(self, job_id: str, conf: Mapping[str, str]) -> None:
        """Note the priority and pool of a new job. Perhaps its user changes them later."""
        self.places[job_id] = {(conf["job.priority"], conf["job.pool"] or USER)}
        while self.users.random() < self.faults.move_job:
            self.at(self.users.uniform(0, 40), partial(self.move_job, job_id))

    def move_job(self, job_id: str) -> None:
        """A user gives a job another priority, another pool, or both."""
        priority = self.users.choice(["", "VERY_HIGH", "NORMAL", "VERY_LOW"])
        pool = self.users.choice(["", "a", "b", "c"])
        job = self.core.st.jobs.get(job_id)
        if job is None:
            return
        before = self.places[job_id]
        after = {(priority or old[0], pool or old[1]) for old in before}
        moves = job.state in (JobState.PREP, JobState.RUNNING)
        self.places[job_id] = before | after if moves else before
        self.tell(ev.MoveAsked(job_id, priority, pool))
        if moves and self.alive:
            self.places[job_id] = after

    @property
    def alive(self) -> bool:
        """Whether the JobTracker runs (crashing.py)."""
        return True

    def spoil(self, name: str) -> None:
        """A record of a job, a chain or a queue cannot be encoded."""
        self.unkept.add(name)
        self.tell(ev.JobUnkept(name, "no such letter"))
        job = self.core.st.jobs.get(name)
        ending = (JobState.COMMITTING, JobState.ABORTING)
        goes_on = self.alive and job is not None and job.state not in ending
        assert not goes_on, f"{name} goes on, and no restart could bring it back"

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

    # --- Chaos

    def cut(self, seconds: float) -> None:
        """Two hosts cease to reach each other for a while, in one direction or both."""
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
            self.executor_ended(self.rng.choice(alive))
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
        if self.faulty and self.users.random() < faults.unkept and self.core.live():
            self.spoil(self.users.choice(self.core.live()))
        if self.chance(faults.cut):
            self.cut(self.rng.choice([25.0, math.inf]))
        if self.chance(faults.disconnect):
            self.disconnect()
        self.at(0.5, self.chaos)
