"""The order of keys, and the column that kernels sort by.

Keys have Python's own order where Python has one: numbers by size, text by code point (the order of
its UTF-8 bytes), bytes by byte, tuples and lists item by item. In addition, None comes first, all
NaNs are one key and come last, and -0.0 equals 0.0.

Kernels sort text, bytes, integers, floats, bools, dates and times directly. Other keys need a
second column `__sort`. It is binary, and its bytes compare as the keys do: see `key_code`. Two
columns of different types have equal codes for equal keys.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.io.columns.decode import decode_column
from mrmesos.io.columns.exact import as_lists, is_exact, is_mixed, is_scaled, spans
from mrmesos.io.columns.key_code import (
    BYTES,
    DATE,
    DATETIME,
    DURATION,
    END,
    FRACTION,
    INSTANT,
    LIST,
    NONE,
    NUMBER,
    STRUCT,
    TEXT,
    TEXT_END,
    TIME,
    TUPLE,
    UUID,
    code_of,
    number_code,
)
from mrmesos.io.columns.schema import (
    KEY,
    SORT,
    RecordTypeError,
    is_bytes,
    is_coded,
    is_list,
    is_text,
    is_tuple,
)
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
    if not is_direct(key.type) or is_coded(key_field):
        columns.append(key_codes(key, key_field))
        fields.append(pa.field(SORT, pa.binary()))
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def sort_column(batch: pa.RecordBatch) -> pa.Array:
    """The column the batch is sorted and grouped by: `__sort` if it has one, else `key`."""
    if SORT in batch.schema.names:
        return batch.column(SORT)
    key = batch.column(KEY)
    if is_direct(key.type) and not is_coded(batch.schema.field(KEY)):
        return key
    ready = with_sort_column(batch)
    return ready.column(SORT if SORT in ready.schema.names else KEY)


def drop_sort_column(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with only the columns `key` and `value`, as users see it."""
    return batch.select([KEY, "value"]) if SORT in batch.schema.names else batch


def key_codes(key: pa.Array, field: pa.Field) -> pa.Array:
    """The codes of a column of keys; `field` says whether it holds Python objects."""
    if not is_coded(field):
        return sort_code(key)
    return pa.array(map(code_of, decode_column(key, field)), pa.binary())


def coded(codes: pa.Array) -> pa.StructArray:
    """Codes with a mark in their type, for code that gets a sort column without its batch."""
    return pa.StructArray.from_arrays([codes], names=[SORT])


def codes_in(column: pa.Array) -> pa.Array | None:
    """The codes of a column from `coded`; None for any other column."""
    kind = column.type
    return column.field(0) if pa.types.is_struct(kind) and kind.field(0).name == SORT else None


def is_direct(kind: pa.DataType) -> bool:
    """Whether keys of this type are their own sort column, unless they are coded objects."""
    types = pa.types
    return bool(
        types.is_null(kind)
        or types.is_boolean(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_string(kind)
        or types.is_binary(kind)
        or (types.is_temporal(kind) and not types.is_interval(kind))
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


# --- Codes of columns: those of `key_code` -------------------------------------------------------
NULL_CODE = pa.scalar(NONE, pa.binary())
"""The code of None."""
_END = pa.scalar(END, pa.binary())
_TEXT_END = pa.scalar(TEXT_END, pa.binary())
_Part = Any  # a pa.Array, or a pa.Scalar that is the same for every row


def sort_code(array: pa.Array) -> pa.Array:
    """A binary array without nulls whose bytes compare as the elements do."""
    code = _joined(_code(array))
    return pa.repeat(code, len(array)) if isinstance(code, pa.Scalar) else code


def _code(array: pa.Array) -> list[_Part]:
    """The parts of the code. One join of many parts costs less than many joins of few parts."""
    if pa.types.is_null(array.type):
        return [NULL_CODE]
    parts = [pa.scalar(_rank(array.type), pa.binary()), *_code_of_present(plain(array))]
    if array.null_count == 0:
        return parts
    return [pc.if_else(array.is_valid(), _joined(parts), NULL_CODE)]


def _rank(kind: pa.DataType) -> bytes:
    """The first byte of the codes of a type; STRUCT also for types without order."""
    types = pa.types
    if types.is_dictionary(kind):
        return _rank(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return UUID if isinstance(kind, pa.UuidType) else _rank(kind.storage_type)
    if is_text(kind):
        return TEXT
    if is_bytes(kind):
        return BYTES
    if types.is_temporal(kind):
        return _rank_of_times(kind)
    if is_list(kind):
        return LIST
    if types.is_struct(kind) and not is_exact(kind):
        return TUPLE if is_tuple(kind) else STRUCT
    return STRUCT if types.is_nested(kind) and not is_exact(kind) else NUMBER


def _rank_of_times(kind: pa.DataType) -> bytes:
    if pa.types.is_timestamp(kind):
        return DATETIME if kind.tz is None else INSTANT
    if pa.types.is_date(kind):
        return DATE
    return TIME if pa.types.is_time(kind) else DURATION


def _code_of_present(array: pa.Array) -> list[_Part]:
    """Codes of an array's elements; nulls get arbitrary bytes."""
    kind, types = array.type, pa.types
    if types.is_boolean(kind):
        return [_fixed(_number_code(array.cast(pa.int64())))]
    if types.is_integer(kind) or types.is_floating(kind):
        return [_fixed(_number_code(array))]
    if types.is_string(kind) or types.is_binary(kind):
        data = array.cast(pa.binary()).fill_null(b"")
        if pc.any(pc.match_substring(data, b"\x00")).as_py():
            data = pc.replace_substring(data, b"\x00", b"\x00\xff")
        return [data, _TEXT_END]
    if types.is_decimal(kind) or is_scaled(kind):
        return [_decimal_codes(array)]
    if isinstance(kind, pa.UuidType):
        return [array.storage.cast(pa.binary()).fill_null(b"")]
    if isinstance(kind, pa.BaseExtensionType):
        return _code_of_present(plain(array.storage))
    if is_mixed(kind):
        first, second = array.flatten()
        whole = first.is_valid().to_numpy(zero_copy_only=False)
        return [_fixed(np.where(whole[:, None], _number_code(first), _number_code(second)))]
    if types.is_struct(kind):
        return [*(part for column in array.flatten() for part in _code(column)), _END]
    if is_list(kind):
        return [_list_code(array), _END]
    if is_direct(kind):
        return _code_of_times(array)
    raise RecordTypeError(f"{kind} cannot be a key or part of a key, because it has no order")


def _decimal_codes(array: pa.Array) -> pa.Array:
    distinct = pc.dictionary_encode(array.flatten()[0] if is_scaled(array.type) else array)
    codes = [number_code(number) for number in distinct.dictionary.to_pylist()]
    return pa.array(codes, pa.binary()).take(distinct.indices).fill_null(b"")


def _code_of_times(array: pa.Array) -> list[_Part]:
    """Days, or microseconds and perhaps the nanoseconds that are left."""
    kind = array.type
    parts: list[_Part] = []
    if pa.types.is_date64(kind):
        array = array.cast(pa.date32())
    whole = as_integers(array)
    if getattr(kind, "unit", None) == "ns":
        whole, rest = np.divmod(whole, 1000)
        codes = pa.array([FRACTION + each.to_bytes(2) for each in range(1000)], pa.binary())
        parts = [pc.if_else(pa.array(rest != 0), codes.take(pa.array(rest)), b"")]
    elif not pa.types.is_date(kind) and kind.unit != "us":
        whole = whole * (1000 if kind.unit == "ms" else 1_000_000)
    wide = whole ^ np.int64(-(1 << 63))
    return [_fixed(wide.astype(">i8").view(np.uint8).reshape(-1, 8)), *parts]


def _list_code(array: pa.Array) -> pa.Array:
    array = as_lists(array)
    offsets, first, last = spans(array)
    items = array.values.slice(first, last - first)
    lists = pa.ListArray.from_arrays(pa.array(offsets), sort_code(items))
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
