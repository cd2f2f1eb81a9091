"""The columns that a class of records declares: names of Arrow types by field. No pyarrow.

Comes in: a dataclass, a named tuple or a TypedDict with annotations. Goes out: a value for
`schema=` of an output format. Arrow has several types for some Python types. For those, the author
must name one: `Annotated[Decimal, "decimal128(9, 2)"]`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import types
import typing
import uuid
from typing import Any

_FLAT = {
    bool: "bool",
    int: "int64",
    float: "double",
    str: "string",
    bytes: "binary",
    dt.date: "date32",
    dt.time: "time64[us]",
    dt.timedelta: "duration[us]",
    uuid.UUID: "uuid",
}
_SEVERAL = {dt.datetime: "timestamp[us]", decimal.Decimal: "decimal128(9, 2)"}
_NONE = type(None)
_DEEPEST = 30
_BREAKS_NAMES = frozenset(",:<>")


def type_names(schema: Any) -> dict[str, str]:
    """The names of types by column, from a dict of these names, a class of records or a
    pyarrow.Schema.
    """
    if isinstance(schema, dict):
        return schema
    if isinstance(schema, type):
        return column_types(schema)
    return {field.name: f"{field.type}{'' if field.nullable else ' not null'}" for field in schema}


def column_types(record: type) -> dict[str, str]:
    """The columns of a class of records. A field that does not allow None is `not null`.

    Raises TypeError, which names the field.
    """
    return {name: _field(record, name, hint, 0) for name, hint in _hints(record).items()}


def _hints(record: type) -> dict[str, Any]:
    fields = getattr(record, "_fields", None)
    if dataclasses.is_dataclass(record):
        fields = [field.name for field in dataclasses.fields(record)]
    elif typing.is_typeddict(record):
        fields = list(record.__annotations__)
    elif not (issubclass(record, tuple) and fields):
        raise TypeError(
            f"schema={record.__name__}: write a dataclass, a named tuple or a TypedDict, a "
            "pyarrow.Schema, or names of Arrow types by column"
        )
    try:
        hints = typing.get_type_hints(record, include_extras=True)
    except NameError as problem:
        raise TypeError(f"schema={record.__name__}: {problem}") from problem
    if missing := [name for name in fields if name not in hints]:
        raise TypeError(f"schema={record.__name__}: {missing[0]!r} has no annotation")
    return {name: hints[name] for name in fields}


def _field(record: type, name: str, hint: Any, depth: int) -> str:
    """The type of a field, with ` not null` if it does not allow None."""
    required = name in getattr(record, "__required_keys__", {name})
    while (said := typing.get_origin(hint)) in (typing.Required, typing.NotRequired):
        required = said is typing.Required  # Python does not see it in postponed annotations
        (hint,) = typing.get_args(hint)
    kind, nullable = _without_none(hint)
    try:
        text = _name_of(kind, depth)
    except _NoType as problem:
        raise TypeError(f"schema={record.__name__}: {name!r} is {problem}") from None
    return text if nullable or not required else f"{text} not null"


class _NoType(Exception):
    """An annotation has no Arrow type. The message shows it and says what to write."""


def _without_none(hint: Any) -> tuple[Any, bool]:
    """The type in `T | None`, and whether None was there."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint, False
    kinds = [each for each in typing.get_args(hint) if each is not _NONE]
    return (kinds[0], True) if len(kinds) == 1 else (hint, False)


def _name_of(hint: Any, depth: int) -> str:
    """The name of an annotation's Arrow type. Raises _NoType."""
    if depth > _DEEPEST:
        raise _NoType("nested too deep, or holds itself; Arrow has no type for that")
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        said = [each for each in arguments[1:] if isinstance(each, str)]
        return said[0] if said else _name_of(arguments[0], depth)
    if hint in _FLAT:
        return _FLAT[hint]
    if hint in _SEVERAL:
        name = hint.__name__
        raise _NoType(
            f"a {name}, and Arrow has several types for that; write "
            f'Annotated[{name}, "{_SEVERAL[hint]}"]'
        )
    if origin is list:
        return f"list<{_inner(arguments[0], depth)}>"
    if origin is dict:
        return f"map<{_inner(arguments[0], depth)}, {_inner(arguments[1], depth)}>"
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        return _struct({f"_{index}": each for index, each in enumerate(arguments)}, depth)
    if isinstance(hint, type) and _is_record(hint):
        return _struct(_hints(hint), depth)
    shown = getattr(hint, "__name__", None) if isinstance(hint, type) else None
    raise _NoType(
        f'{shown or hint}, and Arrow has no type for that; write Annotated[..., "name of an Arrow '
        'type"], or leave out schema='
    )


def _is_record(kind: type) -> bool:
    named_tuple = issubclass(kind, tuple) and hasattr(kind, "_fields")
    return dataclasses.is_dataclass(kind) or named_tuple or typing.is_typeddict(kind)


def _inner(hint: Any, depth: int) -> str:
    return _name_of(_without_none(hint)[0], depth + 1)


def _struct(hints: dict[str, Any], depth: int) -> str:
    if odd := [name for name in hints if _BREAKS_NAMES & set(name)]:
        raise _NoType(f"a record with the field {odd[0]!r}, which no name of a type can show")
    return f"struct<{', '.join(f'{name}: {_inner(hint, depth)}' for name, hint in hints.items())}>"
