"""The routes of the pages, and of the requests for tickets and metrics.

Comes in: requests. Goes out: answers. Thread: the server's event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import msgspec
from aiohttp import web

from mrmesos.jobtracker.http.errors import BadRequest
from mrmesos.jobtracker.pages import render
from mrmesos.jobtracker.pages.events import Feeds
from mrmesos.jobtracker.pages.gate import SCOPE, Gate, answer, confine, message
from mrmesos.jobtracker.pages.page import ROOT, Content
from mrmesos.jobtracker.pages.source import PageSource
from mrmesos.wire.ids import is_chain_id, is_job_id, is_queue_id
from mrmesos.wire.login import TICKET_PATH, PageTicket

if TYPE_CHECKING:
    from mrmesos.jobtracker.pages.content import Contents

MAX_FORM_BYTES = 64 << 10
STATIC_SECONDS = 86_400
_KINDS = {"jobs": is_job_id, "chains": is_chain_id, "queues": is_queue_id}


class Pages:
    """The pages of one server."""

    def __init__(
        self, source: PageSource, gate: Gate, clock: Callable[[], float] = time.time
    ) -> None:
        """`clock` gives the present time, from which pages compute ages."""
        self._source, self._gate, self._clock = source, gate, clock

    @cached_property
    def _contents(self) -> Contents:
        from mrmesos.jobtracker.pages.content import Contents  # takes time; most jobs need no page

        return Contents(self._source, self._clock)

    def attach(self, app: web.Application) -> None:
        """Add the pages, below ROOT, to an application that has no handler for `/`."""
        pages = web.Application(middlewares=[self._gate.check], client_max_size=MAX_FORM_BYTES)
        feeds = Feeds(self._fragment)

        async def events(request: web.Request) -> web.StreamResponse:
            address = request.query.get("of", "")[:2000]
            return await feeds.stream(request, address, self._gate.watch(request))

        async def end_streams(_app: web.Application) -> None:
            feeds.close()

        pages.add_routes(
            [
                web.get("/login", self._gate.show_login),
                web.post("/login", self._gate.login),
                web.post("/logout", self._gate.logout),
                web.get("/static/{name}", self._static),
                web.get("/events", events, allow_head=False),
                web.post("/{kind:jobs|chains|queues}/{name}/kill", self._kill),
                web.post("/jobs/{job_id}/move", self._move),
                web.get("/{path:.*}", self._page),
            ]
        )
        pages.on_response_prepare.append(confine)
        pages.on_shutdown.append(end_streams)
        app.add_subapp(ROOT, pages)
        app.router.add_get("/", self._to_pages)

    async def _to_pages(self, _request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(ROOT)

    async def ticket(self, request: web.Request) -> web.StreamResponse:
        """A login, or a read-only link, for a client that has signed its request."""
        text = request.query.get("seconds", "60")
        if not (text.isascii() and text.isdigit() and len(text) < 8):
            raise BadRequest(f"seconds={text[:50]}: expected a whole number")
        job = request.query.get("job", "")
        if job and not is_job_id(job):
            raise BadRequest(f"job={job[:50]}: expected the id of a job")
        if request.query.get("read") == "1":
            path = self._gate.link_path(float(text), job)
        else:
            path = login_path(self._gate, float(text))
        body = msgspec.json.encode(PageTicket(path))
        return web.Response(body=body, content_type="application/json")

    def attach_tickets(self, app: web.Application) -> None:
        """Let clients get tickets. The application authenticates them."""
        app.router.add_post(TICKET_PATH, self.ticket)

    async def _page(self, request: web.Request) -> web.StreamResponse:
        content = await self._contents.of(request.match_info["path"], request.query)
        follow = request.path_qs if content.changes else ""
        return await answer(content, follow=follow, read_only=request[SCOPE].read_only)

    async def _fragment(self, address: str) -> str:
        """The changing part of the page of an address."""
        parts = urlsplit(address)
        path = parts.path.removeprefix(ROOT) if parts.path.startswith(ROOT) else "-"
        content = await self._contents.of(path, dict(parse_qsl(parts.query)))
        return await asyncio.to_thread(render.fragment, content)

    async def _static(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in render.STATIC:
            content: Content = message("No such file", "Follow the links of the pages.")
            return await answer(content, 404)
        return web.Response(
            body=render.static(name),
            content_type=render.STATIC[name],
            charset="utf-8",
            headers={"Cache-Control": f"private, max-age={STATIC_SECONDS}"},
        )

    async def _move(self, request: web.Request) -> web.StreamResponse:
        job_id, form = request.match_info["job_id"], await request.post()
        wanted = [str(form.get(name, "")).strip()[:1000] for name in ("priority", "pool")]
        by = f"a user of the web page ({request.remote})"
        if not is_job_id(job_id) or not await self._source.move(job_id, wanted[0], wanted[1], by):
            return await answer(message("This job is not running", "It may have ended."), 404)
        raise web.HTTPSeeOther(f"{ROOT}jobs/{job_id}")

    async def _kill(self, request: web.Request) -> web.StreamResponse:
        kind, name = request.match_info["kind"], request.match_info["name"]
        by = f"a user of the web page ({request.remote})"
        if not _KINDS[kind](name) or not await self._source.kill(name, by):
            return await answer(message("It is not running", "It may have ended."), 404)
        raise web.HTTPSeeOther(f"{ROOT}{kind}/{name}")


def login_path(gate: Gate, seconds: float) -> str:
    """A path that logs one browser in, and then expires."""
    return f"{ROOT}login?ticket={gate.sessions.ticket(gate.clock(), seconds)}"
