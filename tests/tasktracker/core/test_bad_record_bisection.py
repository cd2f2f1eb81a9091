from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.task.drivers.record_spans import Note, Redo, Span
from mrmesos.tasktracker.core import commands as cmd
from mrmesos.tasktracker.core import events as ev
from mrmesos.tasktracker.core.bad_record_bisection import Bisection
from mrmesos.wire.heartbeat import KillAttempt
from mrmesos.wire.task import AttemptError, AttemptState, ErrorKind
from mrmesos.worker.messages import Done
from tests.tasktracker.core.test_tracker import Core, kinds
from tests.tasktracker.support import map_attempt


@given(st.integers(0, 1 << 40), st.integers(1, 200_000), st.data())
def test_the_record_a_worker_dies_at_is_found_in_its_batch(
    first: int, count: int, data: st.DataObject
) -> None:
    bad = data.draw(st.integers(first, first + count - 1))
    suspects = Bisection(1)
    while bad not in suspects.skip:
        bounds = sorted({first, first + count, *suspects.cuts})
        start = max(cut for cut in bounds if cut <= bad)
        end = min(cut for cut in bounds if cut > bad)
        assert suspects.ended_at(Span(start, end - start), ErrorKind.CRASH, "died", status=-11)
    assert suspects.skip == {bad: "died"}
    assert suspects.starts <= 8


def test_one_death_is_no_proof_but_an_exception_is() -> None:
    suspects = Bisection(5)
    assert suspects.ended_at(Span(7, 1), ErrorKind.CRASH, "died", status=3)
    assert suspects.skip == {}
    assert suspects.ended_at(Span(8, 1), ErrorKind.CRASH, "died", status=3)
    assert suspects.skip == {}
    assert suspects.ended_at(Span(7, 1), ErrorKind.MEMORY, "too much")
    assert suspects.ended_at(Span(9, 1), ErrorKind.USER_CODE, "raised")
    assert suspects.redo().skip == {7: "too much", 9: "raised"}
    assert suspects.words() == "; 2 records had been skipped before this (skip.records.max=5)"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_kill_from_outside_blames_no_record(number: int) -> None:
    suspects = Bisection(5)
    for _ in range(3):
        assert not suspects.ended_at(Span(7, 1), ErrorKind.CRASH, "killed", status=-number)
    assert suspects.skip == {}


@pytest.mark.parametrize("kind", [ErrorKind.INPUT, ErrorKind.OUTPUT, ErrorKind.FETCH])
def test_other_trouble_is_no_bad_record(kind: ErrorKind) -> None:
    assert not Bisection(5).ended_at(Span(7, 1), kind, "trouble")
    assert not Bisection(5).ended_at(None, ErrorKind.CRASH, "trouble", status=3)


def test_there_is_an_end_to_it() -> None:
    assert not Bisection(0).ended_at(Span(7, 1), ErrorKind.CRASH, "died", status=3)
    suspects, starts = Bisection(2), 0
    while suspects.ended_at(Span(starts, 1), ErrorKind.CRASH, "died", status=3):
        starts += 1
    assert starts == 24  # a worker that dies anywhere
    suspects, starts = Bisection(2), 0
    while suspects.ended_at(Span(starts // 2, 1), ErrorKind.CRASH, "died", status=3):
        starts += 1
    assert suspects.skip == {0: "died", 1: "died"}


def test_a_note_outlives_its_writer_and_nonsense_is_none(tmp_path: Path) -> None:
    path = tmp_path / "note"
    assert Note.read(path) is None
    note = Note(path)
    assert Note.read(path) is None
    note.begin(3, 2)
    assert Note.read(path) == note.span() == Span(3, 2)
    note.clear()
    assert Note.read(path) is None
    note.begin(4)
    note.close()
    assert Note.read(path) == Span(4, 1)
    for data in (b"", b"x" * 15, b"\xff" * 16, b"x" * 17):
        path.write_bytes(data)
        assert Note.read(path) is None


# --- In the core ---------------------------------------------------------------------------------

SKIPPING = {"skip.records.max": "2", "task.timeout": "10"}


def again(core: Core, worker: int) -> Redo | None:
    """Check that this worker got the attempt as one that starts again."""
    commands = core.tell(ev.WorkerReady(worker))
    [run] = [each for each in commands if isinstance(each, cmd.RunInWorker)]
    return run.redo


def test_an_attempt_goes_on_without_the_record_that_two_workers_died_at() -> None:
    core, attempt = Core(), map_attempt()
    core.running(attempt, conf=SKIPPING)
    commands = core.tell(ev.WorkerExited(1, 3, at=Span(7, 1)))
    assert kinds(commands) == ["StartWorker"]
    assert attempt.attempt_id not in core.tracker.reports
    assert again(core, 2) == Redo({}, [])
    core.tell(ev.WorkerExited(2, -11, at=Span(7, 1)))
    assert again(core, 3) == Redo(
        {
            7: "worker killed by signal 11 (SIGSEGV) while reading ok: between offsets 0 and 1",
        },
        [],
    )
    done = Done(attempt_id=attempt.attempt_id, state=AttemptState.SUCCEEDED)
    core.tell(ev.WorkerDone(3, done))
    assert core.report(attempt).state is AttemptState.SUCCEEDED


def test_a_record_that_raises_after_many_pairs_is_skipped_at_once() -> None:
    core, attempt = Core(), map_attempt()
    core.running(attempt, conf=SKIPPING)
    error = AttemptError(kind=ErrorKind.USER_CODE, message="ValueError: in the end")
    failed = Done(
        attempt_id=attempt.attempt_id, state=AttemptState.FAILED, error=error, at=Span(4, 1)
    )
    [run] = core.tell(ev.WorkerDone(1, failed))
    assert isinstance(run, cmd.RunInWorker)
    assert (run.worker, run.redo) == (1, Redo({4: "ValueError: in the end"}, []))


def test_a_record_that_never_ends_is_left_out() -> None:
    core, attempt = Core(), map_attempt()
    core.running(attempt, conf=SKIPPING)
    for worker in (1, 2):
        assert cmd.KillWorker(worker) in core.tell(ev.TrackerTick(), after=11)
        core.tell(ev.WorkerExited(worker, -9, at=Span(7, 1)))
        redo = again(core, worker + 1)
    assert redo is not None
    assert redo.skip[7].startswith("neither read, wrote nor reported anything for 10 s")


def test_a_killed_attempt_does_not_start_again() -> None:
    core, attempt = Core(), map_attempt()
    core.running(attempt, conf=SKIPPING)
    core.answer(KillAttempt(attempt.attempt_id, "no longer wanted"))
    core.tell(ev.WorkerExited(1, -9, at=Span(7, 1)))
    assert core.report(attempt).state is AttemptState.KILLED


def test_a_slot_that_ends_ends_an_attempt_that_would_start_again() -> None:
    core, attempt = Core(), map_attempt()
    core.running(attempt, conf=SKIPPING)
    core.tell(ev.WorkerExited(1, 3, at=Span(7, 1)))
    commands = core.tell(ev.SlotKilled(attempt.slot_id))
    assert (
        cmd.SendStatus(attempt.slot_id, cmd.SlotReport.KILLED, "killed through Mesos") in commands
    )
    assert core.report(attempt).state is AttemptState.KILLED


def test_past_the_limit_the_error_tells_what_was_left_out() -> None:
    core, attempt = Core(), map_attempt()
    core.running(attempt, conf=SKIPPING)
    for worker in range(1, 5):
        core.tell(ev.WorkerExited(worker, 3, at=Span((worker - 1) // 2, 1)))
        again(core, worker + 1)
    core.tell(ev.WorkerExited(5, 3, at=Span(9, 1)))
    assert core.error(attempt).endswith(
        "2 records had been skipped before this (skip.records.max=2)"
    )


def test_without_the_setting_a_crash_is_a_failure() -> None:
    core, attempt = Core(), map_attempt()
    core.running(attempt)
    core.tell(ev.WorkerExited(1, 3, at=Span(7, 1)))
    assert core.report(attempt).state is AttemptState.FAILED
