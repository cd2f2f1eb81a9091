"""Mends values that cannot be encoded: text with lone surrogates, and integers over 64 bits.

Messages have bounds in their types (mrmesos.bounds), so a peer cannot send such values. They come
from elsewhere, such as file names, or from our own bugs.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from mrmesos.bounds import bounded

T = TypeVar("T")

PROBLEMS = (UnicodeEncodeError, OverflowError, TypeError, RecursionError)
"""The exceptions that msgspec's encoders raise."""


def problem_with(value: object) -> str:
    """A text: why a value cannot be encoded. Empty if it can."""
    try:
        msgspec.msgpack.encode(value)
    except PROBLEMS as problem:
        return f"{type(problem).__name__}: {problem}"
    return ""


def mended(value: T) -> T:
    """The value with question marks for invalid Unicode, and integers cut to 64 bits.

    Raises msgspec.ValidationError if it still breaks another bound of its type.
    """
    return msgspec.convert(plain(value), type(value))


def plain(value: object) -> Any:
    """The mended value as plain dicts, lists, text and numbers."""
    return _mend(msgspec.to_builtins(value))


def _mend(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and not isinstance(value, bool):
        return bounded(value)
    if isinstance(value, dict):
        return {_mend(key): _mend(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_mend(one) for one in value]
    return value
