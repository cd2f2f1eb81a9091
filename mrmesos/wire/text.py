"""Converts text of users to valid Unicode for messages.

A Python `str` may contain lone surrogates: `os.fsdecode` makes them from file names that are not
UTF-8, and `json.loads` from "\\ud800". JSON, MessagePack and Arrow cannot encode them.
"""

from __future__ import annotations

from typing import Any


def unicode_text(text: str) -> str:
    """The text with lone surrogates replaced by escapes: `caf\\udce9`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def unicode_only(value: Any) -> Any:
    """A result of `msgspec.to_builtins` with `unicode_text` applied to all its texts."""
    match value:
        case str():
            return unicode_text(value)
        case dict():
            return {unicode_only(key): unicode_only(each) for key, each in value.items()}
        case list() | tuple():
            return [unicode_only(each) for each in value]
        case _:
            return value
