"""The table of all settings, and the values that users gave."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from mrmesos.conf import access, io, job, jobtracker, mesos, tasktracker
from mrmesos.conf.declaring import AnySetting, ConfError, Setting, T
from mrmesos.conf.names import misspelt_setting

SETTINGS: Mapping[str, AnySetting] = {
    setting.name: setting
    for module in (job, io, access, jobtracker, mesos, tasktracker)
    for setting in vars(module).values()
    if isinstance(setting, Setting)
}
"""All settings by name, in the order of docs/settings.md."""


class Conf(Mapping[str, str]):
    """An immutable mapping of setting names to text. `get_as(SETTING)` returns the typed value.

    Names that are not settings of mrmesos are the job's own parameters and stay unchanged.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def get_as(self, setting: Setting[T]) -> T:
        """The setting's value, or its default. Raises ConfError for a value of the wrong type."""
        text = self._values.get(setting.name)
        return setting.default if text is None else setting.parse(text)

    def merged(self, other: Mapping[str, str]) -> Conf:
        """These settings, overridden by those of `other`."""
        return Conf({**self._values, **other})

    def without(self, setting: AnySetting) -> Conf:
        """These settings, but not this one."""
        return Conf({name: text for name, text in self._values.items() if name != setting.name})

    def check(self, origin: str = "") -> list[str]:
        """Raise ConfError at the first bad value; return a warning for each misspelt name.

        `origin` says where the values stand, such as `-D` or a file.
        """
        where = f"{origin}: " if origin else ""
        warnings = []
        for name, text in self._values.items():
            setting = SETTINGS.get(name)
            if setting is None:
                if wrong := misspelt_setting(name, SETTINGS):
                    warnings.append(f"{where}{wrong}")
                continue
            try:
                setting.parse(text)
            except ConfError as problem:
                raise ConfError(f"{where}{problem}") from None
        return warnings

    def check_service(self, origin: str = "") -> None:
        """The same for a service. It has no parameters, so a name that is no setting raises, too.

        Raises ConfError.
        """
        if warnings := self.check(origin):
            raise ConfError(warnings[0])
        for name in self._values:
            if name not in SETTINGS:
                raise ConfError(
                    f"{origin + ': ' if origin else ''}{name} is not a setting of mrmesos "
                    "(docs/settings.md lists all)"
                )


def parse_assignments(assignments: tuple[str, ...] | list[str]) -> dict[str, str]:
    """`["a=1", "b=x=y"]` to `{"a": "1", "b": "x=y"}`. Raises ConfError if there is no `=`."""
    values = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ConfError(f"-D {text}: expected name=value")
        values[name.strip()] = value
    return values


def conf_from_environment(environ: Mapping[str, str]) -> Conf:
    """The settings from the variable MRMESOS_CONF, which a JobTracker sets for TaskTrackers.

    Raises ConfError if the variable is not a JSON object.
    """
    try:
        values = json.loads(environ.get("MRMESOS_CONF") or "{}")
        return Conf({str(name): str(text) for name, text in values.items()})
    except (json.JSONDecodeError, AttributeError) as problem:
        raise ConfError(f"MRMESOS_CONF is not a JSON object: {problem}") from problem
