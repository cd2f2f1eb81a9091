"""Files in sandboxes are read at their agents: stderr of TaskTrackers, logs of attempts."""

from __future__ import annotations

import base64
import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from mrmesos.jobtracker.core.messages.commands import ReadSandbox
from mrmesos.jobtracker.core.messages.events import Event, SandboxRead
from mrmesos.jobtracker.http.live_logs import FileGone
from mrmesos.jobtracker.mesos import agent_files
from mrmesos.jobtracker.mesos.agent_files import PIECE_BYTES, AgentFiles
from mrmesos.jobtracker.mesos.sandboxes import MAX_WAITING, TAIL_BYTES, SandboxReader
from mrmesos.wire.ids import HostName
from mrmesos.wire.job import Sandbox

ROOT = "/frameworks/F/executors/tracker_1/runs/latest"
ATTEMPT = "attempt_1_1_m_000003_0"
LOG = f"{ROOT}/userlogs/job_1_1/{ATTEMPT}/stdout"


class Agent:
    """Answers `/files/read` and `/files/browse` like Mesos, or with `answer`."""

    def __init__(self) -> None:
        self.files = {f"{ROOT}/stderr": b"sh: 1: exec: /no/python: not found\n"}
        self.answer: tuple[int, bytes] | None = None
        self.credentials = ""
        self.asked: list[str] = []
        self.escapes = False
        agent = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {k: v[0] for k, v in parse_qs(parts.query).items()}
                agent.asked.append(parts.path)
                said = self.headers.get("Authorization", "")
                known = not agent.credentials or said == agent.credentials
                status, body = agent.answer or (
                    agent.say(parts.path, query) if known else (401, b"")
                )
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.sandbox = Sandbox(f"http://127.0.0.1:{self.server.server_port}", "F", "tracker_1")
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def say(self, endpoint: str, query: dict[str, str]) -> tuple[int, bytes]:
        path = query["path"]
        if endpoint == "/files/browse":
            return (200, b"[]") if any(f.startswith(f"{path}/") for f in self.files) else (404, b"")
        if path not in self.files:
            return 404, b""
        data, offset = self.files[path], int(query["offset"])
        if offset == -1 or offset >= len(data):
            return 200, json.dumps({"data": "", "offset": len(data)}).encode()
        length = min(PIECE_BYTES, int(query["length"]))
        piece = data[offset : offset + length].decode("latin-1")
        said = json.dumps({"data": piece, "offset": offset}, ensure_ascii=self.escapes)
        return 200, said.encode("latin-1")

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
    reader = SandboxReader(AgentFiles(), events.put)
    reader.start()
    yield reader
    reader.stop()
    reader._thread.join(10)
    assert not reader._thread.is_alive()


def test_the_end_of_stderr_is_told(
    agent: Agent, reader: SandboxReader, events: queue.Queue[Event]
) -> None:
    reader.submit(ReadSandbox(agent.sandbox, HostName("host-0")))
    told = SandboxRead("tracker_1", "host-0", "sh: 1: exec: /no/python: not found")
    assert events.get(timeout=10) == told


def test_only_the_end_of_much_and_only_text(
    agent: Agent, reader: SandboxReader, events: queue.Queue[Event]
) -> None:
    agent.files[f"{ROOT}/stderr"] = b"x" * 100_000 + b"\xff the last words"
    reader.submit(ReadSandbox(agent.sandbox, HostName("host-0")))
    told = events.get(timeout=10)
    assert isinstance(told, SandboxRead)
    assert told.text.endswith("x\\xff the last words")
    assert len(told.text) <= TAIL_BYTES + 16


BAD_ANSWERS = [
    (500, b""),
    (403, b""),
    (404, b""),
    (200, b"no json"),
    (200, b"[]"),
    (200, b'{"data": "x"}'),
    (200, b'{"data": "x", "offset": "many"}'),
    (200, b'{"data": "x", "offset": null}'),
    (200, b'{"data": "\\ud800", "offset": 3}'),
    (200, b"\xff" * 100),
]


@pytest.mark.parametrize("answer", BAD_ANSWERS)
def test_an_unreadable_file_gives_no_event_and_stops_nothing(
    agent: Agent, reader: SandboxReader, events: queue.Queue[Event], answer: tuple[int, bytes]
) -> None:
    agent.answer = answer
    reader.submit(ReadSandbox(agent.sandbox, HostName("host-0")))
    while not agent.asked:
        threading.Event().wait(0.01)
    nowhere = Sandbox("http://127.0.0.1:1", "F", "tracker_1")
    reader.submit(ReadSandbox(nowhere, HostName("host-0")))
    while not reader._waiting.empty():
        threading.Event().wait(0.01)
    agent.answer = None
    reader.submit(ReadSandbox(agent.sandbox, HostName("host-0")))
    assert isinstance(events.get(timeout=10), SandboxRead)
    assert events.empty()


def test_nobody_waits_for_it(agent: Agent, events: queue.Queue[Event]) -> None:
    reader = SandboxReader(AgentFiles(), events.put)
    for _ in range(10 * MAX_WAITING):
        reader.submit(ReadSandbox(agent.sandbox, HostName("host-0")))
    reader.stop()


@pytest.mark.parametrize("escapes", [False, True])
def test_a_log_is_read_byte_for_byte_in_many_pieces(agent: Agent, escapes: bool) -> None:
    agent.escapes = escapes  # as Mesos did before 1.9
    log = bytes(range(256)) * 1000 + "ends in the midst of ä".encode()[:-1]
    agent.files[LOG] = log
    files, size = AgentFiles(), len(log)
    assert files.read_log(agent.sandbox, ATTEMPT, "stdout", 0, 1 << 20) == (log, 0)
    assert files.read_log(agent.sandbox, ATTEMPT, "stdout", 70_000, 1 << 20) == (
        log[70_000:],
        70_000,
    )
    assert files.read_log(agent.sandbox, ATTEMPT, "stdout", None, 100_000) == (
        log[-100_000:],
        size - 100_000,
    )
    assert files.read_log(agent.sandbox, ATTEMPT, "stdout", size, 100) == (b"", size)
    beyond = files.read_log(agent.sandbox, ATTEMPT, "stdout", size + 1, 100)
    assert beyond == (log[-100:], size - 100), "the log has become shorter"


def test_a_stream_without_a_file_is_empty(agent: Agent) -> None:
    agent.files[LOG] = b"x"
    files = AgentFiles()
    assert files.read_log(agent.sandbox, ATTEMPT, "stderr", None, 100) == (b"", 0)
    assert files.read_log(agent.sandbox, "attempt_1_1_r_000000_0", "stdout", 5, 100) == (b"", 5)


def test_it_says_why_there_is_no_log(agent: Agent) -> None:
    files = AgentFiles()
    with pytest.raises(FileGone, match=r"has no logs of job_1_1 any more \(tasktracker.userlog.mb"):
        files.read_log(agent.sandbox, ATTEMPT, "stdout", None, 100)
    agent.files.clear()
    with pytest.raises(
        FileGone, match=r"Mesos has removed the sandbox of tracker_1 at http.*gc_delay"
    ):
        files.read_log(agent.sandbox, ATTEMPT, "stdout", None, 100)
    elsewhere = Sandbox(agent.sandbox.agent_url, "F", "tracker_1", has_logs=False)
    asked = len(agent.asked)
    with pytest.raises(FileGone, match=r"tasktracker\.userlog\.dir"):
        files.read_log(elsewhere, ATTEMPT, "stdout", None, 100)
    assert len(agent.asked) == asked
    for answer in BAD_ANSWERS:
        agent.answer = answer
        with pytest.raises(FileGone) as problem:
            files.read_log(agent.sandbox, ATTEMPT, "stdout", 0, 100)
        assert "\n" not in str(problem.value)


def test_credentials_go_only_to_an_agent_that_asks(agent: Agent) -> None:
    agent.files[LOG] = b"x"
    files = AgentFiles(("me", "secret"))
    agent.credentials = "Basic " + base64.b64encode(b"me:secret").decode()
    assert files.read_log(agent.sandbox, ATTEMPT, "stdout", None, 100) == (b"x", 0)
    assert len(agent.asked) == 3, "the first request had none"
    for other in (AgentFiles(), AgentFiles(("me", "wrong"))):
        with pytest.raises(FileGone, match=r"refuses us \(HTTP 401\).*mesos.principal"):
            other.read_log(agent.sandbox, ATTEMPT, "stdout", None, 100)


def test_an_agent_that_sends_without_end_is_given_up(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.answer = (200, b" " * (agent_files.ANSWER_BYTES + 1))
    with pytest.raises(FileGone, match="an answer of more than"):
        AgentFiles().read_log(agent.sandbox, ATTEMPT, "stdout", None, 100)
    monkeypatch.setattr(agent_files, "DEADLINE_SECONDS", -1.0)
    agent.answer = (200, b"[]")
    with pytest.raises(FileGone, match="was not complete within"):
        AgentFiles().read_log(agent.sandbox, ATTEMPT, "stdout", None, 100)
