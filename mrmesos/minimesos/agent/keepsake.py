"""Keeps the output of failed executors and commands when their sandboxes are removed."""

from __future__ import annotations

import logging
from pathlib import Path

log = logging.getLogger(__name__)

MAX_KEPT = 20
MAX_BYTES = 1 << 20
"""Only this last part of each file is kept."""


def keep(sandbox: Path, directory: Path) -> None:
    """Copy the ends of `stdout` and `stderr` to `directory`/(executor id).

    Creates `directory` if needed. Keeps at most MAX_KEPT executors.
    """
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        place = directory / sandbox.parent.parent.name
        if len(list(directory.iterdir())) >= MAX_KEPT and not place.exists():
            return
        place.mkdir(mode=0o700, exist_ok=True)
        for name in ("stdout", "stderr"):
            if (sandbox / name).is_file():
                with (sandbox / name).open("rb") as file:
                    file.seek(max(0, file.seek(0, 2) - MAX_BYTES))
                    (place / name).write_bytes(file.read(MAX_BYTES))
    except OSError as problem:
        log.warning("cannot keep the output of the failed executor in %s: %s", sandbox, problem)
