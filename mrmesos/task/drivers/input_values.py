"""Input columns as Python objects for a Mapper. A value that Python cannot hold is a file's
error.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mrmesos.io.columns.decode import decode_column
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.columns.schema import VALUE, RecordTypeError
from mrmesos.io.fs.filesystem import InputError


def decoded(given: InputBatch, name: str) -> list[Any]:
    """The objects of the column `name` (key or value). Raises InputError."""
    column = given.batch.column(name)
    try:
        return given.value_objects() if name == VALUE else given.key_objects()
    except RecordTypeError as exc:
        row = _first_bad(column)
        culprit = _field(column.slice(row, 1), name if not (given.table and name == VALUE) else "")
        raise InputError(
            f"{given.uri} {given.unit} {given.places[row]}: the column {culprit!r}: {exc}; leave "
            "it out with columns=, rewrite the file, or use a BatchMapper, which gets it as it is"
        ) from exc


def _first_bad(column: pa.Array) -> int:
    """The first row that cannot be decoded; some row cannot."""
    first, rows = 0, len(column)
    while rows > 1:
        half = rows // 2
        if _decodes(column.slice(first, half)):
            first, rows = first + half, rows - half
        else:
            rows = half
    return first


def _field(column: pa.Array, path: str) -> str:
    """The path of the field of a struct that cannot be decoded."""
    if not pa.types.is_struct(column.type):
        return path
    for field, inner in zip(column.type, column.flatten(), strict=True):
        if not _decodes(inner):
            return _field(inner, f"{path}.{field.name}" if path else field.name)
    return path


def _decodes(column: pa.Array) -> bool:
    try:
        decode_column(column)
    except RecordTypeError:
        return False
    return True
