"""Mesos resources: scalars in thousandths, ranges and sets, in buckets by role and reservation.

Mesos compares resources with three decimals (`src/common/values.cpp`), so scalars are whole
thousandths here and arithmetic is exact. A `Resources` never holds an empty value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

Json = dict[str, Any]
Ranges = tuple[tuple[int, int], ...]
Value = int | Ranges | frozenset[str]

SCALAR, RANGES, SET = "SCALAR", "RANGES", "SET"
ANY_ROLE = "*"
MAX_SCALAR = 10**12  # in units: sums stay far below a float's 2**53


class ResourceError(ValueError):
    """A resource that Mesos refuses; the text is Mesos' own, or says how to write the flag."""


class Bucket(NamedTuple):
    """The key of a resource: name, kind, reservations, allocation. Equal keys are summed."""

    name: str
    kind: str
    reservations: tuple[tuple[str, str], ...] = ()  # (STATIC or DYNAMIC, role), outermost first
    allocation: str | None = None

    @property
    def reserved_for(self) -> str | None:
        """The role that the bucket is reserved for, or None."""
        return self.reservations[-1][1] if self.reservations else None


def normal_ranges(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Sort ranges, and join those that overlap or touch."""
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(ranges):
        if merged and begin <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return tuple(merged)


def _subtract_ranges(left: Ranges, right: Ranges) -> Ranges:
    kept = list(left)
    for low, high in right:
        pieces: list[tuple[int, int]] = []
        for begin, end in kept:
            if high < begin or end < low:
                pieces.append((begin, end))
                continue
            if begin < low:
                pieces.append((begin, low - 1))
            if high < end:
                pieces.append((high + 1, end))
        kept = pieces
    return normal_ranges(kept)


def _add(left: Value | None, right: Value) -> Value:
    if left is None:
        return right
    if isinstance(left, int) and isinstance(right, int):
        return left + right
    if isinstance(left, frozenset) and isinstance(right, frozenset):
        return left | right
    assert isinstance(left, tuple)
    assert isinstance(right, tuple)
    return normal_ranges(left + right)


def _subtract(left: Value, right: Value) -> Value:
    if isinstance(left, int) and isinstance(right, int):
        return max(0, left - right)
    if isinstance(left, frozenset) and isinstance(right, frozenset):
        return left - right
    assert isinstance(left, tuple)
    assert isinstance(right, tuple)
    return _subtract_ranges(left, right)


def _contains(left: Value, right: Value) -> bool:
    if isinstance(left, int) and isinstance(right, int):
        return left >= right
    if isinstance(left, frozenset) and isinstance(right, frozenset):
        return left >= right
    assert isinstance(left, tuple)
    assert isinstance(right, tuple)
    return not _subtract_ranges(right, left)


def format_scalar(thousandths: int) -> str:
    """Format a scalar as Mesos does: at most three decimals, no trailing zeros."""
    sign, rest = ("-", -thousandths) if thousandths < 0 else ("", thousandths)
    text = f"{rest // 1000}.{rest % 1000:03d}".rstrip("0").rstrip(".")
    return sign + text


def format_value(value: Value) -> str:
    """Format a value as Mesos does: `4`, `[1-2, 5-6]`, `{a, b}`."""
    if isinstance(value, int):
        return format_scalar(value)
    if isinstance(value, frozenset):
        return "{" + ", ".join(sorted(value)) + "}"
    return "[" + ", ".join(f"{begin}-{end}" for begin, end in value) + "]"


class Resources:
    """An immutable bag of resources in the order in which their buckets first appeared."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[Bucket, Value] | None = None) -> None:
        self._items: dict[Bucket, Value] = {k: v for k, v in (items or {}).items() if v}

    def __iter__(self) -> Iterator[tuple[Bucket, Value]]:
        return iter(self._items.items())

    def __bool__(self) -> bool:
        return bool(self._items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Resources) and self._items == other._items

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return f"Resources({self})"

    def __add__(self, other: Resources) -> Resources:
        items = dict(self._items)
        for bucket, value in other:
            items[bucket] = _add(items.get(bucket), value)
        return Resources(items)

    def __sub__(self, other: Resources) -> Resources:
        items = dict(self._items)
        for bucket, value in other:
            if bucket in items:
                items[bucket] = _subtract(items[bucket], value)
        return Resources(items)

    def contains(self, other: Resources) -> bool:
        """Whether every bucket of `other` fits into the same bucket here."""
        return all(
            bucket in self._items and _contains(self._items[bucket], value)
            for bucket, value in other
        )

    def filter(self, keep: Callable[[Bucket], bool]) -> Resources:
        """Return the buckets for which `keep` is true."""
        return Resources({bucket: value for bucket, value in self if keep(bucket)})

    def allocate(self, role: str) -> Resources:
        """Return the same resources, allocated to `role`."""
        return self._with_allocation(role)

    def unallocate(self) -> Resources:
        """Return the same resources without an allocation."""
        return self._with_allocation(None)

    def _with_allocation(self, role: str | None) -> Resources:
        items: dict[Bucket, Value] = {}
        for bucket, value in self:
            key = bucket._replace(allocation=role)
            items[key] = _add(items.get(key), value)
        return Resources(items)

    def scalars(self) -> dict[str, int]:
        """Sum the scalars of all buckets: thousandths by name."""
        sums: dict[str, int] = {}
        for bucket, value in self:
            if isinstance(value, int):
                sums[bucket.name] = sums.get(bucket.name, 0) + value
        return sums

    def roles(self) -> list[str]:
        """The roles that these resources are allocated to, in order of appearance."""
        return list(dict.fromkeys(b.allocation for b, _ in self if b.allocation is not None))

    def __str__(self) -> str:
        return "; ".join(f"{_bucket_text(bucket)}:{format_value(value)}" for bucket, value in self)

    def to_json(self, *, refined: bool, allocated: bool) -> list[Json]:
        """Return the list of the v1 API.

        `refined`: with `reservations`, for frameworks with RESERVATION_REFINEMENT; otherwise with
        the older `role`. `allocated`: with `allocation_info`, for frameworks with MULTI_ROLE.
        """
        return [_to_json(bucket, value, refined, allocated) for bucket, value in self]


def _bucket_text(bucket: Bucket) -> str:
    text = bucket.name
    if bucket.allocation is not None:
        text += f"(allocated: {bucket.allocation})"
    if bucket.reservations:
        pairs = ",".join(f"({kind},{role})" for kind, role in bucket.reservations)
        text += f"(reservations: [{pairs}])"
    return text


def _to_json(bucket: Bucket, value: Value, refined: bool, allocated: bool) -> Json:
    out: Json = {"name": bucket.name, "type": bucket.kind}
    if isinstance(value, int):
        out["scalar"] = {"value": value / 1000}
    elif isinstance(value, frozenset):
        out["set"] = {"item": sorted(value)}
    else:
        out["ranges"] = {"range": [{"begin": begin, "end": end} for begin, end in value]}
    if allocated and bucket.allocation is not None:
        out["allocation_info"] = {"role": bucket.allocation}
    if not refined:
        out["role"] = bucket.reserved_for or ANY_ROLE
        if bucket.reservations and bucket.reservations[-1][0] == "DYNAMIC":
            out["reservation"] = {}
    elif bucket.reservations:
        out["reservations"] = [{"type": kind, "role": role} for kind, role in bucket.reservations]
    return out


def _value_from_json(item: Json) -> Value:
    name, kind = str(item.get("name", "")), item.get("type")
    if not name:
        raise ResourceError("Empty resource name")
    if kind == SCALAR:
        if "scalar" not in item:
            raise ResourceError("Invalid scalar resource: scalar is not set")
        value = float(item["scalar"]["value"])
        if not abs(value) <= MAX_SCALAR:
            raise ResourceError("Invalid scalar resource: value is not finite")
        thousandths = round(value * 1000)
        if thousandths < 0:
            shown = f"Resource '{name}:{format_scalar(thousandths)}' is invalid: "
            raise ResourceError(shown + "Invalid scalar resource: value <= 0")
        return thousandths
    if kind == RANGES:
        pairs = [(int(r["begin"]), int(r["end"])) for r in item.get("ranges", {}).get("range", [])]
        if any(begin > end or begin < 0 or end >= 1 << 63 for begin, end in pairs):
            raise ResourceError("Invalid ranges resource: begin > end")
        joined = normal_ranges(pairs)
        if sum(e - b + 1 for b, e in joined) != sum(e - b + 1 for b, e in pairs):
            raise ResourceError("Invalid ranges resource: overlapping ranges")
        return joined
    if kind == SET:
        items = [str(one) for one in item.get("set", {}).get("item", [])]
        if len(set(items)) != len(items):
            raise ResourceError("Invalid set resource: duplicated elements")
        return frozenset(items)
    raise ResourceError("Invalid resource type")


def from_json(items: Iterable[Json]) -> Resources:
    """Read the list of the v1 API, with the old or the new form of reservations."""
    total: dict[Bucket, Value] = {}
    for item in items:
        value = _value_from_json(item)
        reservations = tuple(
            (str(r.get("type", "STATIC")), str(r.get("role", ANY_ROLE)))
            for r in item.get("reservations", [])
        )
        role = item.get("role", ANY_ROLE)
        if not reservations and role != ANY_ROLE:
            reservations = (("DYNAMIC" if "reservation" in item else "STATIC", str(role)),)
        held_by = item.get("allocation_info", {}).get("role")
        bucket = Bucket(str(item["name"]), str(item["type"]), reservations, held_by)
        total[bucket] = _add(total.get(bucket), value)
    return Resources(total)


_TEXT = re.compile(
    r"\s*(?P<name>[^:(){}\[\];]+?)\s*(?:\((?P<role>[^()]*)\))?\s*:\s*(?P<value>.+?)\s*"
)


def parse_value(text: str) -> tuple[str, Value]:
    """Read `2.5`, `[1-2,7-9]` or `{a,b}` and return (kind, value)."""
    if text.startswith("[") and text.endswith("]"):
        pairs: list[tuple[int, int]] = []
        for part in text[1:-1].split(","):
            begin, dash, end = part.strip().partition("-")
            if not (dash and begin.strip().isdigit() and end.strip().isdigit()):
                raise ResourceError(f"'{part.strip()}' is not a range such as 31000-32000")
            if int(begin) > int(end):
                raise ResourceError(f"the range '{part.strip()}' ends before it begins")
            pairs.append((int(begin), int(end)))
        return RANGES, normal_ranges(pairs)
    if text.startswith("{") and text.endswith("}"):
        return SET, frozenset(part.strip() for part in text[1:-1].split(",") if part.strip())
    try:
        number = float(text)
    except ValueError:
        raise ResourceError(f"'{text}' is not a number, [ranges] or {{set}}") from None
    if not 0 <= number <= MAX_SCALAR:
        raise ResourceError(f"'{text}' is negative or too large")
    return SCALAR, round(number * 1000)


def parse(text: str, default_role: str = ANY_ROLE) -> Resources:
    """Read Mesos' `--resources`: `cpus:2;mem(mr):512;ports:[31000-32000]`, or its JSON list."""
    if text.lstrip().startswith("["):
        try:
            listed = json.loads(text)
            return from_json(listed)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ResourceError(f"the resources are not a valid JSON list: {error}") from None
    total: dict[Bucket, Value] = {}
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        match = _TEXT.fullmatch(part)
        if match is None:
            raise ResourceError(f"'{part}' is not NAME:VALUE or NAME(ROLE):VALUE")
        kind, value = parse_value(match["value"])
        role = (match["role"] or default_role).strip()
        reservations = () if role == ANY_ROLE else (("STATIC", role),)
        bucket = Bucket(match["name"], kind, reservations)
        clash = next((b for b in total if b.name == bucket.name and b.kind != kind), None)
        if clash is not None:
            raise ResourceError(f"'{bucket.name}' is given both as {clash.kind} and as {kind}")
        total[bucket] = _add(total.get(bucket), value)
    return Resources(total)


def parse_attributes(text: str) -> list[Json]:
    """Read Mesos' `--attributes`: `rack:r1;zone:z;level:2;ports:[1-2]` as v1 Attribute objects."""
    out: list[Json] = []
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        name, colon, raw = (piece.strip() for piece in part.partition(":"))
        if not (name and colon and raw):
            raise ResourceError(f"'{part}' is not NAME:VALUE")
        try:
            kind, value = parse_value(raw)
        except ResourceError:
            if raw[0] in "[{":
                raise
            out.append({"name": name, "type": "TEXT", "text": {"value": raw}})
            continue
        if kind == SET:
            raise ResourceError(f"'{part}': an attribute cannot be a set")
        json_value = _to_json(Bucket(name, kind), value, refined=True, allocated=False)
        out.append(json_value)
    return out
