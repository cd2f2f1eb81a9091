"""How attempts see the files of their job: as links in the job's directory.

`context.cached(name)` returns `jobs/<job_id>/files/<name>`. Modules lie in `jobs/<job_id>/python`.
This directory is on `sys.path`, and so is each unpacked archive of modules in it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from mrmesos.wire.job import FileKind, JobFile

_FILES, _PYTHON = "files", "python"


def is_unpacked(file: JobFile) -> bool:
    """Whether tasks see the unpacked directory instead of the file itself."""
    if file.kind is FileKind.PYTHON:
        return not file.name.endswith(".py")
    return file.kind is FileKind.ARCHIVE


def named_files(given: Iterable[str]) -> list[str]:
    """The files of options such as `--files`. Commas separate them, as in Hadoop.

    A text that is the name of an existing file is one file, even with commas.
    """
    return [
        text for texts in given for text in ([texts] if Path(texts).exists() else texts.split(","))
    ]


def link(job_dir: Path, file: JobFile, target: Path) -> None:
    """Link the file at `target` into the job's directory. Raises OSError."""
    place = job_dir / (_PYTHON if file.kind is FileKind.PYTHON else _FILES) / file.name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(target.absolute())


def cached(job_dir: Path, files: Iterable[JobFile]) -> Mapping[str, Path]:
    """The paths that `context.cached` returns, by name."""
    named = (file.name for file in files if file.kind is not FileKind.PYTHON)
    return {name: job_dir / _FILES / name for name in named}


def import_from(job_dir: Path, files: Iterable[JobFile]) -> None:
    """Put the job's modules first on `sys.path`, in the order of `files`."""
    place = job_dir / _PYTHON
    paths = []
    for file in files:
        if file.kind is FileKind.PYTHON:
            path = str(place / file.name) if is_unpacked(file) else str(place)
            if path not in paths:
                paths.append(path)
    sys.path[:0] = paths


def forget_imports(job_dir: Path) -> None:
    """Undo `import_from`, for a process that gets another job. The next job imports its own
    modules.
    """
    place = str(job_dir / _PYTHON)
    sys.path[:] = [path for path in sys.path if not f"{path}/".startswith(f"{place}/")]
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.startswith(f"{place}/"):
            del sys.modules[name]
