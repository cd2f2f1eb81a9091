"""Parsing names of Arrow types in formats: `int64`, `timestamp[us]`, `list<string>`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pyarrow as pa

from mrmesos.io.fs.filesystem import InputError

_DECIMAL = re.compile(r"decimal(?:128)?\((\d+), ?(-?\d+)\)")


def types_of(format_name: str, types: Mapping[str, str]) -> dict[str, pa.DataType]:
    """The Arrow types named in `types`. Raises InputError with the column."""
    found = {}
    for column, name in types.items():
        try:
            found[column] = type_of(name)
        except ValueError:
            raise InputError(
                f"{format_name}(types=...): {column!r} has the type {name!r}; write the name of an "
                "Arrow type, such as int64, double, string, bool, date32, timestamp[us], "
                "decimal128(9, 2), list<string>, struct<x: double, y: double>"
            ) from None
    return found


def type_of(name: str) -> pa.DataType:
    """The type that Arrow prints as `name`. Raises ValueError."""
    name = name.strip()
    if name.startswith("list<") and name.endswith(">"):
        return pa.list_(type_of(name[5:-1].removeprefix("item:")))
    if name.startswith("struct<") and name.endswith(">"):
        fields = (part.partition(":") for part in _parts(name[7:-1]))
        return pa.struct([(field.strip(), type_of(kind)) for field, _, kind in fields])
    if decimal := _DECIMAL.fullmatch(name):
        return pa.decimal128(int(decimal[1]), int(decimal[2]))
    return pa.type_for_alias(name)


def _parts(text: str) -> Iterator[str]:
    """`text` split at its commas, except commas within brackets."""
    depth = begin = 0
    for index, character in enumerate(text):
        depth += (character in "<(") - (character in ">)")
        if character == "," and not depth:
            yield text[begin:index]
            begin = index + 1
    yield text[begin:]
