"""Messages to a TaskTracker's core: a JobTracker's answers and an agent's events."""

from __future__ import annotations

import base64
import random
from collections import Counter
from typing import Any

import msgspec

from mrmesos.mesos.events import EXECUTOR, BadEvent, check_event, read_event
from mrmesos.resources import ports_in
from mrmesos.tasktracker.core import commands as cmd
from mrmesos.tasktracker.core import events as ev
from mrmesos.tasktracker.core.tracker import TaskTracker
from mrmesos.tasktracker.executor import read_slot
from mrmesos.wire.heartbeat import HeartbeatAnswer
from mrmesos.wire.job import JobFacts
from mrmesos.wire.shuffle import FrameHeader, ShuffleRequest
from mrmesos.wire.task import AttemptState
from mrmesos.worker.channel import FrameError, decode_from_worker
from mrmesos.worker.messages import Done
from tests.fuzz.making import Maker, message, of_type

JOB = "job_202611201130_0001"
ATTEMPT = "attempt_202611201130_0001_m_00000{}_0"


class TaskTrackerFuzz:
    """`send()` messages, then `check()`."""

    name = "tasktracker"

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(f"tasktracker {seed}")
        self.statuses: Counter[str] = Counter()
        self._make = Maker(self.rng)
        self._answer = of_type(HeartbeatAnswer)
        self._decoder = msgspec.json.Decoder(HeartbeatAnswer)
        self._facts = of_type(JobFacts)
        self._now, self._number = 1000.0, 0
        self.tracker = self._new()

    def _new(self) -> TaskTracker:
        tracker = TaskTracker(tracker_id="t", agent_id="S", hostname="h", now=self._now)
        tracker.url = "http://127.0.0.1:1"
        self._workers: list[int] = []
        self._running: dict[int, str] = {}
        self._jobs: list[str] = []
        return tracker

    def _tell(self, event: ev.Event) -> None:
        self._now += 0.01
        for command in self.tracker.handle(event, self._now):
            match command:
                case cmd.StartWorker():
                    self._workers.append(command.worker)
                case cmd.RunInWorker():
                    self._running[command.worker] = command.attempt.attempt_id
                case cmd.KillWorker():
                    self._tell_later(ev.WorkerExited(command.worker, -9))
                case cmd.FetchJob():
                    self._jobs.append(command.job_id)
                case cmd.Exit():
                    self.statuses["left"] += 1
                    self._over = True

    def _tell_later(self, event: ev.Event) -> None:
        self._later.append(event)

    _later: list[ev.Event]
    _over = False

    def _settle(self) -> None:
        while self._later and not self._over:
            self._tell(self._later.pop(0))
        if self._over:
            self._over, self._later = False, []
            self.tracker = self._new()

    def send(self) -> None:
        """Send one message of a random kind."""
        self._later = []
        rng, chance = self.rng, self.rng.random()
        if chance < 0.6:
            self._say()
        elif chance < 0.85:
            self._event()
        else:
            self._other()
        if rng.random() < 0.05:
            self._tell(ev.TrackerTick())
        self._settle()
        msgspec.json.encode(self.tracker.heartbeat())

    def _attempt(self) -> dict[str, Any]:
        rng = self.rng
        split = {"slices": [{"uri": "file:///a", "start": 0, "length": 1}], "length": 1}
        return {
            "attempt_id": ATTEMPT.format(rng.randrange(9)),
            "job_id": JOB,
            "slot_id": f"s{rng.randrange(4)}",
            "task": {"type": "map", "split": split},
        }

    def _say(self) -> None:
        rng = self.rng
        actions: list[dict[str, Any]] = [
            {"type": "run", "attempt": self._attempt()},
            {"type": "kill", "attempt_id": ATTEMPT.format(rng.randrange(9)), "reason": "r"},
            {"type": "end_slot", "slot_id": f"s{rng.randrange(4)}"},
            {
                "type": "map_outputs",
                "job_id": JOB,
                "outputs": [{"map_index": 1, "attempt_id": ATTEMPT.format(1), "url": "http://x"}],
            },
            {"type": "forget_job", "job_id": JOB},
            {"type": "announce"},
        ]
        if rng.random() < 0.01:
            actions.append({"type": "leave", "reason": "r"})
        numbered = []
        for action in rng.sample(actions, rng.randrange(1, 4)):
            self._number += 1
            numbered.append({"number": self._number, "action": action})
        good: Any = {"actions": numbered}
        if rng.random() < 0.2:
            good = self._make.make(self._answer)
            good["unknown"] = False
        try:
            answer = self._decoder.decode(message(rng, good))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.statuses["answer refused"] += 1
            return
        self.statuses["answer taken"] += 1
        if any(one.number > 10**12 for one in answer.actions):
            return  # the core ignores all messages after this one
        self._tell(ev.HeartbeatAnswered(answer, ()))

    def _event(self) -> None:
        rng = self.rng
        data = message(rng, {"key": "k", "first": self._attempt() if rng.random() < 0.8 else None})
        good = rng.choice(
            [
                {
                    "type": "LAUNCH",
                    "launch": {
                        "task": {
                            "task_id": {"value": f"s{rng.randrange(4)}"},
                            "resources": [],
                            "data": base64.b64encode(data).decode(),
                        }
                    },
                },
                {"type": "KILL", "kill": {"task_id": {"value": f"s{rng.randrange(4)}"}}},
                {
                    "type": "ACKNOWLEDGED",
                    "acknowledged": {"task_id": {"value": "s"}, "uuid": "A" * 22 + "=="},
                },
                {"type": "MESSAGE", "message": {"data": "eA=="}},
            ]
        )
        try:
            event = read_event(message(rng, good))
            known = check_event(event, EXECUTOR)
        except BadEvent:
            self.statuses["event refused"] += 1
            return
        self.statuses["event taken"] += 1
        if known and event["type"] == "LAUNCH":
            task = event["launch"]["task"]
            slot_id = task["task_id"]["value"]
            try:
                slot = read_slot(task)
            except ValueError as problem:
                self._tell(ev.BadSlotLaunched(slot_id, str(problem)))
            else:
                ports = ports_in(task.get("resources", ()))
                self._tell(ev.SlotLaunched(slot_id, slot.first, ports))
        elif known and event["type"] == "KILL":
            self._tell(ev.SlotKilled(event["kill"]["task_id"]["value"]))

    def _other(self) -> None:
        """Send facts of a job, a worker's message, or a message between TaskTrackers."""
        rng = self.rng
        kind = rng.choice((JobFacts, ShuffleRequest, FrameHeader))
        try:
            msgspec.json.decode(message(rng, self._make.make(of_type(kind))), type=kind)
            self.statuses["other taken"] += 1
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.statuses["other refused"] += 1
        if self._workers and rng.random() < 0.5:
            worker = rng.choice(self._workers)
            done = Done(attempt_id=self._running.get(worker, "a"), state=AttemptState.SUCCEEDED)
            words = bytearray(msgspec.msgpack.encode(done))
            words[rng.randrange(len(words))] = rng.randrange(256)
            try:
                told = decode_from_worker(bytes(words))
            except FrameError as problem:
                self._tell(ev.WorkerBroken(worker, str(problem)))
                return
            if isinstance(told, Done):
                self._tell(ev.WorkerDone(worker, told))

    def check(self) -> None:
        """Check that a new slot runs an attempt."""
        self._later = []
        self.tracker = self._new()
        self._number += 1
        attempt = {**self._attempt(), "slot_id": "honest"}
        answer = {
            "actions": [{"number": self._number, "action": {"type": "run", "attempt": attempt}}]
        }
        self._tell(ev.SlotLaunched("honest", None, ()))
        self._tell(ev.HeartbeatAnswered(msgspec.convert(answer, HeartbeatAnswer), ()))
        assert self.tracker.heartbeat().attempts == {"honest": attempt["attempt_id"]}
        assert self._jobs == [JOB]

    def close(self) -> None:
        """Do nothing: nothing is open."""
