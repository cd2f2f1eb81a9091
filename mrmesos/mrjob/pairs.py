"""Collects what a mapper yields: encoded by its protocol, and combined before that.

mrjob encodes every pair, sorts the lines, decodes them for the combiner, and encodes its pairs
again. Here pairs are grouped as objects, and the combiner gets what it would get: a pair whose
objects JSON changes (a tuple becomes a list) goes through the protocol first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

MOST_PAIRS = 1 << 18
"""Values that are held before they are combined."""
MEMO_PAIRS = 1 << 16
"""Encoded pairs that are remembered: most pairs of a word count are few."""
_FAITHFUL = ("StandardJSONProtocol", "SimpleJSONProtocol", "RapidJSONProtocol")
"""Protocols that give back text, numbers, booleans and None as they were."""
_SAME = frozenset({str, int, float, bool, type(None)})

Pair = tuple[Any, Any]
Write = Callable[[Any, Any], bytes]
Read = Callable[[bytes], Pair]
Combine = Callable[[Iterator[tuple[Any, list[Any]]]], Iterable[Pair]]
"""Runs the combiner over groups, with its init and final."""


def is_faithful(write: Write) -> bool:
    """Whether plain values come back from this protocol as they were."""
    return type(getattr(write, "__self__", None)).__name__ in _FAITHFUL


class Encoding:
    """Encodes pairs at once."""

    def __init__(self, write: Write) -> None:
        self._write, self._faithful = write, is_faithful(write)
        self._memo: dict[Pair, bytes] = {}
        self._lines: list[bytes] = []

    def take(self, pairs: Iterable[Pair]) -> None:
        """Take pairs. Raises what the protocol raises."""
        write, memo, add = self._write, self._memo, self._lines.append
        if not self._faithful:
            for key, value in pairs:
                add(write(key, value))
            return
        for key, value in pairs:
            # Other types than these could be equal to one another: 1, 1.0 and True.
            if type(key) is str and type(value) is int:
                line = memo.get((key, value))
                if line is None:
                    line = write(key, value)
                    if len(memo) < MEMO_PAIRS:
                        memo[key, value] = line
                add(line)
            else:
                add(write(key, value))

    def lines(self, *, at_end: bool = False) -> list[bytes]:
        """The lines so far."""
        del at_end
        lines, self._lines = self._lines, []
        return lines


class Combining:
    """Groups pairs by key, and combines them when there are many."""

    def __init__(
        self, read: Read, write: Write, combine: Combine, key_of: Callable[[bytes], bytes]
    ) -> None:
        self._read, self._write, self._combine, self._key_of = read, write, combine, key_of
        self._faithful = is_faithful(write)
        self._groups: dict[str, list[Any]] = {}
        self._coded: dict[bytes, list[bytes]] = {}
        self._held = 0

    def take(self, pairs: Iterable[Pair]) -> None:
        """Take pairs. Raises what the protocol or the combiner raises."""
        groups, faithful, count = self._groups, self._faithful, 0
        for key, value in pairs:
            count += 1
            if faithful and type(key) is str and type(value) in _SAME:
                if key in groups:
                    groups[key].append(value)
                else:
                    groups[key] = [value]
            else:
                line = self._write(key, value)
                self._coded.setdefault(self._key_of(line), []).append(line)
        self._held += count

    def lines(self, *, at_end: bool = False) -> list[bytes]:
        """The lines to send on: none while combining makes the pairs few."""
        if self._held < MOST_PAIRS and not at_end:
            return []
        found = list(self._combine(self._sorted()))
        self._groups, self._coded, self._held = {}, {}, 0
        if not at_end and len(found) < MOST_PAIRS // 2:
            self.take(found)
            return []
        return [self._write(key, value) for key, value in found]

    def _sorted(self) -> Iterator[tuple[Any, list[Any]]]:
        yield from sorted(self._groups.items())
        for _, lines in sorted(self._coded.items()):
            pairs = [self._read(line) for line in lines]
            yield pairs[0][0], [value for _, value in pairs]
