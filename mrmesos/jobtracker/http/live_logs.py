"""Logs of running attempts, asked of their TaskTrackers for a client. In the server's event loop.

What answers proves that it knows the job's token. Where a TaskTracker listens it says itself, in
its heartbeats, and user code can speak in its place. So its URL is asked only where it leads to its
own agent, as Mesos knows that, or to where its heartbeats come from: it cannot have us ask others
in its name.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import ssl
from collections import OrderedDict
from collections.abc import Collection
from urllib.parse import urlsplit

import aiohttp

from mrmesos.access.signing import AUTHORIZATION, REPLY, Signer
from mrmesos.jobtracker.core.state.reports import AttemptLogs

logger = logging.getLogger(__name__)

MAX_LOG_BYTES = 8 << 20
LOG_TIMEOUT = aiohttp.ClientTimeout(total=10.0, connect=3.0)
SOURCES_MAX = 50_000


class LiveLogs:
    """Asks, and remembers where heartbeats come from."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """`tls` is for TaskTrackers that speak HTTPS."""
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._sources: OrderedDict[str, str] = OrderedDict()

    def heard(self, tracker_id: str, source: str) -> None:
        """A heartbeat, signed by this TaskTracker, came from this address."""
        self._sources[tracker_id] = source
        self._sources.move_to_end(tracker_id)
        while len(self._sources) > SOURCES_MAX:
            self._sources.popitem(last=False)

    async def fetch(self, logs: AttemptLogs, attempt_id: str, stream: str) -> bytes | None:
        """What the attempt printed to `stdout` or `stderr`; None where that cannot be had."""
        hosts = {*logs.hosts, self._sources.get(logs.tracker_id, "")}
        if not leads_to(logs.url, hosts):
            logger.warning(
                "%s says that it listens at %r, which is none of %s: its logs are not asked for",
                logs.tracker_id,
                logs.url,
                sorted(filter(None, hosts)),
            )
            return None
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._tls or True)
            self._session = aiohttp.ClientSession(timeout=LOG_TIMEOUT, connector=connector)
        path = f"/attempts/{attempt_id}/logs?stream={stream}"
        signer = Signer(logs.job_id, logs.token)
        signed = signer.sign("GET", path)
        try:
            async with self._session.get(
                logs.url + path, headers={AUTHORIZATION: signed}, allow_redirects=False
            ) as answer:
                if answer.status != 200:
                    return None
                body = await _at_most(answer, MAX_LOG_BYTES)
                proof = answer.headers.get(REPLY, "")
                if not signer.proves(signed, proof, hashlib.sha256(body).hexdigest()):
                    logger.warning("what answers at %s is not %s", logs.url, logs.tracker_id)
                    return None
                return body
        except (aiohttp.ClientError, TimeoutError, ValueError) as problem:
            logger.info("no log from %s: %s", logs.url, problem)
            return None

    async def close(self) -> None:
        """Drop all connections."""
        if self._session is not None:
            await self._session.close()


async def _at_most(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body, to its end. A longer one is cut off, and so proves nothing."""
    body = bytearray()
    async for part in answer.content.iter_any():
        body += part
        if len(body) > limit:
            break
    return bytes(body)


def leads_to(url: str, hosts: Collection[str]) -> bool:
    """Whether it is `http(s)://host:port`, no more, with one of these hosts. On one machine every
    loopback address is as good as another.
    """
    if not url.isascii() or not url.isprintable() or set(url) & set(" @\\%?#"):
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or parts.path or not port or not parts.hostname:
        return False
    place = _place(parts.hostname)
    return any(place == _place(host) for host in hosts if host)


def _place(host: str) -> str:
    """A name, an address in its normal form, or `loopback`."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.lower().rstrip(".")
    address = getattr(address, "ipv4_mapped", None) or address
    return "loopback" if address.is_loopback else str(address)
