"""The first steps of each of our processes, before its other imports. Standard library only.

Users' files may be named like modules that we need (`random.py`, `queue.py`), and a process may be
started without descriptors 0 to 2. Thread: main.
"""

# ruff: noqa: PTH100, PTH117 (pathlib is much to import)

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any

PATH_LAST = "MRMESOS_PATH_LAST"
"""Directories of users on PYTHONPATH: our processes search them last, and tell their children."""


def prepare(module: bool = False) -> None:
    """Keep users' files from hiding our modules. `module`: the process was started by `python
    -m`.
    """
    open_standard_descriptors()
    if module and not sys.flags.safe_path and sys.path:
        del sys.path[0]  # the current directory
    search_last()


def search_last() -> None:
    """Search directories with a relative path in PYTHONPATH after all others.

    They become absolute, because this process starts others in other directories. Plain Python
    would search them first, also for the modules that we import.
    """
    given = os.environ.get("PYTHONPATH", "")
    if sys.flags.ignore_environment or not given:
        return
    entries = given.split(os.pathsep)
    last = [entry for entry in os.environ.get(PATH_LAST, "").split(os.pathsep) if entry]
    last += [os.path.abspath(entry) for entry in entries if not os.path.isabs(entry)]
    last = list(dict.fromkeys(last))
    if not last:
        return
    os.environ["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, entries))
    os.environ[PATH_LAST] = os.pathsep.join(last)
    found = [entry for entry in sys.path if os.path.abspath(entry) in last]
    sys.path[:] = [entry for entry in sys.path if entry not in found] + found


def open_standard_descriptors() -> None:
    """Open closed descriptors 0 to 2 on /dev/null, so that no file of ours gets one of these
    numbers.
    """
    for fd, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(fd)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != fd:
                os.dup2(opened, fd)
                os.close(opened)
            os.set_inheritable(fd, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(fd, mode, closefd=False, encoding="utf-8"))  # noqa: SIM115


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class _MayBeFull(io.FileIO):
    """A stream that drops text if the disk is full."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError as problem:
            if problem.errno not in _NO_ROOM:
                raise
            return memoryview(data).nbytes


def survive_full_stderr() -> None:
    """Progress and warnings go to stderr. If the disk is full there, the work itself must go on."""
    given = sys.stderr
    if not isinstance(given, io.TextIOWrapper):
        return
    try:
        raw = _MayBeFull(given.fileno(), "wb", closefd=False)
    except OSError:  # it has no descriptor
        return
    buffer = io.BufferedWriter(raw, 1 << 13)
    errors = given.errors or "backslashreplace"
    sys.stderr = io.TextIOWrapper(buffer, given.encoding, errors, line_buffering=True)
