"""What cannot be encoded, made so that it can: text with lone surrogates, integers over 64 bits.

Messages have bounds in their types (mrmesos.bounds), so nothing of the kind comes from a peer. This
is for what comes otherwise, such as names of files, and for faults of ours.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from mrmesos.bounds import bounded

T = TypeVar("T")

PROBLEMS = (UnicodeEncodeError, OverflowError, TypeError, RecursionError)
"""What msgspec's encoders raise."""


def problem_with(value: object) -> str:
    """Why a value cannot be encoded, in words; empty where it can."""
    try:
        msgspec.msgpack.encode(value)
    except PROBLEMS as problem:
        return f"{type(problem).__name__}: {problem}"
    return ""


def mended(value: T) -> T:
    """The value with question marks for what is no Unicode, and integers of 64 bits at most.

    Raises msgspec.ValidationError where it is beyond other bounds of its type.
    """
    return msgspec.convert(plain(value), type(value))


def plain(value: object) -> Any:
    """The same as dicts, lists, text and numbers that can be encoded."""
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
