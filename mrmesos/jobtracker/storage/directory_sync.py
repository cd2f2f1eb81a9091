"""Syncs a directory, so that files in it keep their names after a power failure (fsync(2))."""

from __future__ import annotations

import os
from pathlib import Path


def sync_directory(directory: Path) -> None:
    """Sync the entries of a directory to the disk. Raises OSError.

    The files themselves are synced apart.
    """
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
