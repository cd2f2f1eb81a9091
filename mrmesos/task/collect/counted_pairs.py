"""Counts the pairs of a mapper that yields one value with every key, such as `(word, 1)`.

A dict counts as many keys as the processor's caches hold. Then the keys become a column, and a
HashFold adds up the counts of many such dicts. At the end, a combiner gets each key once, with an
iterator that repeats the value. So most pairs never become columns, and nothing but the mapper runs
for each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice, repeat, starmap
from sys import getsizeof

import numpy as np
import pyarrow as pa

from mrmesos.api.aggregates import Count
from mrmesos.io.columns.decode import decode_column
from mrmesos.io.columns.encode import ColumnEncoder
from mrmesos.io.columns.schema import KEY, VALUE
from mrmesos.io.columns.sortkey import drop_sort_column
from mrmesos.io.shuffle.hash_fold import HashFold
from mrmesos.task.collect.adaptive_fold import AdaptiveFold
from mrmesos.task.collect.combine import ReducerCombiner
from mrmesos.task.drivers.record_feed import MAX_PAIRS, Counts, told_apart_by_value

_KEYS = 1 << 13  # of a dict: they stay in the processor's caches
_KEYS_BYTES = 16 << 20
_ROWS = 1 << 20
_ROWS_HELD = 1 << 23
"""Most pairs in the HashFold. A combiner that keeps the values of a key gets no longer list."""
_SAMPLE = 64
# Counting pays if at most this part of the pairs have different keys.
_WORTHWHILE = 0.75

WriteBatch = Callable[[pa.RecordBatch], None]
Put = Callable[[Iterable[pa.RecordBatch]], None]


class CountedPairs:
    """The counts of one map. `put` takes folded records, `write_batch` pairs that were not."""

    def __init__(
        self,
        combiner: ReducerCombiner,
        encoder: ColumnEncoder,
        max_bytes: int,
        put: Put,
        write_batch: WriteBatch,
    ) -> None:
        self._combiner = combiner
        self._encoder = encoder
        self._put = put
        self._write_batch = write_batch
        self._counts = Counts()
        self._bytes = 0
        self._adaptive = AdaptiveFold(_WORTHWHILE)
        self._by_value = True
        self._schema: pa.Schema | None = None  # of the pairs in the fold
        self._value: object = None
        self._column: pa.Array = pa.nulls(1)  # of this value
        self._fold = HashFold(Count, Count.merge, max_bytes)
        self._held = 0

    def counts(self) -> Counts | None:
        """The counts to which the next pairs belong; None if that does not pay now."""
        if self._counts.rows:
            return self._counts
        return self._counts if self._by_value and self._adaptive.wanted() else None

    def counted(self, *, ended: bool) -> int:
        """Learn that pairs were counted. `ended` says that the next pair cannot be counted.

        Returns the growth in bytes. Raises RecordTypeError.
        """
        counts = self._counts
        found = counts.found
        sample = list(map(getsizeof, islice(found, 0, None, _SAMPLE)))
        held = sum(sample) * len(found) // max(1, len(sample))
        grown, self._bytes = held - self._bytes, held
        full = len(found) >= _KEYS or counts.rows >= _ROWS or held >= _KEYS_BYTES
        if ended or full:
            self._empty(ended=ended)
        return grown

    def finish(self) -> None:
        """Write all pairs that were counted."""
        self._empty(ended=True)
        self._write()

    def _empty(self, *, ended: bool) -> None:
        """Move the counts into the fold. If that does not pay, turn them back into pairs."""
        counts = self._counts
        found, rows, value = counts.found, counts.rows, counts.value
        # A few pairs before one with another value say nothing of the keys.
        few = ended and rows < _KEYS
        pays = self._adaptive.pays(max(1, rows), max(1, rows) if few else len(found))
        counts.clear()
        self._bytes = 0
        if not found:
            return
        self._by_value = self._by_value and told_apart_by_value(found)
        if not (pays or few) or not self._by_value:
            keys = chain.from_iterable(starmap(repeat, found.items()))
            while some := list(islice(keys, MAX_PAIRS)):
                for batch in self._encoder.encode(some, [value] * len(some)):
                    self._write_batch(batch)
            return
        numbers = np.fromiter(found.values(), np.int64, len(found))
        first = 0
        for batch in self._encoder.encode(list(found), [value] * len(found)):
            self._hold(batch, numbers[first : first + batch.num_rows], value)
            first += batch.num_rows

    def _hold(self, batch: pa.RecordBatch, numbers: np.ndarray, value: object) -> None:
        schema = batch.schema
        same = self._schema is not None and self._schema.equals(schema, check_metadata=True)
        if not same or value is not self._value:
            self._write()
            self._schema, self._value = schema, value
            self._column = batch.column(VALUE).slice(0, 1)
        fields = [schema.field(KEY), pa.field(VALUE, pa.int64())]
        columns = [batch.column(KEY), pa.array(numbers)]
        given = pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))
        rows = int(numbers.sum())
        if self._held + rows > _ROWS_HELD or not self._fold.has_room(given):
            self._write()
        self._fold.add(given)
        self._held += rows

    def _write(self) -> None:
        """Empty the fold. The combiner gets keys with several pairs."""
        self._held = 0
        for each in self._fold.take():
            batch = drop_sort_column(each.batch)
            counts = batch.column(VALUE).to_numpy()
            self._put(self._pairs(batch.column(KEY), counts))

    def _pairs(self, keys: pa.Array, counts: np.ndarray) -> Iterator[pa.RecordBatch]:
        assert self._schema is not None
        single = keys.take(pa.array(np.flatnonzero(counts == 1)))
        if len(single):
            values = self._column.take(pa.array(np.zeros(len(single), np.int64)))
            yield pa.RecordBatch.from_arrays([single, values], schema=self._schema)
        rows = np.flatnonzero(counts > 1)
        repeated = decode_column(keys.take(pa.array(rows)), self._schema.field(KEY))
        (value,) = decode_column(self._column, self._schema.field(VALUE))
        yield from self._combiner.fold_counts(repeated, value, counts[rows].tolist())
