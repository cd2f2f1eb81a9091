"""Combines the pairs of a mapper before they are encoded.

mrjob encodes every pair, sorts the lines, decodes them for the combiner, and encodes its pairs
again. Here pairs are grouped as objects or as columns. The combiner gets the same pairs as in
mrjob: if JSON changes the objects of a pair (a tuple becomes a list), the pair goes through the
protocol first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from sys import getsizeof
from typing import Any

import pyarrow as pa

from mrmesos.mrjob.codec import Pair, Read, Write, drained, is_faithful
from mrmesos.mrjob.column_fold import ColumnFold
from mrmesos.mrjob.output import MROutput

MOST_PAIRS = 1 << 17
MOST_BYTES = 128 << 20
"""The number of pairs, and about how many bytes of them, that are held as objects before they are
combined.
"""
_CHUNK_LEAST, _CHUNK_MOST, _CHUNK_BYTES = 64, 4096, 1 << 20
_WEIGHED = 16
_ABSENT = object()
_SAME = frozenset({str, int, float, bool, type(None)})

Make = Callable[[], Any]
"""Makes the step of a new object of the job, which has the methods of its combiner by name."""


class Combining:
    """Groups pairs by key, and combines them when there are many.

    A single value of a key stays unchanged, as with any combiner here. `in_order` is for a combiner
    with an init or a final method: it gets all keys of a round, in order.
    """

    def __init__(
        self,
        read: Read,
        write: Write,
        make: Make,
        key_of: Callable[[bytes], bytes],
        out: MROutput,
        *,
        in_order: bool,
    ) -> None:
        self._read, self._write, self._make, self._key_of = read, write, make, key_of
        self._faithful, self._in_order, self._out = is_faithful(write), in_order, out
        self._columns = ColumnFold() if out.takes_typed(write) and not in_order else None
        # A single value is stored directly, and several in a list. Most keys of a text come once,
        # and a list for each would cost memory and time of the garbage collector.
        self._groups: dict[str, Any] = {}
        self._coded: defaultdict[bytes, list[bytes]] = defaultdict(list)
        self._held = self._held_bytes = 0
        self._chunk = _CHUNK_LEAST

    def take(self, pairs: Iterable[Pair]) -> Iterator[pa.RecordBatch]:
        """Take pairs. Yields combined pairs whenever too many are held.

        If combining leaves few pairs, they wait for more. Raises the exceptions of the protocol and
        the combiner.
        """
        rest = iter(pairs)
        while True:
            keys, values = drained(rest, self._chunk)
            if not keys:
                return
            size = _size(keys, values)
            self._chunk = min(_CHUNK_MOST, max(_CHUNK_LEAST, _CHUNK_BYTES // size))
            if self._columns is not None and self._columns.add(keys, values):
                if self._columns.is_full():
                    yield from self._from_columns(self._columns)
                continue
            self._add(keys, values, size)
            if self._held >= MOST_PAIRS or self._held_bytes >= MOST_BYTES:
                yield from self._from_objects()

    def end(self) -> Iterator[pa.RecordBatch]:
        """All held pairs, combined."""
        if self._columns is not None:
            yield from self._from_columns(self._columns)
        yield from self._out.of_pairs(self._combined(), self._write)

    def _from_columns(self, columns: ColumnFold) -> Iterator[pa.RecordBatch]:
        found = columns.combined(self._make()["combiner"])
        if found is not None:
            alone, combined = found
            yield self._out.of_typed(alone)
            yield from self._out.of_pairs(combined, self._write)

    def _from_objects(self) -> Iterator[pa.RecordBatch]:
        before = self._held
        found = self._combined()
        keys, values = [key for key, _ in found], [value for _, value in found]
        size = _size(keys, values)
        if len(found) < before // 8 and len(found) * size < MOST_BYTES // 8:
            self._add(keys, values, size)
        else:
            yield from self._out.of_pairs(found, self._write)

    def _add(self, keys: list[Any], values: list[Any], size: int) -> None:
        groups, faithful, same, absent = self._groups, self._faithful, _SAME, _ABSENT
        for key, value in zip(keys, values, strict=True):
            if type(key) is str and (type(value) is int or type(value) in same) and faithful:
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
        self._held += len(keys)
        self._held_bytes += size * len(keys)

    def _combined(self) -> list[Pair]:
        """Combine all held objects. Afterwards, none is held."""
        step, groups, coded = self._make(), self._groups, self._coded
        combine = step["combiner"]
        found: list[Pair] = []
        if (init := step["combiner_init"]) is not None:
            found += init() or ()
        for key in sorted(groups) if self._in_order else groups:
            held = groups[key]
            if type(held) is not list:
                if not self._in_order:
                    found.append((key, held))
                    continue
                held = (held,)
            made = combine(key, iter(held))
            if made is not None:
                found += made
        for raw in sorted(coded):
            pairs = [self._read(line) for line in coded[raw]]
            found += combine(pairs[0][0], iter([value for _, value in pairs])) or ()
        if (final := step["combiner_final"]) is not None:
            found += final() or ()
        self._groups, self._coded = {}, defaultdict(list)
        self._held = self._held_bytes = 0
        return found


def _size(keys: list[Any], values: list[Any]) -> int:
    """The mean bytes of a pair, from some of them; at least 1."""
    step = max(1, len(keys) // _WEIGHED)
    some = keys[::step] + values[::step]
    return max(1, sum(map(getsizeof, some)) * 2 // max(1, len(some)))
