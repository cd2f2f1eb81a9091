"""The HTTP server of a TaskTracker: map output for reduces (the shuffle), and attempts' logs.

    POST /shuffle/{job_id}/{partition}      body {"maps": [attempt ids], "here": false}
    GET  /attempts/{attempt_id}/logs?stream=stdout|stderr&offset=N

Requests and answers are signed with the job's token (mrmesos.access.signing). So workers of other
jobs cannot read anything, and a process that takes over our port is not trusted. The answer of the
shuffle has a frame for each map, in the order of the request: a line of JSON (`FrameHeader`), then
`length` bytes of the segment. Without TLS, sendfile sends them directly from the data file. Our own
workers ask with `here`: then they read long segments from the file that the header names. A name
from outside becomes a path only if it is an attempt that ran here. docs/protocol.md describes both.

Thread: the TaskTracker's event loop.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
from aiohttp import web
from msgspec.structs import replace

from mrmesos.access.guard import RequestGuard
from mrmesos.access.listener import Listener, ListenerLimits
from mrmesos.access.signing import AUTHORIZATION, NONCES_MAX, REPLY, Refusal, Verified, Verifier
from mrmesos.io.shuffle.index import (
    INDEX_FILE,
    OUTPUT_FILE,
    CorruptIndexError,
    MapOutputIndex,
    Segment,
)
from mrmesos.tasktracker.outputs.job_cache import CachedJob, JobCache
from mrmesos.tasktracker.workers import logs
from mrmesos.wire.job import LOG_START, ApiError
from mrmesos.wire.shuffle import FrameHeader, ShuffleRequest

logger = logging.getLogger(__name__)

MAPS_MAX = 20_000  # in one request
REQUEST_BYTES_MAX = 4 << 20
CONNECTIONS_MAX = 1024
SENDING_MAX = 256  # shuffle answers at the same time
LOG_BYTES_MAX = 1 << 20
_INDEXED_SEGMENTS_MAX = 2_000_000
"""Of the indexes in memory: 28 bytes each, so 56 MB. 1,000 maps of a job with 2,000 reduces."""
_READ_AND_WRITE_BYTES = 64 << 10
"""Segments up to this length are read and written. Longer ones are worth a sendfile."""
_PIECE_BYTES = 4 << 20
_COPY_BYTES = 256 << 10

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Frame(msgspec.Struct, frozen=True):
    line: bytes
    path: Path
    offset: int
    length: int
    """Of the bytes to send after the line."""


class _Output(msgspec.Struct, frozen=True):
    """The place and the index of a map output."""

    path: Path
    index: MapOutputIndex


class ServerLimits(msgspec.Struct, frozen=True):
    """Limits of the server.

    A request must arrive in `request_seconds`, and a reader must take each piece (4 MiB at most) in
    `stall_seconds`.
    """

    request_seconds: float = 30.0
    stall_seconds: float = 60.0
    connections: int = CONNECTIONS_MAX
    sending: int = SENDING_MAX
    nonces: int = NONCES_MAX


@dataclass(slots=True)
class Served:
    """How much map output was sent."""

    bytes: int = 0
    requests: int = 0


class ShuffleServer:
    """Serves map output and logs of `jobs` until closed."""

    def __init__(
        self,
        jobs: JobCache,
        limits: ServerLimits | None = None,
        tls: ssl.SSLContext | None = None,
        guard: RequestGuard | None = None,
    ) -> None:
        """With `tls`, the server speaks HTTPS. `guard` knows its host names."""
        self._jobs = jobs
        self._limits = limits = limits or ServerLimits()
        self._tls = tls
        self._verifier = Verifier(self._token_of, nonces_max=limits.nonces)
        self._sending = 0
        self._indexes: OrderedDict[str, _Output] = OrderedDict()
        self._indexed_segments = 0
        app = web.Application(client_max_size=REQUEST_BYTES_MAX, middlewares=[self._guard])
        self.served = Served()
        self.routes = app.router
        """Further paths may be added before the start."""
        app.router.add_post("/shuffle/{job_id}/{partition}", self._shuffle)
        app.router.add_get("/attempts/{attempt_id}/logs", self._logs)
        self._listener = Listener(
            app,
            ListenerLimits(limits.connections, limits.request_seconds, limits.stall_seconds),
            tls,
            guard=guard,
        )

    async def start(self, host: str) -> str:
        """Listen on a free port of `host`. Returns the base URL. Raises OSError."""
        port = await self._listener.start(host)
        scheme = "https" if self._tls is not None else "http"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    async def close(self) -> None:
        """Stop listening and close all connections at once."""
        await self._listener.close()

    @property
    def connections(self) -> int:
        """Number of connections that are open or closed a moment ago."""
        return self._listener.connections

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refusal as refusal:
            refused = _error(refusal.status, str(refusal))
            refused.headers.update(refusal.headers)
            return refused
        except web.HTTPException as answer:
            return _error(answer.status, answer.text or answer.reason)

    # The shuffle.

    async def _shuffle(self, request: web.Request) -> web.StreamResponse:
        signed, job = self._signed(request)
        if signed.who != request.match_info["job_id"]:
            return _error(403, f"{signed.who} reads its own output only")
        partition = _number(request.match_info["partition"])
        if partition is None or partition >= job.facts.spec.num_reducers:
            return _error(400, f"no partition {request.match_info['partition'][:50]!r}")
        if (request.content_length or 0) > REQUEST_BYTES_MAX:
            return _error(413, f"more than {REQUEST_BYTES_MAX:,} bytes")
        try:
            async with asyncio.timeout(self._limits.request_seconds):
                body = await request.read()
            signed.check_body(body)
            asked = msgspec.json.decode(body, type=ShuffleRequest)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
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
        self.served.requests += 1
        try:
            frames = await self._frames(job, partition, asked)
            return await self._send(request, signed, frames)
        finally:
            self._sending -= 1

    def _token_of(self, job_id: str) -> str | None:
        job = self._jobs.get(job_id)
        return job.facts.token if job is not None else None

    def _signed(self, request: web.Request) -> tuple[Verified, CachedJob]:
        """Verify a request. Returns the signer and the job of its token. Raises Refusal."""
        header = request.headers.get(AUTHORIZATION, "")
        signed = self._verifier.verify(request.method, request.raw_path, header)
        job = self._jobs.get(signed.who)
        assert job is not None, "its token was just used"
        return signed, job

    async def _frames(self, job: CachedJob, partition: int, asked: ShuffleRequest) -> list[_Frame]:
        frames = []
        for count, attempt_id in enumerate(asked.maps):
            if count % 64 == 63:
                await asyncio.sleep(0)
            frames.append(self._frame(job, partition, attempt_id, here=asked.here))
        return frames

    def _frame(self, job: CachedJob, partition: int, attempt_id: str, *, here: bool) -> _Frame:
        path, segment = Path(), Segment(0, 0, 0, 0)
        status: Literal["ok", "missing", "corrupt"] = "missing"
        if attempt_id in job.outputs:
            try:
                output = self._output(attempt_id)
                path, segment = output.path, output.index.segments[partition]
                size = os.stat(path).st_size  # noqa: PTH116 (half as long as Path.stat)
                status = "ok" if segment.offset + segment.length <= size else "corrupt"
            except FileNotFoundError:
                status = "missing"
            except (CorruptIndexError, IndexError, OSError) as problem:
                logger.error("map output of %s: %s", attempt_id, problem)
                status = "corrupt"
        if status != "ok":
            segment = Segment(0, 0, 0, 0)
        header = FrameHeader(attempt_id, status, segment.length, segment.rows, segment.crc32)
        length = segment.length
        if here and length > _READ_AND_WRITE_BYTES:
            header = replace(header, path=str(path), offset=segment.offset)
            length = 0
        line = msgspec.json.encode(header) + b"\n"
        return _Frame(line, path, segment.offset, length)

    def _output(self, attempt_id: str) -> _Output:
        """The place and the index of a map output, cached by last use. Raises as
        MapOutputIndex.read.
        """
        output = self._indexes.pop(attempt_id, None)
        if output is None:
            directory = self._jobs.attempt_dir(attempt_id)
            index = MapOutputIndex.read(directory / INDEX_FILE)
            output = _Output(directory / OUTPUT_FILE, index)
            self._indexed_segments += len(index.segments)
        self._indexes[attempt_id] = output
        while self._indexed_segments > _INDEXED_SEGMENTS_MAX and len(self._indexes) > 1:
            _, oldest = self._indexes.popitem(last=False)
            self._indexed_segments -= len(oldest.index.segments)
        return output

    async def _send(
        self, request: web.Request, signed: Verified, frames: list[_Frame]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={REPLY: signed.reply()})
        response.content_type = "application/octet-stream"
        response.content_length = sum(len(frame.line) + frame.length for frame in frames)
        await response.prepare(request)
        try:
            pending = bytearray()
            for frame in frames:
                pending += frame.line
                if frame.length > _READ_AND_WRITE_BYTES:
                    await self._write(response, pending)
                    if self._tls is None:
                        await self._send_file(request, frame)
                    else:
                        await self._copy_file(response, frame)
                    pending = bytearray()
                elif frame.length:
                    pending += _read(frame.path, frame.offset, frame.length)
                if len(pending) > _READ_AND_WRITE_BYTES:
                    await self._write(response, pending)
                    pending = bytearray()
            await self._write(response, pending)
            await response.write_eof()
            self.served.bytes += response.content_length
        except (OSError, TimeoutError) as problem:
            # The header with the length is already sent, so we can only break off.
            logger.warning("shuffle to %s broken off: %r", request.remote, problem)
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _write(self, response: web.StreamResponse, data: bytes | bytearray) -> None:
        if data:
            async with asyncio.timeout(self._limits.stall_seconds):
                await response.write(data)

    async def _send_file(self, request: web.Request, frame: _Frame) -> None:
        """Send one segment by sendfile, in pieces. Each piece has a deadline."""
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

    async def _copy_file(self, response: web.StreamResponse, frame: _Frame) -> None:
        """Send one segment through our own memory, as TLS must encrypt it."""
        at, end = frame.offset, frame.offset + frame.length
        while at < end:
            length = min(_COPY_BYTES, end - at)
            piece = await asyncio.to_thread(_read, frame.path, at, length)
            await self._write(response, piece)
            at += length

    # Logs.

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        signed, job = self._signed(request)
        attempt_id, stream = request.match_info["attempt_id"], request.query.get("stream", "stderr")
        if stream not in ("stdout", "stderr"):
            return _error(400, "stream must be stdout or stderr")
        if self._jobs.job_of(attempt_id) is not job:
            return _error(404, "no such attempt here")
        path = self._jobs.logs.directory(attempt_id) / stream
        offset = _number(request.query.get("offset", ""))
        if offset is None:
            start, body = 0, await asyncio.to_thread(logs.tail, path, LOG_BYTES_MAX)
        else:
            start, body = await asyncio.to_thread(logs.piece, path, offset, LOG_BYTES_MAX)
        response = web.Response(body=body, content_type="text/plain", charset="utf-8")
        response.headers[LOG_START] = str(start)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers[REPLY] = signed.reply(hashlib.sha256(body).hexdigest())
        return response


def _read(path: Path, offset: int, length: int) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.pread(fd, length, offset)
    finally:
        os.close(fd)
    if len(data) != length:
        raise OSError(f"{path} has become shorter")
    return data


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _error(status: int, message: str) -> web.Response:
    body = msgspec.json.encode(ApiError(message))
    return web.Response(status=status, body=body, content_type="application/json")
