"""Stands before a server of ours, and sends away what a web page of others has a browser ask.

A page may name its own host, have that name lead to this machine's loopback or inner network a
moment later (DNS rebinding), and then read what is answered. The browser still says the page's
name, in `Host`. It also says where a request comes from, in `Origin` and in `Sec-Fetch-Site`.
So a request is let in where

- `Host` is a name by which this server is honestly reached: a loopback name, the address that the
  connection came to, the name it was told to listen on or is known by, this host's own name, or
  one that a setting adds. The port does not matter, as ports are forwarded. No `Host`: no browser.
- `Origin`, if there is one, is this server itself, or one of the names that a setting adds.
- `Sec-Fetch-Site`, if there is one, is `same-origin`, or `none` (somebody typed the address).

What is sent away learns nothing, and no handler has seen it. Answers do not tell what software, in
which version, has made them. Runs in the server's event loop.
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

from aiohttp import web

SERVER = "mrmesos"
"""In answers to what is no HTTP, where a header cannot be left out but may be another."""
FULL_NAME_SECONDS = 5.0
_LOOPBACK_NAMES = ("localhost", "ip6-localhost", "ip6-loopback")
_SITES = ("same-origin", "none")
_KNOWN_MAX = 1000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RequestGuard:
    """The outermost middleware of one server."""

    def __init__(
        self, names: Iterable[str] = (), further: Iterable[str] = (), setting: str = ""
    ) -> None:
        """`names` are those of this server, `further` those that `setting` adds, whose pages may
        ask, too: a proxy's, say.
        """
        own = (os.uname().nodename, *_LOOPBACK_NAMES, *names)
        self._further = {_normal(name) for name in further if name.strip()}
        self._names = {_normal(name) for name in own if name} | self._further
        self._setting = setting
        self._full_name: asyncio.Future[str] | None = None
        self._known: set[tuple[str, str]] = set()

    def stand_before(self, app: web.Application) -> None:
        """Before all other middlewares of an application that is not frozen yet."""
        app.middlewares.insert(0, self._check)
        app.on_response_prepare.append(_unsigned)

    @web.middleware
    async def _check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if why := await self._wrong(request):
            body = json.dumps({"error": why})
            return web.Response(status=403, text=body, content_type="application/json")
        return await handler(request)

    async def _wrong(self, request: web.Request) -> str:
        """Why it is sent away; empty where it is not."""
        hosts = request.headers.getall("Host", [])
        for host in hosts:
            if not await self._ours(host, _address_of(request)):
                more = f"; {self._setting} may name further ones" if self._setting else ""
                return f"{host[:200]!r} is no name of this server{more}"
        for origin in request.headers.getall("Origin", []):
            if not self._may_come_from(origin, hosts):
                return f"a page of {origin[:200]!r} may not ask here"
        for site in request.headers.getall("Sec-Fetch-Site", []):
            if site not in _SITES:
                return "a page of another site may not ask here"
        return ""

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
        """This host's name with its domain: asked for once, and only when it matters."""
        if self._full_name is None:
            loop = asyncio.get_running_loop()
            self._full_name = loop.create_future()
            # A thread that nobody waits for: a name server may be slow, and the end is not to be.
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
    """A connection's handler that does not tell what it is, to those either who send no HTTP."""
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
        """As aiohttp does, which would name itself."""
        answer = super().handle_error(request, status, exc, message)
        answer.headers["Server"] = SERVER
        return answer


async def _unsigned(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop("Server", None)


def host_of(url: str) -> str:
    """The host in `http://host:port`, for `names`; empty where there is none."""
    return _name_of(url.partition("://")[2].partition("/")[0])


def _name_of(host: str) -> str:
    """`name:port` or `[::1]:port` without the port; empty where it is neither."""
    if set(host) & set("@/\\?#% \t"):
        return ""
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018 (raises where it is no number)
        return _normal(parts.hostname or "")
    except ValueError:
        return ""


def _place(url: str) -> tuple[str, int | None]:
    """Host and port; TLS may end before us, so the scheme says no more than a default port."""
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
    """The address of ours that the connection came to."""
    transport = request.transport
    local = transport.get_extra_info("sockname") if transport is not None else None
    return _normal(str(local[0])) if isinstance(local, tuple) and local else ""
