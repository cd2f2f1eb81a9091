"""Protobuf's text format of ExecutorInfo: Mesos quotes it in an error when two of them differ."""

from __future__ import annotations

import json

from mrmesos.minimesos.model.resources import Json, format_scalar

# Fields in the order of their numbers in mesos.proto. Other fields follow by name.
_NAMES = (
    "executor_id",
    "data",
    "resources",
    "uris",
    "environment",
    "variables",
    "name",
    "type",
    "scalar",
    "ranges",
    "set",
    "range",
    "begin",
    "end",
    "item",
    "value",
    "allocation_info",
    "role",
    "reservations",
    "user",
    "shell",
    "arguments",
    "command",
    "framework_id",
    "executor_name",
    "source",
    "container",
    "discovery",
    "shutdown_grace_period",
    "labels",
)
_ORDER = {name: number for number, name in enumerate(_NAMES)}
_ENUMS = ("type",)


def _rank(depth: int, name: str) -> tuple[int, str]:
    if depth == 0 and name == "name":  # an executor's name comes after its command
        return _ORDER["executor_name"], name
    return _ORDER.get(name, len(_ORDER)), name


def _lines(value: Json, depth: int, skip: frozenset[tuple[str, object]]) -> list[str]:
    pad, out = "  " * depth, []
    for name in sorted(value, key=lambda n: _rank(depth, n)):
        field = value[name]
        for one in field if isinstance(field, list) else [field]:
            if one is None or (isinstance(one, str | bool) and (name, one) in skip):
                continue
            if isinstance(one, dict):
                out += [f"{pad}{name} {{", *_lines(one, depth + 1, skip), f"{pad}}}"]
            elif isinstance(one, bool):
                out.append(f"{pad}{name}: {str(one).lower()}")
            elif isinstance(one, int | float):
                out.append(f"{pad}{name}: {format_scalar(round(one * 1000))}")
            elif name in _ENUMS:
                out.append(f"{pad}{name}: {one}")
            else:
                out.append(f"{pad}{name}: {json.dumps(one)}")
    return out


def executor_text(info: Json) -> str:
    """Return what `ExecutorInfo.DebugString()` returns."""
    return "\n".join(_lines(info, 0, frozenset({("type", "VALUE")}))) + "\n"
