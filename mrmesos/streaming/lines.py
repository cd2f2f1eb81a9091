r"""Lines of a child process as columns of keys and values, and back.

A line is cut at its n-th separator (Hadoop: `stream.map.output.field.separator` and
`stream.num.map.output.key.fields`). If a line has fewer separators, the whole line is the key, and
the value is empty. All bytes except the newline are kept, also `\r` and NUL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.io.columns.schema import KEY, VALUE
from mrmesos.io.output.render import text_lines
from mrmesos.streaming.repeats import Cut, repeated_lines, uncounted

BLOCK_BYTES = 1 << 20
"""Lines are cut in blocks of about this size."""
_LARGEST_BLOCK = (1 << 31) - 1  # int32 offsets
_NEWLINE = ord("\n")


class LineTooLong(Exception):
    """A line that no column can hold."""


class LineCutter:
    """Takes the output of a child, in pieces of any size, and gives columns of keys and values."""

    def __init__(self, cut: Cut, block_bytes: int = BLOCK_BYTES) -> None:
        """`cut` gets blocks of whole lines, each with its newline."""
        self._cut, self._block_bytes = cut, block_bytes
        self._pieces: list[bytes] = []
        self._bytes = 0

    def add(self, data: bytes) -> Iterator[pa.RecordBatch]:
        """Take the next bytes. Raises LineTooLong."""
        self._pieces.append(data)
        self._bytes += len(data)
        if self._bytes >= _LARGEST_BLOCK:
            raise LineTooLong(f"a line has over {_LARGEST_BLOCK >> 20} MiB")
        if self._bytes < self._block_bytes or b"\n" not in data:
            return
        whole = b"".join(self._pieces)
        end = whole.rindex(b"\n") + 1
        self._pieces = [whole[end:]]
        self._bytes = len(whole) - end
        yield self._cut(memoryview(whole)[:end])

    def end(self) -> Iterator[pa.RecordBatch]:
        """The remaining lines. The last one need not end in a newline."""
        pieces, self._pieces, self._bytes = self._pieces, [], 0
        last = next(filter(None, reversed(pieces)), b"\n")
        rest = b"".join(pieces if last.endswith(b"\n") else [*pieces, b"\n"])
        if rest:
            yield self._cut(rest)


def cut_lines(
    data: bytes | memoryview, separator: bytes, fields: int, *, final: bool = False
) -> pa.RecordBatch:
    """Whole lines as a batch with the binary columns `key` and `value`.

    With `final`, a line without a separator has the value None, so the part file has the unchanged
    line. (Hadoop adds a tab there.)
    """
    block = np.frombuffer(data, np.uint8)
    newlines = np.flatnonzero(block == _NEWLINE)
    ends = newlines
    if not len(newlines) or newlines[-1] != len(block) - 1:
        ends = np.append(newlines, len(block))
    starts = np.zeros(len(ends), np.int64)
    starts[1:] = ends[:-1] + 1
    cuts = _nth_separators(block, starts, ends, separator, fields)
    behind = np.minimum(cuts + len(separator), ends)
    # One column of key, separator, value, newline and so on; Arrow takes the keys and the values.
    bounds = np.empty(4 * len(ends) + 1, np.int32)
    bounds[0:-1:4], bounds[1::4], bounds[2::4], bounds[3::4] = starts, cuts, behind, ends
    bounds[-1] = len(block)
    buffers = [None, pa.py_buffer(bounds), pa.py_buffer(data)]
    pieces = pa.Array.from_buffers(pa.binary(), 4 * len(ends), buffers)
    key, value = (
        pieces.take(pa.array(np.arange(at, 4 * len(ends), 4, dtype=np.int32))) for at in (0, 2)
    )
    if final and (without := cuts == ends).any():
        value = pc.if_else(pa.array(without), pa.scalar(None, pa.binary()), value)
    return pa.RecordBatch.from_arrays([key, value], names=[KEY, VALUE])


def _nth_separators(
    block: np.ndarray, starts: np.ndarray, ends: np.ndarray, separator: bytes, fields: int
) -> np.ndarray:
    """The offset of the n-th separator in each line. For a line with fewer separators, the line's
    end.
    """
    if fields < 1:
        return starts
    found = _separators(block, separator)
    nth = np.minimum(np.searchsorted(found, starts) + fields - 1, len(found))
    cuts: np.ndarray = np.minimum(np.append(found, len(block))[nth], ends)
    return cuts


def _separators(block: np.ndarray, separator: bytes) -> np.ndarray:
    """The offsets of the separators. Separators do not overlap."""
    if len(separator) == 1:
        return np.flatnonzero(block == separator[0])
    data = block.tobytes()
    return np.array([each.start() for each in re.finditer(re.escape(separator), data)], np.int64)


def joined_lines(batch: pa.RecordBatch, separator: str) -> Iterator[pa.Buffer | bytes]:
    """The records as lines `key separator value`, for a child to read; see `repeats`."""
    plain, times = uncounted(batch)
    if times is None:
        yield text_lines(plain, separator)
        return
    parts = (plain.column(KEY), separator.encode(), plain.column(VALUE), b"\n", b"")
    kind = pa.large_binary()
    wide = [pa.scalar(each, kind) if isinstance(each, bytes) else each.cast(kind) for each in parts]
    yield from repeated_lines(pc.binary_join_element_wise(*wide), times)


def value_lines(values: pa.Array) -> pa.Buffer | bytes:
    """The values as lines, for a mapper that reads no keys."""
    nothing = pa.nulls(len(values))
    return text_lines(pa.RecordBatch.from_arrays([nothing, values], names=[KEY, VALUE]), "")
