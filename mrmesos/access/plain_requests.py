"""Answers requests to one path before aiohttp sees them, if they have their plain form.

A JobTracker gets thousands of heartbeats a second, and aiohttp takes most of the time for each. So
a connection begins here. A request is taken if it has the form that a TaskTracker writes: known
headers, each once, of printable ASCII, with a Content-Length, at most BYTES_MAX long. Any other
request goes to aiohttp's handler unchanged, and so does the rest of its connection. The same holds
for a request that has no good answer. So refusals and errors are made in one place only.

Comes in: the bytes of a connection. Goes out: answers, or the same bytes to aiohttp. Thread: the
server's event loop.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from mrmesos.access.signing import REPLY

BYTES_MAX = 64 << 10
"""Longest request. Bytes that arrive while a request is being answered have the same limit."""
_HEAD_MAX = 4 << 10
_FIELDS = re.compile(rb"((?:[A-Za-z-]{1,40}: [!-~](?:[ -~]{0,1000}[!-~])?\r\n){1,16})\r\n")
_KNOWN = frozenset(
    {
        *(b"host", b"authorization", b"content-length", b"content-type"),
        *(b"accept", b"accept-encoding", b"user-agent"),
    }
)
_NEEDED = (b"host", b"authorization", b"content-length")

Answer = Callable[[str, bytes, str], Awaitable[tuple[str, bytes]]]
"""Answers a request. It gets the Authorization header, the body and the peer's address. It returns
the REPLY header and the body of the answer, or raises an exception if there is no good answer.
"""
KnowsHost = Callable[[str, str], bool]
"""Whether a Host header is a name of this server, for a connection to this address."""


class PlainRequests(asyncio.Protocol):
    """One connection, until `handler` takes it over."""

    def __init__(
        self, handler: web.RequestHandler, path: str, answer: Answer, knows_host: KnowsHost
    ) -> None:
        self._handler, self._answer, self._knows_host = handler, answer, knows_host
        self._line = f"POST {path} HTTP/1.1\r\n".encode()
        self._received = b""
        self._busy = self._clogged = self._paused = False
        self.replying: asyncio.Task[None] | None = None
        """Answers a request."""
        self._here = self._peer = self._host = ""
        self.transport: asyncio.Transport | None = None
        """None before and after the connection, and after `handler` has taken it over."""
        self.heard = False
        """Whether a request has arrived."""
        self.idle_since: float | None = None
        """Since when no whole request has been here (monotonic). None while one is being
        answered.
        """

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.idle_since = transport, time.monotonic()
        self._here = _address(transport.get_extra_info("sockname"))
        self._peer = _address(transport.get_extra_info("peername"))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.transport = None

    def pause_writing(self) -> None:
        self._clogged = True

    def resume_writing(self) -> None:
        self._clogged = False
        self._go_on()

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        if self._busy or self._clogged:
            if len(self._received) > BYTES_MAX and self.transport is not None:
                self._paused = True
                self.transport.pause_reading()
            return
        self._go_on()

    # Requests, one at a time.

    def _go_on(self) -> None:
        """Begin the next request, if it is here."""
        if self.transport is None or self._busy or self._clogged or not self._received:
            return
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        begin = self._received[: len(self._line)]
        if not self._line.startswith(begin):
            self._hand_over(b"")
            return
        fields = _FIELDS.match(self._received, len(self._line))
        if fields is None:
            if len(self._received) > _HEAD_MAX or b"\r\n\r\n" in self._received:
                self._hand_over(b"")
            return
        headers = _plain(fields[1])
        if headers is None or not self._is_ours(headers[b"host"].decode()):
            self._hand_over(b"")
            return
        end = fields.end() + int(headers[b"content-length"])
        if end > BYTES_MAX:
            self._hand_over(b"")
            return
        if len(self._received) < end:
            return
        whole, self._received = self._received[:end], self._received[end:]
        self._busy, self.heard, self.idle_since = True, True, None
        work = self._reply(whole, headers[b"authorization"].decode(), whole[fields.end() :])
        self.replying = asyncio.get_running_loop().create_task(work)

    def _is_ours(self, host: str) -> bool:
        if host != self._host and self._knows_host(host, self._here):
            self._host = host
        return host == self._host

    async def _reply(self, request: bytes, authorization: str, body: bytes) -> None:
        try:
            proof, answer = await self._answer(authorization, body, self._peer)
        except Exception:  # noqa: BLE001 (the handler meets it again, and answers and logs it)
            self._hand_over(request)
            return
        self._busy, self.replying, self.idle_since = False, None, time.monotonic()
        if self.transport is not None:
            head = (
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                f"{REPLY}: {proof}\r\nContent-Length: {len(answer)}\r\n\r\n"
            )
            self.transport.write(head.encode() + answer)
            self._go_on()

    def _hand_over(self, request: bytes) -> None:
        """Let aiohttp answer this request, and all that follow on the connection."""
        transport, self.transport = self.transport, None
        if transport is None or transport.is_closing():
            return
        received, self._received = request + self._received, b""
        transport.set_protocol(self._handler)
        self._handler.connection_made(transport)
        self._handler.data_received(received)
        if self._paused:
            transport.resume_reading()


def _plain(lines: bytes) -> Mapping[bytes, bytes] | None:
    """The headers by their names in lower case. None if they do not have the plain form."""
    headers: dict[bytes, bytes] = {}
    for line in lines.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b": ")
        name = name.lower()
        if name not in _KNOWN or name in headers:
            return None
        headers[name] = value
    if any(name not in headers for name in _NEEDED):
        return None
    length = headers[b"content-length"]
    return headers if length.isdigit() and len(length) < 8 else None


def _address(name: object) -> str:
    return str(name[0]) if isinstance(name, tuple) and name else ""
