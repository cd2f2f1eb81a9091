"""A JobTracker's HTTP API with scripted answers, in the test's own event loop.

It answers to what is signed with KEY only, and signs its answers.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import msgspec
from aiohttp import web

from mrmesos.access.signing import AUTHORIZATION, REPLY, Refusal, Verified, Verifier
from mrmesos.tasktracker.jobtracker.client import JobTrackerLink
from mrmesos.wire.heartbeat import Action, Heartbeat, HeartbeatAnswer, Numbered
from mrmesos.wire.job import JobFacts
from tests.tasktracker.support import CODE

KEY = "the key of this TaskTracker"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakeJobTracker:
    """Answers heartbeats with the actions given to `act`. Holds answers like a real JobTracker."""

    def __init__(self) -> None:
        self.url = ""
        self.jobs: dict[str, JobFacts] = {}
        self.code = CODE
        self.requests: list[str] = []
        self.sources: set[str | None] = set()
        self.heartbeats: list[Heartbeat] = []
        self.actions: list[Numbered] = []
        self.hold_seconds = 0.5
        self.unknown = False
        self.statuses: list[int] = []
        """Answer the next requests with these and nothing else; 0 breaks the connection."""
        self.verifier = Verifier(lambda _who: KEY)
        self.refusals: list[str] = []
        self.impostor = False
        """Send answers without a valid signature."""
        self._number = 0
        self._news = asyncio.Event()

    def act(self, *actions: Action) -> None:
        for action in actions:
            self._number += 1
            self.actions.append(Numbered(self._number, action))
        self._news.set()

    @property
    def reports(self) -> dict[str, str]:
        """The state of each attempt reported so far."""
        return {
            report.attempt_id: report.state
            for heartbeat in self.heartbeats
            for report in heartbeat.reports
        }

    @web.middleware
    async def _scripted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        self.sources.add(request.remote)
        try:
            signed = self.verifier.verify(
                request.method, request.raw_path, request.headers.get(AUTHORIZATION, "")
            )
            signed.check_body(await request.read())
        except Refusal as refusal:
            self.refusals.append(str(refusal))
            return web.Response(status=refusal.status, headers=refusal.headers)
        if self.statuses:
            status = self.statuses.pop(0)
            if status:
                answer = web.Response(status=status, text="scripted")
                return self._signed(answer, signed)
            assert request.transport is not None
            request.transport.abort()
        given = await handler(request)
        assert isinstance(given, web.Response)
        return self._signed(given, signed)

    def _signed(self, answer: web.Response, signed: Verified) -> web.Response:
        if not self.impostor:
            assert isinstance(answer.body, bytes | None)
            digest = hashlib.sha256(answer.body or b"").hexdigest()
            answer.headers[REPLY] = signed.reply(digest)
        return answer

    async def _heartbeat(self, request: web.Request) -> web.Response:
        heartbeat = msgspec.json.decode(await request.read(), type=Heartbeat)
        self.heartbeats.append(heartbeat)
        self.actions = [each for each in self.actions if each.number > heartbeat.acknowledged]
        # A newer heartbeat releases the held one.
        self._news.set()
        self._news = news = asyncio.Event()
        if not self.actions and not self.unknown:
            with suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), self.hold_seconds)
        answer = HeartbeatAnswer(list(self.actions), unknown=self.unknown)
        return web.Response(body=msgspec.json.encode(answer))

    async def _facts(self, request: web.Request) -> web.Response:
        job = self.jobs.get(request.match_info["job_id"])
        if job is None:
            return web.Response(status=404)
        return web.Response(body=msgspec.json.encode(job))

    async def _code(self, _: web.Request) -> web.Response:
        return web.Response(body=self.code)


@asynccontextmanager
async def link_to(
    fake: FakeJobTracker, key: str = KEY, source: str = ""
) -> AsyncIterator[JobTrackerLink]:
    """A TaskTracker's link to the fake JobTracker."""
    link = JobTrackerLink(fake.url, "tracker_1", source=source)
    await link.open()
    link.use_key(key)
    try:
        yield link
    finally:
        await link.close()


@asynccontextmanager
async def fake_jobtracker(
    port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[FakeJobTracker]:
    fake = FakeJobTracker()
    app = web.Application(middlewares=[fake._scripted], client_max_size=1 << 26)
    app.router.add_post("/api/v1/heartbeat", fake._heartbeat)
    app.router.add_get("/api/v1/jobs/{job_id}/facts", fake._facts)
    app.router.add_get("/api/v1/code/{sha256}", fake._code)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls)
    await site.start()
    fake.url = f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield fake
    finally:
        await runner.cleanup()
