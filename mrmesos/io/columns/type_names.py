"""Names of Arrow types as Arrow prints them: `int64`, `timestamp[us, tz=UTC]`, `list<string>`."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa

_DECIMAL = re.compile(r"decimal(?:(?:128)?|(256))\((\d+), ?(-?\d+)\)")
_ZONED = re.compile(r"timestamp\[(s|ms|us|ns), ?tz=([^\]]+)\]")
_FIXED = re.compile(r"fixed_size_binary\[(\d+)\]")
_UUID = ("uuid", "extension<arrow.uuid>")
_NOT_NULL = " not null"
EXAMPLES = (
    "int64, double, string, bool, date32, timestamp[us], decimal128(9, 2), list<string>, "
    "struct<x: double, y: double>, map<string, int64>"
)


def field_of(name: str, text: str) -> pa.Field:
    """The field that Arrow prints as `name: text`, such as `int64 not null`. Raises ValueError."""
    kind = text.removesuffix(_NOT_NULL)
    return pa.field(name, type_of(kind), nullable=kind == text)


def field_text(field: pa.Field) -> str:
    """The type of a field as `field_of` reads it."""
    return f"{field.type}{'' if field.nullable else _NOT_NULL}"


def type_of(name: str) -> pa.DataType:
    """The type that Arrow prints as `name`. Raises ValueError."""
    name = name.strip()
    for kind, made in (("list<", pa.list_), ("large_list<", pa.large_list)):
        if name.startswith(kind) and name.endswith(">"):
            inside = name[len(kind) : -1]
            for item in ("item:", "element:"):
                inside = inside.removeprefix(item)
            return made(field_of("item", inside.strip()))
    if name.startswith("struct<") and name.endswith(">"):
        fields = (part.partition(":") for part in _parts(name[7:-1]))
        return pa.struct([field_of(field.strip(), kind.strip()) for field, _, kind in fields])
    if name.startswith("map<") and name.endswith(">"):
        key, item = _parts(name[4:-1])
        return pa.map_(type_of(key), field_of("value", item.strip()))
    if fixed := _FIXED.fullmatch(name):
        return pa.binary(int(fixed[1]))
    if name in _UUID:
        return pa.uuid()
    if decimal := _DECIMAL.fullmatch(name):
        made = pa.decimal256 if decimal[1] else pa.decimal128
        return made(int(decimal[2]), int(decimal[3]))
    if zoned := _ZONED.fullmatch(name):
        return pa.timestamp(zoned[1], zoned[2])
    return pa.type_for_alias(name)


def _parts(text: str) -> Iterator[str]:
    """`text` split at its commas, except commas within brackets."""
    depth = begin = 0
    for index, character in enumerate(text):
        depth += (character in "<([") - (character in ">)]")
        if character == "," and not depth:
            yield text[begin:index]
            begin = index + 1
    yield text[begin:]
