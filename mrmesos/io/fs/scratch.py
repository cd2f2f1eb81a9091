"""Temporary directories that do not outlive their process for long, however it ends.

Each is locked by the process that has it. What was left by one that was killed is locked by nobody,
and removed when the next of its kind is made. A lock, unlike a process id, means the same to
processes in different containers that share the directory, and is never reused.
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
"""A directory that is younger may have been made and not locked yet."""


class Scratch(tempfile.TemporaryDirectory[str]):
    """A temporary directory at `name`, until `cleanup()` or the end of the process."""

    def __init__(self, prefix: str) -> None:
        """Made after those with this prefix that nobody has any more were removed."""
        remove_abandoned(prefix)
        super().__init__(prefix=prefix)
        lock = os.open(self.name, os.O_RDONLY | os.O_DIRECTORY)
        self._unlock = weakref.finalize(self, os.close, lock)
        with contextlib.suppress(OSError):  # a filesystem without locks: then nobody removes any
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def cleanup(self) -> None:
        """Remove it."""
        super().cleanup()
        self._unlock()


def remove_abandoned(prefix: str) -> None:
    """Remove this user's temporary directories with this prefix that no process has locked."""
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with contextlib.suppress(OSError):  # another process was first, or has it
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
