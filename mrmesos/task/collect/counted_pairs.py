"""Counts the pairs of a mapper that yields one value with every key, such as `(word, 1)`.

A dict counts as many keys as the processor's caches hold. Then its keys become a column, and a fold
adds up the counts of many such dicts. So most pairs never become columns, and nothing but the
mapper runs for each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, islice, repeat, starmap
from sys import getsizeof

import numpy as np
import pyarrow as pa

from mrmesos.io.columns.encode import ColumnEncoder
from mrmesos.task.collect.adaptive_fold import AdaptiveFold
from mrmesos.task.drivers.record_feed import MAX_PAIRS, Counts, Pair, told_apart_by_value

_KEYS = 1 << 13  # of a dict: they stay in the processor's caches
_KEYS_BYTES = 16 << 20
_ROWS = 1 << 20
_SAMPLE = 64
# Counting pays if at most this part of the pairs have different keys.
_WORTHWHILE = 0.75

WriteBatch = Callable[[pa.RecordBatch], None]
Hold = Callable[[pa.RecordBatch, np.ndarray, object], bool]
"""Takes pairs of different keys and one value, how often each pair came, and the value itself.

It returns False if it cannot take pairs of this value.
"""


class CountedPairs:
    """The counts of one map. `hold` takes counted pairs, `write_batch` pairs that were not."""

    def __init__(self, encoder: ColumnEncoder, hold: Hold, write_batch: WriteBatch) -> None:
        self._encoder = encoder
        self._hold = hold
        self._write_batch = write_batch
        self._counts = Counts()
        self._bytes = 0
        self._adaptive = AdaptiveFold(_WORTHWHILE)
        self._possible = True

    def counts(self) -> Counts | None:
        """The counts to which the next pairs belong; None if that does not pay now."""
        if self._counts.rows:
            return self._counts
        return self._counts if self._possible and self._adaptive.wanted() else None

    def counted(self, odd: Pair | None) -> int:
        """Learn that pairs were counted. `odd` is the next pair, if it cannot be counted.

        Returns the growth in bytes. Raises RecordTypeError.
        """
        counts = self._counts
        found = counts.found
        sample = list(map(getsizeof, islice(found, 0, None, _SAMPLE)))
        held = sum(sample) * len(found) // max(1, len(sample))
        grown, self._bytes = held - self._bytes, held
        full = len(found) >= _KEYS or counts.rows >= _ROWS or held >= _KEYS_BYTES
        if odd is not None or full:
            self._empty(ended=odd is not None)
        if odd is not None:
            for batch in self._encoder.encode([odd[0]], [odd[1]]):
                self._write_batch(batch)
        return grown

    def finish(self) -> None:
        """Hand on all pairs that were counted."""
        self._empty(ended=True)

    def _empty(self, *, ended: bool) -> None:
        """Hand on the counts. If that does not pay or is not possible, turn them into pairs."""
        counts = self._counts
        found, rows, value = counts.found, counts.rows, counts.value
        # A few pairs before one with another value say nothing of the keys.
        few = ended and rows < _KEYS
        pays = self._adaptive.pays(max(1, rows), max(1, rows) if few else len(found))
        counts.clear()
        self._bytes = 0
        if not found:
            return
        self._possible = self._possible and told_apart_by_value(found)
        if self._possible and (pays or few):
            self._held(found, value)
        else:
            self._repeated(found, value)

    def _held(self, found: dict[object, int], value: object) -> None:
        numbers = np.fromiter(found.values(), np.int64, len(found))
        first = 0
        for batch in self._encoder.encode(list(found), [value] * len(found)):
            some = numbers[first : first + batch.num_rows]
            if not self._hold(batch, some, value):
                self._possible = False
                self._repeated(dict(islice(found.items(), first, first + len(some))), value)
            first += batch.num_rows

    def _repeated(self, found: dict[object, int], value: object) -> None:
        keys = chain.from_iterable(starmap(repeat, found.items()))
        while some := list(islice(keys, MAX_PAIRS)):
            for batch in self._encoder.encode(some, [value] * len(some)):
                self._write_batch(batch)
