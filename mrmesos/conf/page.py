"""Writing docs/settings.md."""

from __future__ import annotations

from mrmesos.conf.values import SETTINGS


def settings_page() -> str:
    """The text of docs/settings.md: one table for each scope."""
    titles = {
        "job": "Settings of a job, given by `mrmesos submit -D name=value` or `Job.conf`",
        "jobtracker": "Settings of a JobTracker, given by `mrmesos jobtracker -D name=value`, "
        "or by `submit` if it starts its own",
        "access": "Settings of access, given to both `mrmesos jobtracker` and `submit`",
    }
    lines = ["# Settings", "", "Written from `mrmesos/conf/` by `python -m mrmesos.conf`."]
    for scope, title in titles.items():
        lines += ["", f"## {title}", "", "| name | default | unit | meaning |", "|---|---|---|---|"]
        for setting in SETTINGS.values():
            if setting.scope == scope:
                default = f"`{setting.default}`" if setting.default != "" else ""
                unit = setting.unit.replace("|", " or ")
                lines.append(f"| `{setting.name}` | {default} | {unit} | {setting.doc} |")
    return "\n".join(lines) + "\n"
