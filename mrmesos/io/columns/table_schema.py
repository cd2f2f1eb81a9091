"""One schema for the columns of a table that comes in pieces: batches, files, parts.

`wider` finds the schema that holds two others. `conform_table` brings a batch to it. Columns and
fields of structs are matched by name. A column that one side lacks is null there. They keep the
order in which they were first seen.
"""

from __future__ import annotations

import base64

import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.io.columns.exact import as_lists, is_any_list, rebuilt, rebuilt_map
from mrmesos.io.columns.schema import (
    ENCODING,
    PICKLE,
    UnfaithfulCast,
    is_pickled,
    is_text,
)
from mrmesos.io.columns.signed import with_signatures
from mrmesos.io.columns.unify import (
    cast_faithfully,
    pickled,
    struct_as_map,
    struct_as_struct,
    unify_types,
)

EMPTY = pa.schema([])


def as_text(schema: pa.Schema) -> str:
    """A schema as text, for messages."""
    return base64.b64encode(schema.serialize()).decode()


def as_schema(text: str) -> pa.Schema:
    """The schema in a text that `as_text` has made."""
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))


class MixedColumn(Exception):
    """A column has two types that no single type holds. `one` is the earlier one."""

    def __init__(self, column: str, one: str, other: str) -> None:
        super().__init__(f"the column {column!r} is {one} and {other}")
        self.column, self.one, self.other = column, one, other


class MisfitColumn(Exception):
    """The values of a column do not fit the wanted type without a change."""

    def __init__(self, column: str, why: str) -> None:
        super().__init__(f"the column {column!r}: {why}")
        self.column, self.why = column, why


def wider(first: pa.Schema, second: pa.Schema) -> pa.Schema:
    """The schema that holds both. Raises MixedColumn.

    A column that is pickled on one side is pickled in the result. Tuples of different shapes are
    pickled, too.
    """
    if first.equals(second, check_metadata=True):
        return first
    fields = {field.name: field for field in first}
    for field in second:
        known = fields.get(field.name)
        fields[field.name] = field if known is None else _wider_field(known, field)
    return pa.schema(list(fields.values()))


def _wider_field(a: pa.Field, b: pa.Field) -> pa.Field:
    if a.equals(b, check_metadata=True):
        return a
    if is_pickled(a) or is_pickled(b):
        return pa.field(a.name, pa.binary(), metadata=PICKLE)
    kind = wider_type(a.type, b.type)
    if kind is not None:
        return pa.field(a.name, kind)
    if _has_tuple(a.type) and _has_tuple(b.type):
        return pa.field(a.name, pa.binary(), metadata=PICKLE)
    raise MixedColumn(a.name, str(a.type), str(b.type))


def wider_type(a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
    """The type that holds the values of both. None if there is none."""
    types = pa.types
    if a.equals(b):
        return a
    if types.is_null(a) or types.is_null(b):
        return b if types.is_null(a) else a
    if _is_encoded(a) or _is_encoded(b):
        return wider_type(*(each.value_type if _is_encoded(each) else each for each in (a, b)))
    if is_any_list(a) and is_any_list(b):
        item = wider_type(a.value_type, b.value_type)
        return None if item is None else pa.list_(item)
    if types.is_map(a) and types.is_map(b):
        key, item = wider_type(a.key_type, b.key_type), wider_type(a.item_type, b.item_type)
        return None if key is None or item is None else pa.map_(key, item)
    if types.is_struct(a) and types.is_struct(b):
        return _wider_struct(a, b)
    for one, other in ((a, b), (b, a)):
        if types.is_struct(one) and types.is_map(other) and is_text(other.key_type):
            return _wider_map(one, other)
    return unify_types(a, b)


def _is_encoded(kind: pa.DataType) -> bool:
    """Whether the type only describes the layout of values of another type."""
    return bool(pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind))


def _wider_struct(a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
    names, others = [field.name for field in a], [field.name for field in b]
    if names != others and "_0" in (*names[:1], *others[:1]):
        return None  # tuples of different lengths
    fields = {field.name: field for field in a}
    for field in b:
        known = fields.get(field.name)
        if known is None:
            fields[field.name] = field
            continue
        untyped = pa.types.is_null(known.type) or pa.types.is_null(field.type)
        if is_pickled(known) != is_pickled(field) and not untyped:
            return None
        kind = wider_type(known.type, field.type)
        if kind is None:
            return None
        metadata = known.metadata or field.metadata
        fields[field.name] = pa.field(field.name, kind, metadata=metadata)
    return pa.struct(list(fields.values()))


def _wider_map(struct: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """A map for dicts if one side is a struct (the same keys) and the other a map (other keys)."""
    item: pa.DataType | None = other.item_type
    for field in struct:
        item = None if item is None or is_pickled(field) else wider_type(item, field.type)
    return None if item is None else pa.map_(other.key_type, item)


def _has_tuple(kind: pa.DataType) -> bool:
    children = [kind.field(index) for index in range(kind.num_fields)]
    tuples = pa.types.is_struct(kind) and bool(children) and children[0].name == "_0"
    return tuples or any(_has_tuple(child.type) for child in children)


def conform_table(batch: pa.RecordBatch, schema: pa.Schema, key: str = "") -> pa.RecordBatch:
    """The batch in a schema that is `wider` than its own. Raises MisfitColumn.

    `key` signs values that have to be pickled, and values that are pickled already.
    """
    if batch.schema.equals(schema, check_metadata=True):
        return batch
    columns = []
    for field in schema:
        index = batch.schema.get_field_index(field.name)
        if index < 0:
            columns.append(pa.nulls(batch.num_rows, field.type))
            continue
        column = batch.column(index)
        if is_pickled(field) and not is_pickled(batch.schema.field(index)):
            columns.append(with_signatures(pickled(column), key))
            continue
        try:
            columns.append(conform_array(column, field.type))
        except (UnfaithfulCast, pa.ArrowException) as error:
            raise MisfitColumn(field.name, str(error)) from None
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def conform_array(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """The array as a wider type. Raises UnfaithfulCast if a value would change."""
    types = pa.types
    if array.type.equals(kind):
        return array
    if types.is_null(array.type):
        return pa.nulls(len(array), kind)
    if types.is_dictionary(array.type):
        return conform_array(array.dictionary_decode(), kind)
    if types.is_run_end_encoded(array.type):
        return conform_array(pc.run_end_decode(array), kind)
    if types.is_list(kind) and is_any_list(array.type):
        return rebuilt(as_lists(array), lambda items: conform_array(items, kind.value_type))
    if types.is_struct(kind) and types.is_struct(array.type):
        return struct_as_struct(array, kind, conform_array)
    if types.is_map(kind) and types.is_map(array.type):
        return rebuilt_map(
            array,
            lambda keys: conform_array(keys, kind.key_type),
            lambda items: conform_array(items, kind.item_type),
            kind,
        )
    if types.is_map(kind) and types.is_struct(array.type):
        return struct_as_map(array, kind, conform_array)
    return cast_faithfully(array, kind)


def own_metadata(schema: pa.Schema) -> pa.Schema:
    """The schema of a file without the metadata that its format adds."""
    fields = []
    for field in schema:
        mark = (field.metadata or {}).get(ENCODING)
        fields.append(pa.field(field.name, field.type, metadata={ENCODING: mark} if mark else None))
    return pa.schema(fields)
