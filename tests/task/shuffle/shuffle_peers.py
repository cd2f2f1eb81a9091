"""HTTP servers that serve map output like a TaskTracker, with faults on request; and a fetcher."""

from __future__ import annotations

import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import SupportsIndex

import pyarrow as pa

from mrmesos.access.signing import AUTHORIZATION, REPLY, Refusal, Verifier
from mrmesos.api import Job, pairs
from mrmesos.io.columns.encode import decode_batch
from mrmesos.io.shuffle.segments import write_segment
from mrmesos.task.collect.sorted_runs import SortedRun
from mrmesos.task.shuffle.fetch import Fetcher
from mrmesos.task.shuffle.shuffle_schedule import FetchBackoff
from mrmesos.wire.ids import TaskKind, attempt_id
from mrmesos.wire.job import JobFacts
from mrmesos.wire.task import MapOutput
from tests.tasktracker.harness import JOB_ID, facts_for

DEADLINE = 30.0
SOON = FetchBackoff(first=0.001, host=0.01, output=0.05)


def attempt(index: int, number: int = 0) -> str:
    return attempt_id(JOB_ID, TaskKind.MAP, index, number)


@dataclass
class Served:
    """One map's segment on this server. Each request uses up one of `flaws`."""

    data: bytes
    rows: int
    flaws: list[str] = field(default_factory=list)


class Forever(list[str]):
    """A flaw that hits every request until the test heals it."""

    def __init__(self, flaw: str, healed: threading.Event | None = None) -> None:
        super().__init__([flaw])
        self._healed = healed

    def pop(self, _index: SupportsIndex = 0) -> str:
        return "" if self._healed is not None and self._healed.is_set() else self[0]


@contextmanager
def deaf() -> Iterator[str]:
    """A host whose kernel accepts connections, but that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def unreachable() -> Iterator[str]:
    """A host that cannot be connected to: its queue is full, so its kernel drops connections."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@dataclass
class Tracker:
    url: str
    segments: dict[str, Served] = field(default_factory=dict)
    sources: set[str] = field(default_factory=set)
    requests: list[list[str]] = field(default_factory=list)
    busy: int = 0
    most_busy: int = 0
    spoil: Callable[[bytes], bytes] = bytes
    refusing: bool = False

    @contextmanager
    def away(self) -> Iterator[None]:
        """Close connections before any answer."""
        self.refusing = True
        yield
        self.refusing = False


def segment_of(directory: Path, keys: Sequence[str], values: Sequence[int]) -> Served:
    path = directory / "made"
    with path.open("wb") as file:
        made = write_segment(file, [pairs(pa.array(keys), pa.array(values))])
    return Served(path.read_bytes(), made.rows)


@contextmanager
def tracker(token: str = "secret") -> Iterator[Tracker]:
    verifier = Verifier(lambda _job: token)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        rest = b""

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def do_POST(self) -> None:
            if state.refusing:
                self.close_connection = True
                return
            self.rest = self.rfile.read(int(self.headers["Content-Length"]))
            asked = json.loads(self.rest)["maps"]
            state.requests.append(asked)
            state.sources.add(self.client_address[0])
            state.busy += 1
            state.most_busy = max(state.most_busy, state.busy)
            try:
                self.answer(asked)
            finally:
                state.busy -= 1

        def answer(self, asked: list[str]) -> None:
            try:
                signed = verifier.verify("POST", self.path, self.headers[AUTHORIZATION])
                signed.check_body(self.rest)
            except Refusal:
                self.send_error(401)
                return
            body = b""
            broken = False
            for name in asked:
                served = state.segments.get(name)
                if served is None:
                    body += json.dumps({"attempt_id": name, "status": "missing"}).encode() + b"\n"
                    continue
                flaw = served.flaws.pop(0) if served.flaws else ""
                if flaw == "503":
                    self.send_error(503)
                    return
                if flaw == "silent":
                    self.rfile.read(1)  # until the client closes the connection
                    return
                data = served.data
                header = {
                    "attempt_id": name,
                    "status": "ok",
                    "length": len(data),
                    "rows": served.rows,
                    "crc32": zlib.crc32(data),
                }
                if flaw == "rows":
                    header["rows"] = 0
                if flaw == "length":
                    header["length"] = -1
                if flaw == "flip":
                    data = data[:-20] + bytes([data[-20] ^ 1]) + data[-19:]
                body += json.dumps(header).encode() + b"\n" + data
                if flaw == "cut":
                    body = body[:-10]
                    broken = True
                    break
            body = state.spoil(body)
            self.send_response(200)
            self.send_header(REPLY, signed.reply())
            self.send_header("Content-Length", str(len(body) + (10 if broken else 0)))
            self.end_headers()
            self.wfile.write(body)
            if broken:
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state = Tracker(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def facts(tmp_path: Path, num_maps: int, **conf: object) -> JobFacts:
    settings = {name.replace("_", "."): str(value) for name, value in conf.items()}
    return facts_for(Job, tmp_path / "out", num_maps=num_maps, conf=settings)


def fetcher_for(facts: JobFacts, tmp_path: Path) -> Fetcher:
    work_dir = tmp_path / "work"
    work_dir.mkdir(exist_ok=True)
    return Fetcher(facts, 0, work_dir, backoff=SOON)


def outputs(url: str, indexes: Sequence[int], number: int = 0) -> list[MapOutput]:
    return [MapOutput(map_index=i, attempt_id=attempt(i, number), url=url) for i in indexes]


def records(runs: Sequence[SortedRun]) -> list[tuple[list[object], list[object]]]:
    return [decode_batch(batch) for run in runs for batch in run.open()]


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


class Waiting:
    """A fetch that runs in another thread."""

    def __init__(self, fetcher: Fetcher) -> None:
        self.runs: list[SortedRun] = []
        self.error: Exception | None = None
        self._fetcher = fetcher
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.runs = self._fetcher.runs()
        except Exception as exc:  # noqa: BLE001 -- the test looks at it
            self.error = exc

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def join(self) -> None:
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()

    def finish(self) -> list[SortedRun]:
        self.join()
        return self.runs
