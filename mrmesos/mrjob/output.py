"""Makes columns of a task's results, for the shuffle or for an output (see `lines`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.io.columns.schema import KEY, VALUE
from mrmesos.mrjob.codec import Pair, Write, columns, drained, fast_write, is_standard, json_texts
from mrmesos.mrjob.lines import keyed, whole
from mrmesos.streaming.keys import with_codes
from mrmesos.streaming.spec import Fields, StreamSpec

_AT_ONCE = 1 << 14


class MROutput:
    """The output of a task."""

    def __init__(self, stream: StreamSpec, *, shuffled: bool) -> None:
        self._stream, self._shuffled = stream, shuffled
        self._usual = stream.map_fields == Fields()

    def of_lines(self, lines: Iterable[bytes]) -> Iterator[pa.RecordBatch]:
        """The lines, in batches."""
        rest = iter(lines)
        while some := [*islice(rest, _AT_ONCE)]:
            yield self._batch(some)

    def of_pairs(self, pairs: Iterable[Pair], write: Write) -> Iterator[pa.RecordBatch]:
        """The pairs, as a protocol writes them, in batches."""
        rest, one = iter(pairs), fast_write(write)
        while True:
            keys, values = drained(rest, _AT_ONCE)
            if not keys:
                return
            made = columns(keys, values, write) if self._usual else None
            yield self._batch([*map(one, keys, values)]) if made is None else self._columns(*made)

    def takes_typed(self, write: Write) -> bool:
        """Whether `of_typed` can be used with this protocol."""
        return self._usual and is_standard(write)

    def of_typed(self, pairs: pa.RecordBatch) -> pa.RecordBatch:
        """Columns of `codec.typed`, as a standard protocol writes them."""
        return self._columns(*map(json_texts, pairs.columns))

    def _batch(self, lines: list[bytes]) -> pa.RecordBatch:
        if not self._shuffled:
            return whole(lines)
        return with_codes(keyed(lines, self._stream.map_fields), self._stream)

    def _columns(self, key: pa.Array, value: pa.Array) -> pa.RecordBatch:
        if not self._shuffled:
            key = pc.binary_join_element_wise(key, value, b"\t")
            value = pa.nulls(len(key), pa.binary())
        batch = pa.RecordBatch.from_arrays([key, value], names=[KEY, VALUE])
        return with_codes(batch, self._stream) if self._shuffled else batch
