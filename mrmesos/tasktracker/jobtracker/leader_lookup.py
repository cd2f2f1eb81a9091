"""Finds the JobTracker: at a fixed URL, or at the URL of the elected leader.

The TaskTracker gets the URL or the place of the election at its start. It looks the leader up when
it knows none, or when the last one does not answer. It does so every few seconds at most, and after
a random pause, so that not all TaskTrackers ask at once.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable

from mrmesos.election.finder import find_leader
from mrmesos.election.place import SCHEME, Place

logger = logging.getLogger(__name__)

LOOK_SECONDS = (1.0, 3.0)
"""Range of the pause between two lookups. All TaskTrackers lose their JobTracker at once."""


class LeaderLookup:
    """Remembers the JobTracker's URL. Use it in one event loop only."""

    def __init__(self, given: str, find: Callable[[Place], str] = find_leader) -> None:
        """`given` is a URL, or `zk://…`. Raises ValueError."""
        self.given = given
        self._place = Place.parse(given) if given.startswith(SCHEME) else None
        self._url = "" if self._place is not None else given.rstrip("/")
        self._find = find
        self._lock = asyncio.Lock()
        self._next_look = 0.0

    async def url(self) -> str:
        """The JobTracker's URL. Raises NoLeader."""
        if self._url or self._place is None:
            return self._url
        async with self._lock:
            if not self._url:
                await asyncio.sleep(self._next_look - time.monotonic())
                self._next_look = time.monotonic() + random.uniform(*LOOK_SECONDS)
                self._url = await asyncio.to_thread(self._find, self._place)
                logger.info("the JobTracker at %s leads", self._url)
        return self._url

    def doubt(self, url: str) -> None:
        """Forget this URL, because it gave no valid answer. The next call of `url` looks again."""
        if self._place is not None and self._url == url:
            self._url = ""
