"""Queues of free tasks: what runs when, who hears of it, and what a restart keeps."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mrmesos.conf import Conf
from mrmesos.jobtracker.core.jobtracker import JobTracker
from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.messages.journal_records import WriteRecords
from mrmesos.jobtracker.core.policies import explanation
from mrmesos.jobtracker.core.state import queries
from mrmesos.simulator.faults.crashing import apply, reread
from mrmesos.wire import heartbeat as hb
from mrmesos.wire.ids import parse_attempt
from mrmesos.wire.queue import QueueRequest, QueueSpec, QueueState, TaskEnd, TaskEnds, TaskSpec
from mrmesos.wire.task import AttemptState, FreeResult, FreeTask
from tests.jobtracker.harness import SILENCE, Hands, error, launches, of, spec

CPU = {"cpus": 1000, "mem": 1_024_000}
CONF = {"resources.global": "db:3"}
RESTART = Conf({SILENCE: "3600", **CONF})


def task(key: int, **more: object) -> TaskSpec:
    facts = {"name": f"t{key}", "need": CPU, "payload": b"pickle"} | more
    return TaskSpec(key=key, **facts)  # type: ignore[arg-type]


class Queue(Hands):
    """Hands with one queue. Tasks are named by their keys."""

    def __init__(self, conf: Mapping[str, str] | None = None) -> None:
        super().__init__({**CONF, **(conf or {})})
        self.id = self.core.next_queue_id()
        spec = QueueSpec(name="q", user="me", conf={}, code="0" * 64)
        self.do(ev.QueueSubmitted(self.id, spec, "token"))

    def ask(
        self, *tasks: TaskSpec, cancel: tuple[int, ...] = (), close: bool = False
    ) -> list[cmd.Command]:
        return self.do(
            ev.QueueRequested(self.id, QueueRequest(tasks=tasks, cancel=cancel, close=close))
        )

    def key(self, attempt_id: str) -> int:
        name = parse_attempt(attempt_id)
        return self.core.st.jobs[name.job_id].maps.tasks[name.index].key

    def now_run(self) -> list[int]:
        """The tasks that run."""
        return sorted(self.key(attempt_id) for attempt_id in self.running)

    def attempt(self, key: int) -> str:
        [found] = [a for a in self.running if self.key(a) == key]
        return found

    def found(self) -> TaskEnds:
        found = queries.queue_ends(self.core.st, self.id)
        assert found is not None
        return found

    def ends(self) -> dict[int, TaskEnd]:
        return {end.key: end for end in self.found().ends}

    def good(self) -> list[int]:
        return sorted(end.key for end in self.found().ends if end.error is None)

    def why(self, key: int) -> str:
        found = self.ends()[key].error
        assert found is not None
        return found.message


def test_tasks_run_and_their_results_wait_to_be_taken() -> None:
    q = Queue()
    q.ask(task(1), task(2), task(3))
    first = launches(q.offer("a", cpus=2))
    assert q.now_run() == [1, 2]
    assert all(isinstance(launch.first.task, FreeTask) for launch in first)
    commands = q.end(q.attempt(1), result=FreeResult(value=b"one"))
    assert of(commands, cmd.QueueNews)
    assert q.now_run() == [2, 3]
    [end] = q.found().ends
    assert (end.key, end.error, end.result) == (1, None, FreeResult(value=b"one"))
    q.do(ev.EndsTaken(q.id, end.number))
    assert not q.found().ends


def test_a_request_that_comes_twice_adds_nothing() -> None:
    q = Queue()
    q.ask(task(1), task(2))
    q.ask(task(1), task(2))
    q.offer("a", cpus=4)
    assert q.now_run() == [1, 2]
    q.end(q.attempt(1))
    q.do(ev.EndsTaken(q.id, 10))
    q.ask(task(1), task(2))
    assert q.now_run() == [2]


def test_tasks_that_demand_the_same_are_in_one_job() -> None:
    q = Queue()
    q.ask(
        task(1), task(2, need={"cpus": 2000, "mem": 1_024_000}), task(3), task(4, priority="HIGH")
    )
    assert len(q.core.st.jobs) == 3
    q.offer("a", cpus=2)
    assert q.now_run() == [1, 4]


def test_a_failed_task_runs_again_as_often_as_it_says() -> None:
    q = Queue()
    q.ask(task(1, retries=1), task(2))
    q.offer("a", cpus=2)
    q.fail(q.attempt(1), error("first"))
    q.fail(q.attempt(2), error("only"))
    assert q.why(2) == "only"
    assert q.now_run() == [1]
    q.fail(q.attempt(1), error("last"))
    assert q.why(1) == "last"
    assert not q.now_run()


def test_a_task_waits_for_others_and_fails_with_them() -> None:
    q = Queue()
    q.ask(task(1), task(2, after=(1,)), task(3, after=(2,)), task(4), task(5, after=(1, 4)))
    q.offer("a", "b", cpus=4)
    assert q.now_run() == [1, 4]
    q.end(q.attempt(1))
    assert q.now_run() == [2, 4]
    q.fail(q.attempt(4))
    assert q.why(5) == "it waits for t4, which did not succeed"
    q.ask(task(6, after=(5,)), task(7, after=(1,)))
    assert q.why(6) == "it waits for t5, which did not succeed"
    q.offer("c")
    assert q.now_run() == [2, 7]
    q.end(q.attempt(2))
    assert 3 in q.now_run()


def test_a_long_chain_of_tasks_fails_at_once() -> None:
    q = Queue()
    q.ask(task(0), *(task(key, after=(key - 1,)) for key in range(1, 900)))
    q.offer("a")
    q.fail(q.attempt(0))
    assert len(q.core.st.queues.live[q.id].ends) == 900
    assert not q.core.st.queues.live[q.id].tasks


def test_cancel_kills_what_runs_and_the_next_one_waits_for_its_end() -> None:
    q = Queue()
    q.ask(task(1), task(2))
    q.offer("a", "b", cpus=2)
    old = q.attempt(1)
    commands = q.ask(task(3, behind=(1,)), cancel=(1,))
    assert [kill.attempt_id for kill in of(commands, hb.KillAttempt)] in ([old], [])
    q.offer("c")
    assert q.now_run() == [1, 2], "the same task must not run twice at a time"
    q.end(old, AttemptState.KILLED)
    q.offer("c")
    assert q.now_run() == [2, 3]
    assert not q.ends(), "who cancels a task does not want to hear of it"


def test_a_cancelled_task_that_waits_is_gone_at_once() -> None:
    q = Queue()
    q.ask(task(1), task(2, after=(1,)), task(3, after=(2,)))
    q.ask(cancel=(2,))
    assert q.why(3) == "it waits for t2, which was cancelled"
    q.ask(cancel=(1, 3, 99))
    q.offer("a")
    assert not q.running


def test_no_more_of_a_global_resource_is_held_than_there_is() -> None:
    q = Queue()
    db = {**CPU, "db": 1000}
    q.ask(*(task(key, need=db) for key in range(1, 6)), task(9))
    q.offer("a", cpus=8, mem=100_000)
    assert q.now_run() == [1, 2, 3, 9], "three connections for five tasks"
    q.later(6)
    [job] = [job for job in q.core.st.jobs.values() if job.settings.map_shared]
    assert job.waits.words == ""
    q.end(q.attempt(2))
    assert q.now_run() == [1, 3, 4, 9], "who frees one is followed by the next in its slot"
    assert not q.core.st.index.has_work


def test_a_job_that_waits_for_a_global_resource_says_so() -> None:
    q = Queue()
    q.ask(task(1, need={**CPU, "db": 3000}), task(2, need={**CPU, "db": 2000}))
    q.offer("a", cpus=8, mem=100_000)
    assert q.now_run() == [1]
    q.later(6)
    holder, waiter = q.core.st.jobs.values()
    assert waiter.waits.words == f"waits for db: 3 of 3 are in use by {holder.id}"
    q.ask(task(3, need={**CPU, "db": 4000}))
    assert q.why(3) == "it needs db:4, but resources.global has db:3"


def test_maps_hold_global_resources_too() -> None:
    q = Queue()
    job = q.job(maps=5, map_resources_global="db:2")
    q.offer("a", cpus=8, mem=100_000)
    assert q.status(job).maps.running == 1


def test_a_job_that_asks_for_more_than_there_is_fails_at_once() -> None:
    q = Queue()
    for asked, words in (
        ("db:4", "it needs db:4, but resources.global has db:3"),
        ("tape:1", "the JobTracker has no global resource tape (resources.global)"),
    ):
        job_id = q.core.next_job_id()
        q.do(ev.JobSubmitted(job_id, spec(map_resources_global=asked), "token"))
        found = q.status(job_id).error
        assert found is not None
        assert found.message == words


def test_a_queue_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mrmesos.jobtracker.core.handlers.free_tasks.TASKS_OF_QUEUE", 2)
    q = Queue()
    q.ask(task(1), task(2), task(3))
    assert q.why(3) == "the queue holds 2 tasks; execute more when some have ended"
    q.offer("a")
    q.end(q.attempt(1))
    q.ask(task(4))
    assert q.now_run() == [2]
    assert 4 not in q.ends()


def test_a_deadline_ends_a_task_wherever_it_is() -> None:
    q = Queue()
    q.ask(task(1, deadline=5.0), task(2, deadline=5.0), task(3, deadline=50.0))
    q.offer("a")
    q.later(4)
    assert not q.ends()
    q.later(2)
    assert q.why(2) == "it did not end within its deadline of 5 s"
    assert 1 not in q.ends(), "it is being killed"
    q.end(q.attempt(1), AttemptState.KILLED)
    assert "deadline" in q.why(1)
    q.offer("b")
    assert q.now_run() == [3]


def test_a_queue_ends_when_it_is_closed_and_all_is_taken() -> None:
    q = Queue()
    q.ask(task(1), close=True)
    q.ask(task(2))
    q.offer("a")
    q.end(q.attempt(1))
    assert q.found().state is QueueState.CLOSED
    commands = q.do(ev.EndsTaken(q.id, q.found().ends[-1].number))
    assert of(commands, cmd.QueueEnded)
    assert q.found().state is QueueState.ENDED
    assert not q.core.st.jobs


def test_a_silent_client_ends_its_queue() -> None:
    q = Queue({"queue.lease.seconds": "30"})
    q.ask(task(1), task(2))
    q.offer("a")
    q.later(29)
    assert q.now_run() == [1]
    q.later(2)
    assert q.found().state is QueueState.STOPPING
    q.end(q.attempt(1), AttemptState.KILLED)
    assert q.found().state is QueueState.KILLED
    assert q.found().words == "killed because its client was silent for 30 s"


def test_a_killed_job_of_a_queue_takes_its_tasks_along_and_no_others() -> None:
    q = Queue()
    q.ask(task(1), task(2, need={"cpus": 500, "mem": 1_024_000}))
    q.offer("a", cpus=2)
    job_id = parse_attempt(q.attempt(1)).job_id
    q.do(ev.KillAsked(job_id, "somebody"))
    q.end(q.attempt(1), AttemptState.KILLED)
    assert q.why(1) == f"{job_id}, the job that held it, was killed"
    q.ask(task(3))
    q.offer("b")
    assert q.now_run() == [2, 3]


def test_tasks_that_no_agent_can_run_fail_if_they_ask_for_it() -> None:
    q = Queue()
    much = {"cpus": 64_000, "mem": 1_024_000}
    q.ask(task(1, need=much, fail_if_impossible=True), task(2, need=much))
    q.later(1)
    assert not q.ends(), "no agent is known yet"
    q.offer("a", cpus=4)
    q.later(1)
    assert q.why(1).startswith("the largest offer seen had 4 CPUs")
    [reason] = explanation.waiting_of(q.core.st, list(q.core.st.jobs.values())[1]).reasons
    assert reason.kind == "task"
    assert reason.help.endswith("the consumption() of the task says what it needs")
    assert 2 not in q.ends()


def test_a_queue_whose_results_nobody_takes_is_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mrmesos.jobtracker.core.handlers.free_tasks.UNREAD_BYTES", 1000)
    q = Queue()
    q.ask(*(task(key) for key in range(1, 5)))
    q.offer("a")
    q.end(q.attempt(1), result=FreeResult(value=b"x" * 2000))
    assert not q.running
    q.later(6)
    [job] = q.core.st.jobs.values()
    assert job.waits.words == "the client has not taken the results so far"
    q.do(ev.EndsTaken(q.id, 1))
    q.offer("a")
    assert q.now_run() == [2]


def test_a_full_job_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mrmesos.jobtracker.core.handlers.free_tasks.TASKS_OF_JOB", 3)
    q = Queue()
    q.ask(*(task(key) for key in range(1, 6)))
    assert len(q.core.st.jobs) == 2
    q.offer("a", cpus=5, mem=100_000)
    for key in (1, 2, 3):
        q.end(q.attempt(key))
    assert len(q.core.st.jobs) == 1
    assert q.good() == [1, 2, 3]


def with_journal() -> tuple[Queue, dict[object, object]]:
    """A queue whose core has a journal, which is kept as a dict."""
    q = Queue()
    q.core = JobTracker(RESTART, "202611201130", journal=True)
    journal: dict[object, object] = {}
    handle = q.core.handle

    def journaled(event: ev.Event, now: float) -> list[cmd.Command]:
        commands = handle(event, now)
        for one in commands:
            if isinstance(one, WriteRecords):
                apply(journal, one)  # type: ignore[arg-type]
        return commands

    q.core.handle = journaled  # type: ignore[method-assign]
    q.do(ev.Registered("framework"))
    q.do(ev.QueueSubmitted(q.id, QueueSpec(name="q", user="me", conf={}, code="0" * 64), "token"))
    return q, journal


def test_a_restart_keeps_every_task_and_every_result() -> None:
    q, journal = with_journal()
    db = {**CPU, "db": 3000}
    q.ask(
        task(1), task(2, after=(1,)), task(3, need=db), task(4, need=db), task(5), task(6), task(7)
    )
    q.offer("a", "b", cpus=2)
    q.end(q.attempt(1), result=FreeResult(value=b"one"))
    q.fail(q.attempt(5))
    q.ask(cancel=(7,))
    running = {key: q.attempt(key) for key in q.now_run()}
    before = q.found()
    tasks = {key: one.task.state for key, one in q.core.st.queues.live[q.id].tasks.items()}

    q.core = JobTracker(RESTART, "202611201131", journal=True)
    q.core.restore(reread(journal), q.now, life=1)  # type: ignore[arg-type]
    q.core.validate()
    assert q.found().ends == before.ends
    assert {k: one.task.state for k, one in q.core.st.queues.live[q.id].tasks.items()} == tasks
    assert {key: q.attempt(key) for key in q.now_run()} == running
    assert q.core.st.index.shared.held == {"db": 3000}
    q.ask(task(6), task(8, after=(5,)), task(9))
    assert q.why(8) == "it waits for task 5, which did not succeed"


def test_a_queue_whose_record_is_damaged_ends_with_all_its_tasks() -> None:
    q, journal = with_journal()
    q.ask(task(1), task(2))
    q.offer("a")
    running = q.attempt(1)
    q.core = JobTracker(RESTART, "202611201131", journal=True)
    records = [each for each in reread(journal) if each.filed_as.kind != "queue"]  # type: ignore[arg-type]
    commands = q.core.restore(records, q.now, life=1, damaged={q.id: "bits are lost"})
    q.core.validate()
    assert of(commands, cmd.QueueEnded)
    assert q.found().state is QueueState.KILLED
    assert q.found().words.endswith("from its journal: bits are lost")
    assert q.core.st.attempts[running].kill_asked


def test_a_task_whose_job_is_damaged_fails() -> None:
    q, journal = with_journal()
    q.ask(task(1), task(2, need={"cpus": 500, "mem": 1_024_000}))
    first = next(iter(q.core.st.jobs))
    q.core = JobTracker(RESTART, "202611201131", journal=True)
    q.core.restore(reread(journal), q.now, life=1, damaged={first: "bits are lost"})  # type: ignore[arg-type]
    q.core.validate()
    assert q.why(1) == "the JobTracker could not bring its job back from its journal"
    assert 2 not in q.ends()
