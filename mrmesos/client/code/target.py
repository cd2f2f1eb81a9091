"""What a command line names: a script, and perhaps the job's class in it.

`submit` reads it before the imports that take long.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from mrmesos.client.terminal.errors import UsageProblem


class Target(msgspec.Struct, frozen=True):
    """A script and the name of the job's class in it. An empty name means the script's only job."""

    script: Path
    class_name: str


def parse_target(text: str, class_name: str | None = None) -> Target:
    """Split `job.py` or `job.py:Name`. Raises UsageProblem if there is no such script."""
    path, colon, name = text.rpartition(":")
    if not colon or not name.isidentifier() or Path(text).exists():
        path, name = text, ""
    if name and class_name and name != class_name:
        raise UsageProblem(f"{text} and --class {class_name} name different classes")
    script = Path(path)
    if script.is_dir():
        raise UsageProblem(f"{path} is a directory; name the Python file of the job")
    if not script.is_file():
        raise UsageProblem(f"{path}: no such script")
    return Target(script.resolve(), class_name or name)
