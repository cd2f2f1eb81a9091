"""Modules that stand for user code on `sys.path`, for this process and those that it starts.

`multiprocessing` hands `sys.path` on, whatever its start method; so what is found there is found in
its processes, unlike what is in `sys.modules` alone.
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
    """Stubs are made in this directory from now on, for what is unpickled from this file."""
    _directories[:] = [directory]
    _pickles[:] = [pickled.absolute()]


def pickled() -> Path | None:
    """The file that is unpickled here, where that is known."""
    return _pickles[0] if _pickles else None


def add_stub(name: str, text: str, blob: bytes = b"") -> None:
    """Make a module of this text importable. Raises OSError."""
    if not _directories:
        _scratch.append(tempfile.TemporaryDirectory(prefix="mrmesos-script-"))
        _directories.append(Path(_scratch[-1].name))
    directory = _directories[0]
    write_stub(directory, name, text, blob)
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))
    importlib.invalidate_caches()


def write_stub(directory: Path, name: str, text: str, blob: bytes = b"") -> None:
    """The module, and what it reads, in `<name>.data` beside it. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    if blob:
        _write(directory / f"{name}.data", blob)
    _write(directory / f"{name}.py", text.encode("utf-8", "backslashreplace"))


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all: several workers of a job write the same."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    Path(file.name).replace(path)
