"""One schema for batches of different types.

Attempts infer types from their data, so two maps of a job may differ: one has `int64`, the other
`double` or only nulls. `unify` finds the common schema; `conform` casts a batch to it.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from mrmesos.io.columns.decode import decode_column
from mrmesos.io.columns.exact import (
    MIXED,
    as_lists,
    as_mixed,
    as_scaled,
    common_decimal,
    is_exact,
    is_mixed,
    is_scaled,
    rebuilt,
    rebuilt_map,
    scaled_type,
)
from mrmesos.io.columns.key_code import pickled_key, shown
from mrmesos.io.columns.schema import (
    CODED,
    KEY,
    PICKLE,
    SORT,
    VALUE,
    RecordTypeError,
    UnfaithfulCast,
    has_nanoseconds,
    is_bytes,
    is_coded,
    is_list,
    is_pickled,
    is_text,
    is_tuple,
)
from mrmesos.io.columns.sortkey import key_codes


def unify(first: pa.Schema, second: pa.Schema, *, exact: bool = True) -> pa.Schema:
    """The common schema of both. Raises RecordTypeError.

    Null and x give x. Integers of different widths give int64. Text of different layouts gives
    `string`, and bytes give `binary`. Times give the finer unit. Lists, structs and maps unify
    their children. Other values are pickled. Other keys are pickled too, and sorted by their codes.
    Only keys of a class without order, beside other keys, raise RecordTypeError.

    Integers and floats give the types of `exact`, so that no value changes. Without `exact` they
    give double, so that a table has a column of one plain type. The same holds for decimals of
    different scales. Tables have no keys of several types.
    """
    if first.equals(second, check_metadata=True):
        return first
    key = _unify_keys(first.field(KEY), second.field(KEY), exact=exact)
    fields = [key]
    a, b = first.field(VALUE), second.field(VALUE)
    value = None if is_pickled(a) or is_pickled(b) else unify_types(a.type, b.type, exact=exact)
    if value is None:
        fields.append(pa.field(VALUE, pa.binary(), metadata=PICKLE))
    else:
        fields.append(pa.field(VALUE, value))
    if is_coded(key) or SORT in first.names or SORT in second.names:
        fields.append(pa.field(SORT, pa.binary()))
    return pa.schema(fields)


def _unify_keys(a: pa.Field, b: pa.Field, *, exact: bool) -> pa.Field:
    for one, other in ((a, b), (b, a)):
        if pa.types.is_null(one.type):
            return other
    objects = [is_pickled(field) and not is_coded(field) for field in (a, b)]
    if all(objects):
        return a
    if exact and not any(objects):
        kind = None if is_coded(a) or is_coded(b) else unify_types(a.type, b.type, exact=True)
        unsigned = pa.types.is_uint64(a.type) != pa.types.is_uint64(b.type)
        if kind is None or is_exact(kind) or unsigned:
            return pa.field(KEY, pa.binary(), metadata=CODED)
        return pa.field(KEY, kind)
    kind = unify_types(a.type, b.type) if is_pickled(a) == is_pickled(b) else None
    if kind is not None:
        return pa.field(KEY, kind, metadata=a.metadata)
    kinds = sorted(
        f"{field.type}{' (pickled objects)' if is_pickled(field) else ''}" for field in (a, b)
    )
    raise RecordTypeError(
        f"keys of the types {kinds[0]} and {kinds[1]} cannot be sorted together; "
        "yield keys of one type, or set map_output_types"
    )


def unify_types(a: pa.DataType, b: pa.DataType, *, exact: bool = False) -> pa.DataType | None:
    """The type to which both cast without changing values; None if there is none.

    With `exact`, integers stay integers beside floats, and decimals keep their own scales.
    """
    if a.equals(b):
        return a
    for one, other in ((a, b), (b, a)):
        if pa.types.is_null(one):
            return other
        if pa.types.is_integer(one) and pa.types.is_floating(other):
            return MIXED if exact else pa.float64()
        if is_mixed(one):
            return MIXED if pa.types.is_integer(other) or pa.types.is_floating(other) else None
    if pa.types.is_integer(a) and pa.types.is_integer(b):
        return pa.int64()
    if pa.types.is_floating(a) and pa.types.is_floating(b):
        return pa.float64()
    if is_text(a) and is_text(b):
        return pa.string()
    if is_bytes(a) and is_bytes(b):
        return pa.binary()
    if pa.types.is_temporal(a) and pa.types.is_temporal(b):
        return _unify_times(a, b, exact=exact)
    if _is_decimal(a) and _is_decimal(b):
        return _unify_decimals(a, b, exact=exact)
    return _unify_nested(a, b, exact=exact)


def _is_decimal(kind: pa.DataType) -> bool:
    return bool(pa.types.is_decimal(kind) or is_scaled(kind))


def _unify_decimals(a: pa.DataType, b: pa.DataType, *, exact: bool) -> pa.DataType | None:
    one, other = (kind.field(0).type if is_scaled(kind) else kind for kind in (a, b))
    kind = common_decimal(one, other)
    if kind is None or not exact:
        return kind
    one_scale = not is_scaled(a) and not is_scaled(b) and a.scale == b.scale
    return kind if one_scale else scaled_type(kind)


def _unify_times(a: pa.DataType, b: pa.DataType, *, exact: bool) -> pa.DataType | None:
    """The finer unit. Different zones are allowed only without `exact`: both become instants in
    UTC.
    """
    types = pa.types
    units = ("s", "ms", "us", "ns")
    if types.is_date(a) and types.is_date(b):
        return pa.date32()
    if types.is_date(a) or types.is_date(b) or types.is_interval(a) or types.is_interval(b):
        return None
    unit = max(a.unit, b.unit, key=units.index)
    if types.is_duration(a) and types.is_duration(b):
        return pa.duration(unit)
    if types.is_time(a) and types.is_time(b):
        return pa.time32(unit) if unit in ("s", "ms") else pa.time64(unit)
    if types.is_timestamp(a) and types.is_timestamp(b):
        if a.tz == b.tz:
            return pa.timestamp(unit, a.tz)
        return None if exact or None in (a.tz, b.tz) else pa.timestamp(unit, "UTC")
    return None


def _unify_nested(a: pa.DataType, b: pa.DataType, *, exact: bool) -> pa.DataType | None:
    if is_list(a) and is_list(b):
        item = unify_types(a.value_type, b.value_type, exact=exact)
        return None if item is None else pa.list_(item)
    if pa.types.is_map(a) and pa.types.is_map(b):
        key = unify_types(a.key_type, b.key_type, exact=exact)
        item = unify_types(a.item_type, b.item_type, exact=exact)
        return None if key is None or item is None else pa.map_(key, item)
    if pa.types.is_struct(a) and pa.types.is_struct(b):
        return _unify_structs(a, b, exact=exact)
    for one, other in ((a, b), (b, a)):
        if not exact and pa.types.is_map(one) and pa.types.is_struct(other):
            return _unify_map_and_struct(one, other)
    return None


def _unify_map_and_struct(a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
    """The map for dicts whose keys were the same only in one batch."""
    if not is_text(a.key_type) or is_tuple(b):
        return None
    item = a.item_type
    for field in b:
        item = unify_types(item, field.type)
        if item is None:
            return None
    return pa.map_(a.key_type, item)


def _unify_structs(a: pa.DataType, b: pa.DataType, *, exact: bool) -> pa.DataType | None:
    if [field.name for field in a] != [field.name for field in b]:
        return None
    fields = []
    for one, other in zip(a, b, strict=True):
        kind = unify_types(one.type, other.type, exact=exact)
        untyped = pa.types.is_null(one.type) or pa.types.is_null(other.type)
        if kind is None or (is_pickled(one) != is_pickled(other) and not untyped):
            return None
        fields.append(pa.field(one.name, kind, metadata=one.metadata or other.metadata))
    return pa.struct(fields)


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Cast `batch` to `schema`, a result of `unify` for it. Raises UnfaithfulCast.

    `__sort` is added if the batch has none.
    """
    if batch.schema.equals(schema, check_metadata=True):
        return batch
    columns = []
    for field in schema:
        if field.name not in batch.schema.names:
            columns.append(key_codes(batch.column(KEY), batch.schema.field(KEY)))
            continue
        column = batch.column(field.name)
        if is_pickled(field) and not is_pickled(batch.schema.field(field.name)):
            columns.append(_pickled_keys(column) if field.name == KEY else pickled(column))
        else:
            columns.append(cast_faithfully(column, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def pickled(column: pa.Array) -> pa.Array:
    """The elements as pickled Python objects."""
    return pa.array(
        [None if value is None else pickle.dumps(value, 5) for value in decode_column(column)],
        pa.binary(),
    )


def _pickled_keys(column: pa.Array) -> pa.Array:
    if has_nanoseconds(column.type):
        raise UnfaithfulCast(f"{column.type} as Python objects, which have no nanoseconds")
    keys = decode_column(column)
    return pa.array([None if key is None else pickled_key(key) for key in keys], pa.binary())


def cast_faithfully(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """`array.cast(kind)` without changing values. Raises UnfaithfulCast."""
    if array.type.equals(kind):
        return array
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), kind)
    if is_exact(kind):
        return as_mixed(array) if is_mixed(kind) else as_scaled(array, kind)
    if pa.types.is_nested(kind) and pa.types.is_nested(array.type):
        return _cast_nested(array, kind)
    try:
        return array.cast(kind)
    except pa.ArrowException as error:
        raise UnfaithfulCast(f"{array.type} as {kind}: {error}") from None


def _cast_nested(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Part by part: Arrow's own cast breaks lists of nulls within structs."""
    if pa.types.is_list(kind) and is_list(array.type):
        return rebuilt(as_lists(array), lambda items: cast_faithfully(items, kind.value_type))
    if pa.types.is_struct(kind) and pa.types.is_struct(array.type):
        columns = [
            cast_faithfully(column, field.type)
            for column, field in zip(array.flatten(), kind, strict=True)
        ]
        mask = array.is_null() if array.null_count else None
        return pa.StructArray.from_arrays(columns, fields=list(kind), mask=mask)
    if pa.types.is_map(kind) and pa.types.is_map(array.type):
        return rebuilt_map(
            array,
            lambda keys: cast_faithfully(keys, kind.key_type),
            lambda items: cast_faithfully(items, kind.item_type),
            kind,
        )
    if pa.types.is_map(kind) and pa.types.is_struct(array.type):
        return struct_as_map(array, kind, cast_faithfully)
    raise UnfaithfulCast(f"{array.type} as {kind}")


def struct_as_struct(
    array: pa.Array, kind: pa.DataType, change: Callable[[pa.Array, pa.DataType], pa.Array]
) -> pa.Array:
    """A struct with the fields of `kind`. `change` gives each its type. A missing field is null."""
    known = {field.name: column for field, column in zip(array.type, array.flatten(), strict=True)}
    columns = [
        change(known[field.name], field.type)
        if field.name in known
        else pa.nulls(len(array), field.type)
        for field in kind
    ]
    mask = array.is_null() if array.null_count else None
    return pa.StructArray.from_arrays(columns, fields=list(kind), mask=mask)


def struct_as_map(
    array: pa.Array, kind: pa.DataType, change: Callable[[pa.Array, pa.DataType], pa.Array]
) -> pa.Array:
    """Dicts with the same text keys as maps; `change` brings a field to the type of the items."""
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    names = [field.name for field in array.type]
    rows = int(valid.sum())
    columns = [change(each, kind.item_type) for each in array.drop_null().flatten()]
    across = np.arange(rows * len(names)).reshape(len(names), rows).T.ravel()
    ends = np.concatenate([[0], np.cumsum(valid * len(names))])
    return pa.MapArray.from_arrays(
        pa.array(ends, pa.int32()),
        pa.array(names * rows, kind.key_type),
        pa.concat_arrays(columns).take(pa.array(across)),
        type=kind,
        mask=array.is_null() if array.null_count else None,
    )


def unify_batches(batches: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """All batches in one schema. Raises RecordTypeError if their keys do not go together."""
    if not batches:
        return []
    schema = batches[0].schema
    for index, batch in enumerate(batches[1:], 1):
        try:
            schema = unify(schema, batch.schema)
        except RecordTypeError as error:
            raise RecordTypeError(f"{error}{_culprits(batches[:index], batch)}") from None
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


def _culprits(before: Sequence[pa.RecordBatch], batch: pa.RecordBatch) -> str:
    """A key of `batch`, and an earlier key that does not go with it, for the message."""
    for other in before:
        try:
            unify(other.schema, batch.schema)
        except RecordTypeError:
            return f" (seen: {_first_key(other)} and {_first_key(batch)})"
    return ""


def _first_key(batch: pa.RecordBatch) -> str:
    column, field = batch.column(KEY).drop_null(), batch.schema.field(KEY)
    return shown(decode_column(column.slice(0, 1), field)[0])
