"""A random world around the TaskTracker's core: simulated workers, Mesos and a JobTracker.

It checks, at every command, what must never happen; `finish()` checks what must have happened.
"""

from __future__ import annotations

import random
from collections import Counter

from mrmesos.task.drivers.record_spans import Span
from mrmesos.tasktracker.core import commands as cmd
from mrmesos.tasktracker.core import events as ev
from mrmesos.tasktracker.core.tracker import TaskTracker
from mrmesos.wire.heartbeat import (
    Action,
    EndSlot,
    ForgetJob,
    Heartbeat,
    HeartbeatAnswer,
    KillAttempt,
    Leave,
    MapOutputs,
    Numbered,
    RunAttempt,
)
from mrmesos.wire.ids import job_id
from mrmesos.wire.task import (
    Attempt,
    AttemptError,
    AttemptProgress,
    AttemptState,
    ErrorKind,
    MapOutput,
)
from mrmesos.worker.messages import Done, WorkerProgress
from tests.tasktracker.support import facts, map_attempt, reduce_attempt

JOBS = [job_id("202611201130", number) for number in (1, 2, 3)]
ENDS = {cmd.SlotReport.FINISHED, cmd.SlotReport.KILLED, cmd.SlotReport.FAILED}


class World:
    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.most_slots = 0
        self.has_session = chance.random() < 0.5
        self.now = 1000.0
        self.tracker = TaskTracker(
            tracker_id="tracker_1", agent_id="agent", hostname="here", now=self.now, prestarted=1
        )
        # Worker processes: "starting", "idle", "dying" or the attempt that runs.
        self.workers: dict[int, str] = {1: "starting"}
        self.worker_job: dict[int, str] = {}
        self.worker_started: set[int] = {1}
        self.fetching: set[str] = set()
        self.statuses: dict[str, list[str]] = {}
        self.given: dict[str, Attempt] = {}
        self.ran: Counter[str] = Counter()
        self.cleaned: Counter[str] = Counter()
        self.exits: list[str] = []
        self.forgotten: set[str] = set()
        self.told: dict[str, dict[int, str]] = {}
        # The JobTracker's side.
        self.outbox: list[Numbered] = []
        self.number = 0
        self.reports: dict[str, AttemptState] = {}
        self.held: list[Heartbeat] = []
        self.last_sequence = 0
        self.next_index = 0
        self.next_slot = 0
        self.slots: list[str] = []
        self.announced: dict[str, dict[int, str]] = {}

    # Carrying out commands.

    def send(self, event: ev.Event) -> None:
        self.now += self.chance.choice([0.0, 0.001, 0.3])
        for command in self.tracker.handle(event, self.now):
            assert not self.exits, f"{command} after exit"
            self.carry_out(command)

    def session_of(self, job: str) -> str:
        """Two of the three jobs may be of one session."""
        return "s" if self.has_session and job != JOBS[0] else ""

    def carry_out(self, command: cmd.Command) -> None:
        match command:
            case cmd.StartWorker():
                assert command.worker not in self.worker_started
                self.worker_started.add(command.worker)
                self.workers[command.worker] = "starting"
            case cmd.RunInWorker():
                name = command.attempt.attempt_id
                assert self.workers[command.worker] == "idle"
                owner = self.session_of(command.attempt.job_id) or command.attempt.job_id
                assert self.worker_job.setdefault(command.worker, owner) == owner, (
                    "a worker runs code of one job or of one session only"
                )
                assert command.facts.job_id == command.attempt.job_id
                self.workers[command.worker] = name
                assert (command.redo is None) == (self.ran[name] == 0), "only bad records do that"
                self.ran[name] += 1
                self.told[name] = {}
            case cmd.TellMapOutputs():
                assert self.workers[command.worker] == command.attempt_id
                for output in command.outputs:
                    self.told[command.attempt_id][output.map_index] = output.attempt_id
            case cmd.KillWorker():
                assert self.workers[command.worker] != "dying", "killed twice"
                self.workers[command.worker] = "dying"
            case cmd.CleanAttempt():
                assert command.attempt_id not in self.workers.values(), "somebody works there"
                self.cleaned[command.attempt_id] += 1
            case cmd.FetchJob():
                assert command.job_id not in self.fetching
                self.fetching.add(command.job_id)
            case cmd.DropJob():
                left = [w for w, job in self.worker_job.items() if job == command.job_id]
                assert not left, "a worker of the job lives"
                busy = [self.given[name] for name in self.workers.values() if name in self.given]
                assert command.job_id not in [attempt.job_id for attempt in busy]
                self.forgotten.add(command.job_id)
            case cmd.SendStatus():
                self.statuses.setdefault(command.slot_id, []).append(command.state)
                if command.state in ENDS:
                    running = [
                        name
                        for name in self.workers.values()
                        if name in self.given and self.given[name].slot_id == command.slot_id
                    ]
                    assert not running, "the slot's attempt still runs"
            case cmd.Exit():
                self.exits.append(command.reason)

    # Events.

    def new_attempt(self, slot: str) -> Attempt:
        self.next_index += 1
        job = self.chance.choice(JOBS[:2])
        make = map_attempt if self.chance.random() < 0.6 else reduce_attempt
        attempt = make(self.next_index, slot, job=job)
        self.given[attempt.attempt_id] = attempt
        return attempt

    def act(self, action: Action) -> None:
        self.number += 1
        self.outbox.append(Numbered(self.number, action))

    def step(self) -> None:
        names = [name for name in dir(self) if name.startswith("may_")]
        getattr(self, self.chance.choice(names))()

    def may_launch(self) -> None:
        if len(self.slots) < 6:
            self.next_slot += 1  # Mesos never launches two tasks of one id
            slot = f"slot_{self.next_slot}"
            self.slots.append(slot)
            self.send(ev.SlotLaunched(slot, self.new_attempt(slot)))

    def may_launch_rubbish(self) -> None:
        self.next_index += 1
        self.send(ev.BadSlotLaunched(f"bad_{self.next_index}", "no attempt"))

    def may_kill_slot(self) -> None:
        if self.chance.random() < 0.2 and self.slots:
            self.send(ev.SlotKilled(self.chance.choice([*self.slots, "slot_unknown"])))

    def may_heartbeat(self) -> None:
        heartbeat = self.tracker.heartbeat()
        assert heartbeat.sequence > self.last_sequence
        self.last_sequence = heartbeat.sequence
        self.held.append(heartbeat)

    def may_answer(self) -> None:
        if not self.held:
            return
        heartbeat = self.held.pop(0)
        self.hear(heartbeat)
        if self.chance.random() < 0.7:  # else the answer is lost
            reported = tuple(report.attempt_id for report in heartbeat.reports)
            self.send(ev.HeartbeatAnswered(HeartbeatAnswer(list(self.outbox)), reported))

    def hear(self, heartbeat: Heartbeat) -> None:
        self.outbox = [each for each in self.outbox if each.number > heartbeat.acknowledged]
        for report in heartbeat.reports:
            attempt = self.given[report.attempt_id]
            assert report.slot_id == attempt.slot_id
            assert report.state in (
                AttemptState.SUCCEEDED,
                AttemptState.FAILED,
                AttemptState.KILLED,
            )
            assert (report.error is None) == (report.state is AttemptState.SUCCEEDED)
            first = self.reports.setdefault(report.attempt_id, report.state)
            assert first is report.state, "a report never changes"

    def may_give(self) -> None:
        """Act like a JobTracker with a free slot, sometimes wrongly with a busy one."""
        if self.slots:
            slot = self.chance.choice(self.slots)
            if self.chance.random() < 0.8:
                self.act(RunAttempt(self.new_attempt(slot)))
            else:
                self.slots.remove(slot)
                self.act(EndSlot(slot))

    def may_kill_attempt(self) -> None:
        if self.given and self.chance.random() < 0.5:
            self.act(KillAttempt(self.chance.choice(list(self.given)), "another was first"))

    def may_announce(self) -> None:
        job, index = self.chance.choice(JOBS[:2]), self.chance.randrange(4)
        name = self.chance.choice(["", f"a{self.next_index}"])
        output = MapOutput(map_index=index, attempt_id=name, url="http://x")
        self.act(MapOutputs(job, [output]))

    def may_forget(self) -> None:
        if self.chance.random() < 0.05:
            self.act(ForgetJob(self.chance.choice(JOBS)))

    def may_fetch(self) -> None:
        if not self.fetching:
            return
        job = self.chance.choice(sorted(self.fetching))
        self.fetching.discard(job)
        if self.chance.random() < 0.85:
            conf = {"task.timeout": "5"} | ({"skip.records.max": "2"} if job == JOBS[0] else {})
            session = self.session_of(job)
            self.send(ev.JobFetched(facts(job, conf, session=session), f"/jobs/{job}"))
        else:
            gone = self.chance.random() < 0.5
            self.send(ev.JobFetchFailed(job, "cannot be fetched", gone=gone))

    def some_worker(self) -> int:
        return self.chance.choice([*self.workers, 99]) if self.workers else 99

    def may_worker_ready(self) -> None:
        worker = self.some_worker()
        if self.workers.get(worker) == "starting":
            self.workers[worker] = "idle"
            self.send(ev.WorkerReady(worker))

    def may_worker_progress(self) -> None:
        worker = self.some_worker()
        name = self.workers.get(worker, "attempt_1_1_m_0_0")
        told = AttemptProgress(attempt_id=name, progress=0.5)
        active = self.chance.random() < 0.5
        self.send(ev.WorkerProgressed(worker, WorkerProgress(progress=told, active=active)))

    def may_worker_done(self) -> None:
        worker = self.some_worker()
        name = self.workers.get(worker)
        if name not in self.given:
            # A message of a worker that is being killed may still arrive.
            late = self.chance.choice(list(self.given)) if self.given else "attempt_1_1_m_0_0"
            if name == "dying":
                self.send(ev.WorkerDone(worker, Done(attempt_id=late, state=AttemptState.FAILED)))
            return
        self.workers[worker] = "idle"
        error = None
        state = self.chance.choice([AttemptState.SUCCEEDED, AttemptState.FAILED])
        if state is AttemptState.FAILED and self.chance.random() < 0.5:
            error = AttemptError(kind=ErrorKind.USER_CODE, message="ValueError")
        at = self.some_records() if state is AttemptState.FAILED else None
        self.send(ev.WorkerDone(worker, Done(attempt_id=name, state=state, error=error, at=at)))

    def may_worker_exit(self) -> None:
        worker = self.some_worker()
        state = self.workers.get(worker)
        if state is not None and (state == "dying" or self.chance.random() < 0.1):
            self.worker_gone(worker)

    def worker_gone(self, worker: int) -> None:
        del self.workers[worker]
        self.worker_job.pop(worker, None)
        status = self.chance.choice([-9, 0, 3, -11, None])
        self.send(ev.WorkerExited(worker, status, "tail", at=self.some_records()))

    def some_records(self) -> Span | None:
        """The records that a worker was working on."""
        spans = [None, Span(7, 1), Span(8, 1), Span(0, 100)]
        return self.chance.choice(spans)

    def may_worker_overuse(self) -> None:
        worker = self.some_worker()
        if self.chance.random() < 0.2:
            name = self.workers.get(worker, "")
            self.send(ev.WorkerOverMemory(worker, name, 5 << 30))

    def may_worker_break(self) -> None:
        if self.chance.random() < 0.1:
            self.send(ev.WorkerBroken(self.some_worker(), "rubbish"))

    def may_tick(self) -> None:
        self.now += self.chance.choice([0.5, 0.5, 0.5, 6.0, 61.0])
        self.send(ev.TrackerTick())

    # The end.

    def check(self) -> None:
        """Check what must hold at every moment."""
        tracker = self.tracker
        assert len(tracker.runs) <= len(tracker.slots)
        for run in tracker.runs.values():
            assert tracker.slots[run.attempt.slot_id].attempt_id == run.attempt.attempt_id
        live = [state for state in self.workers.values() if state != "dying"]
        self.most_slots = max(self.most_slots, len(tracker.slots))
        slots = self.most_slots if self.has_session else len(tracker.slots)
        assert len(live) <= slots + 1, "more workers than slots and a spare"
        assert set(tracker.workers) == set(self.workers)
        for slot, states in self.statuses.items():
            ends = [state for state in states if state in ENDS]
            assert len(ends) == (0 if slot in tracker.slots else 1), (slot, states)
            assert slot.startswith("bad") or states.count(cmd.SlotReport.RUNNING) == 1, (
                slot,
                states,
            )
        for name, count in self.ran.items():
            skips = self.given[name].job_id == JOBS[0]
            assert count <= (1 + 8 * 3 if skips else 1), (name, count)
        assert all(count == 1 for count in self.cleaned.values())

    def settle(self, rounds: int = 400) -> None:
        """Let everything that has begun end. Nothing new happens."""
        for _ in range(rounds):
            for worker in list(self.workers):
                state = self.workers[worker]
                if state == "dying":
                    self.worker_gone(worker)
                elif state == "starting":
                    self.workers[worker] = "idle"
                    self.send(ev.WorkerReady(worker))
                elif state in self.given:
                    self.workers[worker] = "idle"
                    done = Done(attempt_id=state, state=AttemptState.SUCCEEDED)
                    self.send(ev.WorkerDone(worker, done))
            for job in sorted(self.fetching):
                self.fetching.discard(job)
                self.send(ev.JobFetched(facts(job, session=self.session_of(job)), "/code"))
            self.may_heartbeat()
            heartbeat = self.held.pop()
            self.hear(heartbeat)
            reported = tuple(report.attempt_id for report in heartbeat.reports)
            self.send(ev.HeartbeatAnswered(HeartbeatAnswer(list(self.outbox)), reported))
            quiet = not self.outbox and not self.fetching and not self.tracker.reports
            if quiet and not self.tracker.runs and "dying" not in self.workers.values():
                return
        raise AssertionError("it does not come to rest")

    def finish(self, *, by: str) -> None:
        """End the tracker in one of the possible ways, and check that nothing is missing."""
        if by == "jobtracker":
            self.settle()
            for slot in list(self.tracker.slots):
                self.act(EndSlot(slot))
            self.settle()
            assert set(self.reports) == set(self.given), "each attempt is reported"
            self.act(Leave("idle"))
            self.may_heartbeat()
            self.send(ev.HeartbeatAnswered(HeartbeatAnswer(list(self.outbox))))
        elif by == "unknown":
            self.send(ev.HeartbeatAnswered(HeartbeatAnswer([], unknown=True)))
        else:
            self.send(ev.LeaveAsked("SIGTERM"))
        while self.workers:
            assert not self.exits, "exit with living workers"
            assert set(self.workers.values()) == {"dying"}
            self.worker_gone(next(iter(self.workers)))
        assert len(self.exits) == 1
        assert not self.tracker.slots
        assert not self.tracker.runs
        self.check()
        self.send(ev.TrackerTick())
        self.send(ev.LeaveAsked("again"))
