"""What stands in a `mrmesos.toml`: its text becomes places, settings and profiles.

jobtracker = "http://jt.example:5055"
token_file = "~/.mrmesos/token"

[settings]
map.memory.mb = 2048

[profile.prod]
jobtracker = "zk://zk1,zk2/mrmesos"

[profile.prod.settings]
job.pool = "etl"
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from mrmesos.conf.access import JOBTRACKER_TOKEN_FILE
from mrmesos.conf.declaring import ConfError
from mrmesos.conf.names import did_you_mean

PLACES = ("jobtracker", "master")
KEYS = (*PLACES, "token_file", "settings")
FILE_NAME = "mrmesos.toml"


class Table(msgspec.Struct, frozen=True):
    """The top of a file, or one profile: JobTracker and master (or empty), and settings as text."""

    jobtracker: str = ""
    master: str = ""
    settings: Mapping[str, str] = msgspec.field(default_factory=dict)


class TomlFile(msgspec.Struct, frozen=True):
    """One file."""

    path: Path
    top: Table
    profiles: Mapping[str, Table]


def parse_toml(path: Path, text: str) -> TomlFile:
    """Read the text of a file. Raises ConfError, which names the file and the key."""
    import tomllib

    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise ConfError(f"{path}: this is not TOML: {problem}") from None
    profiles = content.pop("profile", {})
    if not isinstance(profiles, dict):
        raise ConfError(f"{path}: profile: expected tables, such as [profile.prod]")
    top = _table(path, "", content)
    tables = {}
    for name, table in profiles.items():
        if not isinstance(table, dict):
            raise ConfError(f"{path}: profile.{name}: expected a table [profile.{name}]")
        tables[name] = _table(path, f"profile.{name}.", table)
    return TomlFile(path, top, tables)


def _table(path: Path, where: str, content: Mapping[str, object]) -> Table:
    for key in content:
        if key not in KEYS:
            known = KEYS if where else (*KEYS, "profile")
            hint = did_you_mean(key, known) or "; settings stand below [settings]"
            raise ConfError(f"{path}: {where}{key} is not known here{hint}")
    for key in (*PLACES, "token_file"):
        if not isinstance(content.get(key, ""), str):
            raise ConfError(f"{path}: {where}{key}: expected text")
    nested = content.get("settings", {})
    if not isinstance(nested, dict):
        raise ConfError(f"{path}: {where}settings: expected a table [{where}settings]")
    settings = dict(_flat(path, f"{where}settings.", "", nested))
    if token_file := content.get("token_file"):
        place = path.parent / Path(str(token_file)).expanduser()
        settings.setdefault(JOBTRACKER_TOKEN_FILE.name, str(place))
    return Table(str(content.get("jobtracker", "")), str(content.get("master", "")), settings)


def _flat(
    path: Path, where: str, before: str, table: Mapping[str, object]
) -> Iterator[tuple[str, str]]:
    """Dotted names: TOML reads `map.cpus = 2` as tables in tables."""
    for key, value in table.items():
        name = f"{before}{key}"
        if isinstance(value, dict):
            yield from _flat(path, where, f"{name}.", value)
        elif isinstance(value, bool):
            yield name, str(value).lower()
        elif isinstance(value, str | int | float):
            yield name, str(value)
        else:
            kind = type(value).__name__
            raise ConfError(f"{path}: {where}{name}: expected text, a number or a bool, not {kind}")
