"""One schema for batches of different types.

Attempts infer types from their data, so two maps of a job may differ: one has `int64`, the other
`double` or only nulls. `unify` finds the common schema; `conform` casts a batch to it.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence

import pyarrow as pa

from mrmesos.io.columns.decode import decode_column
from mrmesos.io.columns.schema import (
    KEY,
    PICKLE,
    SORT,
    VALUE,
    RecordTypeError,
    UnfaithfulCast,
    is_bytes,
    is_list,
    is_pickled,
    is_text,
)
from mrmesos.io.columns.sortkey import NULL_CODE


def unify(first: pa.Schema, second: pa.Schema) -> pa.Schema:
    """The common schema of both. Raises RecordTypeError.

    Null and x give x. Integers of different widths give int64. Integers and floats give double.
    Text of different layouts gives `string`, and bytes give `binary`. Lists and structs unify their
    children. Other values are pickled; other keys raise RecordTypeError.
    """
    if first.equals(second, check_metadata=True):
        return first
    a, b = first.field(KEY), second.field(KEY)
    key = unify_types(a.type, b.type)
    if key is None or (is_pickled(a) != is_pickled(b) and pa.types.is_binary(key)):
        kinds = sorted(
            f"{field.type}{' (pickled objects)' if is_pickled(field) else ''}" for field in (a, b)
        )
        raise RecordTypeError(
            f"keys of the types {kinds[0]} and {kinds[1]} cannot be sorted together; "
            "yield keys of one type, or set map_output_types"
        )
    fields = [pa.field(KEY, key, metadata=a.metadata or b.metadata)]
    a, b = first.field(VALUE), second.field(VALUE)
    value = None if is_pickled(a) or is_pickled(b) else unify_types(a.type, b.type)
    if value is None:
        fields.append(pa.field(VALUE, pa.binary(), metadata=PICKLE))
    else:
        fields.append(pa.field(VALUE, value))
    if SORT in first.names or SORT in second.names:
        fields.append(pa.field(SORT, pa.binary()))
    return pa.schema(fields)


def unify_types(a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
    """The type to which both cast without changing values; None if there is none."""
    if a.equals(b):
        return a
    for one, other in ((a, b), (b, a)):
        if pa.types.is_null(one):
            return other
        if pa.types.is_integer(one) and pa.types.is_floating(other):
            return pa.float64()
    if pa.types.is_integer(a) and pa.types.is_integer(b):
        return pa.int64()
    if pa.types.is_floating(a) and pa.types.is_floating(b):
        return pa.float64()
    if is_text(a) and is_text(b):
        return pa.string()
    if is_bytes(a) and is_bytes(b):
        return pa.binary()
    if is_list(a) and is_list(b):
        item = unify_types(a.value_type, b.value_type)
        return None if item is None else pa.list_(item)
    if pa.types.is_struct(a) and pa.types.is_struct(b):
        return _unify_structs(a, b)
    return None


def _unify_structs(a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
    if [field.name for field in a] != [field.name for field in b]:
        return None
    fields = []
    for one, other in zip(a, b, strict=True):
        kind = unify_types(one.type, other.type)
        if kind is None:
            return None
        fields.append(pa.field(one.name, kind))
    return pa.struct(fields)


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Cast `batch` to `schema`, a result of `unify` for it. Raises UnfaithfulCast.

    If the schema has `__sort` and the batch has not, all keys of the batch are null.
    """
    if batch.schema.equals(schema, check_metadata=True):
        return batch
    columns = []
    for field in schema:
        if field.name not in batch.schema.names:
            columns.append(pa.repeat(NULL_CODE, batch.num_rows))
            continue
        column = batch.column(field.name)
        if is_pickled(field) and not is_pickled(batch.schema.field(field.name)):
            columns.append(_pickled(column))
        else:
            columns.append(cast_faithfully(column, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _pickled(column: pa.Array) -> pa.Array:
    return pa.array(
        [None if value is None else pickle.dumps(value, 5) for value in decode_column(column)],
        pa.binary(),
    )


def cast_faithfully(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """`array.cast(kind)` without changing values. Raises UnfaithfulCast."""
    if array.type.equals(kind):
        return array
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), kind)
    if pa.types.is_struct(kind) and pa.types.is_struct(array.type):
        # Field by field: Arrow's own cast breaks lists of nulls within structs.
        columns = [
            cast_faithfully(column, field.type)
            for column, field in zip(array.flatten(), kind, strict=True)
        ]
        mask = array.is_null() if array.null_count else None
        return pa.StructArray.from_arrays(columns, fields=list(kind), mask=mask)
    try:
        return array.cast(kind)
    except pa.ArrowException as error:
        raise UnfaithfulCast(f"{array.type} as {kind}: {error}") from None


def unify_batches(batches: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """All batches in one schema. Raises RecordTypeError if their keys do not go together."""
    if not batches:
        return []
    schema = batches[0].schema
    for batch in batches[1:]:
        schema = unify(schema, batch.schema)
    try:
        return [conform(batch, schema) for batch in batches]
    except UnfaithfulCast as error:
        keys = [pa.field(KEY, schema.field(KEY).type, metadata=schema.field(KEY).metadata)]
        if is_pickled(schema.field(VALUE)):
            raise RecordTypeError(f"keys of one job do not fit one type: {error}") from None
        pickled = [pa.field(VALUE, pa.binary(), metadata=PICKLE)]
        rest = [field for field in schema if field.name == SORT]
        schema = pa.schema(keys + pickled + rest)
    try:
        return [conform(batch, schema) for batch in batches]
    except UnfaithfulCast as error:
        raise RecordTypeError(f"keys of one job do not fit one type: {error}") from None
