"""`key TAB value` lines as two text columns, without a Python object per line."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from mrmesos.api.formats import KeyValueTextInput, TextInput
from mrmesos.api.split import Split
from mrmesos.io.columns.byte_words import bytes_column
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.columns.schema import KEY, VALUE
from mrmesos.io.input.formats.planning import check_text
from mrmesos.io.input.formats.text import as_read, text_batch, text_blocks
from mrmesos.io.input.text.encodings import is_utf8
from mrmesos.io.input.text.lines import LineBlock, Positions, line_spans


def read_key_values(
    split: Split, fmt: KeyValueTextInput, *, batch_bytes: int = 1 << 20
) -> Iterator[InputBatch]:
    """The lines of the split in order, cut at their first separator. Raises InputError."""
    decoded = as_read(fmt)
    text = TextInput(decoded.encoding, fmt.errors, fmt.max_line_bytes)
    check_text(text)
    for piece in split.slices:
        for block in text_blocks(piece, fmt, batch_bytes):
            starts, lengths, _ = line_spans(block)
            columns = _cut_where_they_lie(block, starts, starts + lengths, decoded)
            if columns is None:
                columns = cut_at_first(text_batch(block, text).column(VALUE), fmt.separator)
            yield InputBatch(
                piece.uri,
                pa.RecordBatch.from_arrays(list(columns), [KEY, VALUE]),
                positions=pa.array(starts + block.offset),
                stored=int(lengths.sum()) + len(lengths),
            )


def _cut_where_they_lie(
    block: LineBlock, starts: Positions, ends: Positions, fmt: KeyValueTextInput
) -> tuple[pa.Array, pa.Array] | None:
    """Keys and values of a block, without copying each line.

    Returns None if the block needs decoding, or if a line has not exactly one separator. The block
    counts as one column of key, separator, value, line end, and so on. Arrow takes the keys and the
    values.
    """
    data, count = block.data, len(starts)
    found = np.flatnonzero(data == ord(fmt.separator))
    if len(found) != count or len(data) >= 1 << 31 or not _between(starts, found, ends):
        return None
    if fmt.encoding and (not is_utf8(fmt.encoding) or int(np.max(data)) > 127):
        return None
    bounds = np.empty(4 * count + 1, np.int32)
    bounds[0:-1:4], bounds[1::4], bounds[2::4], bounds[3::4] = starts, found, found + 1, ends
    bounds[-1] = len(data)
    kind = pa.string() if fmt.encoding else pa.binary()
    buffers = [None, pa.py_buffer(bounds), pa.py_buffer(data)]
    pieces = pa.Array.from_buffers(kind, 4 * count, buffers)
    keys, values = (np.arange(at, 4 * count, 4, dtype=np.int32) for at in (0, 2))
    return pieces.take(pa.array(keys)), pieces.take(pa.array(values))


def _between(starts: Positions, found: Positions, ends: Positions) -> bool:
    return bool((found >= starts).all() and (found < ends).all())


def cut_at_first(lines: pa.Array, separator: str) -> tuple[pa.Array, pa.Array]:
    """The text of each line before and after its first `separator` (an ASCII character).

    `lines` and both results are `string` or `binary` without nulls. A line without a separator has
    an empty second part.
    """
    if not len(lines):
        return lines, lines
    data, starts, lengths = bytes_column(lines)
    begin, size = int(starts[0]), int(lengths.sum())
    data, starts = data[begin : begin + size], starts - begin
    ends = starts + lengths
    found = np.flatnonzero(data == ord(separator))
    cuts = np.minimum(np.append(found, size)[np.searchsorted(found, starts)], ends)
    return (
        _picked(data, starts, cuts, lines.type),
        _picked(data, np.minimum(cuts + 1, ends), ends, lines.type),
    )


def _picked(data: np.ndarray, starts: Positions, ends: Positions, kind: pa.DataType) -> pa.Array:
    """The pieces `[start, end)` of the data as a column."""
    lengths = ends - starts
    offsets = np.zeros(len(starts) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    picked = data[np.repeat(starts - offsets[:-1], lengths) + np.arange(int(offsets[-1]))]
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(picked)]
    return pa.Array.from_buffers(kind, len(starts), buffers)
