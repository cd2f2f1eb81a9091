"""Requests to the JobTracker as cheap as Python allows, so that the load costs less than it loads.

They are signed as those of a TaskTracker are, on connections that stay open. The answers' own
signatures are not verified. Thread: the event loop.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import aiohttp

from mrmesos.access.signing import AUTHORIZATION, Signer
from mrmesos.tasktracker.jobtracker.client import NoAnswer

_HEAD_MAX = 1 << 16
_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class LeanLink:
    """The part of `JobTrackerLink` that heartbeats and facts need."""

    def __init__(self, url: str, tracker_id: str, source: str) -> None:
        """`source` is the address to connect from."""
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._head = f"Host: {parts.netloc}\r\nContent-Type: application/json\r\n"
        self._signer = Signer(tracker_id, "")
        self._source = source
        self._keyed = asyncio.Event()
        self._idle: dict[str, list[_Connection]] = {"GET": [], "POST": []}

    def use_key(self, key: str) -> None:
        """Set the key to sign with."""
        self._signer.key = key
        self._keyed.set()

    async def ready(self) -> None:
        """Wait for the key."""
        await self._keyed.wait()

    def close(self) -> None:
        """Close all connections."""
        for _, writer in (*self._idle["GET"], *self._idle["POST"]):
            writer.close()

    async def exchange(
        self, method: str, path: str, body: bytes = b"", *, time_limit: aiohttp.ClientTimeout
    ) -> tuple[int, bytes]:
        """Send a request. Returns status and body of the answer. Raises NoAnswer."""
        try:
            async with asyncio.timeout(time_limit.total):
                return await self._exchange(method, path, body)
        except (OSError, EOFError, asyncio.LimitOverrunError) as problem:
            raise NoAnswer(repr(problem)) from problem

    async def _exchange(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        idle = self._idle[method]
        reader, writer = idle.pop() if idle else await self._connected()
        kept = False
        try:
            signed = self._signer.sign(method, path, body)
            head = f"{method} {path} HTTP/1.1\r\n{self._head}{AUTHORIZATION}: {signed}\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            status = int(answer[9:12])
            length = answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            content = await reader.readexactly(int(length))
            kept = True
            return status, content
        finally:
            if kept:
                idle.append((reader, writer))
            else:
                writer.close()

    async def _connected(self) -> _Connection:
        source = (self._source, 0)
        return await asyncio.open_connection(
            self._host, self._port, local_addr=source, limit=_HEAD_MAX
        )
