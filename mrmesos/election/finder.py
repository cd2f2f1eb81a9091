"""Reads the leader's URL from ZooKeeper."""

from __future__ import annotations

import logging
import re
from urllib.parse import urlsplit

from mrmesos.election.place import LEADER, Place

FIND_SECONDS = 5.0
URL_BYTES_MAX = 500
_PLAIN = re.compile(r"[A-Za-z0-9:/.\-_\[\]%]+")
_kazoos = logging.getLogger(f"{__name__}.kazoo")
_kazoos.setLevel(logging.ERROR)  # NoLeader already reports the problem


class NoLeader(Exception):
    """No JobTracker leads now, or ZooKeeper does not answer. The message says which."""


def find_leader(place: Place, timeout: float = FIND_SECONDS) -> str:
    """The URL of the leading JobTracker, `http://host:port` or `https://…`. Raises NoLeader.

    It connects for one lookup only. After it, the caller talks to the JobTracker itself.
    """
    from kazoo.client import KazooClient  # a slow import, so only callers of this function pay
    from kazoo.exceptions import KazooException, NoNodeError

    client = KazooClient(hosts=place.hosts, timeout=timeout, logger=_kazoos)
    try:
        client.start(timeout)
        data, _ = client.get(place.node(LEADER))
    except NoNodeError:
        raise NoLeader(f"no JobTracker leads at {place.url}") from None
    except (KazooException, client.handler.timeout_exception) as problem:
        words = str(problem) or type(problem).__name__
        raise NoLeader(f"ZooKeeper at {place.hosts} does not answer: {words}") from problem
    finally:
        client.stop()
        client.close()
    url = bytes(data[: URL_BYTES_MAX + 1]).decode("utf-8", "replace")
    if not url:
        raise NoLeader(f"the JobTracker elected at {place.url} does not listen yet")
    if not is_address(url):
        raise NoLeader(f"{url[:100]!r} at {place.url} is not a JobTracker's address")
    return url


def is_address(url: str) -> bool:
    """Whether `url` is exactly `http://host:port` or `https://host:port`."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return (
        len(url) <= URL_BYTES_MAX
        and _PLAIN.fullmatch(url) is not None
        and parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and port is not None
        and "@" not in url
        and parts.path in ("", "/")
    )
