"""Combines pairs of text keys, with whole numbers or texts as values, as columns.

Most keys of a text come once. Their pairs never become Python objects again. Arrow finds the keys
that repeat, and only these go to the combiner. Kernels encode the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.io.columns.batches import concat
from mrmesos.io.columns.decode import decode_column
from mrmesos.io.columns.schema import KEY, VALUE
from mrmesos.mrjob.codec import Pair, typed
from mrmesos.task.collect.adaptive_fold import AdaptiveFold
from mrmesos.task.collect.repeated_keys import by_code, without

MOST_ROWS = 1 << 18
MOST_BYTES = 32 << 20
"""The pairs, and the bytes of their columns, that are held before they are combined.

In Zipf text, combining this many leaves 0.44 of the pairs. Numbering the keys costs 86 ns a pair,
because their table just fits the caches. Four times as many leave 0.36, at 160 ns.
"""
_WORTHWHILE = 0.75
"""Combining pays if at most this part of the pairs remains, as for any combiner here."""

Combine = Callable[[Any, Iterator[Any]], Iterable[Pair] | None]


class ColumnFold:
    """Holds pairs as columns until there are many."""

    def __init__(self) -> None:
        self._held: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0
        self._fold = AdaptiveFold(_WORTHWHILE)

    def add(self, keys: list[Any], values: list[Any]) -> bool:
        """Take pairs. Returns False, and takes nothing, if they have other types."""
        key = typed(keys)
        if key is None or not pa.types.is_string(key.type):
            return False
        value = typed(values)
        if value is None or (self._held and self._held[0].column(VALUE).type != value.type):
            return False
        batch = pa.RecordBatch.from_arrays([key, value], names=[KEY, VALUE])
        self._held.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        return True

    def is_full(self) -> bool:
        """Whether it is time to combine."""
        return self._rows >= MOST_ROWS or self._bytes >= MOST_BYTES

    def combined(self, combine: Combine) -> tuple[pa.RecordBatch, Iterator[Pair]] | None:
        """The pairs of keys that come once, and the combiner's results for the others.

        None if no pair is held. Afterwards, no pair is held.
        """
        if not self._held:
            return None
        held = concat(self._held)
        self._held, self._rows, self._bytes = [], 0, 0
        if not self._fold.wanted():
            return held, iter(())
        encoded = pc.dictionary_encode(held.column(KEY))
        groups = by_code(encoded.indices.to_numpy(), len(encoded.dictionary))
        left = held.num_rows - len(groups.rows) + len(groups)
        if not self._fold.pays(held.num_rows, left):
            return held, iter(())
        keys = held.column(KEY).take(pa.array(groups.firsts)).to_pylist()
        values = decode_column(held.column(VALUE).take(pa.array(groups.rows)))
        bounds = groups.starts.tolist()
        stretches = map(slice, bounds, islice(bounds, 1, None))
        calls = map(combine, keys, map(iter, map(values.__getitem__, stretches)))
        return without(held, groups.rows), chain.from_iterable(filter(None, calls))
