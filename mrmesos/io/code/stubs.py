"""Stub modules on `sys.path` that stand for user code, in this process and its child processes.

`multiprocessing` passes `sys.path` to its processes with every start method, but not
`sys.modules`. So child processes can import a stub, but not a module that exists only in memory.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path

_directories: list[Path] = []
_pickles: list[Path] = []
_scratch: list[tempfile.TemporaryDirectory[str]] = []


def stubs_in(directory: Path, pickled: Path) -> None:
    """Write later stubs to this directory. `pickled` is the file that this process unpickles."""
    _directories[:] = [directory]
    _pickles[:] = [pickled.absolute()]


def pickled() -> Path | None:
    """The file that this process unpickles, if it is known."""
    return _pickles[0] if _pickles else None


def add_stub(name: str, text: str, blob: bytes = b"") -> None:
    """Make a module with this source importable. Raises OSError."""
    if not _directories:
        _scratch.append(tempfile.TemporaryDirectory(prefix="mrmesos-script-"))
        _directories.append(Path(_scratch[-1].name))
    directory = _directories[0]
    write_stub(directory, name, text, blob)
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))
    importlib.invalidate_caches()


def write_stub(directory: Path, name: str, text: str, blob: bytes = b"") -> None:
    """Write the module, and its data to `<name>.data` in the same directory. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    if blob:
        _write(directory / f"{name}.data", blob)
    _write(directory / f"{name}.py", text.encode("utf-8", "backslashreplace"))


def _write(path: Path, data: bytes) -> None:
    """Write the whole file at once: several workers of a job write the same file."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    Path(file.name).replace(path)
