"""A filesystem that hangs delays its own jobs, for a bounded time, and no other jobs."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import msgspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from mrmesos.conf import Conf
from mrmesos.io.fs import store_calls
from mrmesos.io.fs.store_calls import store_of
from mrmesos.jobtracker.core.messages.commands import AbortJob, CommitJob, PlanJob
from mrmesos.jobtracker.core.messages.events import (
    Event,
    JobAborted,
    JobCommitFailed,
    JobPlanFailed,
    JobPlanned,
    JobSubmitted,
    StoreSilent,
)
from mrmesos.jobtracker.storage import store_threads
from mrmesos.jobtracker.storage.planner import Planner
from mrmesos.wire.job import JobSpec, JobState
from tests.jobtracker.fakes import wait_until
from tests.jobtracker.harness import Hands, error
from tests.jobtracker.storage.test_planner import ATTEMPT, spec

OPEN = threading.Event()
"""Every call hangs until this is set."""


class HangingFileSystem(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no types
    protocol = "hang"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return super()._strip_protocol(str(path).replace("hang://", "memory://"))

    def info(self, path: str, **more: Any) -> Any:
        OPEN.wait()
        return super().info(path, **more)


class Desk:
    def __init__(self, seconds: float) -> None:
        self.events: queue.Queue[Event] = queue.Queue()
        conf = Conf({"jobtracker.store.timeout.seconds": str(seconds)})
        self.planner = Planner(self.events.put, conf)

    def next(self, kind: type[Event]) -> Any:
        while not isinstance(event := self.events.get(timeout=30), kind):
            pass
        return event


@pytest.fixture(autouse=True)
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    fsspec.register_implementation("hang", HangingFileSystem, clobber=True)
    monkeypatch.setattr(store_threads, "SILENT_SECONDS", 0.05)
    monkeypatch.setattr(store_threads, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(HangingFileSystem, "store", {})
    monkeypatch.setattr(HangingFileSystem, "pseudo_dirs", [""])
    OPEN.clear()
    yield
    OPEN.set()
    wait_until(lambda: not hung(), "the threads that hung")


def hung() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("planner job")]


def on_hung(tmp_path: Path, number: int) -> JobSpec:
    return msgspec.structs.replace(spec(tmp_path), output=f"hang://nn/out{number}")


def test_others_are_planned_while_it_hangs_whatever_waits_for_it(tmp_path: Path) -> None:
    desk = Desk(600.0)
    for number in range(200):
        desk.planner.submit(PlanJob(f"job_{number}", on_hung(tmp_path, number)))
    for number in range(3):
        output = f"file://{tmp_path / f'out{number}'}"
        wanted = msgspec.structs.replace(spec(tmp_path), output=output)
        desk.planner.submit(PlanJob(f"job_other_{number}", wanted))
        assert desk.next(JobPlanned).job_id == f"job_other_{number}"
    assert len(hung()) == 4
    OPEN.set()
    assert len({desk.next(JobPlanned).job_id for _ in range(200)}) == 200
    assert desk.planner.stop(10)


def test_a_waiting_job_shows_the_store_it_waits_for(tmp_path: Path) -> None:
    desk = Desk(600.0)
    desk.planner.submit(PlanJob("job_1", on_hung(tmp_path, 1)))
    told = desk.next(StoreSilent)
    assert told.words.startswith("planning: hang://nn has not answered for ")
    hands = Hands()
    hands.do(JobSubmitted("job_1", on_hung(tmp_path, 1), "token"))
    hands.do(told)
    assert hands.status("job_1").waiting == told.words
    OPEN.set()
    planned = desk.next(JobPlanned)
    hands.do(planned)
    assert hands.status("job_1").waiting == ""
    assert desk.planner.stop(10)


def test_a_job_whose_planning_hangs_fails_and_leaves_nothing(tmp_path: Path) -> None:
    desk = Desk(1.0)
    desk.planner.submit(PlanJob("job_1", on_hung(tmp_path, 1)))
    failed = desk.next(JobPlanFailed)
    assert "planning: hang://nn has not answered for 1 s" in failed.error.message
    OPEN.set()
    desk.planner.submit(PlanJob("job_2", on_hung(tmp_path, 1)))
    assert desk.next(JobPlanned).job_id == "job_2", "the output is free again"
    assert desk.planner.stop(10)


def test_a_commit_that_was_given_up_moves_nothing_later(tmp_path: Path) -> None:
    OPEN.set()
    desk, wanted = Desk(1.0), on_hung(tmp_path, 1)
    desk.planner.submit(PlanJob("job_1", wanted))
    desk.next(JobPlanned)
    fs = fsspec.filesystem("hang")
    fs.pipe(f"/nn/out1/_temporary/{ATTEMPT}/part-r-00000", b"a\t1\n")
    OPEN.clear()
    desk.planner.submit(CommitJob("job_1", wanted, (ATTEMPT,)))
    failed = desk.next(JobCommitFailed)
    assert "commit: hang://nn has not answered for 1 s" in failed.error.message
    assert "_SUCCESS" in failed.error.message
    desk.planner.submit(AbortJob("job_1", wanted))
    aborted = desk.next(JobAborted)
    assert "cleaning up: waits for 1 s behind other work on" in aborted.warning
    OPEN.set()
    wait_until(lambda: not fs.find("/nn/out1"), "the clean-up")
    assert desk.planner.stop(10)


def test_it_ends_while_a_store_hangs(tmp_path: Path) -> None:
    desk = Desk(600.0)
    for number in range(9):
        desk.planner.submit(PlanJob(f"job_{number}", on_hung(tmp_path, number)))
    assert desk.next(StoreSilent)
    assert not desk.planner.stop(0.1)
    desk.planner.submit(PlanJob("job_10", spec(tmp_path)))
    OPEN.set()
    assert desk.planner.stop(10)


def test_a_killed_job_ends_though_its_store_hangs(tmp_path: Path) -> None:
    """The core waits a bounded time for planning, and then for the clean-up."""
    hands = Hands()
    hands.do(JobSubmitted("job_1", on_hung(tmp_path, 1), "token"))
    hands.core.handle(StoreSilent("job_1", "planning: x"), hands.now)
    hands.do(JobPlanFailed("job_1", error("planning: hang://nn has not answered")))
    assert hands.status("job_1").state is JobState.FAILED


def test_a_store_is_what_answers_as_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert store_of("hdfs://nn:8020/a/b*") == "hdfs://nn:8020"
    assert store_of("s3://bucket/key") == "s3://bucket"
    assert store_of("webhdfs://user:secret@nn:9870/a") == "webhdfs://nn:9870"
    mounts = tmp_path / "mounts"
    mounts.write_text("a / ext4 rw 0 0\nb /mnt nfs rw 0 0\nc /mnt/with\\040space nfs rw 0 0\n")
    monkeypatch.setattr(store_calls, "_MOUNTS", mounts)
    assert store_of("/home/x") == "file:///"
    assert store_of("file:///mnt/x") == "file:///mnt"
    assert store_of("/mnt/with space/x") == "file:///mnt/with space"
    assert store_of("/mntx") == "file:///"
