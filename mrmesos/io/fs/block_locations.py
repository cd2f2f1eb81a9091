"""The hosts that store each block of a file. Only HDFS tells them, over WebHDFS.

hdfs-native has no call for block locations. `GETFILEBLOCKLOCATIONS` is Hadoop's public call
(HDFS-11156, 3.x). Older NameNodes know only the internal `GET_BLOCK_LOCATIONS`.
"""

from __future__ import annotations

import http.client
import ipaddress
import logging
import os
import pwd
import re
import threading
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import msgspec

from mrmesos.conf import NAMENODE_HTTP_ADDRESS, Conf

logger = logging.getLogger(__name__)

THREADS = 8
REQUEST_SECONDS = 5.0
LOCATE_SECONDS = 30.0
"""Time for all files of a job. The planner ignores the locations of the remaining files."""
MAX_ANSWER = 256 << 20

_AUTHORITY = re.compile(r"(hdfs|webhdfs)://([^/]*)", re.IGNORECASE)
_HTTP_PORT, _HTTPS_PORT = 9870, 9871


class BlockLocation(msgspec.Struct, frozen=True):
    """Bytes `[start, start + length)` of a file; `hosts` has names and addresses of its hosts."""

    start: int
    length: int
    hosts: tuple[str, ...]


Blocks = Mapping[str, Sequence[BlockLocation]]
"""The blocks of each file by URI, in order; files with unknown blocks are missing."""


class Locator(Protocol):
    """Reads block locations of one filesystem. Several threads may use it at once."""

    def blocks(self, path: str, size: int) -> list[BlockLocation]:
        """The blocks of a file of `size` bytes. Raises LocationError."""


class LocationError(Exception):
    """The filesystem did not return block locations; the message is one line."""


def locate(files: Sequence[tuple[str, int]], conf: Conf) -> Blocks:
    """The blocks of these files (URI and size) that filesystems report within 30 s.

    A failure of a filesystem is logged, not raised: the job can run without block locations, only
    with less locality.
    """
    by_filesystem: dict[str, list[tuple[str, int]]] = {}
    for uri, size in files:
        match = _AUTHORITY.match(uri)
        if match is not None and size > 0:
            by_filesystem.setdefault(match[0], []).append((uri, size))
    found: dict[str, Sequence[BlockLocation]] = {}
    deadline = time.monotonic() + LOCATE_SECONDS
    for authority, some in by_filesystem.items():
        try:
            locator = WebHdfs(name_node_addresses(authority, conf))
        except (LocationError, OSError, ValueError) as problem:
            logger.warning("%s: no block locations, so no locality: %s", authority, problem)
            continue
        found |= _ask(locator, authority, some, deadline)
    return found


def _ask(
    locator: Locator, authority: str, files: Sequence[tuple[str, int]], deadline: float
) -> dict[str, Sequence[BlockLocation]]:
    """Stops at the first failure, because the next file would fail the same way."""
    found: dict[str, Sequence[BlockLocation]] = {}
    stop = threading.Event()

    def one(file: tuple[str, int]) -> None:
        uri, size = file
        if stop.is_set():
            return
        try:
            if time.monotonic() > deadline:
                raise LocationError(f"not all files were located within {LOCATE_SECONDS:g} s")
            found[uri] = locator.blocks(uri[len(authority) :], size)
        except LocationError as problem:
            if not stop.is_set():
                stop.set()
                logger.warning("%s: some or no block locations: %s", authority, problem)

    with ThreadPoolExecutor(min(THREADS, len(files)), thread_name_prefix="locate") as pool:
        list(pool.map(one, files))
    return found


def name_node_addresses(authority: str, conf: Conf) -> list[str]:
    """`http://host:port` of each NameNode of `hdfs://name`; a name service may have several.

    The address comes from the job's `dfs.namenode.http-address`, else from Hadoop's configuration,
    else it is the host with Hadoop's default port. Raises LocationError if no host is known.
    """
    match = _AUTHORITY.match(authority)
    name = match[2] if match is not None else ""
    if match is not None and match[1].lower() == "webhdfs":
        return [f"http://{name}" if ":" in name else f"http://{name}:{_HTTP_PORT}"]
    if given := conf.get_as(NAMENODE_HTTP_ADDRESS):
        return [_with_scheme(each.strip()) for each in given.split(",") if each.strip()]
    from mrmesos.io.fs.hadoop_conf import site_configuration  # takes time to import

    site = site_configuration()
    if not name:
        default = _AUTHORITY.match(site.get("fs.defaultFS", ""))
        name = default[2] if default is not None else ""
    secure = site.get("dfs.http.policy", "").upper() == "HTTPS_ONLY"
    scheme, port = ("https", _HTTPS_PORT) if secure else ("http", _HTTP_PORT)
    key = f"dfs.namenode.{scheme}-address"
    nodes = [node.strip() for node in site.get(f"dfs.ha.namenodes.{name}", "").split(",")]
    keys = [f"{key}.{name}.{node}" for node in nodes if node] or [f"{key}.{name}"]
    found = [site[each] for each in keys if each in site]
    if not found and key in site and not site.get("dfs.nameservices"):
        found = [site[key]]
    host = name.rpartition(":")[0] if ":" in name else name
    if not found and host:
        found = [f"{host}:{port}"]
    if not found:
        raise LocationError("no NameNode is configured; set dfs.namenode.http-address")
    # A NameNode that listens on all interfaces is configured as 0.0.0.0.
    return [f"{scheme}://{each.replace('0.0.0.0', host or 'localhost', 1)}" for each in found]


def _with_scheme(address: str) -> str:
    return address if "://" in address else f"http://{address}"


class WebHdfs:
    """Block locations over WebHDFS, from the active NameNode."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = list(addresses)
        self._public = True
        self._local = threading.local()

    def blocks(self, path: str, size: int) -> list[BlockLocation]:
        problems = []
        for address in list(self._addresses):
            try:
                found = self._blocks_from(address, path, size)
            except (OSError, http.client.HTTPException, _Standby) as problem:
                self._local.__dict__.pop(address, None)
                problems.append(f"{address}: {problem or type(problem).__name__}")
                continue
            if self._addresses[0] != address:
                self._addresses = [address, *(a for a in self._addresses if a != address)]
            return found
        raise LocationError("; ".join(problems))

    def _blocks_from(self, address: str, path: str, size: int) -> list[BlockLocation]:
        if self._public:
            status, body = self._get(address, path, "GETFILEBLOCKLOCATIONS", size)
            if status == 200:
                return _parsed(_public_blocks, body)
            if status != 400 or b"not a valid GET operation" not in body:
                raise _refusal(address, status, body)
            self._public = False
        status, body = self._get(address, path, "GET_BLOCK_LOCATIONS", size)
        if status != 200:
            raise _refusal(address, status, body)
        return _parsed(_internal_blocks, body)

    def _get(self, address: str, path: str, operation: str, size: int) -> tuple[int, bytes]:
        query = {"op": operation, "offset": "0", "length": str(size), "user.name": _user()}
        target = f"/webhdfs/v1{urllib.parse.quote(path)}?{urllib.parse.urlencode(query)}"
        kept: http.client.HTTPConnection | None = self._local.__dict__.get(address)
        connection = kept or _connect(address)
        self._local.__dict__[address] = connection
        try:
            connection.request("GET", target)
            answer = connection.getresponse()
            body = answer.read(MAX_ANSWER)
        except (OSError, http.client.HTTPException):
            connection.close()
            self._local.__dict__.pop(address, None)
            if kept is None:
                raise
            # The server closed the kept connection in the meantime.
            return self._get(address, path, operation, size)
        return answer.status, body


class _Standby(Exception):
    """This NameNode is not the active one."""


def _connect(address: str) -> http.client.HTTPConnection:
    parts = urllib.parse.urlsplit(address)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=REQUEST_SECONDS)


def _user() -> str:
    try:
        return os.environ.get("HADOOP_USER_NAME") or pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container's user without a name
        return "nobody"


def _refusal(address: str, status: int, body: bytes) -> Exception:
    try:
        remote = msgspec.json.decode(body)["RemoteException"]
        kind, message = str(remote["exception"]), str(remote["message"]).splitlines()[0]
    except (msgspec.DecodeError, LookupError, TypeError):
        kind, message = "", f"status {status}"
    if kind == "StandbyException":
        return _Standby(message)
    if status == 401:
        message = "it requires Kerberos, which mrmesos does not support for WebHDFS"
    return LocationError(f"{address}: {message}")


def _parsed(parse: Any, body: bytes) -> list[BlockLocation]:
    try:
        blocks: list[BlockLocation] = parse(msgspec.json.decode(body))
    except (msgspec.DecodeError, LookupError, TypeError, ValueError) as problem:
        raise LocationError(f"unexpected answer from WebHDFS: {problem!r}") from problem
    return sorted(blocks, key=lambda block: block.start)


def _public_blocks(answer: Any) -> list[BlockLocation]:
    return [
        BlockLocation(
            int(each["offset"]),
            int(each["length"]),
            _hosts((host, *_address(name)) for host, name in _paired(each)),
        )
        for each in answer["BlockLocations"]["BlockLocation"]
        if int(each["length"]) > 0
    ]


def _paired(block: Any) -> list[tuple[str, str]]:
    if block.get("corrupt"):
        return []
    return list(zip(block["hosts"], block["names"], strict=True))


def _address(name: str) -> tuple[str, ...]:
    return (name.rpartition(":")[0].strip("[]"),)


def _internal_blocks(answer: Any) -> list[BlockLocation]:
    return [
        BlockLocation(
            int(each["startOffset"]),
            int(each["block"]["numBytes"]),
            _hosts((node["hostName"], node["ipAddr"]) for node in each["locations"])
            if not each.get("isCorrupt")
            else (),
        )
        for each in answer["LocatedBlocks"]["locatedBlocks"]
        if int(each["block"]["numBytes"]) > 0
    ]


def _hosts(nodes: Any) -> tuple[str, ...]:
    """Names and addresses, without loopback ones: every machine has those."""
    return tuple(dict.fromkeys(host for node in nodes for host in node if not _is_loopback(host)))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or not host
