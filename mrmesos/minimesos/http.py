"""A small HTTP/1.1 server: calls, and event streams in RecordIO chunks.

Only what Mesos' v1 API needs, on asyncio's streams, because this process must listen within a
fraction of a second and a full framework alone takes longer to import.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus

import msgspec

from mrmesos.minimesos.resources import Json

log = logging.getLogger(__name__)

MAX_HEAD = 64 * 1024  # bytes of request line and headers
MAX_BODY = 64 * 1024 * 1024
MAX_QUEUE = 64 * 1024 * 1024  # bytes that a subscriber may leave unread
MAX_CONNECTIONS = 4096
REQUEST_DEADLINE = 60.0  # seconds from a request's first byte to its last
LAST_WORDS = 5.0  # seconds for a subscriber to read the end of its stream


@dataclass(slots=True)
class Request:
    """A request with its whole body. Header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Response:
    """An answer."""

    status: int = 202
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"


class EventStream:
    """A chunked answer that brings events until one side closes it."""

    def __init__(self, writer: asyncio.StreamWriter, stream_id: str) -> None:
        self.stream_id = stream_id
        self.on_close: Callable[[], None] | None = None
        self.closed = asyncio.Event()
        self._writer = writer

    def begin(self, *, show_id: bool) -> None:
        """Send the answer's head."""
        lines = [
            "HTTP/1.1 200 OK",
            f"Date: {formatdate(usegmt=True)}",
            "Transfer-Encoding: chunked",
            "Content-Type: application/json",
        ]
        if show_id:
            lines.append(f"Mesos-Stream-Id: {self.stream_id}")
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    def send(self, event: Json) -> None:
        """Queue one event; a subscriber that leaves too much unread is cut off."""
        if self.closed.is_set():
            return
        data = msgspec.json.encode(event)
        record = b"%d\n%s" % (len(data), data)
        self._writer.write(b"%x\r\n%s\r\n" % (len(record), record))
        if self._writer.transport.get_write_buffer_size() > MAX_QUEUE:
            log.warning("a subscriber does not read its events and is cut off")
            self._writer.transport.abort()
            self.closed.set()

    def close(self) -> None:
        """End the answer after what is queued."""
        if not self.closed.is_set():
            self._writer.write(b"0\r\n\r\n")
            self.closed.set()


OpenStream = Callable[[str, bool], EventStream]  # stream id, whether to show it
Handler = Callable[[Request, OpenStream], Response | EventStream]


class BadRequest(Exception):
    """A request that is no HTTP, or too much of it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(slots=True)
class HttpServer:
    """Listens on one port and hands whole requests to one handler."""

    handler: Handler
    _server: asyncio.Server | None = None
    _connections: set[asyncio.Task[None]] = field(default_factory=set)

    async def listen(self, host: str, port: int) -> int:
        """Begin to listen; returns the port, chosen by the system when `port` is 0."""
        self._server = await asyncio.start_server(
            self._accept, host, port, limit=MAX_HEAD, backlog=512
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and cut all connections."""
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        if self._connections:
            await asyncio.wait(set(self._connections), timeout=5.0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._connections) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError) as error:
            log.debug("connection ended: %r", error)
            writer.transport.abort()  # a mere close() would wait for a peer that does not read
        except asyncio.CancelledError:
            log.debug("connection cut")  # by close(); swallowed, as this is the task's last act
        finally:
            self._connections.discard(task)
            with contextlib.suppress(ConnectionError):
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                request = await read_request(reader, writer)
            except BadRequest as error:
                await write_response(writer, Response(error.status, str(error)), keep=False)
                return
            if request is None:
                return
            made: list[EventStream] = []

            def open_stream(
                stream_id: str, show_id: bool, made: list[EventStream] = made
            ) -> EventStream:
                stream = EventStream(writer, stream_id)
                stream.begin(show_id=show_id)
                made.append(stream)
                return stream

            try:
                answer = self.handler(request, open_stream)
            except Exception:  # a bug here must not end the cluster; the caller is told
                log.exception("%s %s", request.method, request.path)
                if made:
                    return
                answer = Response(500, "Internal Server Error")
            if isinstance(answer, EventStream):
                await _follow(reader, writer, answer)
                return
            keep = request.headers.get("connection", "").lower() != "close"
            await write_response(writer, answer, keep=keep)
            if not keep:
                return


async def _follow(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stream: EventStream
) -> None:
    """Keep a stream open until its subscriber goes or it is closed here."""
    gone = asyncio.ensure_future(_until_eof(reader))
    ended = asyncio.ensure_future(stream.closed.wait())
    try:
        await asyncio.wait({gone, ended}, return_when=asyncio.FIRST_COMPLETED)
        if stream.closed.is_set():
            async with asyncio.timeout(LAST_WORDS):
                await writer.drain()
    finally:
        gone.cancel()
        ended.cancel()
        stream.closed.set()
        if stream.on_close is not None:
            stream.on_close()


async def _until_eof(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError):
        while await reader.read(4096):  # pipelined bytes after SUBSCRIBE mean nothing
            pass


async def read_request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Request | None:
    """The next request of a connection, or None at its end. Raises `BadRequest`."""
    try:
        first = await reader.readexactly(1)  # an idle connection may stay
    except asyncio.IncompleteReadError:
        return None
    async with asyncio.timeout(REQUEST_DEADLINE):
        try:
            head = first + await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            raise BadRequest(431, "Request Header Fields Too Large") from None
        lines = head.decode("latin-1").split("\r\n")
        parts = lines[0].split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise BadRequest(400, "Bad Request")
        headers: dict[str, str] = {}
        for line in filter(None, lines[1:]):
            name, colon, value = line.partition(":")
            if not colon:
                raise BadRequest(400, "Bad Request")
            headers[name.strip().lower()] = value.strip()
        if headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await _read_body(reader, headers)
    if parts[2] == "HTTP/1.0":
        headers.setdefault("connection", "close")
    return Request(parts[0], parts[1].partition("?")[0], headers, body)


async def _read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return await _read_chunks(reader)
    length = headers.get("content-length", "0")
    if not length.isdigit():
        raise BadRequest(400, "Bad Request")
    if int(length) > MAX_BODY:
        raise BadRequest(413, "Content Too Large")
    return await reader.readexactly(int(length))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    chunks: list[bytes] = []
    total = 0
    while True:
        line = await reader.readuntil(b"\r\n")
        try:
            size = int(line.split(b";")[0], 16)
        except ValueError:
            raise BadRequest(400, "Bad Request") from None
        total += size
        if size < 0 or total > MAX_BODY:
            raise BadRequest(413, "Content Too Large")
        if size == 0:
            while await reader.readuntil(b"\r\n") != b"\r\n":
                pass  # trailers
            return b"".join(chunks)
        chunks.append(await reader.readexactly(size))
        await reader.readexactly(2)


async def write_response(writer: asyncio.StreamWriter, response: Response, *, keep: bool) -> None:
    """One answer with its length. Raises `TimeoutError` when nobody reads it."""
    body = response.body.encode()
    lines = [
        f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}",
        f"Date: {formatdate(usegmt=True)}",
        f"Content-Length: {len(body)}",
    ]
    if body:
        lines.append(f"Content-Type: {response.content_type}")
    if not keep:
        lines.append("Connection: close")
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + body)
    async with asyncio.timeout(REQUEST_DEADLINE):
        await writer.drain()
