"""The client with a scripted server: retries, deadlines, and submissions that run once."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from mrmesos.access.tls import server_context
from mrmesos.client.api_client import ApiProblem, JobTrackerClient, Unreachable
from mrmesos.client.preflight import check_master
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.conf import Conf
from mrmesos.election import finder
from mrmesos.election.finder import NoLeader
from mrmesos.election.place import Place
from mrmesos.wire.job import ApiError, SubmitAnswer
from tests.access.authority import Authority
from tests.wire.specs import SPEC


@dataclass
class Script:
    """The server's answers in order; the last one is repeated. 0 closes the connection."""

    answers: list[tuple[int, bytes]] = field(default_factory=list)
    asked: list[tuple[str, str, str]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[tuple[Script, JobTrackerClient]]:
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            key = self.headers.get("Idempotency-Key", "")
            script.asked.append((self.command, self.path, key))
            code, body = script.answers.pop(0) if len(script.answers) > 1 else script.answers[0]
            if code == 0:
                self.close_connection = True
                return
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Log nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    client = JobTrackerClient(f"http://127.0.0.1:{http.server_address[1]}", retry_seconds=5.0)
    yield script, client
    client.close()
    http.shutdown()
    http.server_close()
    thread.join()


def error(text: str) -> bytes:
    return msgspec.json.encode(ApiError(text))


def test_a_submission_is_tried_again_under_the_same_key(
    server: tuple[Script, JobTrackerClient],
) -> None:
    script, client = server
    accepted = msgspec.json.encode(SubmitAnswer("job_1"))
    script.answers = [(503, error("full")), (0, b""), (201, accepted)]
    assert client.submit(SPEC) == "job_1"
    assert len(script.asked) == 3
    keys = {key for _, _, key in script.asked}
    assert len(keys) == 1
    assert keys != {""}


def test_a_refused_call_is_not_repeated(server: tuple[Script, JobTrackerClient]) -> None:
    script, client = server
    script.answers = [(404, error("no job job_1"))]
    with pytest.raises(ApiProblem, match="no job job_1") as problem:
        client.status("job_1")
    assert problem.value.status == 404
    assert len(script.asked) == 1


def test_a_jobtracker_that_stays_full_gives_its_own_message(
    server: tuple[Script, JobTrackerClient],
) -> None:
    script, client = server
    client._retry_seconds = 0.2
    script.answers = [(503, error("9 jobs are in progress"))]
    with pytest.raises(ApiProblem, match="9 jobs are in progress"):
        client.submit(SPEC)


def test_something_else_that_answers(server: tuple[Script, JobTrackerClient]) -> None:
    script, client = server
    script.answers = [(200, b"<html>")]
    with pytest.raises(Unreachable, match="is not a JobTracker of this version"):
        client.statuses()
    script.answers = [(500, b"<html>")]
    with pytest.raises(ApiProblem, match=rf"{client.url} is no JobTracker.*HTTP 500: <html>"):
        client.statuses()
    script.answers = [(401, error("the token shown is another's"))]
    with pytest.raises(ApiProblem, match=rf"{client.url}: the token shown"):
        client.statuses()


def test_nobody_there() -> None:
    client = JobTrackerClient("http://127.0.0.1:1", retry_seconds=0.1)
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1"):
        client.statuses()


def test_passing_problems_are_waited_out_and_others_reported_at_once(
    server: tuple[Script, JobTrackerClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    script, client = server
    host = client.url.removeprefix("http://")
    with pytest.raises(Unreachable, match=rf"https://{host}: .*not speak TLS; try http://{host}"):
        JobTrackerClient(f"https://{host}", retry_seconds=60.0).statuses()
    script.answers = [(0, b"")]
    client._retry_seconds = 0.1
    with pytest.raises(Unreachable, match=rf"if the server speaks TLS, use https://{host}"):
        client.statuses()

    def unknown(*_args: object, **_more: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Unreachable, match=r"there is no host nowhere \(Name or service not known"):
        JobTrackerClient("http://nowhere:5055", retry_seconds=60.0).statuses()


def test_a_certificate_of_nobody_known_is_told_with_what_to_set(tmp_path: Path) -> None:
    context = server_context(Conf(Authority(tmp_path / "tls").settings()))
    assert context is not None
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                context.wrap_socket(connection, server_side=True)

        thread = threading.Thread(target=greet)
        thread.start()
        client = JobTrackerClient(
            f"https://127.0.0.1:{listener.getsockname()[1]}", retry_seconds=60.0
        )
        with pytest.raises(Unreachable, match=r"not trusted here \(.*; set MRMESOS_TLS_CA_FILE or"):
            client.statuses()
        thread.join(10.0)


def test_an_elected_one_is_looked_for_with_each_connection(
    server: tuple[Script, JobTrackerClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    script, known = server
    found = ["", "http://127.0.0.1:1", known.url]

    def find_leader(place: Place) -> str:
        if not (url := found.pop(0)):
            raise NoLeader(f"no JobTracker leads at {place.url}")
        return url

    monkeypatch.setattr(finder, "find_leader", find_leader)
    client = JobTrackerClient("zk://us:er@h1:2181/mrmesos", retry_seconds=5.0)
    assert client.url == "zk://h1:2181/mrmesos"
    script.answers = [(200, b"[]")] * 2
    assert client.statuses() == client.statuses() == []
    assert found == []
    client.close()
    found.extend([""] * 100)
    client._retry_seconds = 0.1
    with pytest.raises(Unreachable, match="no JobTracker leads"):
        client.statuses()


def test_paths_are_quoted(server: tuple[Script, JobTrackerClient]) -> None:
    script, client = server
    script.answers = [(404, error("no"))]
    with pytest.raises(ApiProblem):
        client.status("../x y")
    assert script.asked[0][1] == "/api/v1/jobs/..%2Fx%20y?wait=0.0"


@pytest.mark.parametrize("url", ["http://", "http://h/path", "ftp://h", "zk://h"])
def test_urls_that_are_not_of_a_jobtracker(url: str) -> None:
    with pytest.raises(ValueError, match=r"form http|is zk://"):
        JobTrackerClient(url)


def test_a_jobtracker_that_has_answered_before_is_waited_for(
    server: tuple[Script, JobTrackerClient],
) -> None:
    script, known = server
    hangs_up = [(0, b"")] * 6
    patient = JobTrackerClient(known.url, retry_seconds=0.0, return_seconds=60.0)
    script.answers = [*hangs_up, (200, b"[]")]
    with pytest.raises(Unreachable):  # it may not be a JobTracker
        patient.statuses()
    script.answers = [(200, b"[]")]
    patient.statuses()
    script.answers = [*hangs_up, (503, b'{"error": "stopping"}'), (200, b"[]")]
    assert patient.statuses() == []
    patient.close()


def test_a_jobtracker_is_not_taken_for_a_master(server: tuple[Script, JobTrackerClient]) -> None:
    script, client = server
    script.answers = [(200, b'{"name": "mrmesos JobTracker", "version": "1"}')]
    with pytest.raises(UsageProblem, match="is a JobTracker; name it with --jobtracker"):
        check_master(client.url)
