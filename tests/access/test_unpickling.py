"""Data of a peer without the key is never kept, run or unpickled."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import aiohttp
import pyarrow as pa
import pytest

from mrmesos.access.signing import AUTHORIZATION, REPLY, TIME, Refusal, Verifier
from mrmesos.api import Job
from mrmesos.io.columns.decode import decode_batch
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.columns.schema import KEY, PICKLE, VALUE
from mrmesos.io.shuffle.segments import write_segment
from mrmesos.task.shuffle.fetch import Closed, Fetcher
from mrmesos.task.shuffle.shuffle_schedule import FetchBackoff
from mrmesos.tasktracker.jobtracker.client import NoAnswer
from mrmesos.tasktracker.jobtracker.heartbeats import Heartbeats, JobTrackerAway
from mrmesos.tasktracker.outputs.job_cache import JobCache, JobFetchError
from mrmesos.wire.heartbeat import Heartbeat
from mrmesos.wire.ids import TaskKind, attempt_id
from mrmesos.wire.task import MapOutput
from tests.tasktracker.fake_jobtracker import KEY as LINK_KEY
from tests.tasktracker.fake_jobtracker import fake_jobtracker, link_to
from tests.tasktracker.harness import JOB_ID, facts_for
from tests.tasktracker.support import JOB, facts

TIMEOUT = aiohttp.ClientTimeout(total=20)
TOKEN = "secret"
MAP = attempt_id(JOB_ID, TaskKind.MAP, 0, 0)


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def trapped(path: Path) -> pa.RecordBatch:
    """A batch whose schema says that its values are pickled."""
    schema = pa.schema([pa.field(KEY, pa.int64()), pa.field(VALUE, pa.binary(), metadata=PICKLE)])
    return pa.record_batch([pa.array([1]), pa.array([pickle.dumps(Trap(path))])], schema=schema)


@pytest.mark.parametrize("table", [False, True])
def test_an_input_file_cannot_say_that_it_is_pickled(tmp_path: Path, table: bool) -> None:
    batch = trapped(tmp_path / "sprung")
    if table:
        rows = pa.StructArray.from_arrays(batch.columns, fields=list(batch.schema))
        batch = pa.record_batch([pa.array([0]), rows], names=[KEY, VALUE])
    given = InputBatch("file:///x", batch, table=table).columns
    assert given.schema.names == [KEY, VALUE]
    _, values = decode_batch(given)
    assert isinstance(values[0], bytes)
    assert not (tmp_path / "sprung").exists()


@contextmanager
def tasktracker(
    directory: Path, reply: str, behind: float = 0.0
) -> Iterator[tuple[str, list[str]]]:
    """One that serves a trap, with a `reply` that proves the key, or another; its clock is behind.

    Its URL, and what became of requests.
    """
    with (directory / "segment").open("wb") as file:
        made = write_segment(file, [trapped(directory / "sprung")])
    data = (directory / "segment").read_bytes()
    verifier = Verifier(lambda _job: TOKEN, clock=lambda: time.time() - behind)
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            try:
                signed = verifier.verify("POST", self.path, self.headers[AUTHORIZATION])
            except Refusal as refusal:
                asked.append("refused")
                self.send_response(refusal.status)
                self.send_header(TIME, refusal.headers.get(TIME, ""))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            asked.append("served")
            header = {
                "attempt_id": MAP,
                "status": "ok",
                "length": len(data),
                "rows": made.rows,
                "crc32": zlib.crc32(data),
            }
            body = json.dumps(header).encode() + b"\n" + data
            self.send_response(200)
            self.send_header(REPLY, signed.reply() if reply == "proof" else reply)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def fetcher(directory: Path, url: str) -> Fetcher:
    made = facts_for(Job, directory / "out", num_maps=1)
    assert made.token == TOKEN
    fetcher = Fetcher(made, 0, directory, backoff=FetchBackoff(0.001, 0.01, 0.05))
    fetcher.announce([MapOutput(map_index=0, attempt_id=MAP, url=url)])
    return fetcher


@pytest.mark.parametrize("reply", ["", "0" * 64, "é"])
def test_who_took_over_a_tasktrackers_port_is_not_believed(tmp_path: Path, reply: str) -> None:
    with tasktracker(tmp_path, reply) as (url, asked):
        fetching = fetcher(tmp_path, url)
        failed = threading.Thread(target=_expect_closed, args=(fetching,))
        failed.start()
        end = time.monotonic() + 20
        while not fetching.fetch_failed():
            assert time.monotonic() < end
            time.sleep(0.005)
        fetching.close()
        failed.join(20)
        assert not failed.is_alive()
        assert fetching.fetch_failed() == (MAP,)
        assert set(asked) == {"served"}
    assert not (tmp_path / "sprung").exists()


def _expect_closed(fetching: Fetcher) -> None:
    with pytest.raises(Closed):
        fetching.runs()


def test_who_knows_the_key_is_whatever_its_clock(tmp_path: Path) -> None:
    with tasktracker(tmp_path, "proof", behind=7_000.0) as (url, asked):
        (run,) = fetcher(tmp_path, url).runs()
        assert run.rows == 1
        assert asked == ["refused", "served"], "its time was learnt from its refusal"


def test_who_took_over_the_jobtrackers_port_is_not_believed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with fake_jobtracker() as impostor, link_to(impostor) as link:
            impostor.impostor = True
            impostor.jobs[JOB] = facts()
            jobs = JobCache(tmp_path, link, give_up_seconds=0.3)
            with pytest.raises(JobFetchError, match="not signed by our JobTracker"):
                await jobs.fetch(JOB)
            impostor.jobs.clear()
            with pytest.raises(JobFetchError, match="not signed by our JobTracker"):  # not JobGone
                await jobs.fetch(JOB)
            impostor.unknown = True  # which would end this TaskTracker
            answers: list[object] = []
            beats = Heartbeats(
                link,
                make=_beat,
                on_answer=lambda *answer: answers.append(answer),
                held_seconds=0.1,
                expiry_seconds=0.3,
            )
            with pytest.raises(JobTrackerAway, match="not signed by our JobTracker"):
                await beats.run()
            assert answers == []
            with pytest.raises(NoAnswer):
                await link.exchange("GET", f"/api/v1/jobs/{JOB}/facts", time_limit=TIMEOUT)

    asyncio.run(scenario())
    assert not list(tmp_path.rglob("*.pickle"))


def _beat() -> Heartbeat:
    return Heartbeat(
        tracker_id="tracker_1",
        agent_id="a",
        hostname="h",
        url="u",
        sequence=1,
        acknowledged=0,
        slots=[],
    )


def test_a_tasktracker_with_another_key_is_not_let_in(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with fake_jobtracker() as jobtracker, link_to(jobtracker, "another key") as link:
            jobtracker.jobs[JOB] = facts()
            with pytest.raises(NoAnswer, match="401"):
                await link.exchange("GET", f"/api/v1/jobs/{JOB}/facts", time_limit=TIMEOUT)
            assert jobtracker.refusals

    asyncio.run(scenario())


def test_the_jobtrackers_clock_is_learnt(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with fake_jobtracker() as jobtracker, link_to(jobtracker) as link:
            jobtracker.jobs[JOB] = facts()
            jobtracker.verifier = Verifier(lambda _: LINK_KEY, clock=lambda: time.time() + 86_400)
            job = await JobCache(tmp_path, link, give_up_seconds=5.0).fetch(JOB)
            assert job.facts == facts()
            assert len(jobtracker.refusals) == 1

    asyncio.run(scenario())
