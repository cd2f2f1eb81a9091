"""File names in tracebacks as they were where the job was submitted.

Modules that came with a job lie in its directory on an agent, which is gone with the job, and whose
path says nothing to the user.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

MODULES_SUFFIX = ".modules.zip"
"""Of the archive of modules that lay beside the script."""

_origins: dict[str, str] = {}
_roots: list[Path] = []


def modules_in(root: Path) -> None:
    """From now on, modules of the job lie below this directory, in it and in archives."""
    _roots[:] = [root.absolute()]
    _origins.clear()


def came_from(origins: Mapping[str, str]) -> None:
    """The paths of modules and packages beside the script in the client, by file name."""
    _origins.update(origins)


def as_submitted(text: str) -> str:
    """A traceback with the user's own file names."""
    if not _roots:
        return text
    return re.sub(rf'(?<=File "){re.escape(str(_roots[0]))}/([^"\\n]+)', _origin, text)


def _origin(found: re.Match[str]) -> str:
    archive, _, rest = found[1].partition("/")
    if not archive.endswith(MODULES_SUFFIX):
        return found[1]
    first, slash, more = rest.partition("/")
    return _origins.get(first, first) + slash + more
