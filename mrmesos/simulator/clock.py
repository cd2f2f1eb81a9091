"""The virtual clock: actions by time. At equal times, they come in the order of scheduling."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any


class Clock:
    """`now` is in seconds. It begins at START, because the core expects Unix times."""

    START = 1_000_000.0

    __slots__ = ("_heap", "_number", "_taken", "now")

    def __init__(self) -> None:
        self.now = self.START
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._number = 0
        self._taken = 0

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.now - self.START

    @property
    def happened(self) -> int:
        """How many actions were taken so far."""
        return self._taken

    def number(self) -> int:
        """A number for a name, different from all earlier ones."""
        self._number += 1
        return self._number

    def after(self, delay: float, action: Callable[..., None], *what: Any) -> None:
        """Call `action(*what)` in `delay` seconds."""
        self._number += 1
        heapq.heappush(self._heap, (self.now + delay, self._number, action, what))

    def step(self) -> bool:
        """Go to the next action and take it. False if there is none."""
        if not self._heap:
            return False
        self.now, _, action, what = heapq.heappop(self._heap)
        self._taken += 1
        action(*what)
        return True
