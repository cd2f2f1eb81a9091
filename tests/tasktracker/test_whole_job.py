"""A job through whole TaskTrackers: real workers, map output between them."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pyarrow as pa
import pytest

from mrmesos.api import BatchMapper, Job, Mapper, Reducer, pairs
from mrmesos.api.formats import input_data
from mrmesos.api.job import class_settings
from mrmesos.api.split import FileSlice, Split
from mrmesos.io.code.code_pickle import dumps
from mrmesos.io.output.commit import OutputCommitter
from mrmesos.wire.heartbeat import EndSlot, ForgetJob, Leave, MapOutputs, RunAttempt
from mrmesos.wire.ids import TaskKind, attempt_id
from mrmesos.wire.job import JobFacts
from mrmesos.wire.task import (
    Attempt,
    AttemptState,
    ErrorKind,
    MapOutput,
    MapTask,
    ReduceTask,
)
from tests.mesos.scripted import Server
from tests.tasktracker.fake_jobtracker import FakeJobTracker, fake_jobtracker
from tests.tasktracker.support import JOB, alive, until
from tests.tasktracker.test_executor import ended, launch, process, states, welcome
from tests.wire.specs import job_spec

WORDS = ["the", "quick", "fox", "over", "the", "lazy", "dog", "and", "the", "cat"]


class Tokenize(Mapper):
    def map(self, key: object, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 1


class Total(Reducer):
    def reduce(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield word, sum(counts)


class WordCount(Job):
    mapper, combiner, reducer = Tokenize, Total, Total


class Misbehave(Mapper):
    def map(self, key: object, line: str) -> Iterator[tuple[str, int]]:
        if line == "exit":
            os._exit(3)
        elif line == "segfault":
            ctypes.string_at(0)
        elif line == "hog":
            hoard = [os.urandom(1 << 20) for _ in range(400)]
            time.sleep(60)
            yield str(len(hoard)), 1
        elif line == "allocate":
            yield str(len(b"x" * (4 << 30))), 1
        elif line == "binary":
            os.write(2, bytes(range(256)))
            raise ValueError("bad record")
        elif line == "children":
            for _ in range(3):
                subprocess.Popen(["sleep", "600"], start_new_session=True)
            os._exit(0)

        elif line == "hang":
            time.sleep(600)
        yield line, 1


class MisbehavingJob(Job):
    mapper = Misbehave


class MisbehaveInBatches(BatchMapper):
    def map_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        lines = batch["value"].to_pylist()
        if "exit" in lines:
            os._exit(3)
        if "segfault" in lines:
            ctypes.string_at(0)
        if "hang" in lines:
            time.sleep(600)
        if "binary" in lines:
            raise ValueError("bad record")
        yield pairs(batch["value"], batch["key"])


class MisbehavingBatches(Job):
    mapper = MisbehaveInBatches


def job_facts(output: Path, code: bytes, **conf: str) -> JobFacts:
    spec = job_spec(
        name="WordCount",
        inputs=(),
        output=str(output),
        input_format=input_data(WordCount.input_format),
        num_reducers=2,
        conf={**class_settings(WordCount), **conf},
        code=hashlib.sha256(code).hexdigest(),
    )
    return JobFacts(job_id=JOB, spec=spec, token="secret", num_maps=2)


def attempt(kind: TaskKind, index: int, slot: str, split: Split | None = None) -> Attempt:
    name = attempt_id(JOB, kind, index, 0)
    task = MapTask(split) if split is not None else ReduceTask(index)
    return Attempt(attempt_id=name, job_id=JOB, slot_id=slot, task=task)


@pytest.fixture
def agents() -> Iterator[list[Server]]:
    servers = [Server(), Server()]
    for server in servers:
        server.on_subscribe = welcome
    yield servers
    for server in servers:
        server.close()


def names_below(pid: int) -> list[str]:
    """Names of the live processes below a process."""
    names = []
    for child in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if alive(child.pid):
                names.append(child.name())
    return names


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        ("exit", ErrorKind.CRASH, "worker exited with status 3"),
        ("segfault", ErrorKind.CRASH, r"worker killed by signal 11 \(SIGSEGV\) while"),
        ("hog", ErrorKind.MEMORY, r"over its limit of 256 MiB.*raise map\.memory\.mb"),
        ("allocate", ErrorKind.MEMORY, r"map\.memory\.mb"),
        ("binary", ErrorKind.USER_CODE, "ValueError: bad record"),
        ("children", ErrorKind.CRASH, "worker exited with status 0"),
    ],
)
def test_misbehaving_user_code_is_named(
    agents: list[Server], tmp_path: Path, line: str, kind: ErrorKind, words: str
) -> None:
    source = tmp_path / "input"
    source.write_text(f"fine\n{line}\n")
    split = Split((FileSlice(str(source), 0, source.stat().st_size),), source.stat().st_size)
    code = dumps(MisbehavingJob())

    async def body() -> None:
        async with fake_jobtracker() as fake:
            fake.jobs[JOB] = job_facts(tmp_path / "out", code, **{"map.memory.mb": "256"})
            fake.code = code
            with process(agents[0], fake.url, tmp_path) as popen:
                await until(lambda: bool(agents[0].streams))
                given = attempt(TaskKind.MAP, 0, "slot_0", split)
                agents[0].stream().event(launch(given))
                await until(lambda: bool(fake.reports), "the report")
                report = next(r for h in fake.heartbeats for r in h.reports)
                assert report.state is AttemptState.FAILED
                assert report.error is not None
                assert (report.error.kind, report.error.hostname) == (kind, "agent.example")
                assert re.search(words, report.error.message), report.error.message
                await until(lambda: "sleep" not in names_below(popen.pid), "the end of children")
                # The TaskTracker works as before.
                again = msgspec.structs.replace(
                    given, attempt_id=attempt_id(JOB, TaskKind.MAP, 0, 1)
                )
                fake.act(RunAttempt(again))
                await until(lambda: len(fake.reports) == 2, "the second report")
                fake.act(EndSlot("slot_0"), Leave("idle"))
                await ended(popen, tmp_path)

    asyncio.run(body())


@pytest.mark.parametrize("how", ["gone", "unwritable"])
def test_a_tasktracker_whose_directory_is_lost_says_so_and_leaves(
    agents: list[Server], tmp_path: Path, how: str
) -> None:
    source, sandbox = tmp_path / "input", tmp_path / "sandbox"
    source.write_text("fine\n")
    sandbox.mkdir()
    split = Split((FileSlice(str(source), 0, 5),), 5)
    code = dumps(WordCount())

    async def body() -> None:
        async with fake_jobtracker() as fake:
            fake.jobs[JOB], fake.code = job_facts(tmp_path / "out", code), code
            with process(agents[0], fake.url, sandbox) as popen:
                await until(lambda: bool(agents[0].streams))
                first = attempt(TaskKind.MAP, 0, "slot_0", split)
                agents[0].stream().event(launch(first))
                await until(lambda: len(fake.reports) == 1, "the first report")
                if how == "gone":
                    shutil.rmtree(sandbox / "jobs")
                else:  # root may write everywhere, so use a file where a directory is needed
                    (sandbox / "jobs").rename(tmp_path / "elsewhere")
                    (sandbox / "jobs").write_text("")
                fake.act(RunAttempt(attempt(TaskKind.MAP, 1, "slot_0", split)))
                await until(lambda: len(fake.reports) == 2, "the second report")
                error = next(r.error for h in fake.heartbeats for r in h.reports if r.error)
                assert (error.kind, error.hostname) == (ErrorKind.LOST, "agent.example")
                assert error.message.startswith("cannot use the working directory:"), error.message
                await ended(popen, sandbox)
        assert states(agents[0]) == [("slot_0", "TASK_RUNNING"), ("slot_0", "TASK_KILLED")]

    asyncio.run(body())


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("job", [MisbehavingJob, MisbehavingBatches])
def test_records_that_end_the_worker_are_left_out(
    agents: list[Server], tmp_path: Path, job: type[Job]
) -> None:
    source = tmp_path / "input"
    # Few lines: a batch that hangs is tried in halves, and each half hangs until `task.timeout`.
    lines = [f"fine {number}" for number in range(16)]
    bad = {1: "exit", 2: "segfault", 8: "hang", 15: "binary"}
    if job is MisbehavingJob:
        bad |= {11: "hog", 12: "allocate"}
    for number, what in bad.items():
        lines[number] = what
    source.write_text("".join(f"{line}\n" for line in lines))
    split = Split((FileSlice(str(source), 0, source.stat().st_size),), source.stat().st_size)
    code, output = dumps(job()), tmp_path / "out"
    conf = {"map.memory.mb": "256", "skip.records.max": "6", "task.timeout": "10"}

    async def body() -> None:
        async with fake_jobtracker() as fake:
            facts = job_facts(output, code, **conf)
            spec = msgspec.structs.replace(facts.spec, num_reducers=0)
            fake.jobs[JOB] = msgspec.structs.replace(facts, spec=spec)
            fake.code = code
            OutputCommitter(str(output)).setup_job()
            with process(agents[0], fake.url, tmp_path) as popen:
                await until(lambda: bool(agents[0].streams))
                agents[0].stream().event(launch(attempt(TaskKind.MAP, 0, "slot_0", split)))
                await until(lambda: bool(fake.reports), "the report", 240)
                report = next(r for h in fake.heartbeats for r in h.reports)
                assert report.state is AttemptState.SUCCEEDED, report.error
                assert report.counters["task"]["SKIPPED_RECORDS"] == len(bad)
                fake.act(EndSlot("slot_0"), Leave("idle"))
                await ended(popen, tmp_path)

    asyncio.run(body())
    OutputCommitter(str(output)).commit_job([attempt_id(JOB, TaskKind.MAP, 0, 0)])
    found = [line.split("\t")[0] for line in (output / "part-m-00000").read_text().splitlines()]
    assert found == [line for number, line in enumerate(lines) if number not in bad]
    [kept] = (output / "_skipped").iterdir()
    assert [json.loads(line)["value"] for line in kept.read_text().splitlines()] == [
        bad[number] for number in sorted(bad)
    ]


def test_two_trackers_count_words(agents: list[Server], tmp_path: Path) -> None:
    lines = [" ".join(WORDS[i % 10 :]) for i in range(2000)]
    maps, sandboxes = [], []
    for number in range(2):
        source = tmp_path / f"input{number}"
        source.write_text("\n".join(lines[number::2]) + "\n")
        size = source.stat().st_size
        maps.append(Split((FileSlice(str(source), 0, size),), size))
        sandbox = tmp_path / f"agent{number}"
        sandbox.mkdir()
        sandboxes.append(sandbox)
    output = tmp_path / "out"
    code = dumps(WordCount())

    async def body() -> None:
        async with fake_jobtracker() as one, fake_jobtracker() as two:
            trackers = [one, two]
            for fake in trackers:
                fake.jobs[JOB], fake.code = job_facts(output, code), code
            OutputCommitter(str(output)).setup_job()
            with (
                process(agents[0], one.url, sandboxes[0]) as first,
                process(agents[1], two.url, sandboxes[1]) as second,
            ):
                for number, agent in enumerate(agents):
                    await until(lambda a=agent: bool(a.streams))  # type: ignore[misc]  # bound now
                    given = attempt(TaskKind.MAP, number, f"slot_{number}", maps[number])
                    agent.stream().event(launch(given))
                await until(lambda: all(len(fake.reports) == 1 for fake in trackers), "the maps")
                done = [
                    MapOutput(
                        map_index=number,
                        attempt_id=attempt_id(JOB, TaskKind.MAP, number, 0),
                        url=fake.heartbeats[-1].url,
                    )
                    for number, fake in enumerate(trackers)
                ]
                for number, fake in enumerate(trackers):
                    run = RunAttempt(attempt(TaskKind.REDUCE, number, f"slot_{number}"))
                    fake.act(MapOutputs(JOB, done[:1]), run, MapOutputs(JOB, done[1:]))
                await until(lambda: all(len(fake.reports) == 2 for fake in trackers), "reduces")
                for fake in trackers:
                    assert set(fake.reports.values()) == {"SUCCEEDED"}, _errors(fake)
                assert list(sandboxes[0].glob("jobs/*/*_m_*/file.out"))
                for number, fake in enumerate(trackers):
                    fake.act(EndSlot(f"slot_{number}"), ForgetJob(JOB), Leave("idle"))
                await ended(first, sandboxes[0])
                await ended(second, sandboxes[1])
        for number, agent in enumerate(agents):
            assert states(agent) == [
                (f"slot_{number}", "TASK_RUNNING"),
                (f"slot_{number}", "TASK_FINISHED"),
            ]

    asyncio.run(body())
    found: Counter[str] = Counter()
    for part in output.rglob("part-r-*"):
        for line in part.read_text().splitlines():
            word, count = line.split("\t")
            found[word] = int(count)
    assert found == Counter(word for line in lines for word in line.split())


def _errors(fake: FakeJobTracker) -> str:
    return "\n".join(
        msgspec.json.encode(report).decode() for h in fake.heartbeats for report in h.reports
    )
