"""The TaskTracker's core: first its promises under any order of events, then each rule by name."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mrmesos.api.split import FileSlice, Split
from mrmesos.tasktracker.core import commands as cmd
from mrmesos.tasktracker.core import events as ev
from mrmesos.tasktracker.core.tracker import TaskTracker
from mrmesos.tasktracker.core.worker_set import (
    PRESTARTED_SECONDS,
    SESSION_SECONDS,
    SPARE_AFTER_SECONDS,
    WORKER_START_TRIES,
)
from mrmesos.wire.heartbeat import (
    Action,
    Announce,
    EndSlot,
    ForgetJob,
    HeartbeatAnswer,
    KillAttempt,
    MapOutputs,
    Numbered,
    RunAttempt,
)
from mrmesos.wire.task import (
    Attempt,
    AttemptProgress,
    AttemptReport,
    AttemptState,
    ErrorKind,
    MapOutput,
    MapTask,
)
from mrmesos.worker.messages import Done, WorkerProgress
from tests.tasktracker.support import JOB, OTHER_JOB, facts, map_attempt, reduce_attempt
from tests.tasktracker.world import World


# No shrinking: the seed reproduces a failure, and the strategy also draws short runs.
@settings(max_examples=300, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    seed=st.integers(0, 2**32),
    steps=st.integers(0, 250),
    by=st.sampled_from(["jobtracker", "unknown", "signal"]),
)
def test_promises_hold_in_any_order_of_events(seed: int, steps: int, by: str) -> None:
    world = World(random.Random(seed))
    for _ in range(steps):
        world.step()
        world.check()
    world.finish(by=by)


@pytest.mark.parametrize("seed", range(40))
def test_promises_hold_over_long_runs(seed: int) -> None:
    world = World(random.Random(seed))
    for _ in range(1500):
        world.step()
        world.check()
    world.finish(by=["jobtracker", "unknown", "signal"][seed % 3])


class Core:
    """A tracker with a clock and a slot, and shorthand for its events."""

    def __init__(self, prestarted: int = 1) -> None:
        self.now = 100.0
        self.number = 0
        self.tracker = TaskTracker(
            tracker_id="t", agent_id="a", hostname="here", now=self.now, prestarted=prestarted
        )

    def tell(self, event: ev.Event, after: float = 0.0) -> list[cmd.Command]:
        self.now += after
        return self.tracker.handle(event, self.now)

    def answer(self, *actions: Action, reported: tuple[str, ...] = ()) -> list[cmd.Command]:
        numbered = []
        for action in actions:
            self.number += 1
            numbered.append(Numbered(self.number, action))
        return self.tell(ev.HeartbeatAnswered(HeartbeatAnswer(numbered), reported))

    def running(
        self, attempt: Attempt, worker: int = 1, conf: dict[str, str] | None = None
    ) -> list[cmd.Command]:
        """Launch, fetch and ready: bring the attempt to run in the worker."""
        self.tell(ev.SlotLaunched(attempt.slot_id, attempt))
        self.tell(ev.JobFetched(facts(attempt.job_id, conf), "/code"))
        return self.tell(ev.WorkerReady(worker))

    def report(self, attempt: Attempt) -> AttemptReport:
        return self.tracker.reports[attempt.attempt_id]

    def error(self, attempt: Attempt) -> str:
        error = self.report(attempt).error
        assert error is not None
        return f"{error.kind}: {error.message}"


def kinds(commands: list[cmd.Command]) -> list[str]:
    return [type(command).__name__ for command in commands]


def done(attempt: Attempt, state: AttemptState = AttemptState.SUCCEEDED) -> Done:
    return Done(attempt_id=attempt.attempt_id, state=state)


def test_attempts_are_told_the_ports_of_their_slot_one_after_another() -> None:
    core, first, second = Core(), map_attempt(0), map_attempt(1)
    core.tell(ev.SlotLaunched("slot_1", first, (31000, 31007)))
    core.tell(ev.JobFetched(facts(), "/code"))
    ran = core.tell(ev.WorkerReady(1))
    core.tell(ev.WorkerDone(1, done(first)))
    ran += core.answer(RunAttempt(second), reported=(first.attempt_id,))
    ports = [each.attempt.ports for each in ran if isinstance(each, cmd.RunInWorker)]
    assert ports == [(31000, 31007)] * 2


def test_one_attempt_from_launch_to_the_end_of_its_slot() -> None:
    core, attempt = Core(), map_attempt()
    commands = core.tell(ev.SlotLaunched("slot_1", attempt))
    assert commands == [cmd.SendStatus("slot_1", cmd.SlotReport.RUNNING), cmd.FetchJob(JOB)]
    assert core.tell(ev.WorkerReady(1)) == []
    job = facts(conf={"map.memory.mb": "512", "task.userlog.limit.kb": "7"})
    [run] = core.tell(ev.JobFetched(job, "/code"))
    assert run == cmd.RunInWorker(1, attempt, job, "/code", memory_limit_mb=512, log_limit_kb=7)
    commands = core.tell(ev.WorkerDone(1, done(attempt), log_tail="tail", peak_bytes=77))
    assert commands == [cmd.CleanAttempt(JOB, attempt.attempt_id, True), cmd.HeartbeatNow()]
    [report] = core.tracker.heartbeat().reports
    assert report.state is AttemptState.SUCCEEDED
    assert report.counters == {"task": {"PHYSICAL_MEMORY_BYTES": 77}}
    assert report.log_tail == "tail"
    # Repeated until it was answered.
    assert core.tracker.heartbeat().reports == [report]
    commands = core.answer(EndSlot("slot_1"), reported=(attempt.attempt_id,))
    assert cmd.SendStatus("slot_1", cmd.SlotReport.FINISHED) in commands
    assert core.tracker.heartbeat().reports == []
    assert core.tracker.heartbeat().acknowledged == 1
    assert core.tracker.heartbeat().slots == []


def test_the_next_attempt_of_a_job_runs_in_the_warm_worker() -> None:
    core, first, second = Core(), map_attempt(0), map_attempt(1)
    core.running(first)
    core.tell(ev.WorkerDone(1, done(first)))
    [run] = core.answer(RunAttempt(second), reported=(first.attempt_id,))
    assert isinstance(run, cmd.RunInWorker)
    assert (run.worker, run.attempt) == (1, second)


def test_an_action_that_comes_twice_is_done_once() -> None:
    core, first, second = Core(), map_attempt(0), map_attempt(1)
    core.running(first)
    core.tell(ev.WorkerDone(1, done(first)))
    answer = HeartbeatAnswer([Numbered(1, RunAttempt(second))])
    assert len(core.tell(ev.HeartbeatAnswered(answer))) == 1
    assert core.tell(ev.HeartbeatAnswered(answer)) == []


def test_another_jobs_attempt_gets_a_fresh_worker_and_the_old_one_ends() -> None:
    core, first = Core(), map_attempt(0)
    other = map_attempt(0, job=OTHER_JOB)
    core.running(first)
    core.tell(ev.WorkerDone(1, done(first)))
    commands = core.answer(RunAttempt(other))
    assert kinds(commands) == ["FetchJob", "StartWorker", "KillWorker"]
    core.tell(ev.JobFetched(facts(OTHER_JOB), "/other"))
    [run] = core.tell(ev.WorkerReady(2))
    assert isinstance(run, cmd.RunInWorker)
    assert run.worker == 2


def test_a_sessions_next_job_gets_the_worker_of_the_last_one() -> None:
    core, first = Core(), map_attempt(0)
    core.tell(ev.SlotLaunched("slot_1", first))
    core.tell(ev.JobFetched(facts(session="s"), "/code"))
    core.tell(ev.WorkerReady(1))
    core.tell(ev.WorkerDone(1, done(first)))
    ended = core.answer(EndSlot("slot_1"), ForgetJob(JOB), reported=(first.attempt_id,))
    assert kinds(ended) == ["SendStatus", "DropJob"]
    other = map_attempt(0, "slot_2", job=OTHER_JOB)
    assert kinds(core.tell(ev.SlotLaunched("slot_2", other))) == ["SendStatus", "FetchJob"]
    [run] = core.tell(ev.JobFetched(facts(OTHER_JOB, session="s"), "/other"))
    assert isinstance(run, cmd.RunInWorker)
    assert run.worker == 1


@pytest.mark.parametrize("waits", [False, True])
def test_a_sessions_worker_runs_no_job_of_others_and_ends_in_time(waits: bool) -> None:
    core, first = Core(), map_attempt(0)
    core.tell(ev.SlotLaunched("slot_1", first))
    core.tell(ev.JobFetched(facts(session="s"), "/code"))
    core.tell(ev.WorkerReady(1))
    core.tell(ev.WorkerDone(1, done(first)))
    core.answer(EndSlot("slot_1"), ForgetJob(JOB), reported=(first.attempt_id,))
    assert cmd.KillWorker(1) not in core.tell(ev.TrackerTick(), after=SESSION_SECONDS / 2)
    if waits:
        assert cmd.KillWorker(1) in core.tell(ev.TrackerTick(), after=SESSION_SECONDS)
        return
    other = map_attempt(0, "slot_2", job=OTHER_JOB)
    core.tell(ev.SlotLaunched("slot_2", other))
    commands = core.tell(ev.JobFetched(facts(OTHER_JOB, session="t"), "/other"))
    assert commands == [cmd.KillWorker(1), cmd.StartWorker(2)], "one slot was held at a time"


def test_a_spare_blank_worker_is_started_once_things_are_calm() -> None:
    core = Core()
    core.running(map_attempt())
    assert core.tell(ev.TrackerTick(), after=SPARE_AFTER_SECONDS / 2) == []
    assert core.tell(ev.TrackerTick(), after=SPARE_AFTER_SECONDS) == [cmd.StartWorker(2)]
    assert core.tell(ev.TrackerTick(), after=SPARE_AFTER_SECONDS * 2) == []
    # Another job's attempt gets the spare at once.
    core.tell(ev.WorkerReady(2))
    other = map_attempt(0, "slot_2", job=OTHER_JOB)
    assert kinds(core.tell(ev.SlotLaunched("slot_2", other))) == ["SendStatus", "FetchJob"]
    [run] = core.tell(ev.JobFetched(facts(OTHER_JOB), "/other"))
    assert isinstance(run, cmd.RunInWorker)


def test_a_worker_whose_slot_ended_is_the_spare_for_its_jobs_next_slot() -> None:
    core, first = Core(), map_attempt(0)
    core.running(first)
    core.tell(ev.WorkerDone(1, done(first)))
    ended = core.answer(EndSlot("slot_1"), reported=(first.attempt_id,))
    assert "KillWorker" not in kinds(ended)
    reduce = reduce_attempt(0, "slot_2")
    commands = core.tell(ev.SlotLaunched("slot_2", reduce))
    assert [run.worker for run in commands if isinstance(run, cmd.RunInWorker)] == [1]


def test_no_blank_spare_is_started_beside_a_worker_whose_slot_ended() -> None:
    core, first, second = Core(2), map_attempt(0), map_attempt(1, "slot_2")
    core.running(first)
    core.running(second, worker=2)
    core.tell(ev.WorkerDone(1, done(first)))
    core.answer(EndSlot("slot_1"), reported=(first.attempt_id,))
    assert core.tell(ev.TrackerTick(), after=SPARE_AFTER_SECONDS * 2) == []


def test_no_worker_is_started_while_enough_are_on_their_way() -> None:
    core = Core()
    commands = core.tell(ev.SlotLaunched("slot_1", map_attempt(0, "slot_1")))
    commands += core.tell(ev.SlotLaunched("slot_2", map_attempt(1, "slot_2")))
    commands += core.tell(ev.SlotLaunched("slot_3", map_attempt(2, "slot_3")))
    assert kinds(commands).count("StartWorker") == 2
    assert kinds(commands).count("FetchJob") == 1


def test_a_killed_attempt_is_reported_when_its_worker_is_gone() -> None:
    core, attempt = Core(), map_attempt()
    core.running(attempt)
    commands = core.answer(KillAttempt(attempt.attempt_id, "another attempt was first"))
    assert commands == [cmd.KillWorker(1)]
    assert core.tracker.heartbeat().reports == []
    # A success that arrives after the kill comes too late: its files may be incomplete.
    assert core.tell(ev.WorkerDone(1, done(attempt))) == []
    commands = core.tell(ev.WorkerExited(1, -9))
    assert commands == [cmd.CleanAttempt(JOB, attempt.attempt_id, False), cmd.HeartbeatNow()]
    assert core.report(attempt).state is AttemptState.KILLED
    assert core.error(attempt) == "lost: another attempt was first"


def test_a_slot_killed_by_mesos_ends_after_its_attempt() -> None:
    core, attempt = Core(), map_attempt()
    core.running(attempt)
    assert core.tell(ev.SlotKilled("slot_1")) == [cmd.KillWorker(1)]
    commands = core.tell(ev.WorkerExited(1, -9))
    assert cmd.SendStatus("slot_1", cmd.SlotReport.KILLED, "killed through Mesos") in commands
    assert core.report(attempt).state is AttemptState.KILLED
    assert core.tell(ev.SlotKilled("slot_1")) == []


def test_work_for_a_slot_that_is_gone_is_reported_killed() -> None:
    core, attempt = Core(), map_attempt(slot="slot_9")
    assert core.answer(RunAttempt(attempt)) == [cmd.HeartbeatNow()]
    assert core.error(attempt) == "lost: slot slot_9 has ended"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (3, "worker exited with status 3 (os._exit?) while reading x.txt near offset 7"),
        (-11, "worker killed by signal 11 (SIGSEGV) while reading x.txt near offset 7"),
        (-9, "worker killed by signal 9 (SIGKILL) while reading x.txt near offset 7"),
        (None, "worker ended in an unknown way while reading x.txt near offset 7"),
    ],
)
def test_a_crash_in_words(status: int | None, words: str) -> None:
    core, attempt = Core(), map_attempt()
    core.running(attempt)
    progress = AttemptProgress(attempt_id=attempt.attempt_id, progress=0.1)
    position = "reading x.txt near offset 7"
    core.tell(
        ev.WorkerProgressed(1, WorkerProgress(progress=progress, active=True, position=position))
    )
    core.tell(ev.WorkerExited(1, status, log_tail="last words"))
    assert core.error(attempt) == f"crash: {words}"
    report = core.report(attempt)
    assert (report.state, report.log_tail) == (AttemptState.FAILED, "last words")
    assert report.error is not None
    assert report.error.hostname == "here"
    assert report.error.log.endswith(f"/attempts/{attempt.attempt_id}/logs")


def test_too_much_memory_in_words() -> None:
    core, attempt = Core(), map_attempt()
    core.running(attempt)
    over = ev.WorkerOverMemory(1, attempt.attempt_id, 1300 << 20)
    assert core.tell(over) == [cmd.KillWorker(1)]
    core.tell(ev.WorkerExited(1, -9))
    assert core.error(attempt) == (
        "memory: used 1,300 MiB, over its limit of 1 GiB "
        "while reading ok: between offsets 0 and 1; raise map.memory.mb"
    )


@pytest.mark.parametrize(
    ("status", "peak", "words"),
    [
        (-9, 1000, "memory: killed by signal 9 (SIGKILL), probably by the kernel: it used 1,000"),
        (-9, 900, "crash: worker killed by signal 9"),
        (-11, 1000, "crash: worker killed by signal 11"),
    ],
)
def test_a_worker_that_is_killed_when_its_memory_is_full_died_of_it(
    status: int, peak: int, words: str
) -> None:
    core, attempt = Core(), map_attempt()
    core.running(attempt)
    core.tell(ev.WorkerExited(1, status, peak_bytes=peak << 20))
    assert core.error(attempt).startswith(words)


def test_raised_memory_is_the_attempts_limit() -> None:
    core, attempt = Core(), msgspec.structs.replace(map_attempt(), memory_mb=4096)
    commands = core.running(attempt)
    [run] = [each for each in commands if isinstance(each, cmd.RunInWorker)]
    assert run.memory_limit_mb == 4096
    core.tell(ev.WorkerOverMemory(1, attempt.attempt_id, 5000 << 20))
    core.tell(ev.WorkerExited(1, -9))
    assert "over its limit of 4 GiB" in core.error(attempt)


def test_a_silent_attempt_times_out_and_an_active_one_does_not() -> None:
    core, attempt = Core(), reduce_attempt()
    core.running(attempt, conf={"task.timeout": "10"})
    progress = AttemptProgress(attempt_id=attempt.attempt_id, progress=0.1)
    core.tell(ev.WorkerProgressed(1, WorkerProgress(progress=progress, active=True)), after=9)
    # The blank worker is only the spare.
    assert "KillWorker" not in kinds(core.tell(ev.TrackerTick(), after=9))
    core.tell(ev.WorkerProgressed(1, WorkerProgress(progress=progress, active=False)))
    assert cmd.KillWorker(1) in core.tell(ev.TrackerTick(), after=2)
    core.tell(ev.WorkerExited(1, -9))
    assert core.error(attempt).startswith("timeout: neither read, wrote nor reported anything")
    report = core.report(attempt).error
    assert report is not None
    assert report.kind is ErrorKind.TIMEOUT


def test_no_timeout_where_there_is_none() -> None:
    core, attempt = Core(), reduce_attempt()
    core.running(attempt, conf={"task.timeout": "0"})
    assert "KillWorker" not in kinds(core.tell(ev.TrackerTick(), after=10_000_000))


def test_map_outputs_reach_running_and_later_reduces() -> None:
    def outputs(*indexes: int) -> list[MapOutput]:
        return [MapOutput(map_index=i, attempt_id=f"a{i}", url="u") for i in indexes]

    core, first, second = Core(), reduce_attempt(0), reduce_attempt(1, "slot_2")
    core.answer(MapOutputs(JOB, outputs(0, 1)))
    run, tell = core.running(first)
    assert isinstance(run, cmd.RunInWorker)
    assert tell == cmd.TellMapOutputs(1, first.attempt_id, tuple(outputs(0, 1)))
    assert core.answer(MapOutputs(JOB, outputs(2))) == [
        cmd.TellMapOutputs(1, first.attempt_id, tuple(outputs(2)))
    ]
    core.tell(ev.SlotLaunched("slot_2", second))
    run, tell = core.tell(ev.WorkerReady(2))
    assert tell == cmd.TellMapOutputs(2, second.attempt_id, tuple(outputs(0, 1, 2)))


def test_news_of_failed_fetches_do_not_wait() -> None:
    core, attempt = Core(), reduce_attempt()
    core.running(attempt)

    def progress(*failed: str) -> list[cmd.Command]:
        told = AttemptProgress(
            attempt_id=attempt.attempt_id, progress=0.1, fetch_failed=list(failed)
        )
        return core.tell(ev.WorkerProgressed(1, WorkerProgress(progress=told, active=True)))

    assert progress() == []
    assert progress("m1") == [cmd.HeartbeatNow()]
    assert progress("m1") == []
    assert progress("m1", "m2") == [cmd.HeartbeatNow()]
    assert core.tracker.heartbeat().progress[0].fetch_failed == ["m1", "m2"]


def test_a_forgotten_jobs_files_go_when_its_workers_are_gone() -> None:
    core, attempt = Core(), map_attempt()
    core.running(attempt)
    assert core.answer(ForgetJob(JOB)) == [cmd.KillWorker(1)]
    commands = core.tell(ev.WorkerExited(1, -9))
    assert commands[-1] == cmd.DropJob(JOB)
    assert core.error(attempt) == "lost: the job has ended"
    assert JOB not in core.tracker.jobs


def test_a_job_forgotten_while_fetched_leaves_nothing() -> None:
    core, attempt = Core(), map_attempt()
    core.tell(ev.SlotLaunched("slot_1", attempt))
    assert core.answer(ForgetJob(JOB)) == [cmd.HeartbeatNow()]
    assert core.error(attempt) == "lost: the job has ended"
    assert core.tell(ev.JobFetched(facts(), "/code")) == [cmd.DropJob(JOB)]


@pytest.mark.parametrize(("gone", "state"), [(True, "KILLED"), (False, "FAILED")])
def test_a_job_that_cannot_be_fetched(gone: bool, state: str) -> None:
    core, attempt = Core(), map_attempt()
    core.tell(ev.SlotLaunched("slot_1", attempt))
    core.tell(ev.JobFetchFailed(JOB, "no answer", gone=gone))
    assert core.report(attempt).state == state
    assert core.error(attempt) == "lost: no answer", "no fault of mrmesos' own"
    # The next attempt tries again.
    again = map_attempt(number=1)
    assert cmd.FetchJob(JOB) in core.answer(RunAttempt(again))


def test_attempts_fail_where_no_worker_starts() -> None:
    core, attempt = Core(), map_attempt()
    core.tell(ev.SlotLaunched("slot_1", attempt))
    for worker in range(1, WORKER_START_TRIES):
        commands = core.tell(ev.WorkerExited(worker, 1))
        assert commands == [cmd.StartWorker(worker + 1)]
    core.tell(ev.WorkerExited(WORKER_START_TRIES, 1, log_tail="Traceback\nImportError: no pyarrow"))
    assert core.error(attempt) == (
        "internal: no worker starts on here (status 1): ImportError: no pyarrow"
    )


def test_a_worker_that_never_becomes_ready_is_killed() -> None:
    core = Core()
    core.tell(ev.SlotLaunched("slot_1", map_attempt()))
    assert cmd.KillWorker(1) in core.tell(ev.TrackerTick(), after=61)


@pytest.mark.parametrize("name", ["attempt_1_0001_m_000000_0", "../../etc/passwd", ""])
def test_attempts_whose_names_do_not_fit_are_refused(name: str) -> None:
    core = Core()
    attempt = Attempt(attempt_id=name, job_id=JOB, slot_id="slot_1", task=map_attempt().task)
    assert "FetchJob" not in kinds(core.tell(ev.SlotLaunched("slot_1", attempt)))
    assert core.report(attempt).state is AttemptState.KILLED


def test_a_worker_that_talks_of_another_attempt_is_killed() -> None:
    core, attempt = Core(), map_attempt()
    core.running(attempt)
    assert core.tell(ev.WorkerDone(1, done(map_attempt(9)))) == [cmd.KillWorker(1)]
    core.tell(ev.WorkerExited(1, -9))
    assert "broke its channel" in core.error(attempt)


def test_leaving_kills_all_then_ends_slots_then_exits() -> None:
    core, attempt = Core(), map_attempt()
    core.running(attempt)
    assert core.tell(ev.LeaveAsked("SIGTERM")) == [cmd.KillWorker(1)]
    assert core.tell(ev.TrackerTick(), after=100) == []
    commands = core.tell(ev.WorkerExited(1, -9))
    assert kinds(commands)[-2:] == ["SendStatus", "Exit"]
    assert cmd.SendStatus("slot_1", cmd.SlotReport.KILLED, "SIGTERM") in commands


def test_a_jobtracker_that_does_not_know_us_ends_us() -> None:
    core = Core()
    assert core.tell(ev.HeartbeatAnswered(HeartbeatAnswer([], unknown=True))) == [cmd.KillWorker(1)]
    assert kinds(core.tell(ev.WorkerExited(1, -9))) == ["Exit"]


def test_work_that_is_done_and_answered_is_not_done_again_by_a_late_answer() -> None:
    core, first, second = Core(), map_attempt(0), map_attempt(1)
    core.running(first)
    core.tell(ev.WorkerDone(1, done(first)))
    answer = HeartbeatAnswer([Numbered(1, RunAttempt(second))])
    core.tell(ev.HeartbeatAnswered(answer, (first.attempt_id,)))
    core.tell(ev.WorkerDone(1, done(second)))
    core.tell(ev.HeartbeatAnswered(HeartbeatAnswer([]), (second.attempt_id,)))
    assert core.tell(ev.HeartbeatAnswered(answer)) == []
    assert core.tracker.heartbeat().reports == []


def test_the_same_attempt_is_not_run_twice_under_two_numbers() -> None:
    core, first = Core(), map_attempt(0)
    core.running(first)
    assert core.answer(RunAttempt(first)) == []
    core.tell(ev.WorkerDone(1, done(first)))
    assert core.answer(RunAttempt(first)) == []
    assert core.report(first).state is AttemptState.SUCCEEDED


def test_the_first_reason_to_end_an_attempt_stands() -> None:
    core, attempt = Core(), map_attempt()
    core.running(attempt)
    core.tell(ev.WorkerOverMemory(1, attempt.attempt_id, 2 << 30))
    core.answer(KillAttempt(attempt.attempt_id, "too late"))
    core.tell(ev.SlotKilled("slot_1"))
    core.tell(ev.WorkerExited(1, -9))
    assert core.error(attempt).startswith("memory: ")


@pytest.mark.parametrize(
    ("slices", "words"),
    [
        ((FileSlice("/x", 5, 10),), " while reading /x between offsets 5 and 15"),
        ((FileSlice("/x.gz", 0, -1),), " while reading /x.gz"),
        ((FileSlice("/x", 0, 1), FileSlice("/y", 0, 1)), " while reading /x or one of 1 more"),
        ((), ""),
    ],
)
def test_a_crash_before_any_word_names_the_split(slices: tuple[FileSlice, ...], words: str) -> None:
    core, attempt = Core(), map_attempt()
    task = MapTask(Split(slices=slices, length=1))
    attempt = msgspec.structs.replace(attempt, task=task)
    core.running(attempt)
    core.tell(ev.WorkerExited(1, 3))
    assert core.error(attempt) == "crash: worker exited with status 3 (os._exit?)" + words


def test_workers_started_ahead_wait_a_while_for_their_slots() -> None:
    core = Core(prestarted=3)
    assert [core.tell(ev.WorkerReady(worker)) for worker in (1, 2, 3)] == [[], [], []]
    core.tell(ev.SlotLaunched("slot_1", map_attempt(0, "slot_1")))
    core.tell(ev.SlotLaunched("slot_2", map_attempt(1, "slot_2")))
    runs = core.tell(ev.JobFetched(facts(), "/code"))
    assert kinds(runs) == ["RunInWorker", "RunInWorker"]
    assert core.tell(ev.TrackerTick(), after=60) == []


def test_workers_started_ahead_of_slots_that_never_come_end() -> None:
    core = Core(prestarted=3)
    for worker in (1, 2, 3):
        core.tell(ev.WorkerReady(worker))
    assert core.tell(ev.TrackerTick(), after=1) == []
    assert kinds(core.tell(ev.TrackerTick(), after=PRESTARTED_SECONDS)) == [
        "KillWorker",
        "KillWorker",
    ]


def test_a_jobtracker_that_started_anew_hears_at_once_what_runs_here() -> None:
    core = Core()
    running = map_attempt(0)
    core.tell(ev.SlotLaunched(running.slot_id, running))
    core.answer(EndSlot("another"))
    commands = core.tell(
        ev.HeartbeatAnswered(HeartbeatAnswer([Numbered(1_000_001, Announce())]), ())
    )
    assert cmd.HeartbeatNow() in commands
    beat = core.tracker.heartbeat()
    assert beat.attempts == {running.slot_id: running.attempt_id}
    assert beat.acknowledged == 1_000_001
    # Late actions of the previous JobTracker are no longer executed.
    core.answer(KillAttempt(running.attempt_id, "late"))
    assert core.tracker.runs[running.attempt_id].verdict is None


def test_a_slot_without_an_attempt_runs_until_it_is_ended_or_gets_one() -> None:
    tracker = TaskTracker(tracker_id="t", agent_id="a", hostname="h", now=0.0)
    started = tracker.handle(ev.SlotLaunched("slot_1", None), 0.0)
    assert cmd.SendStatus("slot_1", cmd.SlotReport.RUNNING) in started
    assert tracker.heartbeat().slots == ["slot_1"]
    answer = HeartbeatAnswer(actions=[Numbered(1, EndSlot("slot_1"))])
    ended = tracker.handle(ev.HeartbeatAnswered(answer), 1.0)
    assert [c.state for c in ended if isinstance(c, cmd.SendStatus)] == [cmd.SlotReport.FINISHED]
