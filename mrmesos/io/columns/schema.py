"""The schema of a shuffled record batch: its columns, and the mark of a pickled field.

A batch has the columns `key` and `value`. It also has `__sort` if kernels cannot compare keys of
that type (see `sortkey`).
"""

from __future__ import annotations

import pyarrow as pa

KEY, VALUE, SORT = "key", "value", "__sort"

ENCODING = b"mrmesos.encoding"
PICKLE = {ENCODING: b"pickle"}
"""Metadata of a binary field whose values are pickled Python objects."""

CODED = PICKLE | {b"mrmesos.order": b"code"}
"""Metadata of a pickled key column that is sorted by the codes of its objects (see `key_code`)."""

MAX_KERNEL_BYTES = 1 << 30
"""Most bytes in one kernel call: half of the limit of Arrow's 32-bit string offsets."""


NESTED_MAX = 60
"""Most levels of lists, structs and maps in a column. Arrow IPC allows 64, including the row's."""


class RecordTypeError(TypeError):
    """The types of keys or values do not go together. The message says which, and why."""


class UnfaithfulCast(Exception):
    """Casting a column to the wanted type would change its values (internal)."""


def is_pickled(field: pa.Field) -> bool:
    """Whether a column of this field holds pickled Python objects."""
    return bool(field.metadata and field.metadata.get(ENCODING) == PICKLE[ENCODING])


def is_coded(field: pa.Field) -> bool:
    """Whether a column of this field holds pickled keys of any types, in the order of values."""
    return bool(field.metadata and b"mrmesos.order" in field.metadata)


def depth_of(kind: pa.DataType) -> int:
    """The levels of lists, structs and maps in a type."""
    children = [kind.field(index).type for index in range(kind.num_fields)]
    return 1 + max(map(depth_of, children)) if children else 0


def is_text(kind: pa.DataType) -> bool:
    """Whether `kind` is Arrow text of any layout."""
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def is_bytes(kind: pa.DataType) -> bool:
    """Whether `kind` is Arrow binary of any layout."""
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def is_list(kind: pa.DataType) -> bool:
    """Whether `kind` is an Arrow list of any layout except views."""
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def is_tuple(kind: pa.DataType) -> bool:
    """Whether `kind` is the struct of a tuple, with the fields `_0`, `_1`, …"""
    return bool(pa.types.is_struct(kind) and kind.num_fields and kind.field(0).name == "_0")


def has_nanoseconds(kind: pa.DataType) -> bool:
    """Whether the type has times in nanoseconds, at any depth."""
    if pa.types.is_nested(kind):
        return any(has_nanoseconds(kind.field(index).type) for index in range(kind.num_fields))
    return getattr(kind, "unit", None) == "ns"
