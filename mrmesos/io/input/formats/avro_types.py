"""Arrow types of Avro schemas, as fastavro parses them.

A union of null and one type is that type. Other unions are the type that holds all their members,
if there is one. Logical types are those that fastavro decodes; others count as what they annotate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from mrmesos.io.columns.table_schema import wider_type
from mrmesos.io.input.formats.damage import BadColumn

_PLAIN = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.string(),
    "enum": pa.string(),
}
_LOGICAL = {
    "int-date": pa.date32(),
    "int-time-millis": pa.time32("ms"),
    "long-time-micros": pa.time64("us"),
    "long-timestamp-millis": pa.timestamp("ms", "UTC"),
    "long-timestamp-micros": pa.timestamp("us", "UTC"),
    "long-local-timestamp-millis": pa.timestamp("ms"),
    "long-local-timestamp-micros": pa.timestamp("us"),
    "string-uuid": pa.uuid(),
}
_DIGITS_128 = 38


def arrow_schema_of(schema: Any, named: Mapping[str, Any]) -> pa.Schema:
    """The columns of a record schema. `named` has the named types in it. Raises BadColumn."""
    if not isinstance(schema, Mapping) or schema.get("type") != "record":
        kind = schema.get("type") if isinstance(schema, Mapping) else schema
        raise ValueError(f"its values are no records, but {kind!s:.80}")
    fields = []
    for field in schema["fields"]:
        try:
            fields.append(pa.field(field["name"], _type_of(field["type"], named, (), top=True)))
        except _NoType as exc:
            raise BadColumn(field["name"], f"{exc}; name the other columns with columns=") from None
    return pa.schema(fields)


class _NoType(Exception):
    """Arrow has no type for this Avro schema; the message says why."""


def _type_of(
    schema: Any, named: Mapping[str, Any], within: tuple[str, ...], *, top: bool = False
) -> pa.DataType:
    """`within` has the records around this schema; `top` says that it is a column."""
    if isinstance(schema, list):
        return _union(schema, named, within, top=top)
    if isinstance(schema, str):
        return _PLAIN[schema] if schema in _PLAIN else _type_of(named[schema], named, within)
    kind = schema["type"]
    if "logicalType" in schema and (logical := _logical(schema)) is not None:
        if logical == pa.uuid() and not top:
            raise _NoType("it contains UUIDs, which Arrow supports only as whole columns")
        return logical
    if kind == "array":
        return pa.list_(_type_of(schema["items"], named, within))
    if kind == "map":
        return pa.map_(pa.string(), _type_of(schema["values"], named, within))
    if kind == "fixed":
        return pa.binary(schema["size"])
    if kind in ("record", "error"):
        name = schema["name"]
        if name in within:
            raise _NoType(f"the record {name} contains itself, and Arrow has no such type")
        inner = (*within, name)
        return pa.struct(
            [(each["name"], _type_of(each["type"], named, inner)) for each in schema["fields"]]
        )
    return _type_of(kind, named, within)


def _union(
    schemas: list[Any], named: Mapping[str, Any], within: tuple[str, ...], *, top: bool
) -> pa.DataType:
    found = pa.null()
    for each in schemas:
        kind = _type_of(each, named, within, top=top)
        both = wider_type(found, kind)
        if both is None:
            raise _NoType(f"it is a union of {found} and {kind}, and Arrow has no type for both")
        found = both
    return found


def _logical(schema: Mapping[str, Any]) -> pa.DataType | None:
    kind, logical = schema["type"], schema["logicalType"]
    if logical == "decimal" and kind in ("bytes", "fixed"):
        digits, scale = schema["precision"], schema.get("scale", 0)
        make = pa.decimal128 if digits <= _DIGITS_128 else pa.decimal256
        return make(digits, scale)
    return _LOGICAL.get(f"{kind}-{logical}") if isinstance(kind, str) else None
