"""Heartbeats whose answers are held until there is an action, one for each TaskTracker.

If a TaskTracker reports ended attempts meanwhile, that heartbeat is answered at once, and the held
one stays. So an ended attempt costs one request. Thread: the server's event loop.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from mrmesos.wire.heartbeat import Heartbeat

HEARTBEATS_PER_SECOND = 300
"""Most heartbeats a second without news, from all TaskTrackers together. In a large cluster, each
one is held longer for this, as in Hadoop (mapred.heartbeats.in.second).
"""
HOLD_MAX_SECONDS = 5.0
"""A heartbeat is held no longer than this, however large the cluster is. A TaskTracker gives a
heartbeat up 10 s after `tasktracker.heartbeat.seconds`, and counts as silent after
`tasktracker.silence.seconds`.
"""
ACTIONS_MANY = 100
"""If an answer has this many actions, more may wait until these are acknowledged. The next
heartbeat acknowledges them. So the held one is answered as well.
"""


@dataclass(slots=True, eq=False)
class HeldBeat:
    """A heartbeat that is held. `release` is done when it must be answered. Its result says whether
    the core has something to tell.
    """

    sequence: int
    release: asyncio.Future[bool]

    def answer(self, news: bool) -> None:
        """Answer it now."""
        if not self.release.done():
            self.release.set_result(news)


class HeldHeartbeats:
    """The held heartbeats by TaskTracker."""

    def __init__(self, seconds: float, silence_seconds: float) -> None:
        """Heartbeats wait `seconds`, or longer in a large cluster: at most half of
        `silence_seconds`.
        """
        self._least = seconds
        self._most = max(seconds, min(HOLD_MAX_SECONDS, silence_seconds / 2))
        self._held: dict[str, HeldBeat] = {}
        self._closing = False

    def __len__(self) -> int:
        return len(self._held)

    @property
    def seconds(self) -> float:
        """How long a heartbeat is held if there is no action."""
        return min(self._most, max(self._least, len(self._held) / HEARTBEATS_PER_SECOND))

    def register(self, beat: Heartbeat) -> HeldBeat | None:
        """Register a heartbeat before the core gets it, so that no wake-up is missed.

        None if it must be answered at once: it is late, or it reports ends while another one is
        held.
        """
        before = self._held.get(beat.tracker_id)
        if before is not None:
            if before.sequence >= beat.sequence or beat.reports:
                return None
            before.answer(False)
        held = HeldBeat(beat.sequence, asyncio.get_running_loop().create_future())
        self._held[beat.tracker_id] = held
        return held

    async def wait(self, held: HeldBeat) -> bool:
        """Hold a registered heartbeat. Returns whether the core has something to tell."""
        if self._closing:
            return False
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self.seconds, held.answer, False)
        try:
            return await held.release
        finally:
            timer.cancel()

    def drop(self, tracker_id: str, held: HeldBeat | None) -> None:
        """Note that the heartbeat is being answered."""
        if held is not None and self._held.get(tracker_id) is held:
            del self._held[tracker_id]

    def answered_beside(self, tracker_id: str, actions: int) -> None:
        """Note that another heartbeat of the TaskTracker was answered with this many actions."""
        if actions >= ACTIONS_MANY and (held := self._held.get(tracker_id)) is not None:
            held.answer(False)

    def wake(self, tracker_id: str) -> None:
        """Note that there is an action for the TaskTracker."""
        if (held := self._held.get(tracker_id)) is not None:
            held.answer(True)

    def release_all(self) -> None:
        """Answer all. From now on, hold none."""
        self._closing = True
        for held in list(self._held.values()):
            held.answer(True)
