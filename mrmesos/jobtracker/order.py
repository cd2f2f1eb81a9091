"""Which job goes first. Jobs are bits of integers: a set of jobs is one number, a choice is a few
operations on it however many jobs there are.
"""

from __future__ import annotations

from bisect import insort


class Levels:
    """Bits by key: the lowest key goes first, and within it the lowest bit (the oldest job)."""

    __slots__ = ("_keys", "_masks", "all")

    def __init__(self) -> None:
        self._keys: list[int] = []
        self._masks: dict[int, int] = {}
        self.all = 0

    def add(self, key: int, bit: int) -> None:
        """A job, not in here, at a key."""
        mask = self._masks.get(key, 0)
        if not mask:
            insort(self._keys, key)
        self._masks[key] = mask | bit
        self.all |= bit

    def discard(self, key: int, bit: int) -> None:
        """A job that was added at this key."""
        mask = self._masks[key] ^ bit
        self.all ^= bit
        if mask:
            self._masks[key] = mask
        else:
            del self._masks[key]
            self._keys.remove(key)

    def first(self, candidates: int) -> tuple[int, int]:
        """The first of `candidates`, one of which at least is in here, and all that go before."""
        ahead = 0
        for key in self._keys:
            mask = self._masks[key]
            if here := mask & candidates:
                low = here & -here
                return low, ahead | mask & (low - 1)
            ahead |= mask
        raise AssertionError("none of the candidates is in line")
