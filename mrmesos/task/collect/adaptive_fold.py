"""Whether folding records as they come pays: tried, and tried less often where it does not."""

from __future__ import annotations

_PAUSE_MAX = 64


class AdaptiveFold:
    """Whether folding chunks pays: pauses, longer each time, where it does not."""

    def __init__(self, worthwhile: float) -> None:
        self.taken = self.given = 0
        self._worthwhile = worthwhile
        self._pause = self._next_pause = 0

    @property
    def paused(self) -> bool:
        """Whether `wanted` would say no."""
        return self._pause > 0

    def wanted(self) -> bool:
        """Whether the next chunk should be tried."""
        if self._pause:
            self._pause -= 1
            return False
        return True

    def pays(self, rows: int, distinct: int) -> bool:
        """Learn that `rows` records have `distinct` keys; whether to fold them."""
        if distinct <= self._worthwhile * rows:
            self._next_pause = 0
            return True
        self._next_pause = min(_PAUSE_MAX, 2 * self._next_pause + 1)
        self._pause = self._next_pause
        return False
