"""Whether a TaskTracker's directory is of any use still (Hadoop's DiskChecker)."""

from __future__ import annotations

from pathlib import Path

_PROBE = b"probe" * 1000
_NAME = "disk.probe"


def trouble(sandbox: Path, needed: Path) -> str:
    """Why no attempt can work here: what every one needs is gone, or nothing can be written.

    Empty where one can.
    """
    try:
        needed.stat()
        probe = sandbox / _NAME
        probe.write_bytes(_PROBE)
        probe.unlink()
    except OSError as problem:
        return str(problem)
    return ""
