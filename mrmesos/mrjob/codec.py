"""mrjob's JSON protocols for pairs inside of a step, without most of their cost.

`StandardJSONProtocol` calls `json.dumps` and `json.loads` for each key and each value. For text and
whole numbers, the functions of C below them give the same bytes; msgspec reads what they write.
All other objects go through the protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from json.encoder import encode_basestring_ascii
from typing import Any

import msgspec
import pyarrow as pa

Pair = tuple[Any, Any]
Write = Callable[[Any, Any], bytes]
Read = Callable[[bytes], Pair]

_STANDARD = ("StandardJSONProtocol", "SimpleJSONProtocol")
"""These write as Python's `json` does."""
_FAITHFUL = (*_STANDARD, "RapidJSONProtocol")
_MODULE = "mrjob.protocol"


def is_faithful(method: Write | Read) -> bool:
    """Whether text, numbers, booleans and None come back from this protocol as they were."""
    return _is_one_of(method, _FAITHFUL)


def _is_one_of(method: Write | Read, names: tuple[str, ...]) -> bool:
    kind = type(getattr(method, "__self__", None))
    return kind.__name__ in names and kind.__module__ == _MODULE


def fast_write(write: Write) -> Write:
    """A function with the results of this `write` of a protocol."""
    if not _is_one_of(write, _STANDARD):
        return write
    quote = encode_basestring_ascii

    def fast(key: Any, value: Any) -> bytes:
        if type(key) is str:
            if type(value) is int:
                return f"{quote(key)}\t{value}".encode()
            if type(value) is str:
                return f"{quote(key)}\t{quote(value)}".encode()
        return write(key, value)

    return fast


def fast_read(read: Read) -> Read:
    """A function with the results of this `read` of a protocol. Both raise ValueError."""
    if not _is_one_of(read, _STANDARD):
        return read
    loads = msgspec.json.Decoder().decode
    last_raw: bytes | None = None
    last: Any = None

    def fast(line: bytes) -> Pair:
        nonlocal last_raw, last
        raw_key, raw_value = line.split(b"\t", 1)
        try:
            if raw_key != last_raw:
                last = loads(raw_key)
                # Only text and numbers can be shared: the program may change a list.
                last_raw = raw_key if raw_key[:1] == b'"' else None
            return last, loads(raw_value)
        except ValueError:  # NaN, a lone surrogate, or what is no JSON
            return read(line)

    return fast


def load_all(column: pa.Array, read: Read) -> list[Any] | None:
    """What a standard protocol reads from texts that it has written; None if it needs to do it."""
    if column.null_count or not _is_one_of(read, _STANDARD):
        return None
    try:
        found: list[Any] = msgspec.json.decode(b"[%b]" % b",".join(column.to_pylist()))
    except ValueError:
        return None
    return found if len(found) == len(column) else None
