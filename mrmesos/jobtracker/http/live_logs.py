"""Fetches logs of attempts for a client: from TaskTrackers, or from sandboxes after their end. It
also asks TaskTrackers for their status and for stacks of workers.

Comes in: an attempt, and where its logs are. Goes out: the log. Thread: the server's event loop.
Other threads read sandboxes.

An answer must prove that its sender knows the job's token or the TaskTracker's own key. A
TaskTracker names its own URL in its heartbeats, and user code could forge those. So we use the URL
only if it leads to the TaskTracker's agent, as Mesos knows it, or to the address that its
heartbeats come from. Otherwise a forged URL could make us send requests to other hosts.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import logging
import ssl
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp

from mrmesos.access.signing import AUTHORIZATION, REPLY, Signer
from mrmesos.jobtracker.core.state.reports import AttemptLogs
from mrmesos.wire.job import KEPT, LOG_START, Sandbox

logger = logging.getLogger(__name__)

MAX_LOG_BYTES = 8 << 20
SANDBOX_LOG_BYTES = 1 << 20
SANDBOX_READS = 4
"""Most sandboxes that are read at the same time."""
TRACKER, SANDBOX = "TaskTracker", "sandbox"
LOG_TIMEOUT = aiohttp.ClientTimeout(total=10.0, connect=3.0)
SOURCES_MAX = 50_000


ReadSandboxLog = Callable[[Sandbox, str, str, int | None, int], tuple[bytes, int]]
"""Reads one stream of an attempt's log in a sandbox. Blocks. Raises FileGone with one line.

It gets an offset and a limit. It returns at most `limit` bytes from the offset on, or from the
log's end without one, and the offset of the first byte.
"""


class FileGone(Exception):
    """A file in a sandbox cannot be read. The message says why, in one line."""


class LogPart(NamedTuple):
    """A part of an attempt's output, and the offset of its first byte.

    `source` is TRACKER, SANDBOX or KEPT. KEPT means only the last lines of both streams, perhaps
    none. Then `note` says why there is no more, if that is known.
    """

    data: bytes
    start: int
    source: str
    note: str = ""


class LiveLogs:
    """Fetches logs, and remembers the addresses that heartbeats come from."""

    def __init__(
        self,
        tls: ssl.SSLContext | None = None,
        read_sandbox: ReadSandboxLog | None = None,
        key_of: Callable[[str], str] | None = None,
    ) -> None:
        """`tls` is for TaskTrackers that speak HTTPS. `read_sandbox` reads logs in sandboxes;
        without it, none are read. `key_of` gives a TaskTracker's key; without it, `ask` asks
        nobody.
        """
        self._tls, self._read_sandbox, self._key_of = tls, read_sandbox, key_of
        self._sandbox_reads = asyncio.Semaphore(SANDBOX_READS)
        self._session: aiohttp.ClientSession | None = None
        self._sources: OrderedDict[str, str] = OrderedDict()

    def heard(self, tracker_id: str, source: str) -> None:
        """A heartbeat, signed by this TaskTracker, came from this address."""
        self._sources[tracker_id] = source
        self._sources.move_to_end(tracker_id)
        while len(self._sources) > SOURCES_MAX:
            self._sources.popitem(last=False)

    async def read(
        self, logs: AttemptLogs, attempt_id: str, stream: str, offset: int | None = None
    ) -> LogPart:
        """A part of the attempt's output on `stdout` or `stderr`.

        With `offset`, the part begins there, if the log still has that byte. Without it, the part
        is the end of the log.
        """
        found = await self.fetch(logs, attempt_id, stream, offset) if logs.url else None
        if found is not None:
            return LogPart(*found, TRACKER)
        note = ""
        if logs.sandbox is not None and self._read_sandbox is not None:
            arguments = (logs.sandbox, attempt_id, stream, offset, SANDBOX_LOG_BYTES)
            try:
                async with self._sandbox_reads:
                    data, start = await asyncio.to_thread(self._read_sandbox, *arguments)
                return LogPart(data, start, SANDBOX)
            except FileGone as problem:
                note = str(problem)
        return LogPart(logs.kept.encode("utf-8", "replace"), 0, KEPT, note)

    async def fetch(
        self, logs: AttemptLogs, attempt_id: str, stream: str, offset: int | None = None
    ) -> tuple[bytes, int] | None:
        """The same part, but only from the TaskTracker: bytes, and the offset of the first. None if
        that fails.
        """
        path = f"/attempts/{attempt_id}/logs?stream={stream}"
        if offset is not None:
            path += f"&offset={offset}"
        signer = Signer(logs.job_id, logs.token)
        found = await self._get(logs.tracker_id, logs.url, logs.hosts, path, signer)
        return None if found is None else (found[0], _number(found[1].get(LOG_START, "")))

    async def ask(
        self, tracker_id: str, url: str, hosts: Collection[str], path: str
    ) -> bytes | None:
        """The answer of a TaskTracker to the JobTracker's own question. None if that fails."""
        if self._key_of is None or not url:
            return None
        signer = Signer(tracker_id, self._key_of(tracker_id))
        found = await self._get(tracker_id, url, hosts, path, signer)
        return None if found is None else found[0]

    async def _get(
        self, tracker_id: str, url: str, hosts: Collection[str], path: str, signer: Signer
    ) -> tuple[bytes, Mapping[str, str]] | None:
        """The body and the headers of an answer that its sender has signed."""
        known = {*hosts, self._sources.get(tracker_id, "")}
        if not leads_to(url, known):
            logger.warning(
                "%s says that it listens at %r, but its hosts are %s: no request is sent",
                tracker_id,
                url,
                sorted(filter(None, known)),
            )
            return None
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._tls or True)
            self._session = aiohttp.ClientSession(timeout=LOG_TIMEOUT, connector=connector)
        signed = signer.sign("GET", path)
        try:
            async with self._session.get(
                url + path, headers={AUTHORIZATION: signed}, allow_redirects=False
            ) as answer:
                if answer.status != 200:
                    return None
                body = await _at_most(answer, MAX_LOG_BYTES)
                proof = answer.headers.get(REPLY, "")
                if not signer.proves(signed, proof, hashlib.sha256(body).hexdigest()):
                    logger.warning("what answers at %s is not %s", url, tracker_id)
                    return None
                return body, answer.headers
        except (aiohttp.ClientError, TimeoutError, ValueError) as problem:
            logger.info("no answer from %s: %s", url, problem)
            return None

    async def close(self) -> None:
        """Drop all connections."""
        if self._session is not None:
            await self._session.close()


def not_kept(attempt_id: str, logs: AttemptLogs, note: str) -> str:
    """Says where the log of an attempt may be, if nobody can show it."""
    if note:
        return f"no log of {attempt_id}: {note}"
    on = f" on {logs.hosts[0]}" if logs.hosts and logs.hosts[0] else ""
    place = f"userlogs/*/{attempt_id}"
    return (
        f"the TaskTracker does not serve the log of {attempt_id}, and no lines of it were kept; if "
        f"it printed anything, that is{on} in {place} of the TaskTracker's sandbox"
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


async def _at_most(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    """The whole body. A longer one is cut off, so its proof fails."""
    body = bytearray()
    async for part in answer.content.iter_any():
        body += part
        if len(body) > limit:
            break
    return bytes(body)


def leads_to(url: str, hosts: Collection[str]) -> bool:
    """Whether `url` is exactly `http(s)://host:port` with one of these hosts. All loopback
    addresses count as equal, because they are the same machine.
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
    """A host in normal form: a name, an address, or `loopback`."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.lower().rstrip(".")
    address = getattr(address, "ipv4_mapped", None) or address
    return "loopback" if address.is_loopback else str(address)
