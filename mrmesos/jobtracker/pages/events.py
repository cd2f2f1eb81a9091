"""Live pages by server-sent events: a browser gets the changed part of its page when it changes.

All browsers that show the same address share one feed. It makes the page once for all of them, at
most once a second. Feeds take turns: they make one page at a time, and then no page for SHARE times
as long as that took. The core's thread needs the same interpreter lock. So all pages together take
at most a few percent of this process, however many are open, and a costly page comes less often. A
browser that reads slowly misses versions, and gets the newest one. The number of browsers is
bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from mrmesos.access.signing import Refusal
from mrmesos.jobtracker.http.errors import Unavailable

logger = logging.getLogger(__name__)

CLIENTS_MAX = 200
FEED_SECONDS = 1.0
SHARE = 30
QUIET_SECONDS = 15.0
"""After this long without a change, we send a line. It shows both ends that the other one is
there.
"""
STREAM_SECONDS = 3600.0
"""A stream ends after this long. The browser then opens another one, if its session still goes
on.
"""


@dataclass(slots=True, eq=False)
class _Feed:
    html: str = ""
    version: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    watchers: int = 0
    task: asyncio.Task[None] | None = None


class Feeds:
    """One for the server. `make` makes the changing part of the page of an address."""

    def __init__(self, make: Callable[[str], Awaitable[str]]) -> None:
        self._make = make
        self._feeds: dict[str, _Feed] = {}
        self._closing = asyncio.Event()
        self._turn = asyncio.Lock()
        self.clients = 0

    def close(self) -> None:
        """End all streams."""
        self._closing.set()
        for feed in self._feeds.values():
            feed.changed.set()

    async def stream(
        self, request: web.Request, address: str, welcome: Callable[[], bool]
    ) -> web.StreamResponse:
        """Send the versions of an address, as long as the browser is `welcome`."""
        if self.clients >= CLIENTS_MAX:
            raise Unavailable(f"{CLIENTS_MAX} pages are open; close some, or reload by hand")
        self.clients += 1
        feed = self._feeds.setdefault(address, _Feed())
        feed.watchers += 1
        if feed.task is None:
            feed.task = asyncio.create_task(self._run(address, feed))
        try:
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            with contextlib.suppress(ConnectionResetError):  # the browser has left
                await self._send(request, response, feed, welcome)
            return response
        finally:
            self.clients -= 1
            feed.watchers -= 1
            if not feed.watchers and self._feeds.pop(address, None) is feed:
                feed.task.cancel()

    async def _send(
        self,
        request: web.Request,
        response: web.StreamResponse,
        feed: _Feed,
        welcome: Callable[[], bool],
    ) -> None:
        sent = 0
        end = time.monotonic() + STREAM_SECONDS
        while welcome() and not self._closing.is_set() and time.monotonic() < end:
            if request.transport is None:
                return
            if feed.version != sent:
                sent = feed.version
                lines = "\n".join(f"data: {line}" for line in feed.html.splitlines())
                await response.write(f"{lines}\n\n".encode())
                continue
            changed = feed.changed
            try:
                async with asyncio.timeout(QUIET_SECONDS):
                    await changed.wait()
            except TimeoutError:
                await response.write(b": nothing has changed\n\n")
        if not welcome():
            await response.write(b"event: over\ndata: the session has ended\n\n")

    async def _run(self, address: str, feed: _Feed) -> None:
        while not self._closing.is_set():
            async with self._turn:
                begin = time.monotonic()
                await self._renew(address, feed)
                await asyncio.sleep(SHARE * (time.monotonic() - begin))
            await asyncio.sleep(FEED_SECONDS)

    async def _renew(self, address: str, feed: _Feed) -> None:
        try:
            html = await self._make(address)
        except Refusal as refusal:
            # The core is busy or ends. The page keeps showing the last state.
            logger.debug("%s: %s", address, refusal)
            return
        except Exception:  # a bug of ours in one page must not end its feed
            logger.exception("%s cannot be made", address)
            return
        if html != feed.html:
            feed.html, feed.version = html, feed.version + 1
            changed, feed.changed = feed.changed, asyncio.Event()
            changed.set()
