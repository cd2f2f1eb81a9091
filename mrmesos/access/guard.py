"""Protects our servers from requests that a foreign web page sends through a user's browser.

A web page can make its own host name point to this machine's loopback or internal network (DNS
rebinding), and then read our answers. But the browser still sends the page's name in `Host`, and
the origin of the request in `Origin` and `Sec-Fetch-Site`. So the guard accepts a request only if

- `Host` is a valid name of this server: a loopback name, the address at which the connection
  arrived, a name that the server listens on or is known by, this host's own name, or a name that a
  setting adds. The port does not matter, because ports may be forwarded. A request without `Host`
  is accepted, because browsers always send it.
- `Origin`, if present, is this server itself or one of the names that a setting adds.
- `Sec-Fetch-Site`, if present, is `same-origin`, or `none` (the user typed the address). A link on
another site may also open one of our pages in a browser's window, because that site cannot read the
answer.

A refused request reaches no handler and gets no information. Answers do not name our software or
its version. Thread: the server's event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable
from urllib.parse import urlsplit

from mrmesos.access.late_certificates import web

SERVER = "mrmesos"
"""The `Server` header of answers to invalid HTTP. There we cannot omit it, only replace it."""
FULL_NAME_SECONDS = 5.0
_LOOPBACK_NAMES = ("localhost", "ip6-localhost", "ip6-loopback")
_SITES = ("same-origin", "none")
_KNOWN_MAX = 1000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RequestGuard:
    """The outermost middleware of one server."""

    def __init__(
        self,
        names: Iterable[str] = (),
        further: Iterable[str] = (),
        setting: str = "",
        pages: str = "",
    ) -> None:
        """`names` are the names of this server. `further` are names that `setting` adds.

        Pages from `further` names, for example a proxy's, may send requests, too. Links on other
        sites may lead to `/`. If `pages` is not empty, they may also lead to paths that begin with
        it.
        """
        self._pages = pages
        own = (os.uname().nodename, *_LOOPBACK_NAMES, *names)
        self._further = {_normal(name) for name in further if name.strip()}
        self._names = {_normal(name) for name in own if name} | self._further
        self._setting = setting
        self._full_name: asyncio.Future[str] | None = None
        self._known: set[tuple[str, str]] = set()

    def stand_before(self, app: web.Application) -> None:
        """Put the guard before all middlewares of an application that is not frozen yet."""
        app.middlewares.insert(0, self._check)
        app.on_response_prepare.append(_unsigned)

    def knows(self, host: str, address: str) -> bool:
        """Whether a Host header is a name of this server that was accepted before, on a connection
        that arrived at `address`.
        """
        return (host, _normal(address)) in self._known

    @web.middleware
    async def _check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if why := await self._wrong(request):
            body = json.dumps({"error": why})
            return web.Response(status=403, text=body, content_type="application/json")
        return await handler(request)

    async def _wrong(self, request: web.Request) -> str:
        """Why the request is refused; empty if it is accepted."""
        hosts = request.headers.getall("Host", [])
        for host in hosts:
            if not await self._ours(host, _address_of(request)):
                more = f"; {self._setting} may name further ones" if self._setting else ""
                return f"{host[:200]!r} is not a name of this server{more}"
        for origin in request.headers.getall("Origin", []):
            if not self._may_come_from(origin, hosts):
                return f"a page of {origin[:200]!r} may not send requests here"
        for site in request.headers.getall("Sec-Fetch-Site", []):
            if site not in _SITES and not self._follows_link(request):
                return "a page of another site may not send requests here"
        return ""

    def _follows_link(self, request: web.Request) -> bool:
        """Whether the request loads a whole window from one of our pages, and changes nothing."""
        page = bool(self._pages) and (request.path == "/" or request.path.startswith(self._pages))
        headers = request.headers
        window = headers.get("Sec-Fetch-Mode"), headers.get("Sec-Fetch-Dest")
        return page and request.method == "GET" and window == ("navigate", "document")

    async def _ours(self, host: str, address: str) -> bool:
        if (host, address) in self._known:
            return True
        name = _name_of(host)
        ours = name in self._names or _is_loopback(name) or (bool(name) and name == address)
        if not ours and name and not _is_address(name):
            ours = name == await self._whole_name()
        if ours and len(self._known) < _KNOWN_MAX:
            self._known.add((host, address))
        return ours

    async def _whole_name(self) -> str:
        """This host's full name with its domain. Looked up once, and only when needed."""
        if self._full_name is None:
            loop = asyncio.get_running_loop()
            self._full_name = loop.create_future()
            # In a daemon thread, so that a slow name server does not delay the process's end.
            looker = threading.Thread(target=_look_up, args=(loop, self._full_name), daemon=True)
            looker.start()
        try:
            async with asyncio.timeout(FULL_NAME_SECONDS):
                return _normal(await asyncio.shield(self._full_name))
        except TimeoutError:
            return ""

    def _may_come_from(self, origin: str, hosts: list[str]) -> bool:
        name = _name_of(origin.partition("://")[2])
        if name in self._further:
            return True
        return bool(name) and any(_place(origin) == _place(f"http://{host}") for host in hosts)


def _look_up(loop: asyncio.AbstractEventLoop, answer: asyncio.Future[str]) -> None:
    def tell() -> None:
        if not answer.done():
            answer.set_result(name)

    name = socket.getfqdn()
    with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
        loop.call_soon_threadsafe(tell)


def quiet(handler: web.RequestHandler) -> web.RequestHandler:
    """Make a connection's handler hide our software's name, even in answers to invalid HTTP."""
    handler.__class__ = _Quiet
    return handler


class _Quiet(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer like aiohttp, but without its name in the `Server` header."""
        answer = super().handle_error(request, status, exc, message)
        answer.headers["Server"] = SERVER
        return answer


async def _unsigned(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop("Server", None)


def _name_of(host: str) -> str:
    """The name in `name:port` or `[::1]:port`; empty if `host` has another form."""
    if set(host) & set("@/\\?#% \t"):
        return ""
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018 (raises if it is not a number)
        return _normal(parts.hostname or "")
    except ValueError:
        return ""


def _place(url: str) -> tuple[str, int | None]:
    """Host and port, without the scheme, as a proxy before us may end TLS."""
    try:
        parts = urlsplit(url)
        return _normal(parts.hostname or ""), parts.port
    except ValueError:
        return "", None


def _normal(name: str) -> str:
    name = name.strip().strip("[]").rstrip(".").lower()
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(name: str) -> bool:
    return _is_address(name) and ipaddress.ip_address(name).is_loopback


def _address_of(request: web.Request) -> str:
    """Our own address at which the connection arrived."""
    transport = request.transport
    local = transport.get_extra_info("sockname") if transport is not None else None
    return _normal(str(local[0])) if isinstance(local, tuple) and local else ""
