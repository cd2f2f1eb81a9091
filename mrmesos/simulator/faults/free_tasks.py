"""A world in which a client runs free tasks, beside jobs, while the JobTracker is killed at times.

The client adds tasks in batches, some of them after others or with a global resource, cancels some
and runs them again. It repeats requests if it is not sure that they arrived, and takes the ends of
its tasks. In some worlds a user kills the queue. These promises must hold. Each task has exactly
one end, and it is the right one. No task that succeeded runs again. No task begins before the tasks
for which it waits, or before its old run has ended. No more of a global resource is held than there
is (the core's `validate`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.model.task import TaskAttempt
from mrmesos.jobtracker.core.state import queries
from mrmesos.simulator.faults.crashing import CrashingWorld
from mrmesos.simulator.faults.fault_plan import FaultPlan
from mrmesos.wire.ids import SETS, AgentId, TaskKind
from mrmesos.wire.queue import QueueRequest, QueueSpec, QueueState, TaskEnd, TaskSpec
from mrmesos.wire.task import Attempt, ErrorKind, FreeTask

DB = 2
POLL_SECONDS = 0.5


@dataclass(slots=True)
class ClientTask:
    """The client's record of one execution of a task."""

    spec: TaskSpec
    cancelled: bool = False
    end: TaskEnd | None = None
    ran: list[str] = field(default_factory=list)
    """Its attempts."""


class FreeTaskWorld(CrashingWorld):
    """One queue, and a job."""

    more_conf: ClassVar = {"resources.global": f"db:{DB}"}

    def __init__(self, seed: int, faults: FaultPlan | None = None, *, crash: float = 0.004) -> None:
        super().__init__(seed, faults, crash=crash, jobs=1)
        self.queue_id = self.core.next_queue_id()
        self.tasks: dict[int, ClientTask] = {}
        self.key_of: dict[str, int] = {}  # of attempts
        self.shared: dict[TaskKind, int] = {}
        self.unsent: list[QueueRequest] = []
        self.batches = self.rng.randint(1, 5)
        self.number = 0  # of the last end
        self.made = self.closed = self.queue_over = self.queue_killed = False
        self.at(self.rng.uniform(0, 10), self.add_some)
        self.at(POLL_SECONDS, self.poll)
        if self.users.random() < self.faults.kill_job:
            self.at(self.users.uniform(0, 80), self.kill_queue)

    @property
    def queues_over(self) -> bool:
        return self.queue_over

    # The client.

    def add_some(self) -> None:
        """Send one batch of tasks, and then perhaps the next one, or the end."""
        specs = [self.random_task() for _ in range(self.rng.randint(1, 12))]
        self.unsent.append(QueueRequest(tasks=tuple(specs)))
        self.batches -= 1
        if self.rng.random() < 0.5:
            self.at(self.rng.uniform(0, 10), self.cancel_one)
        if self.batches:
            self.at(self.rng.uniform(0, 20), self.add_some)
        else:
            self.at(self.rng.uniform(10, 30), self.close)

    def random_task(self, behind: tuple[int, ...] = ()) -> TaskSpec:
        key = len(self.tasks) + 1
        cpus, mem = self.rng.choice([100, 500, 1000]), self.rng.choice([128, 512]) * 1000
        need = {"cpus": cpus, "mem": mem}
        if self.rng.random() < 0.4:
            need["db"] = self.rng.choice([1000, 1000, 2000])
        # The client itself leaves out tasks that it knows to have succeeded, and refuses others.
        recent = range(max(1, key - 10), key)
        open_ones = [k for k in recent if not (self.tasks[k].end or self.tasks[k].cancelled)]
        number = min(len(open_ones), self.rng.choice([0, 0, 0, 1, 2, 3]))
        spec = TaskSpec(
            key=key,
            name=f"t{key}",
            need=need,
            payload=b"call",
            priority=self.rng.choice(["", "HIGH", "LOW"]),
            after=tuple(sorted(self.rng.sample(open_ones, number))),
            behind=behind,
            retries=self.rng.choice([0, 0, 1, 3]),
            deadline=self.rng.choice([0.0, 0.0, 0.0, 20.0]),
        )
        self.tasks[key] = ClientTask(spec)
        return spec

    def cancel_one(self) -> None:
        """Cancel a task, and mostly run it again at once."""
        live = [key for key, one in self.tasks.items() if one.end is None and not one.cancelled]
        if not live or self.closed:
            return
        key = self.rng.choice(live)
        self.tasks[key].cancelled = True
        again = (self.random_task(behind=(key,)),) if self.rng.random() < 0.7 else ()
        self.unsent.append(QueueRequest(cancel=(key,)))
        self.unsent.append(QueueRequest(tasks=again))

    def close(self) -> None:
        self.closed = True
        self.unsent.append(QueueRequest(close=True))

    def kill_queue(self) -> None:
        """A user kills the queue with all its tasks."""
        if self.made and not self.down:
            self.queue_killed = True
            self.tell(ev.KillAsked(self.queue_id, "somebody"))

    def poll(self) -> None:
        """Send the requests that were not acknowledged, and take the ends."""
        if not self.queue_over:
            self.at(POLL_SECONDS, self.poll)
        if self.down:
            return
        if not self.made:
            spec = QueueSpec(name="q", user="sim", conf={}, code="0" * 64)
            self.tell(ev.QueueSubmitted(self.queue_id, spec, "token", "key"))
            self.made = not self.down
        while self.made and self.unsent and not self.down:
            self.tell(ev.QueueRequested(self.queue_id, self.unsent[0]))
            if not self.down:  # otherwise the next JobTracker gets it again
                del self.unsent[0]
        if self.made and not self.down:
            self.tell(ev.EndsTaken(self.queue_id, self.number))
            if not self.down:
                self.take()

    def take(self) -> None:
        found = queries.queue_ends(self.core.st, self.queue_id)
        assert found is not None, "the queue is forgotten"
        for end in found.ends:
            assert end.number > self.number, "an end comes twice"
            self.number = end.number
            self.check_end(end)
        if found.state.ended:
            self.queue_over = True
            if found.state is QueueState.KILLED:
                assert self.queue_killed or self.queue_id in self.unkept, found.words
                return
            assert not self.unsent
            for key, one in self.tasks.items():
                assert one.end is not None or one.cancelled, f"t{key} has no last word"

    def check_end(self, end: TaskEnd) -> None:
        one = self.tasks[end.key]
        assert one.end is None, f"t{end.key} ends twice"
        one.end = end
        if end.error is None:
            assert end.result is not None
            name = end.result.value.decode()
            assert name in self.succeeded, f"{name} did not succeed"
            assert self.key_of[name] == end.key, "the result of another task"
            return
        failed = sum(name not in self.succeeded for name in one.ran)
        waits = any(self.no_good(key) for key in one.spec.after)
        late = one.spec.deadline and end.error.kind is ErrorKind.TIMEOUT
        lost = end.error.kind is ErrorKind.LOST or (self.unkept and "be kept" in end.error.message)
        assert waits or late or lost or failed > one.spec.retries, f"t{end.key} failed: {end.error}"

    def no_good(self, key: int) -> bool:
        one = self.tasks[key]
        return one.cancelled or (one.end is not None and one.end.error is not None)

    # Running tasks.

    def check_attempts(self, attempts: list[tuple[Attempt, AgentId]]) -> None:
        for attempt, _ in attempts:
            if isinstance(attempt.task, FreeTask):
                self.check_begin(attempt.attempt_id, int(attempt.task.name[1:]))
        held = sum(map(self.held_by, self.core.st.attempts.values()))
        assert held <= DB * 1000, "more of the global resource is held than there is"
        super().check_attempts(attempts)

    def held_by(self, attempt: TaskAttempt) -> int:
        """The amount of the global resource that an attempt holds, by the client's request."""
        if attempt.task.kind is TaskKind.FREE:
            return self.tasks[attempt.task.key].spec.need.get("db", 0)
        return 1000 * self.shared[attempt.task.kind]

    def random_job(self) -> tuple[int, int, dict[str, str]]:
        """Maps and reduces of the only job hold some of the global resource, too."""
        maps, reduces, conf = super().random_job()
        self.shared = {kind: self.rng.choice([0, 1, DB]) for kind in SETS}
        for kind, amount in self.shared.items():
            conf[f"{kind.value}.resources.global"] = f"db:{amount}" if amount else ""
        return maps, reduces, conf

    def check_begin(self, attempt_id: str, key: int) -> None:
        self.key_of[attempt_id] = key
        one = self.tasks[key]
        assert one.end is None, f"t{key} runs again after its end"
        one.ran.append(attempt_id)
        queue = self.core.st.queues.live[self.queue_id]
        assert not queue.tasks[key].dropped, f"t{key} runs although it was dropped"
        for before in (*one.spec.after, *one.spec.behind):
            assert before not in queue.tasks, f"t{key} runs before t{before} is over"
        for before in one.spec.after:
            assert before not in queue.failed, f"t{key} runs after t{before} failed"
            assert self.has_succeeded(before), f"t{key} runs, and t{before} has not succeeded"

    def has_succeeded(self, key: int) -> bool:
        return any(name in self.succeeded for name in self.tasks[key].ran)

    def carry_out(self, command: cmd.Command) -> None:
        match command:
            case cmd.QueueNews() | cmd.QueueEnded():
                return  # the client asks often enough
            case _:
                super().carry_out(command)
