"""Calls a per-record combiner for counted pairs, with iterators that repeat the value.

A HashFold first adds up the counts of many dicts (see `counted_pairs`). So the combiner gets each
key once, as long as the counts fit the memory.

Equal keys may look different, as 1 and 1.0 do. The first one of them is the key of the group. So
pairs that are not counted never overtake counted ones with such keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa

from mrmesos.api.aggregates import Count
from mrmesos.io.columns.decode import decode_column
from mrmesos.io.columns.encode import ColumnEncoder
from mrmesos.io.columns.schema import KEY, VALUE, is_bytes, is_pickled, is_text
from mrmesos.io.columns.sortkey import drop_sort_column
from mrmesos.io.shuffle.hash_fold import HashFold
from mrmesos.task.collect.combine import ReducerCombiner
from mrmesos.task.collect.counted_pairs import CountedPairs, WriteBatch

_ROWS_HELD = 1 << 23
"""Most pairs in the HashFold. A combiner that keeps the values of a key gets no longer list."""

Put = Callable[[Iterable[pa.RecordBatch]], None]


class CountedCombine:
    """Counts by key, within `max_bytes`. `put` takes what the combiner makes of them."""

    def __init__(
        self,
        combiner: ReducerCombiner,
        encoder: ColumnEncoder,
        max_bytes: int,
        put: Put,
        write_batch: WriteBatch,
    ) -> None:
        self.pairs = CountedPairs(encoder, self._hold, self._pass_on)
        self._write_batch = write_batch
        self._combiner = combiner
        self._put = put
        self._schema: pa.Schema | None = None  # of the pairs in the fold
        self._value: object = None
        self._column: pa.Array = pa.nulls(1)  # of this value
        self._fold = HashFold(Count, Count.merge, max_bytes)
        self._held = 0

    def finish(self) -> None:
        """Hand on all pairs that were counted."""
        self.pairs.finish()
        self.write()

    def _pass_on(self, batch: pa.RecordBatch) -> None:
        """Hand on pairs that were not counted, after counted ones that may have equal keys."""
        if self._schema is not None:
            field = batch.schema.field(KEY)
            same = field.equals(self._schema.field(KEY), check_metadata=True)
            if not same or not _look_alike(field):
                self.write()
        self._write_batch(batch)

    def _hold(self, batch: pa.RecordBatch, numbers: np.ndarray, value: object) -> bool:
        """Add pairs of one value. `numbers` has how often each came."""
        schema = batch.schema
        same = self._schema is not None and self._schema.equals(schema, check_metadata=True)
        if not same or value is not self._value:
            self.write()
            self._schema, self._value = schema, value
            self._column = batch.column(VALUE).slice(0, 1)
        fields = [schema.field(KEY), pa.field(VALUE, pa.int64())]
        columns = [batch.column(KEY), pa.array(numbers)]
        given = pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))
        rows = int(numbers.sum())
        if self._held + rows > _ROWS_HELD or not self._fold.has_room(given):
            self.write()
        self._fold.add(given)
        self._held += rows
        return True

    def write(self) -> None:
        """Empty the fold. The combiner gets keys with several pairs."""
        if not self._held:
            return
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


def _look_alike(field: pa.Field) -> bool:
    """Whether equal keys of this field are the same to the byte. Floats are not: 0.0 and -0.0."""
    kind = field.type
    if is_pickled(field):
        return False
    plain = pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    return bool(plain or is_text(kind) or is_bytes(kind))
