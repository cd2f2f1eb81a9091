"""Typed bytes: the binary form of Hadoop Streaming's `-io typedbytes`.

A value is a code of one byte and its data. All numbers are big-endian. Source: the Javadoc of the
package org.apache.hadoop.typedbytes (Hadoop 3.4). No maintained library exists: the one on PyPI is
from 2010 and needs Python 2.

A mapper in Python may use this module: `read(sys.stdin.buffer)` gives values, keys and values in
turn, and `encode(value)` gives bytes to write.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, BinaryIO


class Code(IntEnum):
    """The types. Codes 50 to 200 are bytes that only the program understands."""

    BYTES = 0
    BYTE = 1
    BOOL = 2
    INT = 3
    LONG = 4
    FLOAT = 5
    DOUBLE = 6
    STRING = 7
    VECTOR = 8
    LIST = 9
    MAP = 10
    END = 255


_OWN = range(50, 201)
_NUMBERS = {
    Code.BYTE: struct.Struct(">b"),
    Code.BOOL: struct.Struct(">?"),
    Code.INT: struct.Struct(">i"),
    Code.LONG: struct.Struct(">q"),
    Code.FLOAT: struct.Struct(">f"),
    Code.DOUBLE: struct.Struct(">d"),
}
_LENGTH = struct.Struct(">i")
_DEPTH_MAX = 100
_READ_BYTES = 1 << 16


class BadTypedBytes(ValueError):
    """Bytes that are no typed bytes, or a value that has no such form."""


def encode(value: Any) -> bytes:
    """The typed bytes of a value. A tuple is a vector. Raises BadTypedBytes."""
    parts: list[bytes] = []
    _encode(value, parts)
    return b"".join(parts)


def _encode(value: Any, parts: list[bytes]) -> None:
    match value:
        case bytes():
            parts += (_head(Code.BYTES, len(value)), value)
        case bool():
            parts.append(bytes([Code.BOOL, value]))
        case int() if -(1 << 31) <= value < 1 << 31:
            parts.append(bytes([Code.INT]) + _NUMBERS[Code.INT].pack(value))
        case int() if -(1 << 63) <= value < 1 << 63:
            parts.append(bytes([Code.LONG]) + _NUMBERS[Code.LONG].pack(value))
        case float():
            parts.append(bytes([Code.DOUBLE]) + _NUMBERS[Code.DOUBLE].pack(value))
        case str():
            text = value.encode()
            parts += (_head(Code.STRING, len(text)), text)
        case tuple():
            parts.append(_head(Code.VECTOR, len(value)))
            for item in value:
                _encode(item, parts)
        case list():
            parts.append(bytes([Code.LIST]))
            for item in value:
                _encode(item, parts)
            parts.append(bytes([Code.END]))
        case dict():
            parts.append(_head(Code.MAP, len(value)))
            for pair in value.items():
                for item in pair:
                    _encode(item, parts)
        case _:
            raise BadTypedBytes(f"{type(value).__name__} {value!r:.80} has no typed bytes")


def _head(code: int, length: int) -> bytes:
    return bytes([code]) + _LENGTH.pack(length)


def decode(data: bytes | memoryview) -> Any:
    """The value of typed bytes. Raises BadTypedBytes if they are not exactly one whole value."""
    value, end = _decode(bytes(data), 0, 0)
    if end != len(data):
        raise BadTypedBytes(f"{len(data) - end} bytes follow the value")
    return value


def read(file: BinaryIO) -> Iterator[Any]:
    """The values of a file, one after another. Raises BadTypedBytes."""
    data, wanted = b"", 1
    while block := file.read(max(_READ_BYTES, wanted - len(data))):
        data += block
        at = 0
        while (end := end_of(data, at)) > 0:
            yield decode(data[at:end])
            at = end
        wanted, data = -end - at, data[at:]
    if data:
        raise BadTypedBytes("the input ends within a value")


def _decode(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth > _DEPTH_MAX:
        raise BadTypedBytes(f"values lie in each other over {_DEPTH_MAX} times")
    try:
        code, at = data[at], at + 1
        if (number := _NUMBERS.get(code)) is not None:  # type: ignore[call-overload]
            return number.unpack_from(data, at)[0], at + number.size
        if code == Code.LIST:
            items: list[Any] = []
            while data[at] != Code.END:
                item, at = _decode(data, at, depth + 1)
                items.append(item)
            return items, at + 1
        length, at = _length(data, at), at + _LENGTH.size
    except (IndexError, struct.error):
        raise BadTypedBytes("the bytes end within a value") from None
    if code == Code.VECTOR or code == Code.MAP:
        items = []
        for _ in range(length * (2 if code == Code.MAP else 1)):
            item, at = _decode(data, at, depth + 1)
            items.append(item)
        if code == Code.VECTOR:
            return tuple(items), at
        pairs = zip(items[::2], items[1::2], strict=True)
        return {_hashable(key): item for key, item in pairs}, at
    end = at + length
    if end > len(data):
        raise BadTypedBytes("the bytes end within a value")
    if code == Code.STRING:
        return data[at:end].decode("utf-8", "replace"), end
    if code == Code.BYTES or code in _OWN:
        return data[at:end], end
    raise _unknown(code, at - 1)


def _hashable(value: Any) -> Any:
    """A key of a dict: lists become tuples, and dicts tuples of pairs."""
    if isinstance(value, list | tuple):
        return tuple(map(_hashable, value))
    if isinstance(value, dict):
        return tuple((key, _hashable(item)) for key, item in value.items())
    return value


def _length(data: bytes | bytearray, at: int) -> int:
    length: int = _LENGTH.unpack_from(data, at)[0]
    if length < 0:
        raise BadTypedBytes(f"a length at byte {at} is {length}")
    return length


def _unknown(code: int, at: int) -> BadTypedBytes:
    return BadTypedBytes(f"byte {at} is {code}, which is the code of no type")


def end_of(data: bytes | bytearray, at: int) -> int:
    """The end of the value that begins at `at`. If it is not whole, `-n`: at least the first n
    bytes are needed.

    Raises BadTypedBytes. This makes no values, and nested values need no nested calls.
    """
    left: list[int] = [1]  # values to come, by depth; a list counts down from 0
    while left:
        if left[-1] == 0:
            left.pop()
            continue
        if at >= len(data):
            return -(at + 1)
        code = data[at]
        at += 1
        if code == Code.END and left[-1] < 0:
            left.pop()
            continue
        left[-1] -= 1
        if (number := _NUMBERS.get(code)) is not None:  # type: ignore[call-overload]
            at += number.size
            continue
        if len(left) > _DEPTH_MAX:
            raise BadTypedBytes(f"values lie in each other over {_DEPTH_MAX} times")
        if code == Code.LIST:
            left.append(-1)
            continue
        if code not in (Code.BYTES, Code.STRING, Code.VECTOR, Code.MAP) and code not in _OWN:
            raise _unknown(code, at - 1)
        if at + _LENGTH.size > len(data):
            return -(at + _LENGTH.size)
        length = _length(data, at)
        at += _LENGTH.size
        if code == Code.VECTOR or code == Code.MAP:
            left.append(length * (2 if code == Code.MAP else 1))
        else:
            at += length
    return at if at <= len(data) else -at
