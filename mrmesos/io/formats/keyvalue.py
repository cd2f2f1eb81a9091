"""`key TAB value` lines as two columns of text, without a Python object per line."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from mrmesos.api.formats import KeyValueTextInput, TextInput
from mrmesos.api.split import Split
from mrmesos.io.input_batch import InputBatch
from mrmesos.io.lines import Positions
from mrmesos.io.schema import KEY, VALUE
from mrmesos.io.text import read_text
from mrmesos.io.words import bytes_column


def read_key_values(
    split: Split, fmt: KeyValueTextInput, *, batch_bytes: int = 1 << 20
) -> Iterator[InputBatch]:
    """The lines of the split in order, cut at their first separator. Raises InputError."""
    text = TextInput(fmt.encoding, fmt.errors, fmt.max_line_bytes)
    for given in read_text(split, text, batch_bytes=batch_bytes):
        lines = given.batch.column(VALUE)
        keys, values = cut_at_first(lines, fmt.separator)
        yield InputBatch(
            given.uri,
            pa.RecordBatch.from_arrays([keys, values], [KEY, VALUE]),
            positions=given.batch.column(KEY),
            stored=int(bytes_column(lines)[2].sum()) + len(lines),
        )


def cut_at_first(lines: pa.Array, separator: str) -> tuple[pa.Array, pa.Array]:
    """What stands before the first `separator` (an ASCII character) of each line, and behind it.

    `lines` are `string` or `binary` without nulls, and so are both answers; a line without a
    separator has nothing behind it.
    """
    if not len(lines):
        return lines, lines
    data, starts, lengths = bytes_column(lines)
    begin, size = int(starts[0]), int(lengths.sum())
    data, starts = data[begin : begin + size], starts - begin
    ends = starts + lengths
    found = np.flatnonzero(data == ord(separator))
    if len(found) == len(lines) and (found >= starts).all() and (found < ends).all():
        return _cut_at_only(lines, data, starts, ends, found, separator)
    cuts = np.minimum(np.append(found, size)[np.searchsorted(found, starts)], ends)
    return (
        _picked(data, starts, cuts, lines.type),
        _picked(data, np.minimum(cuts + 1, ends), ends, lines.type),
    )


def _cut_at_only(
    lines: pa.Array,
    data: np.ndarray,
    starts: Positions,
    ends: Positions,
    found: Positions,
    separator: str,
) -> tuple[pa.Array, pa.Array]:
    """As `cut_at_first` where each line has just one: keys and values in turn are one column."""
    count = len(lines)
    gone = np.arange(count)  # separators before this line
    offsets = np.empty(2 * count + 1, np.int32)
    offsets[0:-1:2], offsets[1::2] = starts - gone, found - gone
    offsets[-1] = ends[-1] - count
    text = data.tobytes().replace(separator.encode(), b"")
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text)]
    both = pa.Array.from_buffers(lines.type, 2 * count, buffers)
    return both.take(pa.array(2 * gone)), both.take(pa.array(2 * gone + 1))


def _picked(data: np.ndarray, starts: Positions, ends: Positions, kind: pa.DataType) -> pa.Array:
    """The pieces `[start, end)` of the data as a column."""
    lengths = ends - starts
    offsets = np.zeros(len(starts) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    picked = data[np.repeat(starts - offsets[:-1], lengths) + np.arange(int(offsets[-1]))]
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(picked)]
    return pa.Array.from_buffers(kind, len(starts), buffers)
