"""Text of users on its way into our messages, which are Unicode.

A `str` of Python may hold lone surrogates: `os.fsdecode` makes them of file names that are no
UTF-8, `json.loads` of "\\ud800". No encoding of JSON, MessagePack or Arrow takes them.
"""

from __future__ import annotations

from typing import Any


def unicode_text(text: str) -> str:
    """The text with each lone surrogate as an escape: `caf\\udce9`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def unicode_only(value: Any) -> Any:
    """A message as `msgspec.to_builtins` makes it, with unicode_text for each of its texts."""
    match value:
        case str():
            return unicode_text(value)
        case dict():
            return {unicode_only(key): unicode_only(each) for key, each in value.items()}
        case list() | tuple():
            return [unicode_only(each) for each in value]
        case _:
            return value
