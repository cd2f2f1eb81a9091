"""File names in tracebacks, rewritten to the paths on the client's host.

On an agent, the modules of a job are in the job's directory. That directory is deleted with the
job, and its path tells the user nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

MODULES_SUFFIX = ".modules.zip"
"""Suffix of the archive of the modules that were in the script's directory."""

_origins: dict[str, str] = {}
_roots: list[Path] = []


def modules_in(root: Path) -> None:
    """Set the directory that holds the job's modules and their archives in this process."""
    _roots[:] = [root.absolute()]
    _origins.clear()


def came_from(origins: Mapping[str, str]) -> None:
    """Add the client's paths of modules and packages in the script's directory, by file name."""
    _origins.update(origins)


def as_submitted(text: str) -> str:
    """The traceback with the client's file names."""
    if not _roots:
        return text
    return re.sub(rf'(?<=File "){re.escape(str(_roots[0]))}/([^"\\n]+)', _origin, text)


def _origin(found: re.Match[str]) -> str:
    archive, _, rest = found[1].partition("/")
    if not archive.endswith(MODULES_SUFFIX):
        return found[1]
    first, slash, more = rest.partition("/")
    return _origins.get(first, first) + slash + more
