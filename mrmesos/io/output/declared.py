"""Columns that an output format declares with `schema=`. Each batch gets them or is refused.

A value may change its Arrow type, but neither its kind nor its value: 3 fits `double`, `int16` and
`decimal128(9, 2)`; "3", 3.5 and 2**40 do not fit `int16`. With `records=True` a file has exactly
the declared columns, in this order. Columns that a record lacks are null.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from mrmesos.api.formats import OutputFormat
from mrmesos.io.columns.decode import decode_column
from mrmesos.io.columns.exact import as_lists, is_any_list, plainly, rebuilt, rebuilt_map
from mrmesos.io.columns.schema import (
    KEY,
    VALUE,
    UnfaithfulCast,
    is_bytes,
    is_list,
    is_pickled,
    is_text,
)
from mrmesos.io.columns.table_schema import MisfitColumn
from mrmesos.io.columns.tabular import table_column
from mrmesos.io.columns.type_names import EXAMPLES, field_of
from mrmesos.io.columns.unify import struct_as_map, struct_as_struct
from mrmesos.io.fs.filesystem import OutputError, reason
from mrmesos.io.output.table_files import TableFormat, format_schema, open_sink


def declared_schema(fmt: OutputFormat) -> pa.Schema | None:
    """The columns of `schema=`; None without. Raises OutputError with the column."""
    types = getattr(fmt, "schema", None)
    if not types:
        return None
    name = type(fmt).__name__
    fields = []
    for column, text in types.items():
        try:
            fields.append(field_of(column, text))
        except ValueError:
            raise OutputError(
                f"{name}(schema=...): {column!r} has the type {text!r}; write the name of an Arrow "
                f"type, such as {EXAMPLES}"
            ) from None
    if not getattr(fmt, "records", False) and not set(types) <= {KEY, VALUE}:
        raise OutputError(
            f"{name}(schema=...) names {', '.join(types)}, but without records=True the columns "
            "are key and value"
        )
    return pa.schema(fields)


def check_declared(fmt: OutputFormat) -> None:
    """Raise OutputError if the format cannot hold the columns of its `schema=`."""
    schema = declared_schema(fmt)
    if schema is None or not isinstance(fmt, TableFormat):
        return
    for field in format_schema(fmt, schema):
        try:
            open_sink(fmt, io.BytesIO(), pa.schema([field])).close()
        except (pa.ArrowException, ValueError, TypeError) as problem:
            raise OutputError(
                f"{type(fmt).__name__}(schema=...): {field.name!r} has the type {field.type}, "
                f"which the format does not hold: {reason(problem)}"
            ) from None


def fitted(columns: pa.RecordBatch, schema: pa.Schema, *, complete: bool) -> pa.RecordBatch:
    """The batch with the declared types. Raises MisfitColumn.

    If `complete`, it gets all columns of the schema, and may have no others. Otherwise undeclared
    columns stay as they are.
    """
    names = columns.schema.names
    if complete:
        for name in names:
            if name not in schema.names:
                raise MisfitColumn(name, f"is not in the schema: {', '.join(schema.names)}")
        wanted = list(schema)
    else:
        wanted = [
            schema.field(field.name) if field.name in schema.names else field
            for field in columns.schema
        ]
    made = []
    for field in wanted:
        index = names.index(field.name) if field.name in names else -1
        if index < 0:
            column = pa.nulls(columns.num_rows, field.type)
        else:
            column = _column(columns.column(index), columns.schema.field(index), field)
        if column.null_count and not field.nullable:
            raise MisfitColumn(field.name, f"is None, but the schema says {field.type} not null")
        made.append(column)
    return pa.RecordBatch.from_arrays(made, schema=pa.schema(wanted))


def _column(column: pa.Array, field: pa.Field, wanted: pa.Field) -> pa.Array:
    if field is wanted:
        return column
    try:
        if is_pickled(field):
            return _objects(decode_column(column, field), wanted.type)
        return as_declared(plainly(column), wanted.type)
    except (UnfaithfulCast, pa.ArrowException) as problem:
        raise MisfitColumn(field.name, f"{problem}") from None


def _objects(objects: list[Any], kind: pa.DataType) -> pa.Array:
    """Objects of several classes. Each class is one column; then all are put in their order."""
    classes = dict.fromkeys(type(each) for each in objects)
    arrays, rows = [], []
    for each in classes:
        where = [row for row, value in enumerate(objects) if type(value) is each]
        field, array = table_column([objects[row] for row in where])
        if is_pickled(field):
            raise UnfaithfulCast(f"{each.__name__} is not {kind}")
        arrays.append(as_declared(array, kind))
        rows += where
    order = np.empty(len(objects), np.int64)
    order[rows] = np.arange(len(objects))
    return pa.concat_arrays(arrays).take(pa.array(order))


def as_declared(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """The array as a declared type. Raises UnfaithfulCast, ArrowException."""
    have = array.type
    if have.equals(kind):
        return array
    if array.null_count == len(array):
        return pa.nulls(len(array), kind)
    if is_list(kind) and is_any_list(have):
        items = rebuilt(as_lists(array), lambda items: as_declared(items, kind.value_type))
        return items.cast(kind)
    if pa.types.is_struct(kind) and pa.types.is_struct(have):
        return _struct(array, kind)
    if pa.types.is_map(kind) and pa.types.is_map(have):
        return rebuilt_map(
            array,
            lambda keys: as_declared(keys, kind.key_type),
            lambda items: as_declared(items, kind.item_type),
            kind,
        )
    if pa.types.is_map(kind) and pa.types.is_struct(have) and is_text(kind.key_type):
        return struct_as_map(array, kind, as_declared)
    if not _converts(have, kind):
        raise UnfaithfulCast(f"{have} is not {kind}")
    if pa.types.is_integer(have) and pa.types.is_decimal(kind):
        array = array.cast(pa.decimal128(_WIDE, 0))  # Arrow wants space for all integers
    made = array.cast(kind)
    if pa.types.is_floating(kind) and not _equal(made.cast(have), array):
        raise UnfaithfulCast(f"a value of {have} is not exactly a {kind}")
    return made


def _struct(array: pa.Array, kind: pa.DataType) -> pa.Array:
    wanted = {field.name for field in kind}
    for field in array.type:
        if field.name not in wanted:
            raise UnfaithfulCast(f"{field.name} is not a field of {kind}")
    return struct_as_struct(array, kind, as_declared)


def _equal(one: pa.Array, other: pa.Array) -> bool:
    if pa.types.is_floating(one.type):
        a, b = (each.fill_null(0).to_numpy(zero_copy_only=False) for each in (one, other))
        return bool(np.array_equal(a, b, equal_nan=True))
    return bool(one.equals(other))


_WIDE = 38
_KINDS: tuple[Callable[[pa.DataType], bool], ...] = (
    is_text,
    is_bytes,
    pa.types.is_date,
    pa.types.is_time,
    pa.types.is_duration,
    pa.types.is_decimal,
)


@cache
def _converts(have: pa.DataType, kind: pa.DataType) -> bool:
    """Whether values of one type may be values of the other."""
    types = pa.types
    numbers = types.is_integer(have) or types.is_floating(have)
    if numbers and (types.is_integer(kind) or types.is_floating(kind)):
        return True
    if types.is_integer(have) and types.is_decimal(kind):
        return True
    if types.is_timestamp(have) and types.is_timestamp(kind):
        return (have.tz is None) == (kind.tz is None)
    return any(of(have) and of(kind) for of in _KINDS)
