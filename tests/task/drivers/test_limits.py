"""Limits on what user code can make grow, and on messages that no worker of ours would send."""

from __future__ import annotations

import msgspec
import pytest

from mrmesos.api.context import Counters
from mrmesos.jobtracker.http.api import MAX_HEARTBEAT_BYTES
from mrmesos.task.drivers import limits
from mrmesos.task.drivers.progress import Snapshot
from mrmesos.task.drivers.user_code import TaskError, checked_counters
from mrmesos.tasktracker.core import events as ev
from mrmesos.wire.task import AttemptError, AttemptProgress, AttemptState, ErrorKind
from mrmesos.worker.channel import FrameError, decode_from_worker
from mrmesos.worker.messages import Done, WorkerProgress
from mrmesos.worker.reporter import Reporter, plain_counters
from tests.tasktracker.core.test_tracker import Core
from tests.tasktracker.support import map_attempt

MANY: Counters = {"mine": {str(n): 1 for n in range(limits.MAX_COUNTERS + 1)}}
LONG: Counters = {"mine": {"x" * (limits.MAX_NAME_CHARS + 1): 1}}
LONG_GROUP: Counters = {"x" * (limits.MAX_NAME_CHARS + 1): {"mine": 1}}
FULL: Counters = {
    f"{n:0{limits.MAX_NAME_CHARS}}": {f"{n:0{limits.MAX_NAME_CHARS}}": 1 << 62}
    for n in range(limits.MAX_COUNTERS)
}


@pytest.mark.parametrize("counters", [MANY, LONG, LONG_GROUP])
def test_counters_are_for_people(counters: Counters) -> None:
    with pytest.raises(TaskError, match=r"counter"):
        checked_counters(counters)


def test_many_counters_with_long_names_are_all_told() -> None:
    assert checked_counters(FULL) == plain_counters(FULL) == FULL


def test_progress_has_a_size() -> None:
    sent: list[WorkerProgress] = []
    reporter = Reporter(sent.append)
    far = 2 * limits.MAX_FETCH_FAILED
    message = reporter.message(
        Snapshot(
            progress=0.5,
            position="p" * far,
            pulse=(),
            counters={"mine": {str(n): 1 for n in range(100_000)}},
            status="s" * far,
            fetch_failed=("a",) * far,
            fetch_answered=("a",) * far,
        )
    )
    assert len(msgspec.msgpack.encode(message)) < 10_000
    assert message.progress.counters == {}
    assert decode_from_worker(msgspec.msgpack.encode(message)) == message


def progress(**more: object) -> WorkerProgress:
    told = AttemptProgress(attempt_id="a", progress=0.1, **more)  # type: ignore[arg-type]  # bad ones
    return WorkerProgress(progress=told, active=True)


@pytest.mark.parametrize(
    "message",
    [
        progress(counters={"mine": {str(n): 1 for n in range(10_000)}}),
        progress(counters={str(n): {} for n in range(10_000)}),
        progress(counters=LONG),
        progress(status="s" * 1000),
        progress(fetch_failed=["a"] * 2000),
        progress(fetch_answered=["a"] * 2000),
        WorkerProgress(
            progress=AttemptProgress(attempt_id="a", progress=0.1), active=True, position="p" * 3000
        ),
        Done(attempt_id="a", state=AttemptState.SUCCEEDED, counters=LONG_GROUP),
        Done(attempt_id="a", state=AttemptState.FAILED, fetch_failed=["a"] * 2000),
    ],
)
def test_a_worker_that_says_too_much_is_none_of_ours(message: WorkerProgress | Done) -> None:
    with pytest.raises(FrameError):
        decode_from_worker(msgspec.msgpack.encode(message))


def test_the_largest_heartbeat_is_one_that_a_jobtracker_takes() -> None:
    """All reports have their largest size. Reports that do not fit come with later heartbeats."""
    core, attempts = Core(prestarted=70), [map_attempt(n, f"slot_{n}") for n in range(70)]
    error = AttemptError(
        kind=ErrorKind.USER_CODE,
        message="m" * 100_000,
        detail="d" * 100_000,
        where="w" * 100_000,
        record="r" * 100_000,
    )
    for number, attempt in enumerate(attempts, start=1):
        core.running(attempt, worker=number)
        told = AttemptProgress(attempt_id=attempt.attempt_id, progress=0.1, counters=FULL)
        core.tell(ev.WorkerProgressed(number, WorkerProgress(progress=told, active=True)))
    largest = len(msgspec.json.encode(core.tracker.heartbeat()))
    for number, attempt in enumerate(attempts, start=1):
        done = Done(
            attempt_id=attempt.attempt_id,
            state=AttemptState.FAILED,
            counters=FULL,
            error=error,
            fetch_failed=[attempt.attempt_id] * limits.MAX_FETCH_FAILED,
        )
        core.tell(ev.WorkerDone(number, done, log_tail="t" * 4096))
        if number % 10 == 0:
            largest = max(largest, len(msgspec.json.encode(core.tracker.heartbeat())))
    assert largest < MAX_HEARTBEAT_BYTES / 2
    seen: list[str] = []
    while reports := core.tracker.heartbeat().reports:
        assert len(reports) <= limits.REPORTS_PER_HEARTBEAT
        names = tuple(report.attempt_id for report in reports)
        seen += names
        core.answer(reported=names)
    assert seen == [attempt.attempt_id for attempt in attempts]
