"""Equal lines of a mapper travel once, with their number: most lines of a word count are equal.

In the shuffle, the value of such a job is a struct: the value, and how often the record came. A
child that reads the records gets each record as often as it came. Equal lines of one block come
together, in the place of the first one. Neither Hadoop nor we promise an order for the values of
one key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.io.columns.schema import KEY, VALUE
from mrmesos.io.output.render import content
from mrmesos.task.collect.adaptive_fold import AdaptiveFold

Cut = Callable[[bytes | memoryview], pa.RecordBatch]

BLOCK_BYTES = 4 << 20
"""Equal lines are counted in blocks of about this size."""
_WORTHWHILE = 0.75
"""Counting pays if at most this part of the lines remains (as for combiners)."""
_AT_ONCE = 1 << 20
_NEWLINE = ord("\n")
_TIMES = "times"


class LineCounter:
    """Cuts blocks of lines, and gives each different line once. It pauses while few lines are
    equal.
    """

    def __init__(self, cut: Cut) -> None:
        self._cut = cut
        self._fold = AdaptiveFold(_WORTHWHILE)

    def cut(self, data: bytes | memoryview) -> pa.RecordBatch:
        """The lines of a block. The last line ends in a newline."""
        if not self._fold.wanted():
            return counted(self._cut(data))
        ends = np.flatnonzero(np.frombuffer(data, np.uint8) == _NEWLINE)
        bounds = np.zeros(len(ends) + 1, np.int32)
        np.add(ends, 1, out=bounds[1:], casting="same_kind")
        buffers = [None, pa.py_buffer(bounds), pa.py_buffer(data)]
        lines = pa.Array.from_buffers(pa.binary(), len(ends), buffers).dictionary_encode()
        different = lines.dictionary
        if not self._fold.pays(len(lines), len(different)):
            return counted(self._cut(data))
        times = np.bincount(lines.indices.to_numpy(), minlength=len(different))
        return counted(self._cut(memoryview(content(different.cast(pa.large_binary())))), times)


def counted(batch: pa.RecordBatch, times: np.ndarray | None = None) -> pa.RecordBatch:
    """The batch with the number of each record in its value; by default 1."""
    if times is None:
        times = np.ones(batch.num_rows, np.int32)
    value = pa.StructArray.from_arrays(
        [batch.column(VALUE), pa.array(times, pa.int32())], [VALUE, _TIMES]
    )
    return pa.RecordBatch.from_arrays([batch.column(KEY), value], names=[KEY, VALUE])


def uncounted(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, np.ndarray | None]:
    """The inverse of `counted`. The numbers are None if each is 1."""
    value = batch.column(VALUE)
    if not pa.types.is_struct(value.type):
        return batch, None
    columns = [batch.column(KEY), value.field(VALUE)]
    times = value.field(_TIMES).to_numpy()
    plain = pa.RecordBatch.from_arrays(columns, names=[KEY, VALUE])
    return plain, times if len(times) and int(times.max()) > 1 else None


def more_than_rows(batch: pa.RecordBatch) -> int:
    """How many more records the batch stands for than it has rows."""
    value = batch.column(VALUE)
    if not pa.types.is_struct(value.type):
        return 0
    return int(value.field(_TIMES).to_numpy().sum() - batch.num_rows)


def repeated_lines(lines: pa.Array, times: np.ndarray) -> Iterator[pa.Buffer]:
    """Each line as often as its number says, in pieces of about 1 MiB. `lines` is large_binary."""
    ends = np.cumsum(pc.binary_length(lines).to_numpy() * times)
    for first, last in _pieces(ends):
        rows = np.repeat(np.arange(first, last), times[first:last])
        yield content(lines.take(pa.array(rows)))


def repeated_rows(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The records of a batch, each as often as its number says, in pieces of about 1 MiB."""
    plain, times = uncounted(batch)
    if times is None:
        yield plain
        return
    sizes = sum(pc.binary_length(column).to_numpy() for column in plain.columns)
    for first, last in _pieces(np.cumsum((sizes + 1) * times)):
        yield plain.take(pa.array(np.repeat(np.arange(first, last), times[first:last])))


def _pieces(ends: np.ndarray) -> Iterator[tuple[int, int]]:
    """Ranges of rows that together take about _AT_ONCE. `ends` are the sums of their sizes."""
    first = 0
    while first < len(ends):
        before = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + _AT_ONCE, "right")))
        yield first, last
        first = last
