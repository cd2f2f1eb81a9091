"""The order of keys, and the column that kernels sort by.

Keys have Python's own order where Python has one: numbers by size, text by code point (the order of
its UTF-8 bytes), bytes by byte, tuples and lists item by item. In addition, None comes first, all
NaNs are one key and come last, and -0.0 equals 0.0.

Kernels sort text, bytes, integers, floats, bools, dates, times and decimals directly. Tuples,
structs and lists need a second column `__sort`. It is binary, and its bytes compare as the keys do:

* Null is `00`. Any other value is `01` followed by its code.
* A number is its nearest double as big-endian, order-preserving bits, then two bytes for the
  difference. So 3 and 3.0 have the same code, and 2**53 + 1 differs from 2**53.
* Text and bytes escape `00` as `00 ff` and end with `00 00`.
* A decimal is its number of 10**-38 in 32 bytes.
* Dates and times are 64-bit integers. A struct is the codes of its fields. A list is `01` and a
  code for each item, then `00`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.io.columns.exact import is_exact, is_mixed
from mrmesos.io.columns.schema import KEY, SORT, RecordTypeError, is_bytes, is_list, is_text
from mrmesos.io.columns.sorting import as_integers, integers, ordered_bits


def with_sort_column(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch in the shuffle's form: keys in plain layout, plus `__sort` if they need it.

    Raises RecordTypeError for keys without an order (maps, unions, …) and for missing columns.
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
    """The batch with only the columns `key` and `value`, as users see it."""
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
NULL_CODE = pa.scalar(b"\x00", pa.binary())
"""The code of None. `unify.conform` gives it to batches whose keys are all null."""
_PRESENT = pa.scalar(b"\x01", pa.binary())
_END = pa.scalar(b"\x00", pa.binary())
_TEXT_END = pa.scalar(b"\x00\x00", pa.binary())
_Part = Any  # a pa.Array, or a pa.Scalar that is the same for every row


def sort_code(array: pa.Array) -> pa.Array:
    """A binary array without nulls whose bytes compare as the elements do."""
    code = _joined(_code(array))
    return pa.repeat(code, len(array)) if isinstance(code, pa.Scalar) else code


def _code(array: pa.Array) -> list[_Part]:
    """The parts of the code. One join of many parts costs less than many joins of few parts."""
    if pa.types.is_null(array.type):
        return [NULL_CODE]
    parts = [_PRESENT, *_code_of_present(plain(array))]
    if array.null_count == 0:
        return parts
    return [pc.if_else(array.is_valid(), _joined(parts), NULL_CODE)]


def _code_of_present(array: pa.Array) -> list[_Part]:
    """Codes of an array's elements; nulls get arbitrary bytes."""
    kind, types = array.type, pa.types
    if types.is_boolean(kind):
        return [_fixed(array.cast(pa.uint8()).fill_null(0).to_numpy().reshape(-1, 1))]
    if types.is_integer(kind) or types.is_floating(kind):
        return [_fixed(_number_code(array))]
    if types.is_string(kind) or types.is_binary(kind):
        data = array.cast(pa.binary()).fill_null(b"")
        if pc.any(pc.match_substring(data, b"\x00")).as_py():
            data = pc.replace_substring(data, b"\x00", b"\x00\xff")
        return [data, _TEXT_END]
    if types.is_decimal(kind):
        return [_fixed(_decimal_code(array))]
    if isinstance(kind, pa.BaseExtensionType):
        return _code_of_present(plain(array.storage))
    if is_exact(kind):
        return _code_of_exact(array)
    if types.is_struct(kind):
        return [part for column in array.flatten() for part in _code(column)]
    if is_list(kind):
        return [_list_code(array), _END]
    if is_direct(kind):
        wide = as_integers(array) ^ np.int64(-(1 << 63))
        return [_fixed(wide.astype(">i8").view(np.uint8).reshape(-1, 8))]
    raise RecordTypeError(f"{kind} cannot be a key or part of a key, because it has no order")


def _code_of_exact(array: pa.Array) -> list[_Part]:
    first, second = array.flatten()
    if not is_mixed(array.type):
        return _code_of_present(first)
    whole = first.is_valid().to_numpy(zero_copy_only=False)
    return [_fixed(np.where(whole[:, None], _number_code(first), _number_code(second)))]


def _decimal_code(array: pa.Array) -> np.ndarray:
    """Big-endian integers, at a scale that is the same for all decimal types."""
    try:
        wide = array.cast(pa.decimal256(76, 38)).fill_null(0)
    except pa.ArrowInvalid as error:
        raise RecordTypeError(f"{array.type} has no order here: {error}") from None
    rows = np.frombuffer(wide.buffers()[1], np.uint8).reshape(-1, 32)
    rows = rows[wide.offset : wide.offset + len(wide), ::-1].copy()
    rows[:, 0] ^= 0x80
    return rows


def _list_code(array: pa.Array) -> pa.Array:
    if not pa.types.is_list(array.type):
        array = array.cast(pa.list_(array.type.value_type))
    offsets = np.frombuffer(array.buffers()[1], np.int32, len(array) + 1, array.offset * 4)
    first, last = int(offsets[0]), int(offsets[-1])
    items = array.values.slice(first, last - first)
    codes = pc.binary_join_element_wise(_PRESENT, sort_code(items), b"")
    lists = pa.ListArray.from_arrays(pa.array(offsets - offsets[0]), codes)
    return pc.binary_join(lists, b"")


def _number_code(array: pa.Array) -> np.ndarray:
    rows = np.empty((len(array), 10), np.uint8)
    if pa.types.is_floating(array.type):
        doubles = array.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False)
        lacking = np.zeros(len(array), np.int64)
    else:
        doubles, lacking = double_and_rest(integers(array))
    rows[:, :8] = ordered_bits(doubles).astype(">u8").view(np.uint8).reshape(-1, 8)
    rows[:, 8:] = (lacking + (1 << 15)).astype(">u2").view(np.uint8).reshape(-1, 2)
    return rows


def double_and_rest(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest doubles of integers, and the integers minus these (between -1024 and 1024)."""
    doubles = numbers.astype(np.float64)
    top = 2.0**64 if numbers.dtype == np.uint64 else 2.0**63
    # The largest integers round up to a double that is one above the type's maximum.
    high = doubles >= top
    back = np.where(high, 0.0, doubles).astype(numbers.dtype)
    with np.errstate(over="ignore"):
        rest = (numbers - back).view(np.int64)
        most = np.array(np.iinfo(numbers.dtype).max, numbers.dtype)
        return doubles, np.where(high, (numbers - most).view(np.int64) - 1, rest)


def _fixed(rows: np.ndarray) -> pa.Array:
    count, width = rows.shape
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int32)
    data = np.ascontiguousarray(rows, np.uint8)
    return pa.Array.from_buffers(
        pa.binary(), count, [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    )


def _joined(parts: list[_Part]) -> _Part:
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, b"")
