"""Which store a piece of work is waiting for, since when, and whether anybody still wants it.

A call of a filesystem driver that hangs cannot be ended from outside. So whoever works for others
(the JobTracker's planner) enters a StoreWork, and what calls stores says before each call
which one it is about to call. The planner's other thread reads that; once it gives the work up, the
next call raises GivenUp instead of doing what nobody waits for any more.
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
    """This work was given up: nothing more is to be done for it."""


class StoreWork:
    """One piece of work. Written by its thread (and those it starts), read by another."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.since = clock()
        """When it was last answered, or last began to wait for an answer."""
        self.store = ""
        """The store that was called last; empty before the first call."""
        self.given_up = False

    def calls(self, uri: str) -> None:
        """The next call goes to the store of `uri`; the one before was answered."""
        if self.given_up:
            raise GivenUp("it was given up")
        self.store, self.since = store_of(uri), self._clock()


_current: ContextVar[StoreWork | None] = ContextVar("store work", default=None)


@contextlib.contextmanager
def working(work: StoreWork) -> Iterator[None]:
    """All calls of this thread are of this work."""
    token = _current.set(work)
    try:
        yield
    finally:
        _current.reset(token)


def answered() -> None:
    """No store is waited for now: what takes time is our own work."""
    if (work := _current.get()) is not None:
        work.store = ""


def caller(uri: str) -> Callable[[], None]:
    """What to call before each call to the store of `uri`, from any thread. Raises GivenUp."""
    work = _current.get()
    return _nothing if work is None else lambda: work.calls(uri)


def _nothing() -> None:
    """Nobody watches."""


def store_of(uri: str) -> str:
    """The store behind a URI, which answers or hangs as one: `hdfs://host:port`, or a mount."""
    parts = urlsplit(uri)
    if "://" in uri and parts.scheme != "file":
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    path = parts.path if parts.scheme == "file" else uri
    return f"file://{mount_of(path)}"


def mount_of(path: str) -> str:
    """Where the filesystem of a local path is mounted, without asking it: it may hang."""
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:  # not Linux, or no /proc here: all local files count as one store
        return "/"
    found = "/"
    for line in lines:
        point = line.split(" ")[1].replace("\\040", " ")
        inside = path == point or path.startswith(f"{point.rstrip('/')}/")
        if inside and len(point) > len(found):
            found = point
    return found
