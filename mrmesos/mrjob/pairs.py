"""Collects what a mapper yields: encoded by its protocol, and combined before that.

mrjob encodes every pair, sorts the lines, decodes them for the combiner, and encodes its pairs
again. Here pairs are grouped as objects, and the combiner gets what it would get: a pair whose
objects JSON changes (a tuple becomes a list) goes through the protocol first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, starmap
from sys import getsizeof
from typing import Any

from mrmesos.mrjob.codec import Pair, Read, Write, fast_write, is_faithful

MOST_PAIRS = 1 << 20
MOST_BYTES = 128 << 20
"""Pairs, and about how many bytes of them, that are held before they are combined."""
MEMO_PAIRS = 1 << 16
"""Encoded pairs that are remembered: most pairs of a word count are few."""
_CHUNK_LEAST, _CHUNK_MOST, _CHUNK_BYTES = 64, 4096, 1 << 20
_WEIGHED = 16
_ABSENT = object()
_SAME = frozenset({str, int, float, bool, type(None)})

Combine = Callable[[Iterator[tuple[Any, Iterator[Any]]]], Iterable[Pair]]
"""Runs the combiner over groups, with its init and final."""


class Encoding:
    """Encodes pairs at once."""

    def __init__(self, write: Write) -> None:
        self._write, self._faithful = fast_write(write), is_faithful(write)
        self._memo: dict[Pair, bytes] = {}

    def take(self, pairs: Iterable[Pair]) -> Iterator[bytes]:
        """The lines of these pairs. Raises what the protocol raises."""
        write, memo = self._write, self._memo
        if not self._faithful:
            yield from starmap(write, pairs)
            return
        for key, value in pairs:
            # Other types than these could be equal to one another: 1, 1.0 and True.
            if type(key) is str and type(value) is int:
                line = memo.get((key, value))
                if line is None:
                    line = write(key, value)
                    if len(memo) < MEMO_PAIRS:
                        memo[key, value] = line
                yield line
            else:
                yield write(key, value)

    def end(self) -> Iterable[bytes]:
        """Nothing is held."""
        return ()


class Combining:
    """Groups pairs by key, and combines them when there are many.

    With `in_order`, the combiner gets the keys of a round in order, as from mrjob's runners.
    """

    def __init__(
        self,
        read: Read,
        write: Write,
        combine: Combine,
        key_of: Callable[[bytes], bytes],
        *,
        in_order: bool,
    ) -> None:
        self._read, self._write, self._combine, self._key_of = read, write, combine, key_of
        self._faithful, self._in_order = is_faithful(write), in_order
        self._encoded = fast_write(write)
        # One value as it is, and several in a list: most keys of a text come once, and a list for
        # each takes memory, and time of the garbage collector.
        self._groups: dict[str, Any] = {}
        self._coded: defaultdict[bytes, list[bytes]] = defaultdict(list)
        self._held = self._held_bytes = 0
        self._chunk = _CHUNK_LEAST

    def take(self, pairs: Iterable[Pair]) -> Iterator[bytes]:
        """Take pairs. Yields lines whenever too much is held.

        If combining leaves few pairs, they wait for more. Raises what the protocol or the combiner
        raises.
        """
        rest = iter(pairs)
        while chunk := [*islice(rest, self._chunk)]:
            self._add(chunk)
            if self._held < MOST_PAIRS and self._held_bytes < MOST_BYTES:
                continue
            before = self._held
            found = self._combined()
            if len(found) < before // 8 and len(found) * _size(found) < MOST_BYTES // 8:
                self._add(found)
            else:
                yield from starmap(self._encoded, found)

    def end(self) -> Iterable[bytes]:
        """The lines of all that is held."""
        return starmap(self._encoded, self._combined())

    def _add(self, pairs: list[Pair]) -> None:
        groups, faithful, same, absent = self._groups, self._faithful, _SAME, _ABSENT
        for key, value in pairs:
            if type(key) is str and faithful and type(value) in same:
                known = groups.get(key, absent)
                if known is absent:
                    groups[key] = value
                elif type(known) is list:
                    known.append(value)
                else:
                    groups[key] = [known, value]
            else:
                line = self._write(key, value)
                self._coded[self._key_of(line)].append(line)
        size = _size(pairs)
        self._held += len(pairs)
        self._held_bytes += size * len(pairs)
        self._chunk = min(_CHUNK_MOST, max(_CHUNK_LEAST, _CHUNK_BYTES // size))

    def _combined(self) -> list[Pair]:
        """Combine all that is held, and hold nothing."""
        found = [*self._combine(self._sorted())]
        self._groups.clear()
        self._coded.clear()
        self._held = self._held_bytes = 0
        return found

    def _sorted(self) -> Iterator[tuple[Any, Iterator[Any]]]:
        groups = self._groups
        for key in sorted(groups) if self._in_order else groups:
            held = groups[key]
            yield key, iter(held if type(held) is list else (held,))
        for _, lines in sorted(self._coded.items()):
            pairs = [self._read(line) for line in lines]
            yield pairs[0][0], iter([value for _, value in pairs])


def _size(pairs: list[Pair]) -> int:
    """The mean bytes of a pair, from some of them."""
    some = pairs[:: max(1, len(pairs) // _WEIGHED)] or [("", 0)]
    return sum(getsizeof(key) + getsizeof(value) for key, value in some) // len(some)
