"""Watches calls to stores: which store a piece of work waits for, since when, and giving it up.

Nothing can end a hanging call of a filesystem driver from outside. So the JobTracker's planner
enters a StoreWork for each piece of work. The code that calls a store notes the store's name there
before each call. Another thread of the planner reads it. After that thread has given the work up,
the next call raises GivenUp, because nobody waits for the result.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from urllib.parse import urlsplit

_MOUNTS = Path("/proc/self/mounts")


class GivenUp(Exception):
    """The planner has given this work up. Do nothing more for it."""


class StoreWork:
    """One piece of work. Its thread and that thread's children write it; the planner reads it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.since = clock()
        """Time of the last call or the last answer."""
        self.store = ""
        """The store of the last call; empty before the first call."""
        self.given_up = False

    def calls(self, store: str) -> None:
        """Note that the next call goes to this store (`store_of`). Raises GivenUp."""
        if self.given_up:
            raise GivenUp("the planner gave this work up")
        self.store, self.since = store, self._clock()


_current: ContextVar[StoreWork | None] = ContextVar("store work", default=None)


@contextlib.contextmanager
def working(work: StoreWork) -> Iterator[None]:
    """All store calls of this thread belong to this work."""
    token = _current.set(work)
    try:
        yield
    finally:
        _current.reset(token)


def answered() -> None:
    """Note that no store is waited for now: our own code runs."""
    if (work := _current.get()) is not None:
        work.store = ""


def caller(uri: str) -> Callable[[], None]:
    """A function to call before each call to the store of `uri`; any thread. Raises GivenUp."""
    work = _current.get()
    if work is None:
        return _unwatched
    store = store_of(uri)  # once: for a local path it reads the table of mounts
    return lambda: work.calls(store)


def _unwatched() -> None:
    pass


def store_of(uri: str) -> str:
    """The store of a URI: `hdfs://host:port`, or a mount. If one part of a store hangs, all of it
    does.
    """
    parts = urlsplit(uri)
    if "://" in uri and parts.scheme != "file":
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    path = parts.path if parts.scheme == "file" else uri
    return f"file://{mount_of(path)}"


def mount_of(path: str) -> str:
    """The mount point of a local path, without a call to the filesystem, which may hang."""
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:  # not Linux, or no /proc: all local files count as one store
        return "/"
    found = "/"
    for line in lines:
        point = line.split(" ")[1].replace("\\040", " ")
        inside = path == point or path.startswith(f"{point.rstrip('/')}/")
        if inside and len(point) > len(found):
            found = point
    return found
