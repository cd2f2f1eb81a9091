"""Makes columns of what a task writes: for the shuffle, or for an output (see `lines`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice, starmap

import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.io.columns.schema import KEY, VALUE
from mrmesos.mrjob.codec import Pair, Write, columns, fast_write
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
        while some := [*islice(rest, _AT_ONCE)]:
            made = columns(some, write) if self._usual else None
            yield self._batch([*starmap(one, some)]) if made is None else self._columns(*made)

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
