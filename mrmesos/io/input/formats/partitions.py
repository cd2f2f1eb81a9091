"""Hive partition directories: columns whose values stand in directory names, such as
`year=2024`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import unquote

from mrmesos.api.formats import Filter, Scalar
from mrmesos.bounds import INT64_MAX, INT64_MIN
from mrmesos.io.fs.filesystem import InputError

HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
"""The directory that Hive and Spark write for null."""
INT, TEXT = "int64", "string"

Values = dict[str, str | None]
"""The text of each column for one file; None is null."""

_WHOLE = re.compile(r"[+-]?[0-9]{1,19}\Z", re.ASCII)


def values_of(uri: str) -> Values:
    """The partition columns of a file, the outermost directory first. Raises InputError."""
    return _values_in(uri.rpartition("/")[0])


def _values_in(directory: str) -> Values:
    pairs: list[tuple[str, str | None]] = []
    for part in reversed(directory.split("/")):
        name, equals, value = part.partition("=")
        if not equals or not name:
            break
        text = unquote(value)
        pairs.append((unquote(name), None if text in ("", HIVE_NULL) else text))
    values = dict(reversed(pairs))
    if len(values) < len(pairs):
        raise InputError(
            f"{directory}: two directories name the same column; rename one, or set "
            "partitioning=None in the input format"
        )
    return values


def partition_types(uris: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The partition columns of all files with their types, in the order of first sight.

    A column is int64 if every value in it is a whole number of 64 bits, else text.
    """
    types: dict[str, str] = {}
    for directory in dict.fromkeys(uri.rpartition("/")[0] for uri in uris):
        for name, text in _values_in(directory).items():
            known = types.setdefault(name, INT)
            if known == INT and text is not None and not _is_int(text):
                types[name] = TEXT
    return tuple(types.items())


def _is_int(text: str) -> bool:
    return bool(_WHOLE.match(text)) and INT64_MIN <= int(text) <= INT64_MAX


def typed(text: str | None, kind: str) -> int | str | None:
    """The value of a partition column of this type."""
    return int(text) if text is not None and kind == INT else text


def passing(
    uris: Sequence[str], types: Sequence[tuple[str, str]], filters: Sequence[Filter]
) -> list[bool]:
    """Which files can hold rows that pass the filters on partition columns. Raises InputError."""
    kinds = dict(types)
    checks = [each for each in filters if each[0] in kinds]
    for name, _, value in checks:
        among = value if isinstance(value, list | tuple) else (value,)
        wanted = int | float if kinds[name] == INT else str
        for one in among:
            if one is not None and (not isinstance(one, wanted) or isinstance(one, bool)):
                raise InputError(
                    f"the column {name!r} of directory names is {kinds[name]} and cannot be "
                    f"compared with {value!r:.80}; correct filters="
                )
    if not checks:
        return [True] * len(uris)
    known: dict[str, bool] = {}
    kept = []
    for uri in uris:
        directory = uri.rpartition("/")[0]
        if directory not in known:
            values = _values_in(directory)
            known[directory] = all(
                _passes(typed(values.get(name), kinds[name]), operator, value)
                for name, operator, value in checks
            )
        kept.append(known[directory])
    return kept


def _passes(found: Scalar, operator: str, value: Scalar | Sequence[Scalar]) -> bool:
    """Compares as Arrow does: null passes no comparison, but may be in a list."""
    if operator in ("in", "not in"):
        assert isinstance(value, list | tuple)
        return (found in value) == (operator == "in")
    if found is None or value is None:
        return False
    one, other = _ordered(found), _ordered(value)
    match operator:
        case "==":
            return one == other
        case "!=":
            return one != other
        case "<":
            return one < other
        case "<=":
            return one <= other
        case ">":
            return one > other
    return one >= other


def _ordered(value: Scalar | Sequence[Scalar]) -> tuple[float, bytes]:
    """Numbers by value; text by its bytes, the order in which Arrow compares text."""
    if isinstance(value, str):
        return 0, value.encode()
    assert isinstance(value, int | float)
    return value, b""
