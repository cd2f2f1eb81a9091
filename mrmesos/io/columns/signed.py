"""Pickled columns in files: signed when written, and unpickled only if the key is ours.

In a file, each value of a pickled column is a pickle and its signature. The field names the key. In
a job, pickled columns have no signatures, and only our own processes mark them. So a mark in a file
is never trusted: `trusted` removes all marks, and notes the columns that it has verified. A value
with a wrong signature stays bytes; the other values are not affected.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable

import pyarrow as pa
from msgspec.structs import replace

from mrmesos.access.pickle_keys import key_name, opened, sign
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.columns.schema import ENCODING, KEY, PICKLE, VALUE, is_list, is_pickled

SIGNED = b"mrmesos.signed"
"""Metadata of a pickled field in a file: the name of the key that signed its values."""


def with_signatures(array: pa.Array, key: str) -> pa.Array:
    """A pickled column for a file. Without a key it stays as it is."""
    if not key:
        return array
    return pa.array(
        [None if each is None else sign(key, each) for each in array.to_pylist()], pa.binary()
    )


def signed_batch(batch: pa.RecordBatch, key: str) -> pa.RecordBatch:
    """The batch with signatures in its pickled columns."""
    if not has_pickles(batch):
        return batch
    columns = [
        with_signatures(column, key) if is_pickled(field) else column
        for field, column in zip(batch.schema, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def file_schema(schema: pa.Schema, key: str) -> pa.Schema:
    """The schema for a file, with the name of the key at the pickled columns."""
    if not key:
        return schema
    mark = PICKLE | {SIGNED: key_name(key).encode()}
    return pa.schema(
        [field.with_metadata(mark) if is_pickled(field) else field for field in schema],
        schema.metadata,
    )


def trusted(given: InputBatch, key: str) -> InputBatch:
    """The records of a file without its marks. `pickled` has the names of the verified columns."""
    batch = given.batch
    if not any(_is_marked(field) for field in batch.schema):
        return given
    if not given.table:
        columns, names, foreign = _verified(list(batch.schema), batch.columns, key)
        made = pa.RecordBatch.from_arrays(columns, names=[KEY, VALUE])
        return replace(
            given, batch=made, pickled=names, foreign=foreign, marked=_names(batch.schema)
        )
    value = batch.column(VALUE)
    columns, names, foreign = _verified(list(value.type), value.flatten(), key)
    fields = [
        pa.field(field.name, column.type) for field, column in zip(value.type, columns, strict=True)
    ]
    mask = value.is_null() if value.null_count else None
    rows = pa.StructArray.from_arrays(columns, fields=fields, mask=mask)
    made = pa.RecordBatch.from_arrays([batch.column(KEY), rows], names=[KEY, VALUE])
    return replace(given, batch=made, pickled=names, foreign=foreign, marked=_names(value.type))


def unmarked(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch without marks at any depth, for data that come from no verified file."""
    if not any(_is_marked(field) for field in batch.schema):
        return batch
    return pa.RecordBatch.from_arrays(list(map(_plain, batch.columns)), names=batch.schema.names)


def has_pickles(batch: pa.RecordBatch) -> bool:
    """Whether a column of the batch holds pickled objects."""
    return any(map(is_pickled, batch.schema))


def _names(fields: Iterable[pa.Field]) -> tuple[str, ...]:
    return tuple(field.name for field in fields if is_pickled(field))


def _verified(
    fields: Iterable[pa.Field], columns: Iterable[pa.Array], key: str
) -> tuple[list[pa.Array], tuple[str, ...], int]:
    """The columns without signatures, the names of the verified ones, and a count.

    The count is of values that are marked as pickled, but that our key has not signed.
    """
    made, names, foreign = [], [], 0
    for field, column in zip(fields, columns, strict=True):
        if is_pickled(field) and pa.types.is_binary(field.type):
            if _is_ours(field, key):
                column, bad = _opened(column, key)
                names.append(field.name)
                foreign += bad
            else:
                foreign += len(column) - column.null_count
        made.append(_plain(column))
    return made, tuple(names), foreign


def _is_ours(field: pa.Field, key: str) -> bool:
    return bool(key) and field.metadata.get(SIGNED) == key_name(key).encode()


def _opened(column: pa.Array, key: str) -> tuple[pa.Array, int]:
    """Pickles without signatures. A value that is not ours becomes a pickle of its bytes."""
    values, bad = [], 0
    for each in column.to_pylist():
        found = None if each is None else opened(key, each)
        if each is not None and found is None:
            found, bad = pickle.dumps(each, 5), bad + 1
        values.append(found)
    return pa.array(values, pa.binary()), bad


def _is_marked(field: pa.Field) -> bool:
    kind = field.type
    return bool(field.metadata and ENCODING in field.metadata) or any(
        _is_marked(kind.field(index)) for index in range(kind.num_fields)
    )


def _plain(column: pa.Array) -> pa.Array:
    kind = column.type
    marked = any(_is_marked(kind.field(index)) for index in range(kind.num_fields))
    return column.view(_plain_type(kind)) if marked else column


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """The type without marks, through structs, lists and maps."""
    if pa.types.is_struct(kind):
        return pa.struct(list(map(_plain_field, kind)))
    if pa.types.is_map(kind):
        return pa.map_(_plain_type(kind.key_type), _plain_field(kind.item_field))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_plain_field(kind.value_field), kind.list_size)
    if pa.types.is_large_list(kind):
        return pa.large_list(_plain_field(kind.value_field))
    return pa.list_(_plain_field(kind.value_field)) if is_list(kind) else kind


def _plain_field(field: pa.Field) -> pa.Field:
    return pa.field(field.name, _plain_type(field.type), field.nullable)
