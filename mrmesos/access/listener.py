"""Serves an aiohttp application on a socket that strangers cannot exhaust or block.

aiohttp limits the headers, and the wait for another request on a connection. This module limits the
rest: the number of connections, the time until the first request (or the TLS handshake), and the
time that an answer may stay unread. One task checks each connection once a second, so no timer
outlives a connection. It checks a few at a time, because thousands would stop the loop for long.
Thread: the server's event loop.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import msgspec
from aiohttp import web
from aiohttp.http import HttpProcessingError

from mrmesos.access.guard import RequestGuard, quiet
from mrmesos.access.plain_requests import Answer, PlainRequests

SWEEP_SECONDS = 1.0
CHECKED_AT_ONCE = 200
KEEP_ALIVE_SECONDS = 30.0

_logger = logging.getLogger("mrmesos.http")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ListenerLimits(msgspec.Struct, frozen=True):
    """Limits of a listener.

    The first request must arrive in `request_seconds`. A reader must take some bytes of an answer
    every `stall_seconds`.
    """

    connections: int = 1024
    request_seconds: float = 30.0
    stall_seconds: float = 60.0


@dataclass(slots=True)
class _Watch:
    """One connection. `since`: when it began; `moved`: when it last took some of an answer."""

    since: float
    heard: bool = False
    unread: int = 0
    moved: float = 0.0
    plain: PlainRequests | None = None
    """A connection begins here, if plain requests are answered before aiohttp sees them."""


class Listener:
    """Serves `app` from `start()` to `close()`, in one event loop."""

    def __init__(
        self,
        app: web.Application,
        limits: ListenerLimits,
        tls: ssl.SSLContext | None = None,
        *,
        guard: RequestGuard | None = None,
        plain: tuple[str, Answer] | None = None,
        shutdown_seconds: float = 1.0,
    ) -> None:
        """`guard` knows this server's names; the default guard knows only this host's names.

        `plain` is a path whose POST requests are answered by a function if they have their plain
        form (plain_requests.py). `app` must answer that path, too.
        """
        self._guard, self._plain = guard or RequestGuard(), plain
        self._guard.stand_before(app)
        app.middlewares.insert(0, self._note)
        self._limits, self._tls, self._shutdown_seconds = limits, tls, shutdown_seconds
        self._watched: dict[web.RequestHandler, _Watch] = {}
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=_logger,
            handle_signals=False,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            lingering_time=1.0,
            shutdown_timeout=shutdown_seconds,
        )
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int = 0) -> int:
        """Listen, and return the port. Raises OSError; then another address may be tried."""
        if self._runner.server is None:
            await self._runner.setup()
        self._server = await asyncio.get_running_loop().create_server(
            self._connection,
            host,
            port,
            backlog=1024,
            ssl=self._tls,
            ssl_handshake_timeout=self._limits.request_seconds if self._tls else None,
        )
        self._sweeper = asyncio.create_task(self._sweep())
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and soon close all connections."""
        if self._server is not None:
            self._server.close()
        plain = [watch.plain for watch in self._watched.values() if watch.plain is not None]
        if replying := [each.replying for each in plain if each.replying is not None]:
            await asyncio.wait(replying, timeout=self._shutdown_seconds)
        for each in plain:
            if each.transport is not None:
                each.transport.close()
        await self._runner.cleanup()
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        self._watched.clear()

    @property
    def connections(self) -> int:
        """Number of connections that are open, or were open a moment ago."""
        return len(self._watched)

    def _connection(self) -> asyncio.Protocol:
        server, now = self._runner.server, time.monotonic()
        if len(self._watched) >= self._limits.connections:
            self._look(list(self._watched), now)  # many may have closed since the last check
        if server is None or len(self._watched) >= self._limits.connections:
            return _Refused()
        handler = quiet(server())
        watch = self._watched[handler] = _Watch(since=now, moved=now)
        if self._plain is None:
            return handler
        watch.plain = PlainRequests(handler, *self._plain, self._guard.knows)
        return watch.plain

    @web.middleware
    async def _note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        watch = self._watched.get(request.protocol)
        if watch is not None:
            watch.heard = True
        if request.headers.get("Content-Encoding", "identity") != "identity":
            return _refuse(415, "a body with a Content-Encoding is not accepted; send it plain")
        try:
            return await handler(request)
        except web.RequestPayloadError as problem:
            return _refuse(400, f"the body cannot be read: {str(problem)[:200]}")

    async def _sweep(self) -> None:
        while True:
            watched = list(self._watched)
            pieces = [
                watched[start : start + CHECKED_AT_ONCE]
                for start in range(0, len(watched), CHECKED_AT_ONCE)
            ]
            for piece in pieces or [[]]:
                await asyncio.sleep(SWEEP_SECONDS / max(1, len(pieces)))
                self._look(piece, time.monotonic())

    def _look(self, handlers: Iterable[web.RequestHandler], now: float) -> None:
        for handler in handlers:
            watch = self._watched.get(handler)
            if watch is None:
                continue
            plain = watch.plain if watch.plain is not None and watch.plain.transport else None
            if plain is None and handler.transport is None:
                # It is closed, or still in its TLS handshake. asyncio has the same deadline for it.
                if watch.heard or not self._tls or now - watch.since > self._limits.request_seconds:
                    del self._watched[handler]
                continue
            transport = plain.transport if plain is not None else handler.transport
            if transport is None:
                continue
            if plain is not None:
                watch.heard |= plain.heard
                idle = plain.idle_since
                if idle is not None and now - idle > KEEP_ALIVE_SECONDS:
                    transport.abort()
                    continue
            unread = transport.get_write_buffer_size()
            if not unread or unread != watch.unread:
                watch.unread, watch.moved = unread, now
            silent = not watch.heard and now - watch.since > self._limits.request_seconds
            if silent or now - watch.moved > self._limits.stall_seconds:
                transport.abort()


def _refuse(status: int, message: str) -> web.Response:
    refusal = web.json_response({"error": message}, status=status)
    refusal.force_close()  # we do not know where the request's body ends
    return refusal


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether to log the record. Errors of strangers' requests could fill the disk."""
    problem = record.exc_info[1] if record.exc_info else None
    return not isinstance(problem, HttpProcessingError | web.RequestPayloadError)


_logger.addFilter(_is_ours)


class _Refused(asyncio.Protocol):
    """Closes a connection that is over the limit."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
