"""The HTTP server: calls with their limits, and event streams as RecordIO chunks.

In: requests, read whole. Out: answers, or streams of events. Thread: minimesos' event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial

import msgspec
from aiohttp import web

from mrmesos.access.guard import RequestGuard, quiet
from mrmesos.minimesos.http.authentication import OPEN_TO_ALL, Door
from mrmesos.minimesos.model.resources import Json

log = logging.getLogger(__name__)

MAX_BODY = 64 * 1024 * 1024
MAX_QUEUE = 64 * 1024 * 1024  # bytes; a subscriber with more unread events is disconnected
MAX_CONNECTIONS = 4096  # per port
REQUEST_DEADLINE = 60.0  # seconds, each: for the first request, a body, an answer
LAST_WORDS = 5.0  # seconds that a subscriber has to read the rest of a closed stream
IDLE = 30 * 24 * 3600.0  # seconds; Mesos' master does not close a scheduler's idle connection
CLOSE_DEADLINE = 1.0  # seconds that running requests have when the server closes


class EventStream:
    """A response that sends each event as one chunk, until one side closes it."""

    def __init__(
        self, request: web.Request, stream_id: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Prepare the response to `request`; `headers` are added to the usual ones."""
        self.stream_id = stream_id
        self.on_close: Callable[[], None] | None = None
        self._request = request
        self._response = web.StreamResponse(
            headers={"Content-Type": "application/json", **(headers or {})}
        )
        self._records: deque[bytes] = deque()
        self._unread = 0  # bytes in _records
        self._closed = False
        self._changed = asyncio.Event()  # set when there is something to write, and at the end
        self._deadline: asyncio.Timeout | None = None  # set while `serve` runs

    def send(self, event: Json) -> None:
        """Queue one event. A subscriber with too many unread bytes is disconnected."""
        if self._closed:
            return
        data = msgspec.json.encode(event)
        record = b"%d\n%s" % (len(data), data)
        self._records.append(record)
        self._unread += len(record)
        if self._unread > MAX_QUEUE:
            log.warning("a subscriber does not read its events and is disconnected")
            self._closed = True
            self._records.clear()
            _abort(self._request)
        self._changed.set()

    def close(self) -> None:
        """End the stream after the queued events."""
        if not self._closed:
            self._closed = True
            self._changed.set()
            if self._deadline is not None:
                self._deadline.reschedule(asyncio.get_running_loop().time() + LAST_WORDS)

    async def serve(self) -> web.StreamResponse:
        """Write queued events until the end. Cancelled when the subscriber disconnects."""
        try:
            async with asyncio.timeout(LAST_WORDS if self._closed else None) as self._deadline:
                await self._response.prepare(self._request)
                # Close the connection after the stream. Before `prepare` this would add a header.
                self._response.force_close()
                while self._records or not self._closed:
                    if not self._records:
                        self._changed.clear()
                        await self._changed.wait()
                        continue
                    record = self._records.popleft()
                    await self._response.write(record)
                    self._unread -= len(record)
                await self._response.write_eof()
        except TimeoutError:
            _abort(self._request)
        finally:
            self._closed, self._deadline = True, None
            if self.on_close is not None:
                self.on_close()
        return self._response


Endpoint = Callable[[web.Request, bytes], web.Response | EventStream]  # with the request's body


class HttpServer:
    """Listens on one port and passes whole requests to endpoints."""

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        guard: RequestGuard | None = None,
        door: Door | None = None,
    ) -> None:
        """`endpoints` by path. As in libprocess, each also answers the paths below its own.

        `guard` checks the host names in requests. `door` checks a request before its body is
        read, except on paths that are open to all.
        """
        app = web.Application(client_max_size=MAX_BODY)
        for path, endpoint in endpoints.items():
            closed = None if _is_open(path) else door
            serve = partial(self._serve, endpoint, closed, path)
            app.router.add_route("*", path + "{below:(/.*)?}", serve)
        nothing = partial(self._serve, _nothing, None, "")
        app.router.add_route("*", "/{anything:.*}", nothing)
        (guard or RequestGuard()).stand_before(app)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handler_cancellation=True,  # so a stream notices that its subscriber has gone
            keepalive_timeout=IDLE,
            lingering_time=1.0,
            shutdown_timeout=CLOSE_DEADLINE,
        )
        self._server: asyncio.Server | None = None
        self._silent: dict[
            int, asyncio.TimerHandle
        ] = {}  # by id(): handlers cannot be weakly referenced

    async def listen(self, host: str, port: int) -> int:
        """Open the port and return its number. The system chooses it if `port` is 0."""
        await self._runner.setup()
        self._server = await asyncio.get_running_loop().create_server(
            self._connection, host, port, backlog=512
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Close the port and all connections."""
        if self._server is not None:
            self._server.close()
        if self._runner.server is not None:
            for handler in self._runner.server.connections:
                if handler.transport is not None:
                    handler.transport.close()  # cancels the request when its output is written
        await self._runner.cleanup()
        for timer in self._silent.values():
            timer.cancel()

    def _connection(self) -> asyncio.Protocol:
        server = self._runner.server
        if server is None or max(len(server.connections), len(self._silent)) >= MAX_CONNECTIONS:
            return _Refused()
        handler = quiet(server())
        self._silent[id(handler)] = asyncio.get_running_loop().call_later(
            REQUEST_DEADLINE, self._end_silent, handler
        )
        return handler

    def _end_silent(self, handler: web.RequestHandler) -> None:
        """Close a connection that sent no request in time."""
        del self._silent[id(handler)]
        if handler.transport is not None:
            handler.transport.abort()

    async def _serve(
        self, endpoint: Endpoint, door: Door | None, path: str, request: web.Request
    ) -> web.StreamResponse:
        if (timer := self._silent.pop(id(request.protocol), None)) is not None:
            timer.cancel()
        if door is not None and (refusal := door(request, path)) is not None:
            return refusal
        if request.headers.get("Content-Encoding", "identity") != "identity":
            return _closing(415, "a body with a Content-Encoding is not accepted")
        length = request.content_length
        if length is not None and length > MAX_BODY:
            raise web.HTTPRequestEntityTooLarge(MAX_BODY, length)
        try:
            async with asyncio.timeout(REQUEST_DEADLINE):
                body = await request.read()
        except TimeoutError:
            raise web.HTTPRequestTimeout from None
        except web.RequestPayloadError:
            return _closing(400, "the body does not match its headers")
        answer = endpoint(request, body)
        if isinstance(answer, EventStream):
            return await answer.serve()
        try:
            async with asyncio.timeout(REQUEST_DEADLINE):
                await answer.prepare(request)
                await answer.write_eof()
        except TimeoutError:
            log.debug("the client does not read the answer to %s %s", request.method, request.path)
            _abort(request)
        return answer


def _closing(status: int, text: str) -> web.Response:
    """An error after which the connection closes: the end of the request's body is unknown."""
    refusal = web.Response(status=status, text=text)
    refusal.force_close()
    return refusal


class _Refused(asyncio.Protocol):
    """Closes a connection above the limit at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _is_open(path: str) -> bool:
    """Whether a path needs no authentication, also under `/master` and `/slave(1)`."""
    return path.removeprefix("/master").removeprefix("/slave(1)") in OPEN_TO_ALL


def _nothing(_request: web.Request, _body: bytes) -> web.Response:
    return web.Response(status=404)


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
