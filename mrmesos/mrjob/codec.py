"""mrjob's JSON protocols for pairs inside of a step, without most of their cost.

`StandardJSONProtocol` calls `json.dumps` and `json.loads` for each key and each value. For text and
whole numbers, the functions of C below them give the same bytes; msgspec reads what they write.
All other objects go through the protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from json.encoder import encode_basestring_ascii
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Pair = tuple[Any, Any]
Write = Callable[[Any, Any], bytes]
Read = Callable[[bytes], Pair]

_STANDARD = ("StandardJSONProtocol", "SimpleJSONProtocol")
"""These write as Python's `json` does."""
_FAITHFUL = (*_STANDARD, "RapidJSONProtocol")
_MODULE = "mrjob.protocol"
_ESCAPED = np.array([not (32 <= at < 127) or at in b'"\\' for at in range(256)])
"""The bytes of UTF-8 that JSON in ASCII writes otherwise."""


def is_faithful(method: Write | Read) -> bool:
    """Whether text, numbers, booleans and None come back from this protocol as they were."""
    return _is_one_of(method, _FAITHFUL)


def _is_one_of(method: Write | Read, names: tuple[str, ...]) -> bool:
    kind = type(getattr(method, "__self__", None))
    return kind.__name__ in names and kind.__module__ == _MODULE


def fast_write(write: Write) -> Write:
    """A function with the results of this `write` of a protocol."""
    if _is_one_of(write, ("TextProtocol",)):
        return _fast_text(write)
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


def _fast_text(write: Write) -> Write:
    def fast(key: Any, value: Any) -> bytes:
        if type(key) is str and type(value) is str:
            return f"{key}\t{value}".encode()
        return write(key, value)

    return fast


def columns(pairs: Sequence[Pair], write: Write) -> tuple[pa.Array, pa.Array] | None:
    """The texts of keys and values that this `write` would write, at once.

    None if it has to be called for each: for other protocols and other types, and for text that is
    no Unicode.
    """
    if not pairs or not _is_one_of(write, _STANDARD):
        return None
    try:
        keys, values = zip(*pairs, strict=True)
        texts = _texts(keys), _texts(values)
    except (ValueError, OverflowError):  # no pairs; lone surrogates; over 64 bits
        return None
    return None if texts[0] is None or texts[1] is None else (texts[0], texts[1])


def _texts(values: Sequence[Any]) -> pa.Array | None:
    """JSON of texts, or of whole numbers."""
    types = set(map(type, values))
    if types == {int}:
        return pa.array(values, pa.int64()).cast(pa.string()).cast(pa.binary())
    if types != {str}:
        return None
    texts = pa.array(values, pa.string())
    quoted = pc.binary_join_element_wise('"', texts, '"', "")
    _, offsets, data = texts.buffers()
    if data is None:
        return quoted.cast(pa.binary())
    odd = np.flatnonzero(_ESCAPED[np.frombuffer(data, np.uint8)])
    if len(odd):
        ends = np.frombuffer(offsets, np.int32, len(texts) + 1)[1:]
        rows = np.unique(np.searchsorted(ends, odd, "right"))
        escaped = pa.array([encode_basestring_ascii(values[row]) for row in rows.tolist()])
        mask = np.zeros(len(texts), np.bool_)
        mask[rows] = True
        quoted = pc.replace_with_mask(quoted, pa.array(mask), escaped)
    return quoted.cast(pa.binary())


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
