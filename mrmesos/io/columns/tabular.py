"""Columns for tables and for user code with batches, of one plain Arrow type where there is one.

Inside a job every value is exact, so some columns have types of `exact` or are pickled. A table
wants one type that other programs read:

| in the job | in a table |
|---|---|
| integers and floats | double, if it holds every integer exactly |
| decimals of different scales | decimal of the largest scale |
| datetimes of several zones | timestamp in UTC |
| integers above 64 bits | decimal without decimal places |
| dataclass, named tuple | struct of its fields |
| dicts, OrderedDicts with the same text keys | struct |
| Counter, defaultdict, dicts of other keys | map; struct, if the items have several types |

Other objects stay pickled.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
from itertools import accumulate, chain
from typing import Any

import numpy as np
import pyarrow as pa

from mrmesos.io.columns.decode import decode_column
from mrmesos.io.columns.encode import encode_values
from mrmesos.io.columns.exact import (
    DIGITS_256,
    RESERVED,
    as_lists,
    decimal_type,
    is_any_list,
    plainly,
    rebuilt,
)
from mrmesos.io.columns.schema import (
    KEY,
    VALUE,
    RecordTypeError,
    UnfaithfulCast,
    is_pickled,
)

_COUNTERS = (collections.Counter, collections.defaultdict)


class NotTabular(Exception):
    """No Arrow type holds these objects (internal)."""


def plain_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch for user code, with plain types (see `plainly`). Raises RecordTypeError."""
    try:
        columns = [plainly(column) for column in batch.columns]
    except UnfaithfulCast as error:
        raise RecordTypeError(
            f"{error}; no column of doubles holds both: yield one of them, or use a Reducer"
        ) from None
    if all(map(pa.DataType.equals, (each.type for each in columns), batch.schema.types)):
        return batch
    fields = [
        field.with_type(column.type) for field, column in zip(batch.schema, columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def table_batch(batch: pa.RecordBatch, *, rows: bool) -> pa.RecordBatch:
    """The batch for a table. With `rows`, dicts and the like in `value` become a struct.

    Columns that no Arrow type holds stay pickled, also as fields of that struct. Raises
    RecordTypeError.
    """
    if not any(is_pickled(field) for field in batch.schema):
        return plain_batch(batch)
    columns, fields = [], []
    for name in (KEY, VALUE):
        column, field = batch.column(name), batch.schema.field(name)
        if is_pickled(field):
            objects = decode_column(column, field)
            if rows and name == VALUE:
                made = rows_of_objects(objects)
                if made is not None:
                    columns.append(table_columns(made).to_struct_array())
                    fields.append(pa.field(name, columns[-1].type))
                    continue
            field, column = _table_column(objects, column, field)
        columns.append(column)
        fields.append(field)
    return plain_batch(pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields)))


def table_columns(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Any batch. Its pickled columns get Arrow types, where a type holds them."""
    if not batch.num_columns:
        return batch
    fields, columns = [], []
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if is_pickled(field):
            field, column = _table_column(decode_column(column, field), column, field)
        fields.append(field)
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def table_column(objects: list[Any]) -> tuple[pa.Field, pa.Array]:
    """A column of any objects for a table. It is pickled if no Arrow type holds the objects."""
    field, column = encode_values(objects)
    return _table_column(objects, column, field)


def _table_column(
    objects: list[Any], column: pa.Array, field: pa.Field
) -> tuple[pa.Field, pa.Array]:
    try:
        array = _tabular(objects)
    except (NotTabular, UnfaithfulCast):
        return field, column
    return pa.field(field.name, array.type), array


def without_orc_gaps(array: pa.Array) -> pa.Array:
    """The array with types that ORC has: UUIDs as text, unsigned 64-bit integers as decimals."""
    kind = array.type
    if isinstance(kind, pa.UuidType):
        return pa.array([None if e is None else str(e) for e in array.to_pylist()], pa.string())
    if pa.types.is_uint64(kind):
        return array.cast(pa.decimal128(20, 0))
    if not _has_orc_gap(kind):
        return array
    return rebuilt(as_lists(array) if is_any_list(kind) else array, without_orc_gaps)


def _has_orc_gap(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind) or pa.types.is_map(kind) or is_any_list(kind):
        return any(_has_orc_gap(kind.field(index).type) for index in range(kind.num_fields))
    return isinstance(kind, pa.UuidType) or bool(pa.types.is_uint64(kind))


def as_row(value: Any) -> Any:
    """The fields of a dataclass or named tuple as a dict; any other value unchanged."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return dict(zip(value._fields, value, strict=True))
    return value


def rows_without_columns(rows: int) -> pa.RecordBatch:
    """A batch with this many rows and no columns."""
    return pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([])))


def rows_of_objects(objects: list[Any]) -> pa.RecordBatch | None:
    """A column for each item of dicts, dataclasses or named tuples. None for other objects.

    The rows may have different items. An item that a row lacks is null.
    """
    rows = [{} if each is None else as_row(each) for each in objects]
    if not rows or not all(isinstance(row, dict) for row in rows):
        return None
    names = list(dict.fromkeys(chain.from_iterable(rows)))
    if not names:
        return rows_without_columns(len(rows))
    if set(map(type, names)) != {str} or names[0] == "_0":
        return None
    pairs = [encode_values([row.get(name) for row in rows]) for name in names]
    fields = [
        pa.field(name, field.type, metadata=field.metadata)
        for name, (field, _) in zip(names, pairs, strict=True)
    ]
    return pa.RecordBatch.from_arrays([array for _, array in pairs], schema=pa.schema(fields))


def _tabular(objects: list[Any]) -> pa.Array:
    """The objects as an array for a table. Raises NotTabular, UnfaithfulCast."""
    field, array = encode_values(objects)
    if not is_pickled(field):
        return plainly(array)
    present = [each for each in objects if each is not None]
    kinds = set(map(type, present))
    if kinds <= {int}:
        return _large_integers(objects)
    if kinds == {decimal.Decimal}:
        return _decimals(objects)
    if kinds == {dt.datetime}:
        return _datetimes(objects)
    mask = np.fromiter((each is None for each in objects), np.bool_, len(objects))
    if kinds == {list}:
        return _lists(present, mask)
    if all(isinstance(each, dict) for each in present):
        return _dicts(present, mask)
    if len(kinds) == 1:
        (kind,) = kinds
        if dataclasses.is_dataclass(kind) or (issubclass(kind, tuple) and hasattr(kind, "_fields")):
            return _struct([as_row(each) for each in present], mask)
        if kind is tuple and len(set(map(len, present))) == 1 and present[0]:
            return _struct([{f"_{i}": e for i, e in enumerate(each)} for each in present], mask)
    raise NotTabular


def _array(objects: list[Any], kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(objects, kind)
    except (pa.ArrowException, OverflowError, ValueError, TypeError):
        raise NotTabular from None


def _large_integers(objects: list[int | None]) -> pa.Array:
    return _decimals([None if each is None else decimal.Decimal(each) for each in objects])


def _decimals(objects: list[decimal.Decimal | None]) -> pa.Array:
    digits = places = 0
    for each in objects:
        if each is None:
            continue
        if not each.is_finite():
            raise NotTabular
        exponent = each.as_tuple().exponent
        assert isinstance(exponent, int)
        places = max(places, -exponent)
        digits = max(digits, each.adjusted() + 1 if each else 1)
        if digits + places > DIGITS_256:
            raise NotTabular
    kind = decimal_type(digits + places, places)
    return _array([None if e is None else format(e, "f") for e in objects], pa.string()).cast(kind)


def _datetimes(objects: list[dt.datetime | None]) -> pa.Array:
    zones = {each.tzinfo is None for each in objects if each is not None}
    if zones != {False}:
        raise NotTabular
    return _array(objects, pa.timestamp("us", "UTC"))


def _spread(array: pa.Array, mask: np.ndarray) -> pa.Array:
    """The array with a null in each row of the mask."""
    return array.take(pa.array(np.cumsum(~mask) - 1, mask=mask)) if mask.any() else array


def _struct(rows: list[dict[str, Any]], mask: np.ndarray) -> pa.Array:
    names = list(dict.fromkeys(chain.from_iterable(rows)))
    if not names or set(map(type, names)) != {str} or names[0] in RESERVED:
        raise NotTabular
    columns = [_spread(_tabular([row.get(name) for row in rows]), mask) for name in names]
    where = pa.array(mask) if mask.any() else None
    try:
        return pa.StructArray.from_arrays(columns, names=names, mask=where)
    except UnicodeEncodeError:
        raise NotTabular from None


def _dicts(rows: list[dict[Any, Any]], mask: np.ndarray) -> pa.Array:
    shapes = set(map(frozenset, rows))  # the order of keys does not matter
    counters = any(isinstance(row, _COUNTERS) for row in rows)
    if len(shapes) == 1 and not counters:
        try:
            return _struct(rows, mask)
        except NotTabular:
            return _map(rows, mask)
    try:
        return _map(rows, mask)
    except (NotTabular, UnfaithfulCast):
        return _struct(rows, mask)


def _map(rows: list[dict[Any, Any]], mask: np.ndarray) -> pa.Array:
    names = list(chain.from_iterable(rows))
    if None in names:
        raise NotTabular
    keys = _tabular(names)
    items = _tabular(list(chain.from_iterable(row.values() for row in rows)))
    offsets, where = _offsets(rows, mask)
    return pa.MapArray.from_arrays(offsets, keys, items, mask=where)


def _lists(rows: list[list[Any]], mask: np.ndarray) -> pa.Array:
    items = _tabular(list(chain.from_iterable(rows)))
    offsets, where = _offsets(rows, mask)
    return pa.ListArray.from_arrays(offsets, items, mask=where)


def _offsets(rows: list[Any], mask: np.ndarray) -> tuple[pa.Array, pa.Array | None]:
    lengths = np.zeros(len(mask), np.int64)
    lengths[~mask] = list(map(len, rows))
    offsets = pa.array([0, *accumulate(lengths.tolist())], pa.int32())
    return offsets, pa.array(mask) if mask.any() else None
