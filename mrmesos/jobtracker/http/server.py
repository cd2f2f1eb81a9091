"""An HTTP server in its own thread, and the address at which others reach it."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
import ssl
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from aiohttp import web

from mrmesos.access.guard import RequestGuard
from mrmesos.access.listener import Listener, ListenerLimits
from mrmesos.access.plain_requests import Answer

logger = logging.getLogger(__name__)

START_SECONDS = 10.0
SHUTDOWN_SECONDS = 1.0
CONNECTIONS_MAX = 40_000
"""Four for each of 10,000 TaskTrackers."""
OTHER_FILES = 256


class AddressError(ValueError):
    """An address does not have the form host:port, or we cannot listen on it."""


def split_address(text: str) -> tuple[str, int]:
    """Split `host:port`. Port 0 means any free port. Raises AddressError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise AddressError(f"{text!r} is not of the form host:port")
    return host, int(port)


def address_towards(master: str) -> str:
    """Our IP address on the route to the Mesos master.

    `master` is host:port, http://host:port or zk://host:port,…/path. To find the route, we connect
    a UDP socket, which sends nothing.
    """
    rest = master.split("://", 1)[-1].split("/", 1)[0].split(",", 1)[0].rpartition("@")[2]
    parts = urlsplit(f"//{rest}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((parts.hostname or "127.0.0.1", parts.port or 5050))
        except OSError as problem:
            why = problem.strerror or problem
            raise AddressError(f"{master}: no route to this master: {why}") from problem
        return str(probe.getsockname()[0])


def listening_address(host: str, master: str) -> tuple[str, str]:
    """The address to listen on, and the address that others use.

    By default, both are this machine's address on the route to the master: loopback for a master
    on this machine, otherwise an address that the agents can reach, too. `host` overrides this.
    Raises AddressError if there is no route to the master.
    """
    if host not in ("", "0.0.0.0"):
        return host, host
    towards = address_towards(master)
    return host or towards, towards


def allow_connections() -> None:
    """Raise the limit of file descriptors as far as the hard limit allows. Most shells and services
    start with 1,024, which is enough for only 200 TaskTrackers.
    """
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS_MAX + OTHER_FILES
    if most != resource.RLIM_INFINITY:
        wanted = min(wanted, most)
    if files != resource.RLIM_INFINITY and files < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def most_connections() -> int:
    """Most connections, by the limit of file descriptors. OTHER_FILES are left for other uses."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = CONNECTIONS_MAX if files == resource.RLIM_INFINITY else files - OTHER_FILES
    return max(64, min(CONNECTIONS_MAX, most))


class HttpServer:
    """Serves one aiohttp application from `start()` to `stop()`."""

    def __init__(
        self,
        application: Callable[[], web.Application],
        host: str,
        port: int,
        tls: ssl.SSLContext | None = None,
        guard: RequestGuard | None = None,
        plain: tuple[str, Answer] | None = None,
    ) -> None:
        """`application` is called in the server's thread, where the event loop runs. `guard` and
        `plain` are those of Listener.
        """
        self._application, self._guard, self._plain = application, guard, plain
        self._host, self._port, self._tls = host, port, tls
        self._ready = threading.Event()
        self._problem: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def start(self) -> int:
        """Listen, and return the port. Raises AddressError if that fails."""
        self._thread.start()
        if not self._ready.wait(START_SECONDS):
            raise AddressError(f"{self._host}:{self._port}: not listening in {START_SECONDS:g} s")
        if self._problem is not None:
            problem = self._problem
            raise AddressError(
                f"cannot listen on {self._host}:{self._port}: {_why(problem)}"
            ) from problem
        return self._port

    def call_soon(self, function: Callable[..., None], *args: object) -> None:
        """Call a function soon in the event loop's thread. After the loop's end, it does
        nothing.
        """
        loop = self._loop
        if loop is None:
            return
        try:
            loop.call_soon_threadsafe(function, *args)
        except RuntimeError:  # the loop has just closed, so nobody needs the call
            logger.debug("the HTTP server is over; %s not called", function)

    def stop(self, timeout: float) -> bool:
        """Stop listening, and end the thread. Returns False if that takes over `timeout` s."""
        if self._stop is not None:
            self.call_soon(self._stop.set)
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as problem:
            if self._ready.is_set():
                logger.exception("the HTTP server has ended")
            else:
                logger.debug("the HTTP server did not start", exc_info=True)
            self._problem = problem
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        listener = Listener(
            self._application(),
            ListenerLimits(connections=most_connections()),
            self._tls,
            guard=self._guard,
            plain=self._plain,
            shutdown_seconds=SHUTDOWN_SECONDS,
        )
        try:
            self._port = await listener.start(self._host, self._port)
            self._loop = asyncio.get_running_loop()
            self._ready.set()
            await self._stop.wait()
        finally:
            await listener.close()


def _why(problem: BaseException) -> str:
    if isinstance(problem, OSError) and problem.errno is not None and problem.errno > 0:
        return os.strerror(problem.errno)  # asyncio's own text is longer
    return getattr(problem, "strerror", None) or str(problem)
