"""Settings with names and types that editors and type checkers know."""

from __future__ import annotations

from typing import Unpack

from mrmesos.api.setting_types import SettingTypes
from mrmesos.conf import SETTINGS
from mrmesos.conf.names import likely, python_name


class Settings(dict[str, str | int | float | bool]):
    """Settings by their Python names: `Settings(map_memory_mb=2048)` is `{"map.memory.mb": 2048}`.

    For `Job.conf`, `Chain.conf` and the `conf` of `run` and `run_job`. Add parameters of your own
    like this: `Settings(map_memory_mb=2048) | {"threshold": 3}`. An unknown name or a value of the
    wrong type raises at once: TypeError, ConfError.
    """

    def __init__(self, **values: Unpack[SettingTypes]) -> None:
        known = {python_name(name): setting for name, setting in SETTINGS.items()}
        super().__init__()
        for keyword, value in values.items():
            setting = known.get(keyword)
            if setting is None:
                near = likely(keyword, known)
                hint = f"; did you mean {near}?" if near else " (docs/settings.md lists them)"
                raise TypeError(f"Settings() has no setting {keyword!r}{hint}")
            assert isinstance(value, str | int | float)
            setting.parse(str(value).lower() if isinstance(value, bool) else str(value))
            self[setting.name] = value
