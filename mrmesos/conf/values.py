"""The table of all settings, and the values that users gave."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping

from mrmesos.conf import access, io, job, jobtracker, mesos, tasktracker
from mrmesos.conf.declaring import AnySetting, ConfError, Setting, T

SETTINGS: Mapping[str, AnySetting] = {
    setting.name: setting
    for module in (job, io, access, jobtracker, mesos, tasktracker)
    for setting in vars(module).values()
    if isinstance(setting, Setting)
}
"""All settings by name, in the order of docs/settings.md."""

_IN_CODE = {
    "textinputformat.record.delimiter": 'input_format = TextInput(delimiter=b"…")',
}
"""Settings of Hadoop that are part of a job's code here; `mrmesos streaming` knows them."""


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

    def check(self) -> list[str]:
        """Raise ConfError at the first bad value; return warnings about likely misspellings."""
        warnings = []
        for name, text in self._values.items():
            setting = SETTINGS.get(name)
            if setting is not None:
                setting.parse(text)
            elif name in _IN_CODE:
                warnings.append(f"-D {name} has no effect; write {_IN_CODE[name]} in the job")
            elif close := difflib.get_close_matches(name, SETTINGS, n=1, cutoff=0.85):
                warnings.append(f"-D {name} is not a setting of mrmesos; did you mean {close[0]}?")
        return warnings


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
