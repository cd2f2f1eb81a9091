"""Requests to the JobTracker as cheap as Python allows, so that the load costs less than it loads.

They are signed as those of a TaskTracker are, on connections that stay open. An answer comes to a
function, so a request needs no task, no future and no timer. The answers' own signatures are not
verified. Thread: the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

from mrmesos.access.signing import AUTHORIZATION, Signer

OnAnswer = Callable[[int, bytes], None]
"""Takes status and body of an answer."""


class LeanLink:
    """The requests of one TaskTracker. It has no retries: `failed` hears of lost answers."""

    def __init__(
        self, url: str, tracker_id: str, source: str, failed: Callable[[str], None]
    ) -> None:
        """`source` is the address to connect from."""
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._head = f"Host: {parts.netloc}\r\nContent-Type: application/json\r\n"
        self._signer = Signer(tracker_id, "")
        self._source, self._failed = source, failed
        self._open: set[_Connection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def has_key(self) -> bool:
        """Whether it can sign."""
        return bool(self._signer.key)

    def use_key(self, key: str) -> None:
        """Set the key to sign with."""
        self._signer.key = key

    def close(self) -> None:
        """Close all connections."""
        self._closed = True
        for task in self._connecting:
            task.cancel()
        for connection in self._open:
            connection.close()

    def send(self, method: str, path: str, body: bytes, on_answer: OnAnswer) -> None:
        """Send a request. Its answer goes to `on_answer`. The connection of a GET is closed then,
        because the JobTracker answers heartbeats cheaper on connections that begin with one.
        """
        head = (
            f"{method} {path} HTTP/1.1\r\n{self._head}"
            f"{AUTHORIZATION}: {self._signer.sign(method, path, body)}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        request = head.encode() + body
        if method == "POST":
            for connection in self._open:
                if connection.on_answer is None:
                    connection.send(request, on_answer)
                    return
        task = asyncio.ensure_future(self._connect(method, request, on_answer))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, method: str, request: bytes, on_answer: OnAnswer) -> None:
        connection = _Connection(self._lost, keep=method == "POST")
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: connection, self._host, self._port, local_addr=(self._source, 0)
            )
        except OSError as problem:
            self._failed(f"no connection to the JobTracker: {problem!r}")
            return
        self._open.add(connection)
        connection.send(request, on_answer)

    def _lost(self, connection: _Connection) -> None:
        self._open.discard(connection)
        if connection.on_answer is not None and not self._closed:
            self._failed("the JobTracker closed a connection with a request")


class _Connection(asyncio.Protocol):
    """One connection, with at most one request under way."""

    def __init__(self, lost: Callable[[_Connection], None], *, keep: bool) -> None:
        self._lost, self._keep = lost, keep
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self.on_answer: OnAnswer | None = None
        """Takes the answer to the request that is under way."""

    def send(self, request: bytes, on_answer: OnAnswer) -> None:
        """Send a request."""
        assert self._transport is not None
        self.on_answer = on_answer
        self._transport.write(request)

    def close(self) -> None:
        """Close it."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._lost(self)

    def data_received(self, data: bytes) -> None:
        data = self._received + data if self._received else data
        head = data.find(b"\r\n\r\n")
        length = data[:head].lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if head < 0 or len(data) < (end := head + 4 + int(length)):
            self._received = data
            return
        on_answer, self.on_answer = self.on_answer, None
        self._received = data[end:]
        if on_answer is None:
            raise ConnectionError(f"an answer without a request: {data[:200]!r}")
        if not self._keep:
            self.close()
        on_answer(int(data[9:12]), data[head + 4 : end])
