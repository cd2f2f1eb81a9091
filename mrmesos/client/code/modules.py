"""Finds the modules beside a job's script that the job needs, and packs them into a zip file.

We read the sources: every `import` in the script, also inside functions, and every `import` in the
modules found in this way. Only modules in the script's directory count. We do not take the whole
directory, because scripts are often in home directories and repositories. We take a package whole,
with its data files. We add modules that the script imported in other ways (`importlib`).
"""

from __future__ import annotations

import ast
import io
import os
import sys
import sysconfig
import zipfile
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from mrmesos.client.code.script import is_engines, is_installed
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.resources import mebibytes

MAX_MODULES_BYTES = 64 << 20

_NOT_OURS = frozenset({"mrmesos", "__main__", "__mp_main__", *sys.stdlib_module_names})
_INSTALLED = frozenset({"site-packages", "dist-packages"})


def needed_beside(script: Path) -> dict[str, Path]:
    """The needed modules (files) and packages (directories), by top-level name."""
    directory = script.parent
    if _INSTALLED & set(directory.parts):
        return {}
    found: dict[str, Path] = {}
    unread = [script]
    while unread:
        for name in sorted(_imported(unread.pop())):
            place = None if name in found else _place(name, directory)
            if place == script and is_installed(name, directory):
                continue  # e.g. a script numpy.py that imports numpy
            if place is not None:
                found[name] = place
                unread += _sources(place)
    for name in {name.partition(".")[0] for name in list(sys.modules)} - found.keys():
        origin = origin_of(sys.modules.get(name))
        if origin is None or directory not in (origin.parent, origin.parent.parent):
            continue
        place = _place(name, directory)
        if place not in (None, script) and origin in (place, place / "__init__.py"):
            found[name] = place
    for name, place in _by_other_entries(script, found):
        found.setdefault(name, place)
    return found


def zipped(modules: dict[str, Path]) -> bytes:
    """Zip the modules; empty for no modules. The same contents give the same bytes.

    Raises UsageProblem if they are too large.
    """
    if not modules:
        return b""
    files = [file for place in modules.values() for file in _files(place)]
    total = sum(file.stat().st_size for _, file in files)
    if total > MAX_MODULES_BYTES:
        largest = max(files, key=lambda each: each[1].stat().st_size)[1]
        raise UsageProblem(
            f"the modules beside the script ({', '.join(sorted(modules))}) have "
            f"{mebibytes(total >> 20)}, over {mebibytes(MAX_MODULES_BYTES >> 20)}; send data files "
            f"with --files (the largest file "
            f"is {largest})"
        )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in sorted(files):
            archive.writestr(zipfile.ZipInfo(name), file.read_bytes(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _by_other_entries(script: Path, taken: dict[str, Path]) -> Iterator[tuple[str, Path]]:
    """Top-level modules below the script's directory, found by other `sys.path` entries."""
    for module in _below(script.parent, taken):
        origin = origin_of(module)
        if "." in module.__name__ or origin in (None, script):
            continue
        place = origin.parent if origin.name == "__init__.py" else origin
        if place.stem == module.__name__ and place not in (script.parent, *script.parents):
            yield module.__name__, place


def unreachable(script: ModuleType, directory: Path, taken: dict[str, Path]) -> list[ModuleType]:
    """Imported modules below `directory` that are neither installed nor taken.

    Workers would not find them by their names.
    """
    return [each for each in _below(directory, taken) if each is not script]


def not_installed(sent: Iterable[Path]) -> list[ModuleType]:
    """Imported top-level modules that lie outside the installed packages, and are not `sent`.

    Workers of another process would not find them, or would find an older version of them.
    """
    apart = {"mrmesos", "__main__", "__mp_main__"}
    files = {_resolved(str(path)) for path in sent}
    installed = _installed_roots()
    found = []
    for name, module in list(sys.modules.items()):
        if "." in name or name in apart or getattr(module, "__name__", None) != name:
            continue
        origin = origin_of(module)
        if origin is None or origin in files or _INSTALLED & set(origin.parts):
            continue
        if not any(_is_in(origin, place) for place in installed):
            found.append(module)
    return found


@lru_cache(maxsize=1)
def _installed_roots() -> frozenset[Path]:
    return frozenset(
        Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")
    )


def _below(directory: Path, taken: dict[str, Path]) -> list[ModuleType]:
    installed = _installed_roots()
    found = []
    for name, module in list(sys.modules.items()):
        top = name.partition(".")[0]
        if getattr(module, "__name__", None) != name:
            continue
        if top in taken or top in ("mrmesos", "__main__", "__mp_main__"):
            continue
        origin = origin_of(module)
        if origin is None or not _is_in(origin, directory) or _INSTALLED & set(origin.parts):
            continue
        if any(_is_in(origin, place) for place in installed if place != directory):
            continue
        found.append(module)
    return found


def _is_in(path: Path, directory: Path) -> bool:
    """Whether the path is below the directory. `parents` would make a Path for each of its
    parents.
    """
    return path != directory and str(path).startswith(os.path.join(directory, ""))  # noqa: PTH118


def origin_of(module: object) -> Path | None:
    """The file or directory of a module, or None."""
    file = getattr(module, "__file__", None)
    if isinstance(file, str):
        return _resolved(file)
    for place in getattr(module, "__path__", None) or ():
        return _resolved(str(place))
    return None


@lru_cache(maxsize=8192)
def _resolved(file: str) -> Path:
    """The answer is kept: a submit asks three times for each of some hundred modules. To resolve
    each file alone costs 50 us, so we resolve each directory once.
    """
    directory, name = os.path.split(file)
    if name in ("", ".", "..") or os.path.islink(file):  # noqa: PTH114
        return Path(file).resolve()
    return _resolved_directory(directory) / name


@lru_cache(maxsize=8192)
def _resolved_directory(path: str) -> Path:
    return Path(path).resolve()


def _imported(source: Path) -> set[str]:
    """Top-level names that a source imports anywhere; none if it is not valid Python."""
    try:
        tree = ast.parse(source.read_bytes())
    except (SyntaxError, ValueError):  # importing it would fail, so no job needs it
        return set()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def _place(name: str, directory: Path) -> Path | None:
    """The place of a module in `directory`; None if Python would find another one first."""
    if name in _NOT_OURS:
        return None
    spec = PathFinder.find_spec(name, [str(directory)])
    if spec is None or is_engines(name, directory):
        return None
    if spec.origin is not None and spec.has_location:
        origin = Path(spec.origin)
        return origin.parent if spec.submodule_search_locations is not None else origin
    # A directory without __init__.py counts only if no other module has the name.
    return directory / name if _is_namespace(PathFinder.find_spec(name)) else None


def _is_namespace(spec: ModuleSpec | None) -> bool:
    return spec is None or not spec.has_location


def _sources(place: Path) -> Iterator[Path]:
    return (file for _, file in _files(place) if file.suffix == ".py")


def _files(place: Path) -> Iterator[tuple[str, Path]]:
    """The files of a module or package, each with its name in the archive."""
    if place.is_file():
        yield place.name, place
        return
    for current, directories, names in os.walk(place):
        directories[:] = [
            each for each in directories if each != "__pycache__" and not each.startswith(".")
        ]
        for name in names:
            file = Path(current, name)
            if not name.startswith(".") and file.is_file():
                yield str(file.relative_to(place.parent)), file
