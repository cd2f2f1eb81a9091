"""Settings as users gave them, and the table of all there are."""

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
"""By name, in the order of docs/settings.md."""


class Conf(Mapping[str, str]):
    """An immutable set of `name -> text` as users gave it, read by `get_as(SETTING)` with its type.

    Names that are no setting of ours are the job's own parameters and pass through untouched.
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
        """These settings with `other`'s on top."""
        return Conf({**self._values, **other})

    def check(self) -> list[str]:
        """Raise ConfError at the first bad value; return warnings about likely misspellings."""
        warnings = []
        for name, text in self._values.items():
            setting = SETTINGS.get(name)
            if setting is not None:
                setting.parse(text)
            elif close := difflib.get_close_matches(name, SETTINGS, n=1, cutoff=0.85):
                warnings.append(f"-D {name} is no setting of mrmesos; did you mean {close[0]}?")
        return warnings


def parse_assignments(assignments: tuple[str, ...] | list[str]) -> dict[str, str]:
    """`["a=1", "b=x=y"]` to `{"a": "1", "b": "x=y"}`. Raises ConfError where there is no `=`."""
    values = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ConfError(f"-D {text}: expected name=value")
        values[name.strip()] = value
    return values


def conf_from_environment(environ: Mapping[str, str]) -> Conf:
    """What a JobTracker set for its TaskTrackers and their workers, from the variable MRMESOS_CONF.

    Raises ConfError where that is no JSON object.
    """
    try:
        values = json.loads(environ.get("MRMESOS_CONF") or "{}")
        return Conf({str(name): str(text) for name, text in values.items()})
    except (json.JSONDecodeError, AttributeError) as problem:
        raise ConfError(f"MRMESOS_CONF is no JSON object: {problem}") from problem
