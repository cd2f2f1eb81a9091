"""mrjob's JSON protocols for pairs inside of a step, at a fraction of their cost.

`StandardJSONProtocol` calls `json.dumps` and `json.loads` for each key and each value. For text and
whole numbers, the C functions below them give the same bytes, and msgspec reads these bytes. All
other objects go through the protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, repeat
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
_DIGITS = tuple(b"%d" % digit for digit in range(10))
_FAITHFUL = (*_STANDARD, "RapidJSONProtocol")
_MODULE = "mrjob.protocol"
_ESCAPED = np.array([not (32 <= at < 127) or at in b'"\\' for at in range(256)])
"""The bytes of UTF-8 that JSON in ASCII writes in another form."""


def is_faithful(method: Write | Read) -> bool:
    """Whether text, numbers, booleans and None come back unchanged from this protocol."""
    return _is_one_of(method, _FAITHFUL)


def is_standard(method: Write | Read) -> bool:
    """Whether this protocol writes as Python's `json` does."""
    return _is_one_of(method, _STANDARD)


def _is_one_of(method: Write | Read, names: tuple[str, ...]) -> bool:
    kind = type(getattr(method, "__self__", None))
    return kind.__name__ in names and kind.__module__ == _MODULE


def fast_write(write: Write) -> Write:
    """A function with the results of this `write` of a protocol."""
    if _is_one_of(write, ("TextProtocol",)):
        return _fast_text(write)
    if not is_standard(write):
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


def drained(pairs: Iterator[Pair], most: int) -> tuple[list[Any], list[Any]]:
    """Keys and values of the next pairs. Each pair is released at once, so its memory stays in the
    cache.
    """
    keys: list[Any] = []
    values: list[Any] = []
    add_key, add_value = keys.append, values.append
    for key, value in islice(pairs, most):
        add_key(key)
        add_value(value)
    return keys, values


def columns(
    keys: Sequence[Any], values: Sequence[Any], write: Write
) -> tuple[pa.Array, pa.Array] | None:
    """The texts of keys and values that this `write` would write, at once.

    None if `write` must be called for each pair. That is so for other protocols and other types,
    and for text that is no Unicode.
    """
    plain = _is_one_of(write, ("TextProtocol",))
    if not keys or not (plain or is_standard(write)):
        return None
    key, value = typed(keys), typed(values)
    if key is None or value is None:
        return None
    if not plain:
        return json_texts(key), json_texts(value)
    if not (pa.types.is_string(key.type) and pa.types.is_string(value.type)):
        return None
    return key.cast(pa.binary()), value.cast(pa.binary())


def typed(values: Sequence[Any]) -> pa.Array | None:
    """Texts, or whole numbers of 64 bits, as a column. None for other values."""
    types = set(map(type, values))
    if types not in ({int}, {str}):
        return None
    try:
        if types == {int}:
            return pa.array(np.fromiter(values, np.int64, len(values)))
        column = pa.array(values, pa.string())
    except (ValueError, OverflowError):  # lone surrogates; over 64 bits
        return None
    return None if isinstance(column, pa.ChunkedArray) else column  # over 2 GiB of text


def json_texts(column: pa.Array) -> pa.Array:
    """The JSON of a column of `typed`."""
    if pa.types.is_integer(column.type):
        return column.cast(pa.string()).cast(pa.binary())
    quoted = pc.binary_join_element_wise('"', column, '"', "")
    start = column.offset
    _, offsets, data = column.buffers()
    if data is None:
        return quoted.cast(pa.binary())
    ends = np.frombuffer(offsets, np.int32, len(column) + 1, start * 4)
    odd = np.flatnonzero(_ESCAPED[np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]])
    if len(odd):
        rows = np.unique(np.searchsorted(ends[1:], odd + ends[0], "right"))
        texts = column.take(pa.array(rows)).to_pylist()
        mask = np.zeros(len(column), np.bool_)
        mask[rows] = True
        escaped = pa.array(map(encode_basestring_ascii, texts), pa.string())
        quoted = pc.replace_with_mask(quoted, pa.array(mask), escaped)
    return quoted.cast(pa.binary())


def fast_read(read: Read) -> Read:
    """A function with the results of this `read` of a protocol. Both raise ValueError."""
    if not is_standard(read):
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
        except ValueError:  # NaN, a lone surrogate, or text that is no JSON
            return read(line)

    return fast


def reads_each(read: Read) -> Callable[[pa.Array], list[Any]] | None:
    """Reads all texts of a column that the `write` beside this `read` has written.

    It serves keys and values. None for protocols that must get whole lines.
    """
    if not is_standard(read):
        return None

    def each(column: pa.Array) -> list[Any]:
        found = load_all(column, read)
        if found is None:
            found = [read(b"0\t" + text)[1] for text in column.to_pylist()]
        return found

    return each


def load_all(column: pa.Array, read: Read) -> list[Any] | None:
    """The values that a standard protocol reads from texts that it has written. None if the
    protocol itself must read them.
    """
    if column.null_count or not is_standard(read):
        return None
    if len(column) and column[0].as_py()[:1] in _DIGITS:
        try:
            whole: list[Any] = column.cast(pa.string()).cast(pa.int64()).to_numpy().tolist()
        except pa.ArrowInvalid:  # not all are whole numbers of 64 bits
            pass
        else:
            return whole
    try:
        found: list[Any] = msgspec.json.decode(b"[%b]" % b",".join(column.to_pylist()))
    except ValueError:
        return None
    return found if len(found) == len(column) else None


def lines_read(lines: list[bytes], read: Read) -> Iterable[Pair]:
    """The results of this `read` for the lines of an input, without their line ends."""
    if _is_one_of(read, ("TextValueProtocol",)):
        try:
            texts = b"\n".join(lines).decode().split("\n")
        except UnicodeDecodeError:  # the protocol decides for each line
            texts = []
        if len(texts) == len(lines):
            return zip(repeat(None), [text.rstrip("\r") for text in texts], strict=False)
    return map(fast_read(read), [line.rstrip(b"\r\n") for line in lines])
