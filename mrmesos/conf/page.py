"""Writing docs/settings.md."""

from __future__ import annotations

from mrmesos.conf.values import SETTINGS
from mrmesos.conf.variables import OF_USERS

_HEAD = """\
# Settings

Written from `mrmesos/conf/` by `python -m mrmesos.conf`. [Configuration](configuration.md) says
where settings are given, and which place wins. `mrmesos config show` lists values and origins.

Every setting has three spellings. `map.memory.mb` is for `-D`, `Job.conf` and `mrmesos.toml`.
`MRMESOS_MAP_MEMORY_MB` is its variable. `Settings(map_memory_mb=2048)` is its form in Python."""


def settings_page() -> str:
    """The text of docs/settings.md: one table for each scope."""
    titles = {
        "job": "Settings of a job, given by `mrmesos submit -D name=value` or `Job.conf`",
        "jobtracker": "Settings of a JobTracker, given by `mrmesos jobtracker -D name=value`, "
        "or by `submit` if it starts its own",
        "access": "Settings of access, given to both `mrmesos jobtracker` and `submit`",
    }
    lines = [_HEAD]
    for scope, title in titles.items():
        lines += ["", f"## {title}", "", "| name | default | unit | meaning |", "|---|---|---|---|"]
        for setting in SETTINGS.values():
            if setting.scope == scope:
                default = f"`{setting.default_text}`" if setting.default_text else ""
                unit = setting.unit.replace("|", " or ")
                lines.append(f"| `{setting.name}` | {default} | {unit} | {setting.doc} |")
    lines += ["", "## Other variables of the environment", "", "| name | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {words} |" for name, words in OF_USERS.items()]
    return "\n".join(lines) + "\n"
