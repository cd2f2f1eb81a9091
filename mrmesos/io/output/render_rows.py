"""Rendering records as JSON lines, CSV and plain bytes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.io.columns.decode import decode_column
from mrmesos.io.columns.schema import KEY, VALUE, is_bytes, is_pickled, is_text
from mrmesos.io.columns.tabular import as_row, rows_of_objects, rows_without_columns
from mrmesos.io.output.render import content, jsonable, readable, rendered

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


class NotRows(Exception):
    """The values are no records; the message says what they are."""


def row_schema(schema: pa.Schema) -> pa.Schema:
    """The schema of the dicts in `value`, with a column per item. Raises NotRows."""
    field = schema.field(VALUE)
    names = [item.name for item in field.type] if pa.types.is_struct(field.type) else []
    if not names or names[0] == "_0":  # "_0" means a tuple
        shown = "Python objects" if is_pickled(field) else str(field.type)
        raise NotRows(
            f"the value is {shown}, but records=True needs dicts with text keys, dataclasses or "
            "named tuples"
        )
    return pa.schema(list(field.type))


def rows_of(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The items of the dicts in `value` as columns, some of them pickled. Raises NotRows."""
    field = batch.schema.field(VALUE)
    if is_pickled(field):
        rows = rows_of_objects(decode_column(batch.column(VALUE), field))
        if rows is not None:
            return rows
    if pa.types.is_null(field.type) or field.type.equals(pa.struct([])):
        return rows_without_columns(batch.num_rows)  # None is a row of nulls
    schema = row_schema(batch.schema)
    return pa.RecordBatch.from_arrays(batch.column(VALUE).flatten(), schema=schema)


def json_lines(batch: pa.RecordBatch, *, records: bool) -> bytes:
    """One line per record: the value, or an object with key and value."""
    columns = [readable(batch.column(name)) for name in (KEY, VALUE)]
    keys, values = (
        decode_column(column, batch.schema.field(name))
        for name, column in zip((KEY, VALUE), columns, strict=True)
    )
    if records:
        lines = [_json(as_row(value)) for value in values]
    else:
        pairs = zip(keys, values, strict=True)
        lines = [_json({KEY: key, VALUE: value}) for key, value in pairs]
    lines.append("")
    return "\n".join(lines).encode("utf-8", "backslashreplace")


def _json(value: Any) -> str:
    plain = jsonable(value)
    try:
        return _encode(plain)
    except ValueError:  # NaN or infinity, which JSON does not have
        return _encode(_finite(plain))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return value


def csv_lines(batch: pa.RecordBatch, separator: str) -> pa.Buffer:
    """The columns as CSV fields, written as by TextOutput and quoted if needed."""
    fields: list[Any] = []
    for index, column in enumerate(batch.columns):
        fields += [
            _quoted(rendered(column, batch.schema.field(index)), separator),
            separator.encode(),
        ]
    fields[-1] = b"\n"
    plain = [
        pa.scalar(each, pa.large_binary()) if isinstance(each, bytes) else each for each in fields
    ]
    return content(pc.binary_join_element_wise(*plain, pa.scalar(b"", pa.large_binary())))


def csv_header(names: Sequence[str], separator: str) -> pa.Buffer:
    """The first row of a file."""
    columns = [pa.array([name], pa.string()) for name in names]
    return csv_lines(pa.RecordBatch.from_arrays(columns, names=list(names)), separator)


def _quoted(texts: pa.Array, separator: str) -> pa.Array:
    special = f'[{re.escape(separator)}"\r\n]'
    needs = pc.or_(pc.match_substring_regex(texts, special), pc.equal(texts, b""))
    if not pc.any(needs, min_count=0).as_py():
        return texts.fill_null(b"")
    mark = pa.scalar(b'"', pa.large_binary())
    nothing = pa.scalar(b"", pa.large_binary())
    doubled = pc.replace_substring(texts, '"', '""')
    quoted = pc.binary_join_element_wise(mark, doubled, mark, nothing)
    return pc.if_else(needs, quoted, texts).fill_null(b"")


def plain_bytes(batch: pa.RecordBatch) -> pa.Buffer | bytes:
    """The concatenated keys and values. Raises NotRows if they are not bytes or text."""
    columns = []
    for name in (KEY, VALUE):
        field = batch.schema.field(name)
        if pa.types.is_null(field.type):
            continue
        if is_pickled(field) or not (is_bytes(field.type) or is_text(field.type)):
            raise NotRows(f"{name}s are {field.type}, but BytesOutput needs bytes, text or None")
        columns.append(rendered(batch.column(name), field).fill_null(b""))
    if not columns:
        return b""
    nothing = pa.scalar(b"", pa.large_binary())
    return content(pc.binary_join_element_wise(*columns, nothing))
