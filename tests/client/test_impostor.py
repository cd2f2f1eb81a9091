"""An impostor listens on the JobTracker's port: what it learns, and what the user reads."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mrmesos.access.signing import REPLY, Signer, client_key
from mrmesos.client.api_client import ApiProblem, JobTrackerClient, Unreachable
from mrmesos.wire.job import JobState
from tests.jobtracker.test_service import Desk

TOKEN = "a-token-of-the-real-one"
CODE = b"the code of a job, which is nobody's business"
LIFE = b'{"life":"' + b"0" * 32 + b'"}'

Answer = Callable[[bytes], bytes]


def reply(status: str, body: bytes = b"{}", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def read_request(sock: socket.socket) -> bytes:
    """Read one whole request; empty if the client has closed the connection."""
    said = b""
    while b"\r\n\r\n" not in said:
        part = sock.recv(65536)
        if not part:
            return b""
        said += part
    head = said.partition(b"\r\n\r\n")[0].lower()
    length = int(head.rpartition(b"content-length: ")[2].split(b"\r\n")[0] or 0) if (
        b"content-length" in head
    ) else 0  # fmt: skip
    while len(said) - len(head) - 4 < length:
        said += sock.recv(65536)
    return said


@contextmanager
def listening(answer: Answer, port: int = 0) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives `answer` to every request; yields its URL and the requests."""
    heard: list[bytes] = []
    server = socket.create_server(("127.0.0.1", port))
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                sock, _ = server.accept()
            except OSError:
                return
            with sock:
                sock.settimeout(10)
                while request := read_request(sock):
                    heard.append(request)
                    sock.sendall(answer(request))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}", heard
    finally:
        over.set()
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def authorization(request: bytes) -> str:
    return request.partition(b"Authorization: ")[2].partition(b"\r\n")[0].decode()


def signed_by_another(request: bytes) -> bytes:
    other = Signer("client", client_key("another token"))
    shown = authorization(request)
    proof = other.sign("GET", "/api/v1/greeting").rpartition(":")[2]
    assert shown != proof
    return reply("200 OK", LIFE, f"{REPLY}: {proof}")


IMPOSTORS: dict[str, Answer] = {
    "says yes": lambda _: reply("200 OK", LIFE),
    "says yes, with a proof of its own": signed_by_another,
    "gives back what it was shown": lambda request: reply(
        "200 OK", LIFE, f"{REPLY}: {authorization(request).rpartition(':')[2]}"
    ),
    "asks for the token": lambda _: reply(
        "401 Unauthorized", b'{"error":"show it"}', "WWW-Authenticate: Bearer"
    ),
    "sends elsewhere": lambda _: reply(
        "307 Temporary Redirect", b"", "Location: http://127.0.0.1:1/"
    ),
    "tells another time": lambda _: reply(
        "401 Unauthorized", b"{}", "X-Mrmesos-Time: 1:" + "0" * 64
    ),
    "is a page": lambda _: reply("200 OK", b"<html>\n\x1b[2J\nhello</html>"),
}


@pytest.mark.parametrize("name", IMPOSTORS)
def test_an_impostor_learns_nothing_and_is_noticed(name: str) -> None:
    with listening(IMPOSTORS[name]) as (url, heard):
        asked: list[Callable[[JobTrackerClient], object]] = [
            lambda client: client.upload(CODE),
            lambda client: client.statuses(),
            lambda client: client.kill("job_1", "me"),
        ]
        for ask in asked:
            client = JobTrackerClient(url, token=TOKEN, retry_seconds=1.0)
            with pytest.raises((Unreachable, ApiProblem)) as problem:
                ask(client)
            client.close()
            words = str(problem.value)
            assert words.startswith(f"the server at {url} does not prove that it knows the token")
            assert words.isprintable(), "one line, without control characters"
        assert heard
        for request in heard:
            assert request.startswith(b"GET /api/v1/greeting HTTP/1.1\r\n")
            assert TOKEN.encode() not in request
            assert CODE not in request
            assert b"job_1" not in request


def test_a_jobtracker_with_another_token_is_none_of_ours() -> None:
    desk = Desk({})
    try:
        client = JobTrackerClient(desk.service.url, token=TOKEN, retry_seconds=1.0)
        with pytest.raises(ApiProblem, match="does not prove that it knows the token") as problem:
            client.upload(CODE)
        assert problem.value.status == 401
        client.close()
    finally:
        desk.client.close()
        desk.service.stop(timeout=0.5)


def send(url: str, request: bytes) -> bytes:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(request)
        return sock.recv(65536)


def test_recorded_requests_cannot_be_replayed(tmp_path: Path) -> None:
    """A proxy records all requests and repeats them later, to this JobTracker and to the next."""
    state = {"jobtracker.state.dir": str(tmp_path / "state")}
    desk = Desk(state)
    token = desk.service.token
    try:
        with listening(lambda request: send(desk.service.url, request)) as (url, heard):
            client = JobTrackerClient(url, token=token, retry_seconds=1.0)
            sha256 = client.upload(CODE)
            assert sha256 == hashlib.sha256(CODE).hexdigest()
            job_id = client.submit(desk.spec(tmp_path))
            client.statuses()
            client.close()
        assert not any(token.encode() in request for request in heard)
        requests = [one for one in heard if b"/api/v1/greeting" not in one.partition(b"\r\n")[0]]
        assert len(requests) == 3
        for request in requests:
            assert send(desk.service.url, request).startswith(b"HTTP/1.1 401 ")
        assert [one.job_id for one in desk.client.statuses()] == [job_id]
    finally:
        desk.client.close()
        desk.service.stop(teardown=False, timeout=0.5)


def test_a_request_for_one_life_is_refused_by_the_next(tmp_path: Path) -> None:
    """A request that never arrived: its nonce is unknown, but its life is the old one."""
    lost: list[bytes] = []

    def drop(request: bytes) -> bytes:
        if b"/api/v1/greeting" in request.partition(b"\r\n")[0]:
            return send(first.service.url, request)
        lost.append(request)
        return reply("503 Service Unavailable")

    first = Desk({})
    token = first.service.token
    try:
        with listening(drop) as (url, _):
            client = JobTrackerClient(url, token=token, retry_seconds=0.1)
            with pytest.raises(Unreachable):
                client.kill("job_202611201130_0001", "me")
            client.close()
    finally:
        first.client.close()
        first.service.stop(timeout=0.5)
    second = Desk({}, token=token)
    try:
        assert lost
        assert send(second.service.url, lost[0]).startswith(b"HTTP/1.1 401 ")
        job_id = second.client.submit(second.spec(tmp_path))
        assert second.client.status(job_id).state is not JobState.KILLED
    finally:
        second.client.close()
        second.service.stop(timeout=0.5)


def test_a_changed_answer_is_not_believed() -> None:
    desk = Desk({})

    def change(request: bytes) -> bytes:
        return send(desk.service.url, request).replace(b"\r\n\r\n[]", b"\r\n\r\n{}")

    try:
        with listening(change) as (url, _):
            client = JobTrackerClient(url, token=desk.service.token, retry_seconds=0.1)
            with pytest.raises(Unreachable, match="does not prove"):
                client.statuses()
            client.close()
    finally:
        desk.client.close()
        desk.service.stop(timeout=0.5)


def test_clocks_need_not_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk({})
    try:
        client = JobTrackerClient(desk.service.url, token=desk.service.token, retry_seconds=1.0)
        assert client._proof is not None
        for wrong in (0.0, 4e9):
            client._proof._signer.clock = lambda wrong=wrong: wrong  # type: ignore[misc]
            client._proof._signer._ahead = 0.0
            assert client.statuses() == []
            client.close()
    finally:
        desk.client.close()
        desk.service.stop(timeout=0.5)
