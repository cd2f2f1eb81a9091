"""Where the JobTracker is: at its URL, or at that of the elected one.

A TaskTracker is told one or the other when it is started. An election is looked at when nothing is
known, or when who was there last does not answer; at most every few seconds, and not by all of them
at once.
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
"""Between two looks; a random time, as all TaskTrackers miss their JobTracker at once."""


class LeaderLookup:
    """Used in one event loop."""

    def __init__(self, given: str, find: Callable[[Place], str] = find_leader) -> None:
        """`given` is a URL, or `zk://…`. Raises ValueError."""
        self.given = given
        self._place = Place.parse(given) if given.startswith(SCHEME) else None
        self._url = "" if self._place is not None else given.rstrip("/")
        self._find = find
        self._lock = asyncio.Lock()
        self._next_look = 0.0

    async def url(self) -> str:
        """Where to ask. Raises NoLeader."""
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
        """No good answer came from there: look where the JobTracker is now."""
        if self._place is not None and self._url == url:
            self._url = ""
