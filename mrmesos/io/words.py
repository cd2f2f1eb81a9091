"""Text and bytes of a column as 64-bit words, for sorting and hashing by numpy."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

_PADDING = 8
# Keeps the first n bytes of a big-endian word.
_KEEP = np.array([((1 << 64) - 1) ^ ((1 << (64 - 8 * n)) - 1) for n in range(9)], np.uint64)


def bytes_column(column: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The bytes of a `string` or `binary` column, padded by eight zeros; starts; lengths.

    Nulls have whatever start and length they have.
    """
    rows = len(column)
    if rows == 0:
        return np.zeros(_PADDING, np.uint8), np.empty(0, np.int64), np.empty(0, np.int64)
    _, offset_buffer, data_buffer = column.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32, rows + 1, column.offset * 4).astype(np.int64)
    first, last = int(offsets[0]), int(offsets[-1])
    data = np.zeros(last - first + _PADDING, np.uint8)
    if last > first:
        data[:-_PADDING] = np.frombuffer(data_buffer, np.uint8, last - first, first)
    offsets -= first
    return data, offsets[:-1], offsets[1:] - offsets[:-1]


def word(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray, index: int) -> np.ndarray:
    """The `index`-th eight bytes of every value as a big-endian number, zeros past its end."""
    everywhere = np.ndarray((len(data) - _PADDING + 1,), ">u8", data, strides=(1,))
    if index == 0:
        here, left = starts, np.minimum(lengths, 8)
    else:
        left = np.clip(lengths - 8 * index, 0, 8)
        here = np.where(left > 0, starts + 8 * index, 0)
    words: np.ndarray = everywhere[here].astype(np.uint64)
    words &= _KEEP[left]
    return words
