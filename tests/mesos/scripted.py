"""A small HTTP server on loopback that acts as a Mesos master or agent. The test scripts it."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
PATIENCE = 20.0


def wait_for(condition: Callable[[], object], what: str = "condition") -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {PATIENCE} s: {what}")
        time.sleep(0.005)


class Request:
    def __init__(self, path: str, headers: dict[str, str], body: Json) -> None:
        self.path = path
        self.headers = headers
        self.body = body
        self.type = str(body.get("type"))


class Stream:
    """The answer to one SUBSCRIBE."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.greeted = threading.Event()
        self.ended = threading.Event()

    def accept(self, stream_id: str = "stream-1") -> None:
        self.raw(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
            f"Mesos-Stream-Id: {stream_id}\r\nContent-Type: application/json\r\n\r\n".encode()
        )

    def refuse(self, status: int, text: str = "", **headers: str) -> None:
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.raw(
            f"HTTP/1.1 {status} X\r\n{more}Content-Length: {len(text)}\r\n"
            f"Connection: close\r\n\r\n{text}".encode()
        )
        self.ended.set()

    def event(self, *events: Json) -> None:
        for event in events:
            data = json.dumps(event).encode()
            record = b"%d\n%s" % (len(data), data)
            self.raw(b"%x\r\n%s\r\n" % (len(record), record))

    def raw(self, data: bytes) -> None:
        self._sock.sendall(data)

    def end(self) -> None:
        self.ended.set()

    def reset(self) -> None:
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.ended.set()


def subscribed(framework_id: str = "fw-1", interval: float = 15.0) -> Json:
    return {
        "type": "SUBSCRIBED",
        "subscribed": {
            "framework_id": {"value": framework_id},
            "heartbeat_interval_seconds": interval,
            "master_info": {"version": "1.12.0-rc1", "hostname": "localhost"},
        },
    }


class Server:
    """Answers SUBSCRIBE through `on_subscribe` and the other calls through `on_call`."""

    def __init__(self, port: int = 0) -> None:
        self.requests: list[Request] = []
        self.streams: list[Stream] = []
        self.times: list[float] = []
        self.on_subscribe: Callable[[Stream, int], None] = self.welcome
        self.on_call: Callable[[Request], tuple[int, str] | None] = lambda request: (202, "")
        self.thaw = threading.Event()
        self._socks: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._closing = False
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._spawn(self._accept)

    @staticmethod
    def welcome(stream: Stream, _number: int) -> None:
        stream.accept()
        stream.event(subscribed())

    # For the tests.

    @property
    def subscriptions(self) -> list[Request]:
        return [request for request in list(self.requests) if request.type == "SUBSCRIBE"]

    def calls(self, kind: str) -> list[Json]:
        return [request.body for request in list(self.requests) if request.type == kind]

    def stream(self, number: int = 0) -> Stream:
        wait_for(lambda: len(self.streams) > number, f"subscription {number}")
        assert self.streams[number].greeted.wait(PATIENCE)
        return self.streams[number]

    def close(self) -> None:
        self._closing = True
        self.thaw.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for stream in list(self.streams):
            stream.ended.set()
        with self._lock:
            socks = list(self._socks)
        for sock in socks:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in list(self._threads):
            thread.join(PATIENCE)
            assert not thread.is_alive()

    # Plumbing.

    def _spawn(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._socks.add(sock)
            self._spawn(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        try:
            with sock.makefile("rb") as reader:
                while not self._closing:
                    request = self._read(reader)
                    if request is None:
                        return
                    if request.type == "SUBSCRIBE":
                        self._subscribe(sock, request)
                        return
                    self.requests.append(request)
                    answer = self.on_call(request)
                    if answer is None:
                        return
                    status, text = answer
                    sock.sendall(
                        f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()
                    )
        except OSError:
            return
        finally:
            with self._lock:
                self._socks.discard(sock)
            sock.close()

    def _subscribe(self, sock: socket.socket, request: Request) -> None:
        stream = Stream(sock)
        with self._lock:
            number = len(self.streams)
            self.times.append(time.monotonic())
            self.streams.append(stream)
            self.requests.append(request)
        self.on_subscribe(stream, number)
        stream.greeted.set()
        stream.ended.wait(PATIENCE * 2)

    @staticmethod
    def _read(reader: Any) -> Request | None:
        first = reader.readline().split()
        if len(first) < 2:
            return None
        headers: dict[str, str] = {}
        while line := reader.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.strip().lower()] = value.strip()
        body = reader.read(int(headers.get("content-length", "0")))
        return Request(first[1].decode(), headers, json.loads(body) if body else {})
