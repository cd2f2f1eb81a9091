"""Order of keys: the column that kernels sort by, and sorting by it.

The order is Python's own where Python has one: numbers by size, text by code point (which is the
order of its UTF-8 bytes), bytes, tuples and lists field by field. Added to it: None comes first,
NaN last and is one key, -0.0 is 0.0.

Text, bytes, integers, floats, bools, dates, times and decimals are sorted as they are. Tuples,
structs and lists get a binary column `__sort` beside them, whose bytes compare as the keys do:

* null is `00`, anything else `01` and its own code;
* a number is the order-preserving bits of its nearest double, big-endian, and two bytes of what
  the double lacks, so that 3 and 3.0 have one code and 2**53 + 1 its own place;
* text and bytes have `00` written as `00 ff` and end with `00 00`;
* dates and times are 64-bit integers; a struct is its fields in turn; a list is `01` and a code for
  each item, then `00`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.io.schema import KEY, SORT, RecordTypeError, is_bytes, is_list, is_text
from mrmesos.io.words import bytes_column, word

_SIGN = np.uint64(1 << 63)
_NAN = np.uint64((1 << 64) - 1)
_PREFIX_WORDS = 6


def with_sort_column(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch as the shuffle wants it: keys of plain layout, `__sort` where they need it.

    Raises RecordTypeError for keys that have no order (maps, unions, …) and for missing columns.
    """
    if SORT in batch.schema.names:
        return batch
    if batch.schema.names != ["key", "value"]:
        raise RecordTypeError(
            f"a batch has the columns {batch.schema.names}; expected key and value"
        )
    key_field = batch.schema.field(KEY)
    key = plain(batch.column(KEY))
    value = plain(batch.column("value"))
    if pa.types.is_integer(key.type) and not pa.types.is_uint64(key.type):
        key = key.cast(pa.int64())
    elif pa.types.is_floating(key.type):
        key = _one_zero_one_nan(key)
    fields = [
        key_field.with_type(key.type),
        batch.schema.field("value").with_type(value.type),
    ]
    columns = [key, value]
    if not is_direct(key.type):
        columns.append(sort_code(key))
        fields.append(pa.field(SORT, pa.binary()))
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def sort_column(batch: pa.RecordBatch) -> pa.Array:
    """The column the batch is sorted and grouped by: `__sort` if it has one, else `key`."""
    if SORT in batch.schema.names:
        return batch.column(SORT)
    key = batch.column(KEY)
    if is_direct(key.type):
        return key
    ready = with_sort_column(batch)
    return ready.column(SORT if SORT in ready.schema.names else KEY)


def drop_sort_column(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with the columns `key` and `value` alone, as users see it."""
    return batch.select([KEY, "value"]) if SORT in batch.schema.names else batch


def is_direct(kind: pa.DataType) -> bool:
    """Whether keys of this type are their own sort column."""
    types = pa.types
    return bool(
        types.is_null(kind)
        or types.is_boolean(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_string(kind)
        or types.is_binary(kind)
        or (types.is_temporal(kind) and not types.is_interval(kind))
        or types.is_decimal128(kind)
    )


def plain(array: pa.Array) -> pa.Array:
    """The array without dictionaries, views and 64-bit offsets."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return plain(array.dictionary_decode())
    wanted = pa.string() if is_text(kind) else pa.binary() if is_bytes(kind) else kind
    try:
        return array if kind.equals(wanted) else array.cast(wanted)
    except pa.ArrowInvalid as error:
        raise RecordTypeError(
            f"a column of {array.nbytes} bytes in one batch: {error}; yield smaller batches"
        ) from None


def _one_zero_one_nan(key: pa.Array) -> pa.Array:
    key = key if pa.types.is_float64(key.type) else key.cast(pa.float64())
    numbers = key.fill_null(0.0).to_numpy(zero_copy_only=False)
    odd = (numbers == 0) | (numbers != numbers)
    if not odd.any():
        return key
    numbers = numbers + 0.0  # -0.0 + 0.0 is 0.0
    numbers[numbers != numbers] = np.nan
    mask = None if key.null_count == 0 else key.is_null().to_numpy(zero_copy_only=False)
    return pa.array(numbers, pa.float64(), mask=mask, from_pandas=False)


# --- Codes of nested keys ------------------------------------------------------------------------
def sort_code(array: pa.Array) -> pa.Array:
    """A binary array without nulls whose bytes compare as the elements do."""
    kind = array.type
    if pa.types.is_null(kind):
        return _repeat(b"\x00", len(array))
    code = _code_of_present(plain(array))
    present = _joined(_repeat(b"\x01", len(array)), code)
    if array.null_count == 0:
        return present
    return pc.if_else(array.is_valid(), present, pa.scalar(b"\x00", pa.binary()))


def _code_of_present(array: pa.Array) -> pa.Array:
    """Codes of an array's elements; those of nulls are some bytes or other."""
    kind, types = array.type, pa.types
    if types.is_boolean(kind):
        return _fixed(array.cast(pa.uint8()).fill_null(0).to_numpy().reshape(-1, 1))
    if types.is_integer(kind) or types.is_floating(kind):
        return _fixed(_number_code(array))
    if types.is_string(kind) or types.is_binary(kind):
        data = array.cast(pa.binary()).fill_null(b"")
        if pc.any(pc.match_substring(data, b"\x00")).as_py():
            data = pc.replace_substring(data, b"\x00", b"\x00\xff")
        return _joined(data, _repeat(b"\x00\x00", len(array)))
    if types.is_struct(kind):
        return _joined(*(sort_code(column) for column in array.flatten()))
    if is_list(kind):
        return _list_code(array)
    if is_direct(kind) and not types.is_decimal128(kind):
        wide = as_integers(array) ^ np.int64(-(1 << 63))
        return _fixed(wide.astype(">i8").view(np.uint8).reshape(-1, 8))
    raise RecordTypeError(f"{kind} cannot be (part of) a key, as it has no order here")


def _list_code(array: pa.Array) -> pa.Array:
    if not pa.types.is_list(array.type):
        array = array.cast(pa.list_(array.type.value_type))
    offsets = np.frombuffer(array.buffers()[1], np.int32, len(array) + 1, array.offset * 4)
    first, last = int(offsets[0]), int(offsets[-1])
    items = array.values.slice(first, last - first)
    codes = _joined(_repeat(b"\x01", len(items)), sort_code(items))
    lists = pa.ListArray.from_arrays(pa.array(offsets - offsets[0]), codes)
    return _joined(pc.binary_join(lists, b""), _repeat(b"\x00", len(array)))


def _number_code(array: pa.Array) -> np.ndarray:
    rows = np.empty((len(array), 10), np.uint8)
    if pa.types.is_floating(array.type):
        doubles = array.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False)
        lacking = np.zeros(len(array), np.int64)
    else:
        doubles, lacking = _double_and_rest(integers(array))
    rows[:, :8] = _ordered_bits(doubles).astype(">u8").view(np.uint8).reshape(-1, 8)
    rows[:, 8:] = (lacking + (1 << 15)).astype(">u2").view(np.uint8).reshape(-1, 2)
    return rows


def _double_and_rest(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest doubles, and the integers minus them (which is at most 1024 either way)."""
    doubles = numbers.astype(np.float64)
    top = 2.0**64 if numbers.dtype == np.uint64 else 2.0**63
    # The topmost integers round up to a double that is one more than the type holds.
    high = doubles >= top
    back = np.where(high, 0.0, doubles).astype(numbers.dtype)
    with np.errstate(over="ignore"):
        rest = (numbers - back).view(np.int64)
        most = np.array(np.iinfo(numbers.dtype).max, numbers.dtype)
        return doubles, np.where(high, (numbers - most).view(np.int64) - 1, rest)


def _ordered_bits(doubles: np.ndarray) -> np.ndarray:
    """Unsigned integers in the order of the doubles; -0.0 as 0.0, every NaN as the last."""
    bits = (doubles + 0.0).view(np.uint64)
    ordered = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    return np.where(np.isnan(doubles), _NAN, ordered)


def _fixed(rows: np.ndarray) -> pa.Array:
    count, width = rows.shape
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int32)
    data = np.ascontiguousarray(rows, np.uint8)
    return pa.Array.from_buffers(
        pa.binary(), count, [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    )


def _repeat(code: bytes, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(code, pa.binary()), count)


def _joined(*parts: pa.Array) -> pa.Array:
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, b"")


# --- Comparing and sorting -----------------------------------------------------------------------
def integers(array: pa.Array) -> np.ndarray:
    """An integer array as numpy int64 (uint64 stays), nulls as 0."""
    if array.null_count:
        array = array.fill_null(0)
    numbers: np.ndarray = array.to_numpy(zero_copy_only=False)
    return numbers if numbers.dtype in (np.int64, np.uint64) else numbers.astype(np.int64)


def as_integers(array: pa.Array) -> np.ndarray:
    """A sort column of fixed width as 64-bit integers in the same order, nulls as anything."""
    kind, types = array.type, pa.types
    if types.is_floating(kind):
        numbers = array.cast(pa.float64())
        if array.null_count:
            numbers = numbers.fill_null(0.0)
        return _ordered_bits(numbers.to_numpy(zero_copy_only=False))
    if types.is_boolean(kind):
        array = array.cast(pa.uint8())
    elif types.is_temporal(kind):
        narrow = kind.bit_width == 32
        array = array.cast(pa.int32() if narrow else pa.int64())
    return integers(array)


def is_binary_like(array: pa.Array) -> bool:
    """Whether a sort column is text or bytes, rather than of fixed width."""
    return bool(pa.types.is_string(array.type) or pa.types.is_binary(array.type))


class Ranks:
    """A sort column as a sequence of things that Python compares, for bisection."""

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
        differing = pc.not_equal(column.slice(1), column.slice(0, rows - 1))
        differs = differing.fill_null(False).to_numpy(zero_copy_only=False)
    else:
        numbers = as_integers(column)
        differs = numbers[1:] != numbers[:-1]
    if column.null_count:
        null = column.is_null().to_numpy(zero_copy_only=False)
        either = null[1:] | null[:-1]
        differs = np.where(either, null[1:] != null[:-1], differs)
    return np.flatnonzero(differs) + 1


def is_sorted(column: pa.Array) -> bool:
    """Whether a sort column is in the order that `argsort` gives."""
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
    """`np.argsort(numbers, kind="stable")`, by whichever of two ways is faster.

    numpy's stable sort is the faster where long stretches are in order already or most numbers are
    the same. Elsewhere its vectorised unstable one is, even with the ties put in order after it.
    """
    rows = len(numbers)
    descents = int(np.count_nonzero(numbers[1:] < numbers[:-1]))
    if descents == 0:
        return np.arange(rows)
    if descents * 64 < rows or rows < 1024 or rows >= 1 << 32 or _repeats(numbers):
        return np.argsort(numbers, kind="stable")
    order = np.argsort(numbers)
    found = numbers[order]
    rank = np.zeros(rows, np.uint64)
    np.cumsum(found[1:] != found[:-1], out=rank[1:], dtype=np.uint64)
    if int(rank[-1]) == rows - 1:
        return order
    both = (rank << np.uint64(32)) | order.astype(np.uint64)
    both.sort()
    return (both & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _repeats(numbers: np.ndarray) -> bool:
    """Whether most of a sample are ties, as with the words of a text."""
    sample = numbers[:: len(numbers) // 512]
    return len(np.unique(sample)) * 2 < len(sample)


def _argsort_bytes(column: pa.Array) -> np.ndarray:
    """By the first eight bytes as one number, then by the next eight where those are the same."""
    data, starts, lengths = bytes_column(column)
    longest = int(lengths.max())
    index = 0
    first = word(data, starts, lengths, 0)
    while 8 * (index + 1) < longest and first.min() == first.max():
        index += 1  # all begin alike, as URLs do
        first = word(data, starts, lengths, index)
    order = stable_order(first)
    group = np.zeros(len(order), np.int64)
    spots, tied = _tied(group, first[order], lengths[order], 8 * (index + 1))
    while len(spots):
        rows = order[spots]
        index += 1
        if index > _PREFIX_WORDS:
            table = pa.table({"group": tied, "key": column.take(pa.array(rows))})
            keys = [("group", "ascending"), ("key", "ascending")]
            order[spots] = rows[pc.sort_indices(table, sort_keys=keys).to_numpy()]
            break
        here = word(data, starts[rows], lengths[rows], index)
        if int(lengths[rows].max()) <= 8 * index:
            # Alike but for zero bytes at their ends: the shorter comes first.
            order[spots] = rows[np.lexsort((lengths[rows], tied))]
            break
        within = np.lexsort((here, tied))
        rows = rows[within]
        order[spots] = rows
        left, tied = _tied(tied, here[within], lengths[rows], 8 * (index + 1))
        spots = spots[left]
    return order


def _tied(
    group: np.ndarray, words: np.ndarray, lengths: np.ndarray, compared: int
) -> tuple[np.ndarray, np.ndarray]:
    """Where rows sorted by (group, word) are not yet told apart, and the finer group of each.

    `compared` is how many bytes of each row have been looked at. Rows of one length that ends
    within them are equal.
    """
    same = (group[1:] == group[:-1]) & (words[1:] == words[:-1])
    unsettled = same & ((lengths[1:] != lengths[:-1]) | (lengths[1:] > compared))
    if not unsettled.any():
        return np.empty(0, np.int64), np.empty(0, np.int64)
    finer = np.zeros(len(words), np.int64)
    np.cumsum(~same, out=finer[1:])
    open_groups = np.zeros(int(finer[-1]) + 1, np.bool_)
    open_groups[finer[1:][unsettled]] = True
    spots = np.flatnonzero(open_groups[finer])
    return spots, finer[spots]
