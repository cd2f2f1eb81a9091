"""Requests to the JobTracker, signed with this TaskTracker's key. Answers are verified too.

The key comes with the first slot (`SlotData`), so requests wait for it. Another process may listen
at the JobTracker's old address. It learns nothing from our requests. It cannot sign answers, so its
answers do not count.
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
    """No answer came, or only an unsigned one. Another try may succeed."""


class JobTrackerLink:
    """Sends requests between `open()` and `close()`, in one event loop."""

    def __init__(
        self, url: str, tracker_id: str, tls: ssl.SSLContext | None = None, source: str = ""
    ) -> None:
        """`url` is the JobTracker's URL, or the place of its election. `tls` is for `https:`.

        `source` is the address to connect from; if it is empty, the kernel chooses.
        """
        self._where = LeaderLookup(url)
        self._signer = Signer(tracker_id, "")
        self._keyed = asyncio.Event()
        self._tls = tls
        self._source = source
        self._session: aiohttp.ClientSession | None = None
        self._of_heartbeats: aiohttp.ClientSession | None = None
        """Heartbeats are the only POST requests. They have connections of their own, which the
        JobTracker answers at less cost (access/plain_requests.py).
        """

    @property
    def where(self) -> str:
        """The JobTracker's URL, or the place of its election."""
        return self._where.given

    def use_key(self, key: str) -> None:
        """Set the key to sign with."""
        self._signer.key = key
        self._keyed.set()

    async def ready(self) -> None:
        """Wait for the key."""
        await self._keyed.wait()

    async def open(self) -> None:
        """Create the sessions. Call it in the event loop that sends the requests."""
        self._session, self._of_heartbeats = self._new_session(), self._new_session()

    def _new_session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=CONNECTIONS_MAX,
            keepalive_timeout=20,
            ssl=self._tls or True,
            local_addr=(self._source, 0) if self._source else None,
        )
        return aiohttp.ClientSession(connector=connector)

    async def close(self) -> None:
        """Close all connections."""
        for session in (self._session, self._of_heartbeats):
            if session is not None:
                await session.close()

    async def exchange(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        time_limit: aiohttp.ClientTimeout,
    ) -> tuple[int, bytes]:
        """Send a request. Returns status and body of the verified answer. Raises NoAnswer."""
        async with self._ask(method, path, body, time_limit) as (signed, answer):
            return answer.status, await self._proven(signed, answer)

    @asynccontextmanager
    async def download(
        self, path: str, *, time_limit: aiohttp.ClientTimeout
    ) -> AsyncIterator[tuple[int, aiohttp.StreamReader]]:
        """Status and content of a file on the JobTracker. Raises NoAnswer.

        Content with status 200 is not verified here: the caller must check its hash. Answers with
        any other status are verified.
        """
        async with self._ask("GET", path, b"", time_limit) as (signed, answer):
            if answer.status != 200:
                await self._proven(signed, answer)
            yield answer.status, answer.content

    @asynccontextmanager
    async def _ask(
        self, method: str, path: str, body: bytes, time_limit: aiohttp.ClientTimeout
    ) -> AsyncIterator[tuple[str, aiohttp.ClientResponse]]:
        session = self._of_heartbeats if method == "POST" else self._session
        assert session is not None, "open() makes it"
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
            async with session.request(
                method,
                url + path,
                data=body or None,
                headers=headers,
                timeout=time_limit,
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
        """The body, if the JobTracker has signed it. Raises NoAnswer."""
        body = bytearray()
        async for part in answer.content.iter_any():
            body += part
            if len(body) > ANSWER_BYTES_MAX:
                raise NoAnswer(f"an answer of more than {ANSWER_BYTES_MAX:,} bytes")
        digest = hashlib.sha256(body).hexdigest()
        if self._signer.proves(signed, answer.headers.get(REPLY, ""), digest):
            return bytes(body)
        if answer.status == 401 and self._signer.learn_time(signed, answer.headers.get(TIME, "")):
            raise NoAnswer("the JobTracker's clock differs from this host's")
        said = bytes(body[:200])
        raise NoAnswer(f"status {answer.status}, not signed by our JobTracker: {said!r}")
