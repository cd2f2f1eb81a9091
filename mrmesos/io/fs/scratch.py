"""Temporary directories that are removed even if their process is killed.

Each process locks its directory. A killed process leaves a directory without a lock, and the next
directory with the same prefix removes it. A lock works across containers that share /tmp, and is
never reused. A process id has neither property.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
import weakref
from pathlib import Path

SETTLED_SECONDS = 60.0
"""A younger directory may exist but not be locked yet."""


class Scratch(tempfile.TemporaryDirectory[str]):
    """A temporary directory at `name`, until `cleanup()` or the end of the process.

    First removes abandoned directories with the same prefix.
    """

    def __init__(self, prefix: str) -> None:
        remove_abandoned(prefix)
        super().__init__(prefix=prefix)
        lock = os.open(self.name, os.O_RDONLY | os.O_DIRECTORY)
        self._unlock = weakref.finalize(self, os.close, lock)
        with contextlib.suppress(OSError):  # no locks on this filesystem: nothing gets removed
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def cleanup(self) -> None:
        """Remove the directory and release its lock."""
        super().cleanup()
        self._unlock()


def remove_abandoned(prefix: str) -> None:
    """Remove this user's temporary directories with this prefix that no process has locked."""
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with contextlib.suppress(OSError):  # another process removed it, or has locked it
            status = path.lstat()
            young = time.time() - status.st_ctime < SETTLED_SECONDS
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or young:
                continue
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)
