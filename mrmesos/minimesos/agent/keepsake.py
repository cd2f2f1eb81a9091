"""What executors and commands that failed had printed, kept when their sandboxes go."""

from __future__ import annotations

import logging
from pathlib import Path

log = logging.getLogger(__name__)

MAX_KEPT = 20
MAX_BYTES = 1 << 20
"""Of each file, its end."""


def keep(sandbox: Path, directory: Path) -> None:
    """Copy the ends of `stdout` and `stderr` to a directory of the executor's name. It makes
    `directory` first, and keeps no more than MAX_KEPT.
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
        log.warning("what failed in %s is not kept: %s", sandbox, problem)
