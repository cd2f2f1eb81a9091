"""The JSON schema of `mrmesos.toml`, made from the table of settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mrmesos.conf.declaring import AUTO, AnySetting
from mrmesos.conf.values import SETTINGS

Json = dict[str, Any]
_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}
_PARAMETER = {"type": ["string", "number", "integer", "boolean", "object"]}


def toml_schema() -> Json:
    """The schema. Settings may be written as dotted keys, as tables, or as one key in quotes."""
    table = {
        "jobtracker": _text("Where `submit`, `job` and `ui` go: http://host:port or zk://…"),
        "master": _text("The Mesos master of `mrmesos jobtracker` and `submit`: host:port, zk://…"),
        "token_file": _text(SETTINGS["jobtracker.token.file"].doc),
        "settings": {"$ref": "#/$defs/settings"},
    }
    profile = {"type": "object", "additionalProperties": False, "properties": dict(table)}
    profiles = {
        "description": "Values that --profile NAME chooses.",
        "type": "object",
        "additionalProperties": profile,
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "mrmesos.toml",
        "type": "object",
        "additionalProperties": False,
        "properties": {**table, "profile": profiles},
        "$defs": {"settings": _settings()},
    }


def _settings() -> Json:
    """Other names are parameters of jobs, but not where a setting's name begins alike."""
    root = _tree({tuple(name.split(".")): each for name, each in SETTINGS.items()}, "")
    quoted = {name: _setting(each) for name, each in SETTINGS.items() if "." in name}
    root["properties"] |= quoted
    root["additionalProperties"] = _PARAMETER
    return root


def _tree(settings: Mapping[tuple[str, ...], AnySetting], before: str) -> Json:
    heads: dict[str, dict[tuple[str, ...], AnySetting]] = {}
    for parts, setting in settings.items():
        heads.setdefault(parts[0], {})[parts[1:]] = setting
    properties: Json = {}
    for head, below in heads.items():
        own = below.pop((), None)
        kinds = [_setting(own)] if own is not None else []
        if below:
            kinds.append(_tree(below, f"{before}{head}."))
        # `pools` or `pools.file`: a file with both writes one of them in quotes.
        properties[head] = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
        for parts, setting in below.items():
            if before:
                properties[f"{head}.{'.'.join(parts)}"] = _setting(setting)
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _setting(setting: AnySetting) -> Json:
    words = f"{setting.doc} ({setting.unit})"
    kind: Json = {"type": _TYPES[setting.kind], "description": words}
    if setting.kind is str and str(setting.default).isdigit():  # "1", or "3 offers"
        kind["type"] = ["string", "number"]
    if setting.kind is not str or setting.default:
        kind["default"] = setting.default
    if setting.minimum is not None:
        kind["minimum"] = setting.minimum
    choices = setting.unit.split("|")
    if setting.kind is str and len(choices) > 1:
        kind["enum"] = choices
    if setting.auto:
        number = kind.pop("default")
        default = AUTO if setting.default_text == AUTO else number
        return {"anyOf": [kind, {"const": AUTO}], "default": default}
    return kind


def _text(words: str) -> Json:
    return {"type": "string", "description": words}
