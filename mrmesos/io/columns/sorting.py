"""Comparing and sorting rows of a sort column (see `sortkey`), with numpy where it is faster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.io.columns.byte_words import WORD, bytes_column, word

_SIGN = np.uint64(1 << 63)
_NAN = np.uint64((1 << 64) - 1)
_PREFIX_BYTES = 256
_NEAR_ROWS = 1 << 13
_MANY_ROWS = 1 << 10
_FEW_RUNS = 4


def ordered_bits(doubles: np.ndarray) -> np.ndarray:
    """Unsigned integers in the order of the doubles; -0.0 counts as 0.0, every NaN comes last."""
    bits = (doubles + 0.0).view(np.uint64)
    ordered = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    return np.where(np.isnan(doubles), _NAN, ordered)


def integers(array: pa.Array) -> np.ndarray:
    """An integer array as numpy int64 (uint64 stays), nulls as 0."""
    if array.null_count:
        array = array.fill_null(0)
    numbers: np.ndarray = array.to_numpy(zero_copy_only=False)
    return numbers if numbers.dtype in (np.int64, np.uint64) else numbers.astype(np.int64)


def as_integers(array: pa.Array) -> np.ndarray:
    """A fixed-width sort column as 64-bit integers in the same order. Nulls get any number."""
    kind, types = array.type, pa.types
    if types.is_floating(kind):
        numbers = array.cast(pa.float64())
        if array.null_count:
            numbers = numbers.fill_null(0.0)
        return ordered_bits(numbers.to_numpy(zero_copy_only=False))
    if types.is_boolean(kind):
        array = array.cast(pa.uint8())
    elif types.is_temporal(kind):
        narrow = kind.bit_width == 32
        array = array.cast(pa.int32() if narrow else pa.int64())
    return integers(array)


def is_binary_like(array: pa.Array) -> bool:
    """Whether a sort column is text or bytes, and not of fixed width."""
    return bool(pa.types.is_string(array.type) or pa.types.is_binary(array.type))


class Ranks:
    """A sort column as a sequence of values that Python can compare, for bisection."""

    __slots__ = ("_column", "_numbers")

    def __init__(self, column: pa.Array) -> None:
        self._column = column
        by_kernel = is_binary_like(column) or pa.types.is_decimal128(column.type)
        is_null = pa.types.is_null(column.type)
        self._numbers = None if by_kernel or is_null else as_integers(column)

    def __len__(self) -> int:
        return len(self._column)

    def __getitem__(self, row: int) -> tuple[int, Any]:
        value = self._column[row]
        if not value.is_valid:
            return 0, 0
        return 1, value.as_py() if self._numbers is None else int(self._numbers[row])


def changes(column: pa.Array) -> np.ndarray:
    """Rows of a sort column that differ from the row before them (never row 0), ascending."""
    rows = len(column)
    if rows < 2 or pa.types.is_null(column.type):
        return np.empty(0, np.int64)
    if is_binary_like(column) or pa.types.is_decimal128(column.type):
        differs = _differs_from_previous(column)
    else:
        numbers = as_integers(column)
        differs = numbers[1:] != numbers[:-1]
    if column.null_count:
        null = column.is_null().to_numpy(zero_copy_only=False)
        either = null[1:] | null[:-1]
        differs = np.where(either, null[1:] != null[:-1], differs)
    return np.flatnonzero(differs) + 1


def _differs_from_previous(column: pa.Array) -> np.ndarray:
    """For each row after the first: does it differ from the row before? Undefined for nulls."""
    if is_binary_like(column):
        # If most values differ in their first word, few need a full comparison.
        firsts = word(*bytes_column(column))
        differs: np.ndarray = firsts[1:] != firsts[:-1]
        rows = np.flatnonzero(~differs)
        if len(rows) * 4 < len(column):
            if len(rows):
                one, other = (column.take(pa.array(each)) for each in (rows, rows + 1))
                unequal = pc.not_equal(one, other).fill_null(False)
                differs[rows] = unequal.to_numpy(zero_copy_only=False)
            return differs
    unequal = pc.not_equal(column.slice(1), column.slice(0, len(column) - 1))
    found: np.ndarray = unequal.fill_null(False).to_numpy(zero_copy_only=False)
    return found


def is_sorted(column: pa.Array) -> bool:
    """Whether a sort column is already in the order of `argsort`."""
    rows, nulls = len(column), column.null_count
    if pa.types.is_null(column.type) or rows < 2:
        return True
    if nulls and column.slice(0, nulls).null_count != nulls:
        return False
    column = column.slice(nulls)
    if is_binary_like(column) or pa.types.is_decimal128(column.type):
        return not pc.any(pc.less(column.slice(1), column.slice(0, len(column) - 1))).as_py()
    numbers = as_integers(column)
    return bool((numbers[1:] >= numbers[:-1]).all())


def argsort(column: pa.Array) -> np.ndarray:
    """Indices (int64) that sort a sort column stably, nulls first, NaN last."""
    rows = len(column)
    if pa.types.is_null(column.type) or rows < 2:
        return np.arange(rows)
    if column.null_count:
        null = column.is_null().to_numpy(zero_copy_only=False)
        rest = np.flatnonzero(~null)
        return np.concatenate([np.flatnonzero(null), rest[argsort(column.drop_null())]])
    if is_binary_like(column):
        return _argsort_bytes(column)
    if pa.types.is_decimal128(column.type):
        return np.asarray(pc.array_sort_indices(column)).astype(np.int64)
    return stable_order(as_integers(column))


def stable_order(numbers: np.ndarray) -> np.ndarray:
    """`np.argsort(numbers, kind="stable")` for int64 and uint64, two to four times as fast.

    numpy sorts plain 64-bit numbers with vector instructions. So each number goes to the high bits,
    and its row to the low ones. If the lowest bits of the numbers do not fit, those that are equal
    without these bits are sorted again, some at a time.
    """
    rows = len(numbers)
    if rows < _MANY_ROWS:
        return np.argsort(numbers, kind="stable")
    descents = int(np.count_nonzero(numbers[1:] < numbers[:-1]))
    if descents == 0:
        return np.arange(rows)
    if descents < _FEW_RUNS:
        return np.argsort(numbers, kind="stable")  # it merges runs
    least = numbers.min()
    above = (numbers - least).view(np.uint64)  # wraps around to the right difference
    omitted = max(0, int(above.max()).bit_length() + rows.bit_length() - 64)
    order, upper = _in_order_of_upper_bits(above, omitted)
    if not omitted:
        return order
    for some in _together(upper):
        found = above.take(order[some])
        if bool((found[1:] < found[:-1]).any()):
            rank = np.zeros(len(found), np.uint64)
            np.cumsum(upper[some][1:] != upper[some][:-1], out=rank[1:], dtype=np.uint64)
            rank <<= np.uint64(omitted)
            rank |= found & np.uint64((1 << omitted) - 1)
            within, _ = _in_order_of_upper_bits(rank, 0)
            order[some] = order[some].take(within)
    return order


def _in_order_of_upper_bits(numbers: np.ndarray, omitted: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows in the stable order of `numbers >> omitted`, and these sorted."""
    bits = np.uint64(len(numbers).bit_length())
    both = numbers >> np.uint64(omitted)
    both <<= bits
    both |= np.arange(len(numbers), dtype=np.uint64)
    both.sort()
    order = both & ((np.uint64(1) << bits) - np.uint64(1))
    both >>= bits
    return order.view(np.int64), both


def _argsort_bytes(column: pa.Array, done: int = 0) -> np.ndarray:
    """Sort by eight bytes as one number, then the rows that tie, some at a time.

    All values are equal in their first `done` bytes.
    """
    data, starts, lengths = bytes_column(column)
    longest = int(lengths.max())
    if longest <= done:  # they differ only in trailing zero bytes: the shorter value comes first
        return np.argsort(lengths, kind="stable")
    first = word(data, starts, lengths, done)
    while done + WORD < longest and first.min() == first.max():
        done += WORD  # all values share this prefix, like URLs
        first = word(data, starts, lengths, done)
    done += WORD
    order = stable_order(first)
    spots, tied = _tied(first.take(order), lengths, order, done)
    for some in _together(tied):
        rows = order[spots[some]]
        # The column may be larger than the processor's caches, but this part of it is not.
        order[spots[some]] = rows[_order_of_ties(column.take(pa.array(rows)), done)]
    return order


def _together(tied: np.ndarray) -> Iterator[slice]:
    """Slices of whole groups: about _NEAR_ROWS rows each, or one larger group."""
    first = 0
    while first < len(tied):
        end = first + _NEAR_ROWS
        if end < len(tied):
            end = int(np.searchsorted(tied, tied[end], "left"))
            if end <= first:
                end = int(np.searchsorted(tied, tied[first], "right"))
        yield slice(first, end)
        first = end


def _order_of_ties(column: pa.Array, done: int) -> np.ndarray:
    """Indices that sort a slice of `_together`, whose groups are equal in their first `done` bytes.

    Arrow compares whole values. That costs less than further words if the values are in the caches.
    """
    if len(column) > _NEAR_ROWS and done < _PREFIX_BYTES:
        return _argsort_bytes(column, done)
    found: np.ndarray = pc.array_sort_indices(column).to_numpy()
    return found


def _tied(
    words: np.ndarray, lengths: np.ndarray, order: np.ndarray, compared: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of rows that are still tied after sorting by `words`, and their groups.

    `words` are sorted, and `lengths` are in the order of before. `compared` is the number of bytes
    compared so far. Tied rows of one length are equal if that length is within `compared`.
    """
    same = words[1:] == words[:-1]
    if not same.any():
        return np.empty(0, np.int64), np.empty(0, np.int64)
    lengths = lengths.take(order)
    unsettled = same & ((lengths[1:] != lengths[:-1]) | (lengths[1:] > compared))
    if not unsettled.any():
        return np.empty(0, np.int64), np.empty(0, np.int64)
    finer = np.zeros(len(words), np.int64)
    np.cumsum(~same, out=finer[1:])
    open_groups = np.zeros(int(finer[-1]) + 1, np.bool_)
    open_groups[finer[1:][unsettled]] = True
    spots = np.flatnonzero(open_groups[finer])
    return spots, finer[spots]
