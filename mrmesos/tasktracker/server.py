"""The HTTP server of a TaskTracker: map output for reduces (the shuffle), and attempts' logs.

    POST /shuffle/{job_id}/{partition}      body {"maps": [attempt ids]}, the job's token as bearer
    GET  /attempts/{attempt_id}/logs?stream=stdout|stderr

The shuffle's answer holds a frame for each map, in the order asked: a line of JSON (`FrameHeader`),
then `length` bytes of the segment, straight from the data file by sendfile. No name from outside
becomes a path unless it is an attempt that ran here. docs/protocol.md describes both.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
from aiohttp import web

from mrmesos.io.index import CorruptIndexError, MapOutputIndex, Segment
from mrmesos.tasktracker import logs
from mrmesos.tasktracker.job_cache import CachedJob, JobCache
from mrmesos.tasktracker.messages import INDEX_FILE, OUTPUT_FILE
from mrmesos.wire.job import ApiError
from mrmesos.wire.shuffle import FrameHeader, ShuffleRequest

logger = logging.getLogger(__name__)

MAPS_MAX = 20_000  # in one request
REQUEST_BYTES_MAX = 4 << 20
CONNECTIONS_MAX = 1024
SENDING_MAX = 256  # shuffle answers under way
LOG_BYTES_MAX = 1 << 20
_INDEXED_SEGMENTS_MAX = 500_000
_READ_AND_WRITE_BYTES = 64 << 10
"""Up to this length a segment is read and written; sendfile pays above it."""
_PIECE_BYTES = 4 << 20

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class _Frame:
    line: bytes
    path: Path
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Seconds: for a request to arrive, and for a reader to take each piece of at most 4 MiB."""

    request_seconds: float = 30.0
    stall_seconds: float = 60.0
    connections: int = CONNECTIONS_MAX
    sending: int = SENDING_MAX


class ShuffleServer:
    """Serves what `jobs` holds, until closed."""

    def __init__(self, jobs: JobCache, limits: ServerLimits | None = None) -> None:
        self._jobs = jobs
        self._limits = limits or ServerLimits()
        self._sending = 0
        self._indexes: OrderedDict[str, MapOutputIndex] = OrderedDict()
        self._indexed_segments = 0
        self._silent: dict[int, asyncio.TimerHandle] = {}
        app = web.Application(client_max_size=REQUEST_BYTES_MAX, middlewares=[self._guard])
        app.router.add_post("/shuffle/{job_id}/{partition}", self._shuffle)
        app.router.add_get("/attempts/{attempt_id}/logs", self._logs)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            keepalive_timeout=30.0,
            lingering_time=1.0,
            shutdown_timeout=1.0,
        )
        self._server: asyncio.Server | None = None

    async def start(self, host: str) -> str:
        """Listen on a free port of `host`; the base URL. Raises OSError."""
        await self._runner.setup()
        self._server = await asyncio.get_running_loop().create_server(
            self._connection, host, 0, backlog=512
        )
        port = self._server.sockets[0].getsockname()[1]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def close(self) -> None:
        """Stop listening and end the connections, at once."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()

    # Connections.

    def _connection(self) -> asyncio.Protocol:
        server = self._runner.server
        if server is None or len(server.connections) >= self._limits.connections:
            return _Refused()
        handler = server()
        self._silent[id(handler)] = asyncio.get_running_loop().call_later(
            self._limits.request_seconds, self._end_silent, handler
        )
        return handler

    def _end_silent(self, handler: web.RequestHandler) -> None:
        """End a connection that has not brought its first request in time."""
        del self._silent[id(handler)]
        if handler.transport is not None:
            handler.transport.abort()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if (timer := self._silent.pop(id(request.protocol), None)) is not None:
            timer.cancel()
        try:
            return await handler(request)
        except web.HTTPException as answer:
            return _error(answer.status, answer.text or answer.reason)

    # The shuffle.

    async def _shuffle(self, request: web.Request) -> web.StreamResponse:
        job = self._authorised(request)
        if job is None:
            return _error(401, "no such job here, or not its token")
        partition = _number(request.match_info["partition"])
        if partition is None or partition >= job.facts.spec.num_reducers:
            return _error(400, f"no partition {request.match_info['partition'][:50]!r}")
        try:
            async with asyncio.timeout(self._limits.request_seconds):
                asked = msgspec.json.decode(await request.read(), type=ShuffleRequest)
        except msgspec.DecodeError as problem:
            return _error(400, f"not a shuffle request: {problem}")
        except TimeoutError:
            return _error(408, "the request did not arrive in time")
        if len(asked.maps) > MAPS_MAX or len(set(asked.maps)) != len(asked.maps):
            return _error(400, f"more than {MAPS_MAX:,} maps, or the same twice")
        if self._sending >= self._limits.sending:
            busy = _error(503, "too many readers")
            busy.headers["Retry-After"] = "1"
            return busy
        self._sending += 1
        try:
            return await self._send(request, await self._frames(job, partition, asked.maps))
        finally:
            self._sending -= 1

    def _authorised(self, request: web.Request) -> CachedJob | None:
        job = self._jobs.get(request.match_info["job_id"])
        given = request.headers.get("Authorization", "").encode("utf-8", "replace")
        wanted = b"Bearer " + (job.facts.token.encode() if job is not None else b"-")
        same = hmac.compare_digest(given, wanted)
        return job if same else None

    async def _frames(self, job: CachedJob, partition: int, maps: list[str]) -> list[_Frame]:
        frames = []
        for count, attempt_id in enumerate(maps):
            if count % 64 == 63:
                await asyncio.sleep(0)
            frames.append(self._frame(job, partition, attempt_id))
        return frames

    def _frame(self, job: CachedJob, partition: int, attempt_id: str) -> _Frame:
        path, segment = Path(), Segment(0, 0, 0, 0)
        status: Literal["ok", "missing", "corrupt"] = "missing"
        if attempt_id in job.outputs:
            path = self._jobs.attempt_dir(attempt_id) / OUTPUT_FILE
            try:
                index = self._index(attempt_id)
                size = path.stat().st_size
                segment = index.segments[partition]
                status = "ok" if segment.offset + segment.length <= size else "corrupt"
            except FileNotFoundError:
                status = "missing"
            except (CorruptIndexError, IndexError, OSError) as problem:
                logger.error("map output of %s: %s", attempt_id, problem)
                status = "corrupt"
        if status != "ok":
            segment = Segment(0, 0, 0, 0)
        header = FrameHeader(attempt_id, status, segment.length, segment.rows, segment.crc32)
        line = msgspec.json.encode(header) + b"\n"
        return _Frame(line, path, segment.offset, segment.length)

    def _index(self, attempt_id: str) -> MapOutputIndex:
        """The index of a map output; the latest used are kept. Raises as MapOutputIndex.read."""
        index = self._indexes.pop(attempt_id, None)
        if index is None:
            index = MapOutputIndex.read(self._jobs.attempt_dir(attempt_id) / INDEX_FILE)
            self._indexed_segments += len(index.segments)
        self._indexes[attempt_id] = index
        while self._indexed_segments > _INDEXED_SEGMENTS_MAX and len(self._indexes) > 1:
            _, oldest = self._indexes.popitem(last=False)
            self._indexed_segments -= len(oldest.segments)
        return index

    async def _send(self, request: web.Request, frames: list[_Frame]) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_type = "application/octet-stream"
        response.content_length = sum(len(frame.line) + frame.length for frame in frames)
        await response.prepare(request)
        try:
            pending = bytearray()
            for frame in frames:
                pending += frame.line
                if frame.length > _READ_AND_WRITE_BYTES:
                    await self._write(response, pending)
                    await self._send_file(request, frame)
                    pending = bytearray()
                elif frame.length:
                    pending += _read(frame)
                if len(pending) > _READ_AND_WRITE_BYTES:
                    await self._write(response, pending)
                    pending = bytearray()
            await self._write(response, pending)
            await response.write_eof()
        except (OSError, TimeoutError) as problem:
            # The length is already promised: all that can be done is to break off.
            logger.warning("shuffle to %s broken off: %r", request.remote, problem)
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _write(self, response: web.StreamResponse, data: bytearray) -> None:
        if data:
            async with asyncio.timeout(self._limits.stall_seconds):
                await response.write(data)

    async def _send_file(self, request: web.Request, frame: _Frame) -> None:
        """One segment by sendfile, in pieces, each with its deadline."""
        loop = asyncio.get_running_loop()
        with frame.path.open("rb") as file:
            at, end = frame.offset, frame.offset + frame.length
            while at < end:
                transport = request.transport
                if transport is None or transport.is_closing():
                    raise ConnectionResetError("the reader has gone")
                piece = min(_PIECE_BYTES, end - at)
                async with asyncio.timeout(self._limits.stall_seconds):
                    sent = await loop.sendfile(transport, file, at, piece)
                if sent != piece:
                    raise OSError(f"{frame.path} has become shorter")
                at += sent

    # Logs.

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        attempt_id, stream = request.match_info["attempt_id"], request.query.get("stream", "stderr")
        if stream not in ("stdout", "stderr"):
            return _error(400, "stream must be stdout or stderr")
        if self._jobs.job_of(attempt_id) is None:
            return _error(404, "no such attempt here")
        path = self._jobs.attempt_dir(attempt_id) / stream
        body = await asyncio.to_thread(logs.tail, path, LOG_BYTES_MAX)
        response = web.Response(body=body, content_type="text/plain", charset="utf-8")
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


class _Refused(asyncio.Protocol):
    """One connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _read(frame: _Frame) -> bytes:
    fd = os.open(frame.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.pread(fd, frame.length, frame.offset)
    finally:
        os.close(fd)
    if len(data) != frame.length:
        raise OSError(f"{frame.path} has become shorter")
    return data


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _error(status: int, message: str) -> web.Response:
    body = msgspec.json.encode(ApiError(message))
    return web.Response(status=status, body=body, content_type="application/json")
