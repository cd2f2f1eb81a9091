"""The shell command that starts a TaskTracker of this Python and this mrmesos.

JobTrackers send this command to agents. A local cluster knows it before the first launch.
Standard library only.
"""

from __future__ import annotations

import shlex
import sysconfig
from pathlib import Path

import mrmesos


def tracker_shell(python: str) -> str:
    """The shell command that starts a TaskTracker with this interpreter, a path or a name.

    `-P`: files in the sandbox must not be imported instead of real modules.
    """
    return f"exec {shlex.quote(python)} -P -m mrmesos.tasktracker"


def own_source_tree() -> str | None:
    """The directory that PYTHONPATH needs for this mrmesos, or None."""
    package = Path(mrmesos.__file__).resolve().parent
    return source_tree(Path(sysconfig.get_path("purelib")), package)


def source_tree(purelib: Path, package: Path) -> str | None:
    """The directory that PYTHONPATH needs for `package` (mrmesos' own directory), or None.

    An installed package needs none. It is installed if it is below `purelib`, or if a `.pth` file
    there names its parent, as in editable installs.
    """
    root = package.parent
    if root == purelib:
        return None
    for pth in sorted(purelib.glob("*mrmesos*.pth")):
        if str(root) in pth.read_text(encoding="utf-8").splitlines():
            return None
    return str(root)
