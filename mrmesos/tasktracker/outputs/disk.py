"""Checks whether a TaskTracker's directory can still be used (Hadoop's DiskChecker)."""

from __future__ import annotations

from pathlib import Path

_PROBE = b"probe" * 1000
_NAME = "disk.probe"


def trouble(sandbox: Path, needed: Path) -> str:
    """Why no attempt can run here: the file `needed` is gone, or nothing can be written to the
    disk.

    Empty if attempts can run.
    """
    try:
        needed.stat()
        probe = sandbox / _NAME
        probe.write_bytes(_PROBE)
        probe.unlink()
    except OSError as problem:
        return str(problem)
    return ""
