"""Two column types that hold values which no single Arrow type holds without a change.

* Integers and floats: a struct of `__int` (int64) and `__float` (double). One of them is null.
* Decimals with different exponents: a struct of `__decimal`, a decimal with the largest scale, and
  `__scale`, the number of decimal places of each value.

Both stay inside a job. Outputs and user code with batches get the types of `plainly`.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.io.columns.schema import UnfaithfulCast, is_list

MIXED = pa.struct([("__int", pa.int64()), ("__float", pa.float64())])
RESERVED = ("__int", "__decimal")
"""First field names of the structs here. A dict that begins with one of them becomes no struct."""

_DIGITS_128, DIGITS_256 = 38, 76
_WIDE = decimal.Context(prec=2 * DIGITS_256)
_EXPONENTS = [decimal.Decimal(1).scaleb(-scale) for scale in range(DIGITS_256 + 1)]


def is_mixed(kind: pa.DataType) -> bool:
    """Whether `kind` is the struct of integers and floats."""
    return bool(kind.equals(MIXED))


def is_scaled(kind: pa.DataType) -> bool:
    """Whether `kind` is the struct of decimals with their scales."""
    if not pa.types.is_struct(kind) or kind.num_fields != 2 or kind.field(0).name != "__decimal":
        return False
    return bool(pa.types.is_decimal(kind.field(0).type) and kind.field(1).type.equals(pa.int8()))


def is_exact(kind: pa.DataType) -> bool:
    """Whether `kind` is one of the two types here."""
    return pa.types.is_struct(kind) and (is_mixed(kind) or is_scaled(kind))


def has_exact(kind: pa.DataType) -> bool:
    """Whether `kind` is one of the two types here, or holds one at any depth."""
    if is_exact(kind):
        return True
    return pa.types.is_nested(kind) and any(
        has_exact(kind.field(index).type) for index in range(kind.num_fields)
    )


def decimal_type(digits: int, scale: int) -> pa.DataType | None:
    """The decimal type with at least this many digits, `scale` of them decimal places.

    None if there is no such type.
    """
    if max(digits, scale) <= _DIGITS_128:
        return pa.decimal128(_DIGITS_128, scale)
    return pa.decimal256(DIGITS_256, scale) if max(digits, scale) <= DIGITS_256 else None


def scaled_type(kind: pa.DataType) -> pa.DataType:
    """The struct of decimals of type `kind` with their scales."""
    return pa.struct([("__decimal", kind), ("__scale", pa.int8())])


def common_decimal(a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
    """The decimal type that holds all values of both; None if it needs too many digits."""
    scale = max(a.scale, b.scale)
    digits = max(a.precision - a.scale, b.precision - b.scale) + scale
    if digits > DIGITS_256:
        return None
    wide = digits > _DIGITS_128 or pa.types.is_decimal256(a) or pa.types.is_decimal256(b)
    return pa.decimal256(digits, scale) if wide else pa.decimal128(digits, scale)


def mixed(ints: pa.Array, floats: pa.Array) -> pa.StructArray:
    """The column of integers and floats. Each is null where the other has the value."""
    none = pc.and_(ints.is_null(), floats.is_null())
    fields = list(MIXED)
    mask = none if none.true_count else None
    return pa.StructArray.from_arrays([ints, floats], fields=fields, mask=mask)


def scaled(decimals: pa.Array, scales: pa.Array) -> pa.StructArray:
    """The column of decimals with their numbers of decimal places."""
    fields = list(scaled_type(decimals.type))
    mask = decimals.is_null() if decimals.null_count else None
    return pa.StructArray.from_arrays([decimals, scales], fields=fields, mask=mask)


def as_mixed(array: pa.Array) -> pa.Array:
    """Integers, floats or nulls as MIXED. Raises UnfaithfulCast for integers above 64 bits."""
    if is_mixed(array.type):
        return array
    try:
        if pa.types.is_integer(array.type):
            return mixed(array.cast(pa.int64()), pa.nulls(len(array), pa.float64()))
        return mixed(pa.nulls(len(array), pa.int64()), array.cast(pa.float64()))
    except pa.ArrowException as error:
        raise UnfaithfulCast(f"{array.type} beside floats: {error}") from None


def as_scaled(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Decimals, with or without scales, as `kind`. Raises UnfaithfulCast."""
    if is_scaled(array.type):
        decimals, scales = array.flatten()
    else:
        decimals, scales = array, pa.repeat(pa.scalar(array.type.scale, pa.int8()), len(array))
    try:
        return scaled(decimals.cast(kind.field(0).type), scales)
    except pa.ArrowException as error:
        raise UnfaithfulCast(f"{array.type} as {kind}: {error}") from None


def objects_of(array: pa.Array) -> list[Any]:
    """The Python numbers of a column of one of the two types."""
    first, second = array.flatten()
    if is_mixed(array.type):
        whole = first.is_valid().to_numpy(zero_copy_only=False)
        numbers = second.fill_null(0.0).to_numpy(zero_copy_only=False).astype(object)
        numbers[whole] = first.drop_null().to_numpy().astype(object)
        numbers[array.is_null().to_numpy(zero_copy_only=False)] = None
        found: list[Any] = numbers.tolist()
        return found
    return [
        None if value is None else value.quantize(_EXPONENTS[scale], context=_WIDE)
        for value, scale in zip(first.to_pylist(), second.to_pylist(), strict=True)
    ]


def plainly(array: pa.Array) -> pa.Array:
    """The array with plain types at every depth: doubles, and decimals of one scale.

    Raises UnfaithfulCast if an integer beside floats is not exactly a double.
    """
    kind = array.type
    if not has_exact(kind):
        return array
    if is_scaled(kind):
        return array.flatten()[0]
    if is_mixed(kind):
        ints, floats = array.flatten()
        try:
            return pc.coalesce(floats, ints.cast(pa.float64()))
        except pa.ArrowException as error:
            raise UnfaithfulCast(f"integers and floats in one column: {error}") from None
    return rebuilt(array, plainly)


def rebuilt(array: pa.Array, change: Any) -> pa.Array:
    """A struct, list or map array with `change` applied to the arrays in it."""
    kind = array.type
    mask = array.is_null() if array.null_count else None
    if pa.types.is_struct(kind):
        columns = [change(column) for column in array.flatten()]
        fields = [field.with_type(column.type) for field, column in zip(kind, columns, strict=True)]
        if not columns:
            return array
        return pa.StructArray.from_arrays(columns, fields=fields, mask=mask)
    if pa.types.is_map(kind):
        return rebuilt_map(array, change, change)
    starts, first, last = spans(array)
    offsets = pa.array(starts, pa.int32())
    values = change(array.values.slice(first, last - first))
    made = pa.list_(kind.value_field.with_type(values.type))
    return pa.ListArray.from_arrays(offsets, values, type=made, mask=mask)


def rebuilt_map(
    array: pa.Array,
    of_keys: Callable[[pa.Array], pa.Array],
    of_items: Callable[[pa.Array], pa.Array],
    kind: pa.DataType | None = None,
) -> pa.Array:
    """A map array with its keys and items changed. `kind` is its new type, if that is given."""
    offsets, first, last = spans(array)
    return pa.MapArray.from_arrays(
        pa.array(offsets, pa.int32()),
        of_keys(array.keys.slice(first, last - first)),
        of_items(array.items.slice(first, last - first)),
        type=kind,
        mask=array.is_null() if array.null_count else None,
    )


def spans(array: pa.Array) -> tuple[np.ndarray, int, int]:
    """The offsets of a `list` or `map` array from 0 on, and its first and last row of items."""
    offsets = np.frombuffer(array.buffers()[1], np.int32, len(array) + 1, array.offset * 4)
    first, last = int(offsets[0]), int(offsets[-1])
    return offsets - offsets[0], first, last


def as_lists(array: pa.Array) -> pa.Array:
    """A list array of any layout as `list`."""
    if pa.types.is_list(array.type):
        return array
    if is_list(array.type):
        return array.cast(pa.list_(array.type.value_field))
    # Arrow's cast of list views with nulls makes invalid arrays (pyarrow 26).
    offsets = np.zeros(len(array) + 1, np.int64)
    np.cumsum(array.value_lengths().fill_null(0).to_numpy(), out=offsets[1:])
    mask = array.is_null() if array.null_count else None
    kind = pa.list_(array.type.value_field)
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), array.flatten(), type=kind, mask=mask
    )


def is_any_list(kind: pa.DataType) -> bool:
    """Whether `kind` is a list of any layout, views included."""
    return is_list(kind) or pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind)
