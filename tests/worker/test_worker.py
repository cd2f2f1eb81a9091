"""A real worker process. The tests talk to it over its channel, like a TaskTracker."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace

from mrmesos.api import Job, Mapper, Reducer
from mrmesos.io.code.code_pickle import dumps
from mrmesos.io.shuffle.index import INDEX_FILE, OUTPUT_FILE
from mrmesos.io.shuffle.key_hash import KEY_HASH
from mrmesos.wire.job import JobFacts
from mrmesos.wire.task import Attempt, AttemptState, ErrorKind
from mrmesos.worker.channel import decode_from_worker, encode, read_frame
from mrmesos.worker.messages import Done, FromWorker, Ready, RunTask, WorkerProgress
from tests.tasktracker.harness import facts_for, map_attempt, reduce_attempt

DEADLINE = 30.0


@dataclass
class RunningWorker:
    process: subprocess.Popen[bytes]
    channel: socket.socket
    directory: Path
    runs: int = 0

    def receive(self) -> FromWorker:
        self.channel.settimeout(DEADLINE)
        body = read_frame(self.channel)
        assert body is not None
        return decode_from_worker(body)

    def start(self, job: Job, attempt: Attempt, facts: JobFacts, memory_mb: int = 1024) -> Path:
        work_dir = self.directory / attempt.attempt_id
        work_dir.mkdir()
        pickled = dumps(job)
        sha256 = hashlib.sha256(pickled).hexdigest()
        facts = replace(facts, spec=replace(facts.spec, code=sha256))
        code = self.directory / f"{sha256}.pickle"
        code.write_bytes(pickled)
        task = RunTask(
            attempt=attempt,
            facts=facts,
            code_path=str(code),
            work_dir=str(work_dir),
            stdout_path=str(work_dir / "stdout"),
            stderr_path=str(work_dir / "stderr"),
            memory_limit_mb=memory_mb,
            hostname="test-host",
            agent_id="agent-1",
            tracker_url="",
        )
        self.channel.sendall(encode(task))
        return work_dir

    def finish(self) -> Done:
        while not isinstance(message := self.receive(), Done):
            assert isinstance(message, WorkerProgress)
        return message

    def run(self, job: Job, attempt: Attempt, facts: JobFacts, memory_mb: int = 1024) -> Done:
        self.start(job, attempt, facts, memory_mb)
        return self.finish()


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[RunningWorker]:
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "mrmesos.worker", "--fd", str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            process_group=0,
        )
    running = RunningWorker(process, ours, tmp_path)
    assert isinstance(running.receive(), Ready)
    yield running
    ours.close()
    process.wait(DEADLINE)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        select.select([], [], [], 0.02)


def jobs() -> dict[str, type[Job]]:
    """Job classes defined inside a function, so that they are pickled by value, like a script's."""

    class Tokenize(Mapper):
        def map(self, key, line):  # type: ignore[no-untyped-def]
            for word in line.split():
                yield word, 1

    class Noisy(Tokenize):
        def setup(self) -> None:
            print("hello from setup")
            subprocess.run(["/bin/sh", "-c", "echo from a child; echo bad >&2"], check=True)
            sys.stdout.buffer.write(b"\xff\x00binary\n")

    class Closing(Tokenize):
        def setup(self) -> None:
            sys.stdout.close()

    class Exiting(Mapper):
        def map(self, key, line):  # type: ignore[no-untyped-def]
            sys.exit("enough")

    class Surrogate(Mapper):
        def map(self, key, line):  # type: ignore[no-untyped-def]
            self.context.set_status("at caf\udce9")
            self.context.count("names", "caf\udce9")
            if "is" in line:
                raise ValueError(f"no such file: caf\udce9 {line}")
            yield line, 1

    class Dying(Mapper):
        def map(self, key, line):  # type: ignore[no-untyped-def]
            os._exit(3)

    class Greedy(Mapper):
        def map(self, key, line):  # type: ignore[no-untyped-def]
            yield "x", bytearray(8 << 30)

    class Endless(Mapper):
        def map(self, key, line):  # type: ignore[no-untyped-def]
            subprocess.Popen(["/bin/sleep", "1000"])
            self.context.set_status("asleep")
            time.sleep(1000)
            yield key, line

    class Managing(Mapper):
        def map(self, key, line):  # type: ignore[no-untyped-def]
            method = multiprocessing.get_context("forkserver")
            with method.Manager() as manager, method.Pool(1) as pool:
                yield line, sum(pool.map(len, manager.list(["a", "bc"])))

    class Total(Reducer):
        def reduce(self, word, counts):  # type: ignore[no-untyped-def]
            yield word, sum(counts)

    def job(name: str, mapper: type[Mapper]) -> type[Job]:
        return type(name, (Job,), {"mapper": mapper, "reducer": Total})

    mappers = (Tokenize, Noisy, Closing, Exiting, Surrogate, Dying, Greedy, Endless, Managing)
    return {mapper.__name__: job(mapper.__name__, mapper) for mapper in mappers}


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "input.txt"
    path.write_text("a rose\nis a rose\n")
    return path


def test_attempts_run_one_after_another(worker: RunningWorker, text: Path, tmp_path: Path) -> None:
    job = jobs()["Tokenize"]
    facts = facts_for(job, tmp_path / "out")
    for number in range(3):
        attempt = map_attempt(text, number=number)
        done = worker.run(job(), attempt, facts)
        assert done.state is AttemptState.SUCCEEDED, done.error
        assert done.counters["task"]["MAP_OUTPUT_RECORDS"] == 5
        made = {path.name for path in (tmp_path / attempt.attempt_id).iterdir()}
        assert made == {OUTPUT_FILE, INDEX_FILE, "stdout", "stderr"}


def test_a_job_that_began_with_another_hash_of_keys_is_refused(
    worker: RunningWorker, text: Path, tmp_path: Path
) -> None:
    """Maps with two hashes would send equal keys to different reduces."""
    job, others = jobs()["Tokenize"], (KEY_HASH - 1, KEY_HASH + 1)
    mine = facts_for(job, tmp_path / "out")
    assert worker.run(job(), map_attempt(text), mine).state is AttemptState.SUCCEEDED
    for number, other in enumerate(others, 1):
        facts = replace(mine, spec=replace(mine.spec, key_hash=other))
        done = worker.run(job(), map_attempt(text, number=number), facts)
        assert done.state is AttemptState.FAILED
        assert done.error is not None
        assert done.error.kind is ErrorKind.SETTINGS
        assert f"began with version {other} of the hash of keys" in done.error.message
        assert f"the worker on test-host has version {KEY_HASH}" in done.error.message


def test_a_map_only_job_hashes_no_keys(worker: RunningWorker, text: Path, tmp_path: Path) -> None:
    job = jobs()["Tokenize"]
    facts = facts_for(job, tmp_path / "out", num_reducers=0)
    facts = replace(facts, spec=replace(facts.spec, key_hash=KEY_HASH + 1))
    done = worker.run(job(), map_attempt(text), facts)
    assert done.state is AttemptState.SUCCEEDED, done.error


def test_buffers_follow_from_the_memory_of_the_attempt(
    worker: RunningWorker, tmp_path: Path
) -> None:
    """The JobTracker may have raised it after the TaskTracker fetched the job's facts."""
    job, text, records = jobs()["Tokenize"], tmp_path / "words.txt", 300_000
    text.write_text("".join(f"word{number}\n" for number in range(records)))
    facts = facts_for(job, tmp_path / "out", conf={"map.memory.mb": "192"})
    spilled = []
    for number, memory_mb in enumerate((0, 1024)):
        attempt = replace(map_attempt(text, number=number), memory_mb=memory_mb)
        done = worker.run(job(), attempt, facts)
        assert done.state is AttemptState.SUCCEEDED, done.error
        spilled.append(done.counters["task"]["SPILLED_RECORDS"])
    assert spilled == [2 * records, records]


def test_what_is_printed_goes_to_the_attempts_files(
    worker: RunningWorker, text: Path, tmp_path: Path
) -> None:
    job = jobs()["Noisy"]
    facts = facts_for(job, tmp_path / "out")
    for number in range(2):
        attempt = map_attempt(text, number=number)
        assert worker.run(job(), attempt, facts).state is AttemptState.SUCCEEDED
        printed = (tmp_path / attempt.attempt_id / "stdout").read_bytes()
        assert sorted(printed.splitlines()) == [
            b"from a child",
            b"hello from setup",
            b"\xff\x00binary",
        ]
        assert (tmp_path / attempt.attempt_id / "stderr").read_bytes() == b"bad\n"


def test_a_job_may_close_stdout(worker: RunningWorker, text: Path, tmp_path: Path) -> None:
    closing, noisy = jobs()["Closing"], jobs()["Noisy"]
    done = worker.run(closing(), map_attempt(text), facts_for(closing, tmp_path / "out"))
    assert done.state is AttemptState.SUCCEEDED, done.error
    facts = facts_for(noisy, tmp_path / "out", code="other")
    attempt = map_attempt(text, number=1)
    assert worker.run(noisy(), attempt, facts).state is AttemptState.SUCCEEDED
    assert b"hello from setup" in (tmp_path / attempt.attempt_id / "stdout").read_bytes()


def test_sockets_of_multiprocessing_have_short_paths_that_outlast_an_attempt(
    worker: RunningWorker, text: Path, tmp_path: Path
) -> None:
    """A forkserver of one attempt serves the next attempt, which has another directory."""
    worker.directory /= "deep" * 30
    worker.directory.mkdir()
    job = jobs()["Managing"]
    for number in range(2):
        facts = facts_for(job, tmp_path / "out")
        done = worker.run(job(), map_attempt(text, number=number), facts)
        assert done.state is AttemptState.SUCCEEDED, done.error
        shutil.rmtree(worker.directory / done.attempt_id)


def test_sys_exit_is_an_error_of_user_code(
    worker: RunningWorker, text: Path, tmp_path: Path
) -> None:
    job = jobs()["Exiting"]
    done = worker.run(job(), map_attempt(text), facts_for(job, tmp_path / "out"))
    assert done.state is AttemptState.FAILED
    assert done.error is not None
    assert done.error.kind is ErrorKind.USER_CODE
    assert done.error.message == "SystemExit: enough"
    assert done.error.where == f"{text} offset 0"
    assert done.error.record == "'a rose'"
    assert "sys.exit" in done.error.detail
    assert "mrmesos/tasktracker" not in done.error.detail


def test_what_is_no_unicode_in_the_texts_of_user_code_is_told_as_an_escape(
    worker: RunningWorker, text: Path, tmp_path: Path
) -> None:
    job = jobs()["Surrogate"]
    done = worker.run(job(), map_attempt(text), facts_for(job, tmp_path / "out"))
    assert done.error is not None
    assert done.error.message == "ValueError: no such file: caf\\udce9 is a rose"
    assert "raise ValueError" in done.error.detail
    text.write_text("a rose\n")
    more = worker.run(job(), map_attempt(text, number=1), facts_for(job, tmp_path / "out"))
    assert more.state is AttemptState.SUCCEEDED, more.error
    assert more.counters["names"] == {"caf\\udce9": 1}


def test_an_allocation_past_the_limit_is_a_memory_error_with_advice(
    worker: RunningWorker, text: Path, tmp_path: Path
) -> None:
    job = jobs()["Greedy"]
    done = worker.run(job(), map_attempt(text), facts_for(job, tmp_path / "out"), memory_mb=256)
    assert done.error is not None
    assert done.error.kind is ErrorKind.MEMORY
    assert "raise map.memory.mb" in done.error.message
    plain = jobs()["Tokenize"]
    after = worker.run(
        plain(), map_attempt(text, number=1), facts_for(plain, tmp_path / "out", code="other"), 256
    )
    assert after.state is AttemptState.SUCCEEDED, after.error


def test_os_exit_ends_the_worker_with_its_status(
    worker: RunningWorker, text: Path, tmp_path: Path
) -> None:
    job = jobs()["Dying"]
    worker.start(job(), map_attempt(text), facts_for(job, tmp_path / "out"))
    assert worker.process.wait(DEADLINE) == 3


def test_a_job_that_needs_an_absent_module_says_which(
    worker: RunningWorker, text: Path, tmp_path: Path
) -> None:
    job = jobs()["Tokenize"]
    facts = facts_for(job, tmp_path / "out", code="broken")
    worker.directory.joinpath("keep").touch()
    attempt = map_attempt(text)
    instance = job()
    instance.__dict__["part"] = _NeedsModule()
    done = worker.run(instance, attempt, facts)
    assert done.error is not None
    assert "'no_such_module_here'" in done.error.message
    assert "install it there" in done.error.message


class _NeedsModule:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        import importlib

        return importlib.import_module, ("no_such_module_here",)


def test_progress_tells_where_it_is_and_whether_anything_moves(
    worker: RunningWorker, text: Path, tmp_path: Path
) -> None:
    job = jobs()["Endless"]
    attempt = map_attempt(text)
    worker.start(job(), attempt, facts_for(job, tmp_path / "out"))
    seen: list[WorkerProgress] = []
    until(lambda: bool(_next_progress(worker, seen).progress.status == "asleep"))
    following = _next_progress(worker, seen)
    assert following.active is False
    assert following.position == f"reading {text} near offset 0"
    assert following.progress.attempt_id == attempt.attempt_id


def _next_progress(worker: RunningWorker, seen: list[WorkerProgress]) -> WorkerProgress:
    message = worker.receive()
    assert isinstance(message, WorkerProgress)
    seen.append(message)
    return message


def test_nothing_outlives_the_channel(worker: RunningWorker, text: Path, tmp_path: Path) -> None:
    job = jobs()["Endless"]
    worker.start(job(), map_attempt(text), facts_for(job, tmp_path / "out"))
    assert isinstance(worker.receive(), WorkerProgress)
    process = psutil.Process(worker.process.pid)
    until(lambda: bool(process.children()))
    children = process.children()
    worker.channel.close()
    assert worker.process.wait(DEADLINE) == -signal.SIGKILL
    until(lambda: not any(_alive(child) for child in children))


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_a_reduce_of_a_job_without_maps_makes_an_empty_part(
    worker: RunningWorker, tmp_path: Path
) -> None:
    job = jobs()["Tokenize"]
    facts = facts_for(job, tmp_path / "out", num_maps=0)
    attempt = reduce_attempt(1)
    done = worker.run(job(), attempt, facts)
    assert done.state is AttemptState.SUCCEEDED, done.error
    part = tmp_path / "out" / "_temporary" / attempt.attempt_id / "part-r-00001"
    assert part.read_bytes() == b""
