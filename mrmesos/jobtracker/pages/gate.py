"""Lets only browsers with a session to the pages, and adds the headers that confine every page.

Comes in: each request below /ui/, before its handler. Goes out: the login page, a refusal, or the
answer. `access/guard.py` has checked `Host`, `Origin` and `Sec-Fetch-Site` before.

A session begins with the JobTracker's token, or with a ticket that `mrmesos ui` gets by a signed
request. Its cookie is HttpOnly, so no script can read it, and SameSite=Strict, so no page of
another site can use it. Browsers do not bind cookies to a port. So the cookie's name has our port,
and its path `/ui` keeps it from most servers on other ports of this host.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from urllib.parse import quote, urlsplit

from aiohttp import web

from mrmesos.access.signing import Refusal, derived_key, same
from mrmesos.jobtracker.pages import render
from mrmesos.jobtracker.pages.page import ROOT, Content
from mrmesos.jobtracker.pages.views.links import (
    FULL,
    LINK_SECONDS_MAX,
    Scope,
    make_link,
    read_link,
)
from mrmesos.jobtracker.pages.views.sessions import SESSION_SECONDS, Sessions

logger = logging.getLogger(__name__)

LOGIN = f"{ROOT}login"
LOGOUT = f"{ROOT}logout"
EVENTS = f"{ROOT}events"
STATIC = f"{ROOT}static/"
FAILED_SECONDS = 1.0
"""The answer to a wrong token waits this long."""
LOGINS_MAX = 16
"""Most logins that wait at once. Further ones are refused."""
_FIELD_MAX = 1000
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # `no-referrer` would take `Origin` from our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
SCOPE = "mrmesos scope"
"""The key of a request under which its handler finds the Scope of its session."""
_USED = "This link was used before, or is too old. `mrmesos ui` makes a new one."
_EXPIRED = "This link has expired, or a part of it is missing. Ask its sender for a new one."
_SHOWS = "You came by a read-only link"
_WRONG = "This is not the token of this JobTracker."
_WORDLESS = "Only the address that this command printed opens these pages."

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Gate:
    """The middleware of the pages, and the handlers of login and logout."""

    def __init__(
        self,
        token: str,
        *,
        secure: bool,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Without a `token`, only tickets open a session. `secure`: the server speaks HTTPS.
        Links expire by `wall_clock`.
        """
        self.sessions = Sessions()
        self._token, self._secure, self.clock = token, secure, clock
        self._link_key = derived_key(token, "read-only links") if token else ""
        self._wall_clock = wall_clock
        self._logins = 0

    def link_path(self, seconds: float, job: str) -> str:
        """A path that shows all pages, or those of one job, to anybody for this many seconds."""
        until = self._wall_clock() + min(seconds, LINK_SECONDS_MAX)
        return f"{LOGIN}?link={make_link(self._link_key, until, job)}"

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass the request to its handler if the browser has a session."""
        if request.method == "POST" and "Origin" not in request.headers:
            return await answer(message("Origin is missing", "Send forms with a browser."), 403)
        open_to_all = request.path == LOGIN or request.path.startswith(STATIC)
        scope = self._scope(request)
        if not open_to_all:
            if scope is None:
                return await self._stranger(request)
            if why := _not_within(scope, request):
                return await answer(message(_SHOWS, why), 403)
            request[SCOPE] = scope
        try:
            return await handler(request)
        except Refusal as refusal:
            return await answer(message("This did not work", str(refusal)), refusal.status)

    def _scope(self, request: web.Request) -> Scope | None:
        """The rights of a request's session. None if it has no session, or its session has
        ended.
        """
        cookie = request.cookies.get(self._name(request), "")
        return self.sessions.scope(cookie, self.clock()) if cookie else None

    def watch(self, request: web.Request) -> Callable[[], bool]:
        """A function that says whether the session of a request still goes on."""
        cookie = request.cookies.get(self._name(request), "")
        return lambda: self.sessions.knows(cookie, self.clock())

    async def _stranger(self, request: web.Request) -> web.StreamResponse:
        if request.method != "GET" or request.headers.get("Accept") == "text/event-stream":
            return await answer(message("You are not logged in", "Log in first."), 401)
        if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
            # A link on another site led here, so the browser did not send the cookie. Our own page
            # asks once more.
            return await answer(Content("enter.html", {"now": 0.0}))
        wanted = quote(request.path_qs, safe="/") if request.path != ROOT else ""
        raise web.HTTPSeeOther(f"{LOGIN}?next={wanted}" if wanted else LOGIN)

    async def show_login(self, request: web.Request) -> web.StreamResponse:
        """The login page. With a ticket, its form is sent at once."""
        return await self._form(request, "", 200)

    async def _form(self, request: web.Request, problem: str, status: int) -> web.StreamResponse:
        data = {
            "now": 0.0,
            "problem": problem,
            "ticket": request.query.get("ticket", "")[:_FIELD_MAX] if not problem else "",
            "link": request.query.get("link", "")[:_FIELD_MAX] if not problem else "",
            "next": _inside(request.query.get("next", "")),
            "with_token": bool(self._token),
            "wordless": _WORDLESS,
            "secure": self._secure,
        }
        return await answer(Content("login.html", data), status)

    async def login(self, request: web.Request) -> web.StreamResponse:
        """Open a session for a token or a ticket."""
        if self._logins >= LOGINS_MAX:
            return await self._form(request, "Too many logins at once. Try again.", 429)
        self._logins += 1
        try:
            form = await request.post()
            ticket, token = _field(form.get("ticket")), _field(form.get("token")).strip()
            seconds, scope, home = SESSION_SECONDS, FULL, ROOT
            if link := _field(form.get("link")):
                now = self._wall_clock()
                found, problem = read_link(self._link_key, link, now), _EXPIRED
                good = found is not None
                if found is not None:
                    if self._scope(request) == FULL:  # a session with more rights keeps them
                        raise web.HTTPSeeOther(f"{ROOT}jobs/{found[1].job}".rstrip("/"))
                    seconds, scope = min(SESSION_SECONDS, found[0] - now), found[1]
                    home = f"{ROOT}jobs/{scope.job}".rstrip("/")
            elif ticket:
                good, problem = self.sessions.redeem(ticket, self.clock()), _USED
                if not good and self._scope(request) == FULL:  # the page was opened twice
                    raise web.HTTPSeeOther(ROOT)
            else:
                good, problem = bool(self._token) and same(token, self._token), _WRONG
            if not good:
                logger.warning("%s: a login to the pages was refused", request.remote)
                await asyncio.sleep(FAILED_SECONDS)
                return await self._form(request, problem, 403)
        finally:
            self._logins -= 1
        to_page = web.HTTPSeeOther(_inside(_field(form.get("next"))) or home)
        to_page.set_cookie(
            self._name(request),
            self.sessions.open(self.clock(), seconds, scope),
            path=ROOT,
            max_age=int(seconds),
            httponly=True,
            samesite="Strict",
            secure=self._secure,
        )
        raise to_page

    async def logout(self, request: web.Request) -> web.StreamResponse:
        """End the session."""
        name = self._name(request)
        self.sessions.close(request.cookies.get(name, ""))
        gone = web.HTTPSeeOther(LOGIN)
        gone.del_cookie(name, path=ROOT, httponly=True, samesite="Strict", secure=self._secure)
        raise gone

    def _name(self, request: web.Request) -> str:
        transport = request.transport
        local = transport.get_extra_info("sockname") if transport is not None else None
        port = local[1] if isinstance(local, tuple) and len(local) > 1 else 0
        return f"{'__Secure-' if self._secure else ''}mrmesos-{port}"


def _not_within(scope: Scope, request: web.Request) -> str:
    """Why a session with this scope may not make this request. Empty if it may."""
    if scope.read_only and request.method not in ("GET", "HEAD") and request.path != LOGOUT:
        return "It shows pages, and changes nothing."
    of = request.query.get("of", "")
    shown = urlsplit(of).path if request.path == EVENTS else request.path
    if request.path != LOGOUT and not scope.shows(shown):
        return f"It shows the pages of {scope.job}, and no others."
    return ""


def message(title: str, hint: str) -> Content:
    """A page with a few words."""
    return Content("message.html", {"title": title, "hint": hint, "now": 0.0, "live": False})


async def answer(
    content: Content, status: int = 0, follow: str = "", *, read_only: bool = False
) -> web.Response:
    """The whole page, made in a thread beside the event loop."""
    text = await asyncio.to_thread(render.whole, content, follow, read_only)
    return web.Response(text=text, content_type="text/html", status=status or content.status)


async def confine(_request: web.Request, response: web.StreamResponse) -> None:
    """Add HEADERS to every answer, also of errors and redirects."""
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")


def _field(value: object) -> str:
    return value[:_FIELD_MAX] if isinstance(value, str) else ""


def _inside(address: str) -> str:
    """The address, if it leads to one of our pages; else empty."""
    fine = address.startswith(ROOT) and address.isascii() and address.isprintable()
    return address if fine and not set(address) & set("\\<>\"' ") and len(address) < 2000 else ""
