"""Writes `mrmesos/api/setting_types.py`: the types of all settings, for type checkers."""

from __future__ import annotations

from mrmesos.conf.declaring import AUTO, AnySetting
from mrmesos.conf.names import python_name
from mrmesos.conf.values import SETTINGS

_HEAD = '''\
"""The types of settings as keywords. Written from `mrmesos/conf/` by `python -m mrmesos.conf`."""

from __future__ import annotations

from typing import Literal, TypedDict


class SettingTypes(TypedDict, total=False):
    """The keywords of `Settings`."""

'''


def typed_source() -> str:
    """The text of the module."""
    lines = (f"    {python_name(each.name)}: {_type(each)}" for each in SETTINGS.values())
    return _HEAD + "\n".join(lines) + "\n"


def _type(setting: AnySetting) -> str:
    return f'{setting.kind.__name__} | Literal["{AUTO}"]' if setting.auto else setting.kind.__name__
