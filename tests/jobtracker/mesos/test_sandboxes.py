"""The stderr of a TaskTracker that did not start is read from its agent. Nobody waits for it."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from mrmesos.jobtracker.core.messages.commands import ReadSandbox
from mrmesos.jobtracker.core.messages.events import Event, SandboxRead
from mrmesos.jobtracker.mesos.sandboxes import MAX_WAITING, TAIL_BYTES, SandboxReader, read_tail
from mrmesos.wire.ids import AgentId, HostName, TrackerId

PATH = "/frameworks/F/executors/tracker_1/runs/latest/stderr"
COMMAND = ReadSandbox(TrackerId("tracker_1"), AgentId("S0"), HostName("host-0"))


class Agent:
    """Answers `/files/read` like Mesos, or with `answer`."""

    def __init__(self) -> None:
        self.text = "sh: 1: exec: /no/python: not found\n"
        self.answer: tuple[int, bytes] | None = None
        agent = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                query = {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
                status, body = agent.answer or agent.read(query)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.where = ("127.0.0.1", self.server.server_port)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def read(self, query: dict[str, str]) -> tuple[int, bytes]:
        if query["path"] != PATH:
            return 404, b""
        offset = int(query["offset"])
        if offset == -1:
            return 200, json.dumps({"data": "", "offset": len(self.text)}).encode()
        piece = self.text[offset : offset + int(query["length"])]
        return 200, json.dumps({"data": piece, "offset": offset}).encode()

    @property
    def offer(self) -> dict[str, Any]:
        address = {"hostname": "host-0", "ip": self.where[0], "port": self.where[1]}
        return {"agent_id": {"value": "S0"}, "url": {"scheme": "http", "address": address}}

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def agent() -> Iterator[Agent]:
    agent = Agent()
    yield agent
    agent.close()


@pytest.fixture
def events() -> queue.Queue[Event]:
    return queue.Queue()


@pytest.fixture
def reader(events: queue.Queue[Event]) -> Iterator[SandboxReader]:
    reader = SandboxReader(events.put)
    reader.start()
    yield reader
    reader.stop()
    reader._thread.join(10)
    assert not reader._thread.is_alive()


def test_the_end_of_stderr_is_told(
    agent: Agent, reader: SandboxReader, events: queue.Queue[Event]
) -> None:
    reader.learn([agent.offer])
    reader.submit(COMMAND, "F")
    told = SandboxRead("tracker_1", "host-0", "sh: 1: exec: /no/python: not found")
    assert events.get(timeout=10) == told


def test_only_the_end_of_much_and_only_text(agent: Agent) -> None:
    agent.text = "x" * 100_000 + "\ud800 the last words"
    told = read_tail(agent.where, PATH)
    assert told.endswith("\\ud800 the last words")
    assert len(told) <= TAIL_BYTES + 16


@pytest.mark.parametrize(
    "answer",
    [
        (401, b""),
        (404, b""),
        (200, b"no json"),
        (200, b"[]"),
        (200, b'{"data": "x"}'),
        (200, b'{"data": "x", "offset": "many"}'),
        (200, b'{"data": "x", "offset": null}'),
        (200, b"\xff" * 100),
    ],
)
def test_an_unreadable_file_gives_no_event_and_stops_nothing(
    agent: Agent, reader: SandboxReader, events: queue.Queue[Event], answer: tuple[int, bytes]
) -> None:
    reader.learn([agent.offer])
    agent.answer = answer
    reader.submit(COMMAND, "F")
    reader.submit(ReadSandbox(TrackerId("t"), AgentId("an unknown agent"), HostName("h")), "F")
    while not reader._waiting.empty():
        threading.Event().wait(0.01)
    agent.answer = None
    reader.submit(COMMAND, "F")
    assert isinstance(events.get(timeout=10), SandboxRead)
    assert events.empty()


def test_nobody_waits_for_it(events: queue.Queue[Event]) -> None:
    reader = SandboxReader(events.put)
    for _ in range(10 * MAX_WAITING):
        reader.submit(COMMAND, "F")
    reader.learn([{"agent_id": {"value": "S0"}}, {"agent_id": {"value": "S1"}, "url": {}}])
    reader.stop()
