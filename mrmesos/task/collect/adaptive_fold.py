"""Decides whether to fold records early: it tries, and tries less often when that does not pay."""

from __future__ import annotations

_PAUSE_MAX = 64


class AdaptiveFold:
    """Decides for each chunk whether to fold it. After chunks that did not pay, it skips some.

    Each failure doubles the pause, up to _PAUSE_MAX chunks. Folding pays if at most the part
    `worthwhile` of the records is left. The owner counts `taken` and `given`.
    """

    def __init__(self, worthwhile: float) -> None:
        self.taken = self.given = 0
        self._worthwhile = worthwhile
        self._pause = self._next_pause = 0

    @property
    def paused(self) -> bool:
        """Whether the next chunk falls into a pause. Does not shorten the pause."""
        return self._pause > 0

    def wanted(self) -> bool:
        """Whether to try the next chunk. Each call shortens a pause by one chunk."""
        if self._pause:
            self._pause -= 1
            return False
        return True

    def pays(self, rows: int, distinct: int) -> bool:
        """Whether to fold `rows` records with `distinct` keys. If not, a pause begins."""
        if distinct <= self._worthwhile * rows:
            self._next_pause = 0
            return True
        self._next_pause = min(_PAUSE_MAX, 2 * self._next_pause + 1)
        self._pause = self._next_pause
        return False
