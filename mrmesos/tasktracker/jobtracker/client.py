"""Requests to the JobTracker, signed with this TaskTracker's key; and answers only of its own.

The key comes with the first slot (`SlotData`), so requests wait for that. Who listens where the
JobTracker used to is told nothing and not believed: an answer without proof is as good as none.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from mrmesos.access.signing import AUTHORIZATION, REPLY, TIME, Signer
from mrmesos.election.finder import NoLeader
from mrmesos.tasktracker.jobtracker.leader_lookup import LeaderLookup

ANSWER_BYTES_MAX = 64 << 20
CONNECTIONS_MAX = 16


class NoAnswer(Exception):
    """None came, or one that proves nothing; another try may bring one."""


class JobTrackerLink:
    """Used in one event loop, between `open()` and `close()`."""

    def __init__(
        self, url: str, tracker_id: str, tls: ssl.SSLContext | None = None, source: str = ""
    ) -> None:
        """`url` is the JobTracker's, or where it is elected; `tls` is for `https:`; `source` is the
        address to connect from, any where it is empty.
        """
        self._where = LeaderLookup(url)
        self._signer = Signer(tracker_id, "")
        self._keyed = asyncio.Event()
        self._tls = tls
        self._source = source
        self._session: aiohttp.ClientSession | None = None

    @property
    def where(self) -> str:
        """The JobTracker's URL, or where it is elected."""
        return self._where.given

    def use_key(self, key: str) -> None:
        """What to sign with."""
        self._signer.key = key
        self._keyed.set()

    async def ready(self) -> None:
        """Wait for the key."""
        await self._keyed.wait()

    async def open(self) -> None:
        """In the event loop that is to be used."""
        connector = aiohttp.TCPConnector(
            limit=CONNECTIONS_MAX,
            keepalive_timeout=20,
            ssl=self._tls or True,
            local_addr=(self._source, 0) if self._source else None,
        )
        self._session = aiohttp.ClientSession(connector=connector)

    async def close(self) -> None:
        """Drop all connections."""
        if self._session is not None:
            await self._session.close()

    async def exchange(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        patience: aiohttp.ClientTimeout,
    ) -> tuple[int, bytes]:
        """Status and body of the JobTracker's answer. Raises NoAnswer."""
        async with self._ask(method, path, body, patience) as (signed, answer):
            return answer.status, await self._proven(signed, answer)

    @asynccontextmanager
    async def download(
        self, path: str, *, patience: aiohttp.ClientTimeout
    ) -> AsyncIterator[tuple[int, aiohttp.StreamReader]]:
        """Status and content of what lies at the JobTracker. Content with status 200 is to be
        checked against its hash, as it proves nothing; any other answer is proven. Raises NoAnswer.
        """
        async with self._ask("GET", path, b"", patience) as (signed, answer):
            if answer.status != 200:
                await self._proven(signed, answer)
            yield answer.status, answer.content

    @asynccontextmanager
    async def _ask(
        self, method: str, path: str, body: bytes, patience: aiohttp.ClientTimeout
    ) -> AsyncIterator[tuple[str, aiohttp.ClientResponse]]:
        assert self._session is not None, "open() makes it"
        await self.ready()
        try:
            url = await self._where.url()
        except NoLeader as problem:
            raise NoAnswer(str(problem)) from problem
        signed = self._signer.sign(method, path, body)
        headers = {AUTHORIZATION: signed}
        if body:
            headers["Content-Type"] = "application/json"
        try:
            async with self._session.request(
                method,
                url + path,
                data=body or None,
                headers=headers,
                timeout=patience,
                allow_redirects=False,
            ) as answer:
                yield signed, answer
        except NoAnswer:
            self._where.doubt(url)
            raise
        except (aiohttp.ClientError, OSError) as problem:  # TimeoutError is an OSError
            self._where.doubt(url)
            raise NoAnswer(str(problem) or type(problem).__name__) from problem

    async def _proven(self, signed: str, answer: aiohttp.ClientResponse) -> bytes:
        """The body, of which the JobTracker says that it is its own."""
        body = bytearray()
        async for part in answer.content.iter_any():
            body += part
            if len(body) > ANSWER_BYTES_MAX:
                raise NoAnswer(f"an answer of more than {ANSWER_BYTES_MAX:,} bytes")
        digest = hashlib.sha256(body).hexdigest()
        if self._signer.proves(signed, answer.headers.get(REPLY, ""), digest):
            return bytes(body)
        if answer.status == 401 and self._signer.learn_time(signed, answer.headers.get(TIME, "")):
            raise NoAnswer("its clock is not ours")
        said = bytes(body[:200])
        raise NoAnswer(f"status {answer.status} of one who is not our JobTracker: {said!r}")
