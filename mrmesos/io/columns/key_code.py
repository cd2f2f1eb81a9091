"""The code of any key: bytes that compare as the keys do, whatever types the keys have.

A code is the rank of the type (one byte) and then the value. Keys that Python calls equal have
equal codes: 1, 1.0, True and Decimal("1.00"), or a named tuple and the same tuple. `sortkey` makes
the same codes from Arrow columns.

* None is its rank alone.
* A number is its nearest double as order-preserving bits (8 bytes), then how much larger the number
  is: the whole part (2 bytes, or more by a mark), then a fraction if there is one: a mark and its
  decimal digits. All NaNs are one key.
* Text and bytes escape `00` as `00 ff` and end with `00 00`.
* Dates are days, other times microseconds, in 8 bytes.
* A tuple or a list is the codes of its items, then `00`. A dataclass begins with its class' name.
* Any other object is its class' name and its pickle.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import io
import math
import pickle
import struct
import sys
import uuid
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from mrmesos.io.columns.schema import RecordTypeError

END = b"\x00"
NONE = b"\x01"
NUMBER = b"\x10"
TEXT = b"\x20"
BYTES = b"\x28"
DATE = b"\x30"
DATETIME = b"\x38"
INSTANT = b"\x40"
TIME = b"\x48"
ZONED_TIME = b"\x49"
DURATION = b"\x50"
UUID = b"\x58"
TUPLE = b"\x60"
LIST = b"\x68"
STRUCT = b"\x70"
DATACLASS = b"\x78"
OBJECT = b"\x80"
TEXT_END = b"\x00\x00"
ESCAPED = b"\x00\xff"
FRACTION = b"\xfe"
"""Larger than every rank: a number with a fraction comes after the same number without."""

_MICROSECOND = dt.timedelta(microseconds=1)
_EPOCH = dt.datetime(1970, 1, 1)
_EPOCH_UTC = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_FIRST_DAY = dt.date(1970, 1, 1).toordinal()
_NAN = b"\xff" * 8 + b"\x80\x00"
_MOST_DIGITS = 10_000
_EXACT = decimal.Context(
    prec=4 * _MOST_DIGITS,
    Emax=decimal.MAX_EMAX,
    Emin=decimal.MIN_EMIN,
    traps=[decimal.Inexact, decimal.InvalidOperation],
)
_REFUSED = (set, frozenset, dict)
_Coder = Callable[[Any], bytes]


def code_of(key: Any) -> bytes:
    """The code of a key. Raises RecordTypeError for keys without order or a stable pickle."""
    kind: Any = type(key)
    return _coder(kind)(key)


def has_order(kind: Any) -> bool:
    """Whether keys of this class are ordered by their values, not by their pickles."""
    return _coder(kind) is not _object


@lru_cache(maxsize=256)
def _coder(kind: type) -> _Coder:
    found = _CODERS.get(kind)
    if found is not None:
        return found
    if dataclasses.is_dataclass(kind):
        options = kind.__dataclass_params__  # type: ignore[attr-defined]
        return _dataclass if options.eq and (options.order or options.frozen) else _object
    for base in kind.__mro__:
        if base in _CODERS:
            same = all(
                getattr(kind, name) is getattr(base, name)
                for name in ("__eq__", "__hash__", "__lt__")
            )
            return _CODERS[base] if same else _object
    return _object


def pickled_key(key: Any) -> bytes:
    """Pickle without a memo: equal keys must have equal bytes, even if they share parts."""
    if isinstance(key, _REFUSED):
        raise RecordTypeError(
            f"{type(key).__name__} cannot be a key or part of one, because equal objects may have "
            f"different bytes (seen: {shown(key)}); yield a tuple, text or a number made from it"
        )
    sink = io.BytesIO()
    pickler = pickle.Pickler(sink, 5)
    pickler.fast = True
    try:
        pickler.dump(key)
    except Exception as error:
        raise RecordTypeError(
            f"a key of type {type(key).__name__} can be neither an Arrow column nor pickled: "
            f"{error} (seen: {shown(key)}); yield a tuple, text or a number made from it"
        ) from error
    return sink.getvalue()


def shown(key: Any) -> str:
    """At most 60 characters of `ascii(key)`, for messages."""
    try:
        text = ascii(key)
    except ValueError:  # an integer of more digits than Python writes
        if isinstance(key, int):
            return f"an integer of {key.bit_length()} bits"
        return f"an object of type {type(key).__name__}, which is too long or cannot be shown"
    except Exception:  # noqa: BLE001 (its class may raise anything)
        return f"an object of type {type(key).__name__}, which cannot be shown"
    return text if len(text) <= 60 else text[:57] + "..."


# --- Numbers -------------------------------------------------------------------------------------
def _number(value: Any) -> bytes:
    return NUMBER + number_code(value)


def number_code(value: Any) -> bytes:
    """The code of a number without its rank."""
    if isinstance(value, float):
        return _NAN if math.isnan(value) else _double(value) + b"\x80\x00"
    if isinstance(value, decimal.Decimal):
        return _decimal_code(value)
    nearest = _nearest(value)
    return _double(nearest) + _whole(int(value) - int(nearest))


def _decimal_code(value: decimal.Decimal) -> bytes:
    if value.is_nan():
        return _NAN
    if value.is_infinite():
        return number_code(float(value))
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    if abs(exponent) > _MOST_DIGITS or len(digits) > _MOST_DIGITS:
        raise RecordTypeError(
            f"a Decimal as a key has at most {_MOST_DIGITS} digits and an exponent of at most "
            f"{_MOST_DIGITS} (seen: {shown(value)})"
        )
    nearest = _nearest(value)
    rest = _EXACT.subtract(value, decimal.Decimal(nearest))
    whole = rest.to_integral_value(decimal.ROUND_FLOOR, _EXACT)
    fraction = _EXACT.subtract(rest, whole)
    code = _double(nearest) + _whole(int(whole))
    if not fraction:
        return code
    return code + FRACTION + f"{fraction:f}"[2:].rstrip("0").encode() + END


def _nearest(value: Any) -> float:
    try:
        nearest = float(value)
    except OverflowError:
        nearest = math.inf
    if not math.isinf(nearest):
        return nearest
    return sys.float_info.max if value > 0 else -sys.float_info.max


def _double(value: float) -> bytes:
    bits: int = struct.unpack(">Q", struct.pack(">d", value + 0.0))[0]  # -0.0 + 0.0 is 0.0
    return (bits ^ ((1 << 64) - 1) if bits >> 63 else bits | 1 << 63).to_bytes(8)


def _whole(rest: int) -> bytes:
    if -0x7FFF <= rest <= 0x7FFE:
        return (rest + 0x8000).to_bytes(2)
    size = (abs(rest).bit_length() + 7) // 8
    code = size.to_bytes(4) + abs(rest).to_bytes(size)
    return b"\xff\xff" + code if rest > 0 else b"\x00\x00" + bytes(0xFF - byte for byte in code)


# --- Other types ---------------------------------------------------------------------------------
def _none(_: Any) -> bytes:
    return NONE


def _text(value: str) -> bytes:
    return TEXT + _escaped(value.encode("utf-8", "surrogatepass"))


def _bytes(value: bytes) -> bytes:
    return BYTES + _escaped(value)


def _escaped(value: bytes) -> bytes:
    return value.replace(b"\x00", ESCAPED) + TEXT_END


def _integer(value: int) -> bytes:
    return (value + (1 << 63)).to_bytes(8)


def _date(value: dt.date) -> bytes:
    return DATE + _integer(value.toordinal() - _FIRST_DAY)


def _datetime(value: dt.datetime) -> bytes:
    if value.utcoffset() is None:
        return DATETIME + _integer((value.replace(tzinfo=None) - _EPOCH) // _MICROSECOND)
    return INSTANT + _integer((value - _EPOCH_UTC) // _MICROSECOND)


def _time(value: dt.time) -> bytes:
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    since = dt.timedelta(seconds=seconds, microseconds=value.microsecond)
    offset = value.utcoffset()
    if offset is None:
        return TIME + _integer(since // _MICROSECOND)
    return ZONED_TIME + _integer((since - offset) // _MICROSECOND)


def _duration(value: dt.timedelta) -> bytes:
    return DURATION + _integer(value // _MICROSECOND)


def _uuid(value: uuid.UUID) -> bytes:
    return UUID + value.bytes


def _items(values: Any) -> bytes:
    return b"".join(map(code_of, values)) + END


def _tuple(value: tuple[Any, ...]) -> bytes:
    return TUPLE + _items(value)


def _list(value: list[Any]) -> bytes:
    return LIST + _items(value)


def _dataclass(value: Any) -> bytes:
    compared = [getattr(value, field.name) for field in dataclasses.fields(value) if field.compare]
    return DATACLASS + _class_name(value) + _items(compared)


def _object(value: Any) -> bytes:
    return OBJECT + _class_name(value) + _escaped(pickled_key(value))


def _class_name(value: Any) -> bytes:
    kind = type(value)
    return _escaped(f"{kind.__module__}.{kind.__qualname__}".encode())


_CODERS: dict[type, _Coder] = {
    type(None): _none,
    bool: _number,
    int: _number,
    float: _number,
    decimal.Decimal: _number,
    str: _text,
    bytes: _bytes,
    dt.date: _date,
    dt.datetime: _datetime,
    dt.time: _time,
    dt.timedelta: _duration,
    uuid.UUID: _uuid,
    tuple: _tuple,
    list: _list,
}
