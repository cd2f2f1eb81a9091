"""Real worker processes that misbehave in every way we know."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from mrmesos.tasktracker.core import events as ev
from mrmesos.tasktracker.workers import logs, worker_pool
from mrmesos.tasktracker.workers.processes import become_subreaper
from mrmesos.tasktracker.workers.worker_pool import WorkerPool
from mrmesos.wire.task import Attempt, AttemptState, MapOutput
from mrmesos.worker.messages import MapOutputsKnown, RunTask
from tests.tasktracker.support import (
    FAKE_WORKER,
    JOB,
    alive,
    facts,
    map_attempt,
    own_children,
    reduce_attempt,
    until,
)

E = TypeVar("E")


class Pool:
    """A pool in its own directory. It remembers its events."""

    def __init__(self, sandbox: Path, *, adopt_orphans: bool = False) -> None:
        self.sandbox = sandbox
        self.events: list[ev.Event] = []
        self.pool = WorkerPool(
            sandbox, self.events.append, command=FAKE_WORKER, adopt_orphans=adopt_orphans
        )

    async def ready(self, number: int = 1) -> None:
        self.pool.start(number)
        await self.hears(ev.WorkerReady, number)

    def run(
        self, attempt: Attempt, number: int = 1, *, memory_mb: int = 1024, log_kb: int = 1024
    ) -> Path:
        work = self.sandbox / "jobs" / JOB / attempt.attempt_id
        message = RunTask(
            attempt=attempt,
            facts=facts(maps=3),
            code_path="none",
            work_dir=str(work),
            stdout_path=str(work / "stdout"),
            stderr_path=str(work / "stderr"),
            memory_limit_mb=memory_mb,
            hostname="here",
            agent_id="agent",
            tracker_url="",
        )
        self.pool.run(number, message, log_kb)
        return work

    async def hears(self, kind: type[E], number: int = 1) -> E:
        """Wait for the next event of a kind from a worker, and remove it."""

        def matching() -> list[E]:
            return [e for e in self.events if isinstance(e, kind) and _worker(e) == number]

        await until(lambda: bool(matching()), f"{kind.__name__} of worker {number}")
        found = matching()[0]
        self.events.remove(found)  # type: ignore[arg-type]  # it came from there
        return found


def _worker(event: object) -> int:
    return int(getattr(event, "worker", -1))


@asynccontextmanager
async def open_pool(sandbox: Path, *, adopt_orphans: bool = False) -> AsyncIterator[Pool]:
    pool = Pool(sandbox, adopt_orphans=adopt_orphans)
    try:
        yield pool
    finally:
        await pool.pool.close()
        assert pool.pool.pids == []


Scenario = Callable[[Pool], Coroutine[None, None, None]]


def play(sandbox: Path, scenario: Scenario, *, adopt_orphans: bool = False) -> None:
    async def body() -> None:
        async with open_pool(sandbox, adopt_orphans=adopt_orphans) as pool:
            await scenario(pool)

    asyncio.run(body())


@pytest.fixture
def subreaper() -> Iterator[None]:
    assert become_subreaper()
    yield
    assert ctypes.CDLL(None).prctl(36, 0, 0, 0, 0) == 0


def test_a_worker_runs_one_attempt_after_another(tmp_path: Path) -> None:
    async def scenario(pool: Pool) -> None:
        await pool.ready()
        pids = pool.pool.pids
        for index in range(3):
            work = pool.run(map_attempt(index, deed=f"ok:hello {index}"))
            done = await pool.hears(ev.WorkerDone)
            assert done.message.state is AttemptState.SUCCEEDED
            assert done.message.counters == {"task": {"MAP_INPUT_RECORDS": 1}}
            assert done.log_tail == f"[stdout]\nhello {index}"
            assert done.peak_bytes > 1 << 20
            assert (work / "stdout").read_text() == f"hello {index}"
        assert pool.pool.pids == pids
        pool.pool.kill(1)
        assert (await pool.hears(ev.WorkerExited)).status == -9
        assert pool.pool.pids == []

    play(tmp_path, scenario)


def test_the_tail_of_a_failed_attempt_is_longer(tmp_path: Path) -> None:
    async def scenario(pool: Pool) -> None:
        await pool.ready()
        pool.run(map_attempt(deed="fail:ValueError: bad"))
        done = await pool.hears(ev.WorkerDone)
        assert done.message.error is not None
        assert done.message.error.message == "ValueError: bad"
        assert done.log_tail.endswith("the end of stderr")
        assert 4000 < len(done.log_tail) < 4200

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("deed", "status"),
    [("exit:3", 3), ("exit:0", 0), ("signal:9", -9), ("signal:15", -15), ("segfault:", -11)],
)
def test_a_worker_that_dies(tmp_path: Path, deed: str, status: int) -> None:
    async def scenario(pool: Pool) -> None:
        await pool.ready()
        pool.run(map_attempt(deed=deed))
        exited = await pool.hears(ev.WorkerExited)
        assert exited.status == status
        if deed.startswith("exit"):
            assert "last words" in exited.log_tail
        # Its last messages come before the event of its exit.
        told = await pool.hears(ev.WorkerProgressed)
        assert told.message.position == "reading file:///data/x.txt near offset 1234"

    play(tmp_path, scenario)


def test_more_memory_than_allowed_is_told_once(tmp_path: Path) -> None:
    async def scenario(pool: Pool) -> None:
        await pool.ready()
        pool.run(map_attempt(deed="hog:300"), memory_mb=128)
        over = await pool.hears(ev.WorkerOverMemory)
        assert over.used_bytes > 128 << 20
        pool.pool.kill(1)
        exited = await pool.hears(ev.WorkerExited)
        assert exited.peak_bytes >= over.used_bytes
        assert not [e for e in pool.events if isinstance(e, ev.WorkerOverMemory)]

    play(tmp_path, scenario)


def test_memory_is_watched_though_logs_cannot_be_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, limit: int) -> None:
        raise OSError(errno.ENOSPC, "no space left on device", str(path))

    async def scenario(pool: Pool) -> None:
        await pool.ready()
        monkeypatch.setattr(logs, "bound", full)
        pool.run(map_attempt(deed="hog:300"), memory_mb=128)
        assert (await pool.hears(ev.WorkerOverMemory)).used_bytes > 128 << 20
        pool.pool.kill(1)
        await pool.hears(ev.WorkerExited)

    play(tmp_path, scenario)


def test_memory_of_children_counts(tmp_path: Path) -> None:
    async def scenario(pool: Pool) -> None:
        await pool.ready()
        pool.run(map_attempt(deed="hogging_children:100"), memory_mb=160)
        over = await pool.hears(ev.WorkerOverMemory)
        assert over.used_bytes > 160 << 20
        pool.pool.kill(1)
        await pool.hears(ev.WorkerExited)

    play(tmp_path, scenario)


def test_memory_shared_with_forked_children_counts_once(tmp_path: Path) -> None:
    async def scenario(pool: Pool) -> None:
        await pool.ready()
        pool.run(map_attempt(deed="sharing_children:100"), memory_mb=200)
        await pool.hears(ev.WorkerDone)
        assert not [e for e in pool.events if isinstance(e, ev.WorkerOverMemory)]

    play(tmp_path, scenario)


def test_endless_output_is_bounded(tmp_path: Path) -> None:
    async def scenario(pool: Pool) -> None:
        await pool.ready()
        work = pool.run(map_attempt(deed="endless_output:"), log_kb=64)
        stdout = work / "stdout"

        def cut() -> bool:
            with stdout.open("rb") as file:
                return file.read(9) == b"[mrmesos:"

        await until(cut, "the cut")
        pool.pool.kill(1)
        exited = await pool.hears(ev.WorkerExited)
        assert exited.log_tail.endswith("yyyy")

    play(tmp_path, scenario)
    [stdout] = tmp_path.glob("jobs/*/*/stdout")
    # Between two samples, more is written beyond the limit, as fast as the disk allows.
    assert stdout.stat().st_size < 2 << 30


def test_binary_output_becomes_text(tmp_path: Path) -> None:
    async def scenario(pool: Pool) -> None:
        await pool.ready()
        pool.run(map_attempt(deed="binary:"))
        done = await pool.hears(ev.WorkerDone)
        assert "ABCDEFGH" in done.log_tail
        done.log_tail.encode("utf-8")

    play(tmp_path, scenario)


def test_ignoring_signals_does_not_help(tmp_path: Path) -> None:
    async def scenario(pool: Pool) -> None:
        await pool.ready()
        pool.run(map_attempt(deed="ignore_sigterm:"))
        await pool.hears(ev.WorkerProgressed)
        pool.pool.kill(1)
        assert (await pool.hears(ev.WorkerExited)).status == -9

    play(tmp_path, scenario)


@pytest.mark.parametrize("then", ["done", "exit", "hang"])
def test_all_children_die_with_their_attempt(tmp_path: Path, then: str, subreaper: None) -> None:
    async def scenario(pool: Pool) -> None:
        await pool.ready(1)
        await pool.ready(2)
        pool.run(map_attempt(1, deed="hang:"), 2)
        await pool.hears(ev.WorkerProgressed, 2)
        pool.run(map_attempt(deed=f"children:{then}"))
        if then == "done":
            await pool.hears(ev.WorkerDone)
        elif then == "exit":
            assert (await pool.hears(ev.WorkerExited)).status == 3
        else:
            await pool.hears(ev.WorkerProgressed)
            pids = [int(pid) for pid in (tmp_path / "jobs" / JOB / "pids").read_text().split()]
            assert all(map(alive, pids))
            await asyncio.sleep(2 * worker_pool.SAMPLE_SECONDS)  # samples change nothing
            assert all(map(alive, pids))
            pool.pool.kill(1)
            await pool.hears(ev.WorkerExited)
        pids = [int(pid) for pid in (tmp_path / "jobs" / JOB / "pids").read_text().split()]
        assert len(pids) == 5
        await until(lambda: not any(map(alive, pids)), "the children's end")
        assert len(pool.pool.pids) == (2 if then == "done" else 1)

    play(tmp_path, scenario, adopt_orphans=True)
    # A worker that is killed may leave an orphan, which we adopt after the pool has closed.
    asyncio.run(until(lambda: not still_running(), "the end of all below this process"))


def still_running() -> list[int]:
    """The descendants of this process. Ended children are reaped first."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return []
    return own_children()


@pytest.mark.parametrize("deed", ["rubbish:", "huge_frame:", "close:"])
def test_a_broken_channel_is_told(
    tmp_path: Path, deed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_pool, "_DRAIN_SECONDS", 0.1)

    async def scenario(pool: Pool) -> None:
        await pool.ready()
        pool.run(map_attempt(deed=deed))
        assert (await pool.hears(ev.WorkerBroken)).message
        pool.pool.kill(1)
        await pool.hears(ev.WorkerExited)

    play(tmp_path, scenario)


def test_a_reduce_hears_of_map_outputs(tmp_path: Path) -> None:
    async def scenario(pool: Pool) -> None:
        await pool.ready()
        work = pool.run(reduce_attempt())
        for index in range(3):
            output = MapOutput(map_index=index, attempt_id=f"a{index}", url=f"u{index}")
            pool.pool.tell(1, MapOutputsKnown("x", [output]))
        await pool.hears(ev.WorkerDone)
        assert (work / "stdout").read_text() == "u0 u1 u2"

    play(tmp_path, scenario)


def test_a_worker_that_cannot_start_is_an_exit(tmp_path: Path) -> None:
    async def body() -> None:
        events: list[ev.Event] = []
        pool = WorkerPool(tmp_path, events.append, command=["/does/not/exist"])
        pool.start(1)
        await until(lambda: bool(events))
        assert isinstance(events[0], ev.WorkerExited)
        assert "/does/not/exist" in events[0].log_tail
        await pool.close()

    asyncio.run(body())


def test_a_worker_that_fails_to_start_leaves_its_words(tmp_path: Path) -> None:
    async def body() -> None:
        events: list[ev.Event] = []
        pool = WorkerPool(tmp_path, events.append, command=["/bin/sh", "-c", "echo no >&2; exit 5"])
        pool.start(1)
        await until(lambda: bool(events))
        assert events == [ev.WorkerExited(1, 5, log_tail="no")]
        await pool.close()

    asyncio.run(body())


def test_secrets_stay_here_and_hashing_is_fixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", "MRMESOS_TOKEN"):
        monkeypatch.setenv(name, "secret")

    async def scenario(pool: Pool) -> None:
        await pool.ready()
        work = pool.run(map_attempt(deed="environment:"))
        await pool.hears(ev.WorkerDone)
        lines = (work / "stdout").read_text().splitlines()
        assert "PYTHONHASHSEED=0" in lines
        assert "OMP_NUM_THREADS=1" in lines
        assert not [line for line in lines if line.endswith("=secret")]

    play(tmp_path, scenario)


def test_a_link_in_place_of_a_log_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"z" * 100_000)

    async def scenario(pool: Pool) -> None:
        await pool.ready()
        work = pool.run(map_attempt(deed="hang:"), log_kb=1)
        await pool.hears(ev.WorkerProgressed)
        (work / "stdout").unlink()
        (work / "stdout").symlink_to(precious)
        await asyncio.sleep(2 * worker_pool.SAMPLE_SECONDS)
        pool.pool.kill(1)
        exited = await pool.hears(ev.WorkerExited)
        assert "zzz" not in exited.log_tail

    play(tmp_path, scenario)
    assert precious.stat().st_size == 100_000


def test_exits_are_noticed_on_old_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(pid: int) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("os.pidfd_open", unknown)

    async def scenario(pool: Pool) -> None:
        await pool.ready()
        pool.run(map_attempt(deed="exit:3"))
        assert (await pool.hears(ev.WorkerExited)).status == 3

    play(tmp_path, scenario)


def test_only_the_last_logs_of_workers_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_pool, "_KEPT_LOGS", 2)

    async def body() -> None:
        events: list[ev.Event] = []
        pool = WorkerPool(tmp_path, events.append, command=["/bin/sh", "-c", "echo no; exit 5"])
        for number in range(1, 5):
            pool.start(number)
            await until(lambda n=number: len(events) == n)  # type: ignore[misc]  # bound now
        await pool.close()

    asyncio.run(body())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["worker-3.log", "worker-4.log"]
