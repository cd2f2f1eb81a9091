"""Parsing names of Arrow types in formats: `int64`, `timestamp[us]`, `list<string>`."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from mrmesos.io.columns.type_names import EXAMPLES, type_of
from mrmesos.io.fs.filesystem import InputError


def types_of(format_name: str, types: Mapping[str, str]) -> dict[str, pa.DataType]:
    """The Arrow types named in `types`. Raises InputError with the column."""
    found = {}
    for column, name in types.items():
        try:
            found[column] = type_of(name)
        except ValueError:
            raise InputError(
                f"{format_name}(types=...): {column!r} has the type {name!r}; write the name of an "
                f"Arrow type, such as {EXAMPLES}"
            ) from None
    return found
