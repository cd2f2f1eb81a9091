"""Makes messages from their types, and damages good ones. A seed gives the same messages again."""

from __future__ import annotations

import copy
import random
from typing import Any

import msgspec
from msgspec import inspect

NASTY: tuple[Any, ...] = (
    None, True, False, 0, -0.0, -1, 1, 0.5, 1e308, -1e308, 5e-324, 2**31, 2**63 - 1, 2**63, 2**64,
    2**70, -(2**63), -(2**63) - 1, 10**400, "", "\0", "\n", "\r\n", "\x1b[2J", "é", "\u2028",
    "\U0001f600", "a" * 1_025, "b" * 70_000, "../../etc/passwd", "*", "RUNNING", "inf", "nan",
    "1e999", "9" * 30, "TASK_LOST", [], [[]], {}, {"": ""}, {"value": 2**64},
    {"value": "x" * 2_000}, [None], [{}], list(range(2_000)), {"a": {"b": {"c": {"d": 1}}}},
)  # fmt: skip
"""Values to put where another value is expected. `spoiled` adds lone surrogates as bytes."""
WORDS = ("a", "x1", "node-7", "map", "file:///nowhere", "2.5", "true", "text", "é☃")
RAW = (
    b"\\ud800",
    b"\\udfff",
    b"\xff",
    b"\xed\xa0\x80",
    b"\0",
    b"1e999",
    b"NaN",
    b"-",
    b"[" * 3_000,
)
"""Bytes to damage JSON with."""


class Maker:
    """Values of a type, mostly good ones."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def make(self, kind: inspect.Type, depth: int = 0) -> Any:
        """Make a value for JSON."""
        rng = self.rng
        match kind:
            case inspect.IntType():
                return self._number(kind)
            case inspect.FloatType():
                return rng.choice((0.0, 0.25, 1.0, 7, self._number(kind)))
            case inspect.StrType(pattern=pattern):
                if pattern is not None:
                    return f"{rng.getrandbits(256):064x}"
                return rng.choice(WORDS)
            case inspect.BoolType():
                return rng.random() < 0.5
            case inspect.NoneType():
                return None
            case inspect.EnumType(cls=cls):
                return rng.choice([one.value for one in cls])
            case inspect.LiteralType(values=values):
                return rng.choice(values)
            case inspect.ListType() | inspect.VarTupleType():
                return [self.make(kind.item_type, depth + 1) for _ in self._few(depth)]
            case inspect.TupleType():
                return [self.make(one, depth + 1) for one in kind.item_types]
            case inspect.DictType():
                return {
                    str(self.make(kind.key_type, depth + 1)): self.make(kind.value_type, depth + 1)
                    for _ in self._few(depth)
                }
            case inspect.UnionType():
                return self.make(rng.choice(kind.types), depth)
            case inspect.StructType():
                return self._struct(kind, depth)
        return copy.deepcopy(rng.choice(NASTY))

    def _struct(self, kind: inspect.StructType, depth: int) -> dict[str, Any]:
        made = {
            field.encode_name: self.make(field.type, depth + 1)
            for field in kind.fields
            if field.required or self.rng.random() < 0.5
        }
        if kind.tag_field is not None:
            made[kind.tag_field] = kind.tag
        return made

    def _few(self, depth: int) -> range:
        return range(self.rng.choice((0, 1, 1, 2, 3)) if depth < 6 else 0)

    def _number(self, kind: inspect.IntType | inspect.FloatType) -> Any:
        low = kind.ge if kind.ge is not None else -100
        high = kind.le if kind.le is not None else 100
        return self.rng.choice((low, high, min(high, max(low, 1)), min(high, low + 3)))


def of_type(kind: Any) -> inspect.Type:
    """The type in the form that `Maker.make` takes."""
    return inspect.type_info(kind)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every position inside a JSON value."""
    found = [path] if path else []
    if isinstance(value, dict):
        for key in value:
            found += places(value[key], (*path, key))
    elif isinstance(value, list):
        for index in range(min(len(value), 20)):
            found += places(value[index], (*path, index))
    return found


def changed(rng: random.Random, value: Any) -> Any:
    """Change one to three parts of the value to wrong or strange ones."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        found = places(value)
        if not found:
            return copy.deepcopy(rng.choice(NASTY))
        *way, last = rng.choice(found)
        holder = value
        for key in way:
            holder = holder[key]
        what = rng.random()
        if what < 0.12:
            del holder[last]
        elif what < 0.2 and isinstance(holder, dict):
            holder[str(rng.choice(NASTY))[:50]] = holder[last]
        elif what < 0.3 and isinstance(holder[last], list) and len(holder[last]) < 20:
            holder[last] = holder[last] * rng.choice((2, 50))
        elif what < 0.4:
            other = value
            for key in rng.choice(found):
                other = other[key] if _has(other, key) else other
            holder[last] = copy.deepcopy(other)
        else:
            holder[last] = copy.deepcopy(rng.choice(NASTY))
    return value


def _has(value: Any, key: Any) -> bool:
    if isinstance(value, dict):
        return key in value
    return isinstance(value, list) and isinstance(key, int) and key < len(value)


def spoiled(rng: random.Random, body: bytes) -> bytes:
    """Cut the bytes, overwrite some, or insert bytes that are not JSON."""
    if not body:
        return rng.choice(RAW)
    at = rng.randrange(len(body))
    what = rng.random()
    if what < 0.25:
        return body[:at]
    if what < 0.5:
        quote = body.find(b'"', at)
        at = quote + 1 if quote >= 0 else at
        return body[:at] + rng.choice(RAW) + body[at:]
    if what < 0.75:
        return body[:at] + bytes([rng.randrange(256)]) + body[at + 1 :]
    end = min(len(body), at + rng.randrange(1, 40))
    return body[:at] + body[end:]


def message(rng: random.Random, good: Any, *, bytes_too: bool = True) -> bytes:
    """One time in ten a good message, otherwise a changed one or damaged bytes."""
    chance = rng.random()
    if chance < 0.1:
        return msgspec.json.encode(good)
    if chance < 0.85 or not bytes_too:
        return msgspec.json.encode(changed(rng, good))
    return spoiled(rng, msgspec.json.encode(good))
