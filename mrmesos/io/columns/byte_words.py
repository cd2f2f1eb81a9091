"""Text and bytes columns as 64-bit words, for sorting and hashing with numpy."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

WORD = 8
"""Bytes of a word."""
# Masks at index n: they keep the first n bytes of a big-endian and of a little-endian word.
_KEEP = np.array([((1 << 64) - 1) ^ ((1 << (64 - 8 * n)) - 1) for n in range(9)], np.uint64)
_KEEP_LITTLE = np.array([(1 << (8 * n)) - 1 for n in range(9)], np.uint64)


def bytes_column(column: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The data buffer of a `string` or `binary` column, and the start and length of each value.

    The buffer has at least eight bytes and may extend past the values. It is usually the column's
    own memory, so callers must not write to it. Nulls have arbitrary starts and lengths.
    """
    rows = len(column)
    if rows == 0:
        return np.zeros(WORD, np.uint8), np.empty(0, np.int64), np.empty(0, np.int64)
    _, offset_buffer, data_buffer = column.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32, rows + 1, column.offset * 4).astype(np.int64)
    size = 0 if data_buffer is None else data_buffer.size
    if size >= WORD:
        data = np.frombuffer(data_buffer, np.uint8)
    else:
        data = np.zeros(WORD, np.uint8)
        if size:
            data[:size] = np.frombuffer(data_buffer, np.uint8)
    return data, offsets[:-1], offsets[1:] - offsets[:-1]


def word(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray, offset: int = 0) -> np.ndarray:
    """The eight bytes at `offset` of every value as a big-endian number, padded with zeros."""
    if not len(starts):
        return np.empty(0, np.uint64)
    most = len(data) - WORD
    everywhere = np.ndarray((most + 1,), ">u8", data, strides=(1,))
    here = starts + offset if offset else starts
    whole = int(lengths.min()) >= offset + WORD
    left = None if whole else lengths - offset
    if left is not None and offset:
        here = np.where(left > 0, here, 0)
    behind = np.flatnonzero(here > most)  # fewer than eight bytes are left after these starts
    if len(behind):
        over = np.minimum(here[behind] - most, WORD)
        here = np.minimum(here, most)
    words: np.ndarray = everywhere[here].astype(np.uint64)
    if len(behind):
        shifted = words[behind] << ((over % WORD) * 8).astype(np.uint64)
        words[behind] = np.where(over < WORD, shifted, 0)
    if left is not None:
        words &= _KEEP.take(left, mode="clip")
    return words


def whole_words(data: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The eight bytes from each start on as a little-endian number; all must be in the buffer."""
    everywhere = np.ndarray((len(data) - WORD + 1,), "<u8", data, strides=(1,))
    words: np.ndarray = everywhere[starts].astype(np.uint64, copy=False)
    return words


def first_words(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The first eight bytes of every value as a little-endian number, padded with zeros.

    The values must be adjacent in memory, as in a column. A strided view replaces the gather if all
    have one length.
    """
    if not len(starts):
        return np.empty(0, np.uint64)
    width = int(lengths[0])
    if width >= WORD and bool((lengths == width).all()):
        rows = np.ndarray((len(starts),), "<u8", data, int(starts[0]), strides=(width,))
        return rows.astype(np.uint64)
    most = len(data) - WORD
    words = whole_words(data, np.minimum(starts, most))
    near = int(np.searchsorted(starts, most, "right"))  # fewer than eight bytes are left from here
    words[near:] >>= ((starts[near:] - most) * 8).view(np.uint64)
    words &= _KEEP_LITTLE.take(lengths, mode="clip")
    return words
