"""Imports a job's script in the client, and prepares the parts of it that are sent
(io/code/user_script).
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import keyword
import os
import pickle
import sys
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import click
from msgspec.structs import replace

import mrmesos
from mrmesos.client.code.engine_names import engine_modules
from mrmesos.client.terminal.errors import UsageProblem, one_line
from mrmesos.client.terminal.interrupts import Interrupted
from mrmesos.io.code.code_pickle import dumps
from mrmesos.io.code.stubs import write_stub
from mrmesos.io.code.user_script import Script, run, stub_of
from mrmesos.io.fs.scratch import Scratch

MAX_VALUES_BYTES = 48 << 20
"""Limit for the values that the script computed. Workers compute the rest again."""
OTHER_NAME = "mrmesos_job"
"""Module name of a script whose own name is invalid or is that of another module."""

_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})

_BY_NAME = (type, FunctionType, BuiltinFunctionType, ModuleType)
_ATOMS = (type(None), bool, int, float, complex, str, bytes)


class ImportedScript:
    """A script that has run as a module in this process."""

    def __init__(self, file: Path) -> None:
        """Run it with its directory first on sys.path, as Python does. Raises UsageProblem."""
        self.file = file
        name = _module_name(file)
        _import_beside(file)
        spec = importlib.util.spec_from_file_location(name, file)
        if spec is None or spec.loader is None:
            raise UsageProblem(f"{file.name}: not a Python file (its name must end in .py)")
        self.module = importlib.util.module_from_spec(spec)
        sys.modules[name] = self.module  # as the import system does; pickling needs this
        namespace = vars(self.module)
        self._script = Script(name, str(file), file.read_bytes(), tuple(sys.argv), {})
        self._stubs: Scratch | None = None
        if name != file.stem:
            self._for_children()
        values = _Noted(self.module)
        try:
            run(self._script, namespace, values)
        except SystemExit as problem:
            raise UsageProblem(
                f"{file.name}: calls sys.exit({problem.code!r}) when imported; "
                'keep that under `if __name__ == "__main__":`'
            ) from problem
        except (Interrupted, KeyboardInterrupt):
            raise
        except ModuleNotFoundError as problem:
            if problem.name == "mrjob":
                words = "needs mrjob, which is not installed: pip install 'mrmesos[mrjob]'"
                raise UsageProblem(f"{file.name}: {words}") from None
            raise script_problem(file, problem) from problem
        except BaseException as problem:
            raise script_problem(file, problem) from problem
        self._values = values.pickles
        self._before = {
            (path, each): (value, _fingerprint(value))
            for path, each, value in _variables(self.module)
        }

    def _for_children(self) -> None:
        """Let processes that the script starts import it by its other name."""
        self._stubs = Scratch("mrmesos-script-")
        blob = pickle.dumps(self._script, 5)
        write_stub(Path(self._stubs.name), OTHER_NAME, stub_of(self._script), blob)
        sys.path.append(self._stubs.name)

    def pickled(self, beside: Iterable[Path] = ()) -> bytes:
        """Pickle the script for workers, with all variables that changed after the import."""
        places = {place.name: str(place) for place in beside}
        return self._dumped(replace(self._script, beside=places))

    def identity(self) -> bytes:
        """The same, without the script's place and the command's words. They say nothing about the
        script.
        """
        return self._dumped(replace(self._script, file="", argv=()))

    def _dumped(self, script: Script) -> bytes:
        return pickle.dumps(replace(script, values=self._values, changes=self._changes()), 5)

    def _changes(self) -> bytes:
        """Pickle the changed variables, without those that cannot be pickled."""
        changes = []
        for path, name, value in _variables(self.module):
            was, fingerprint = self._before.get((path, name), (_ABSENT, None))
            if value is not was or fingerprint != _fingerprint(value):
                changes.append((path, name, value))
        if not changes:
            return b""
        try:
            return dumps(changes)
        except Exception:  # noqa: BLE001 -- whatever user classes raise; found below
            sound = [each for each in changes if self._can_be_pickled(*each)]
        return dumps(sound)

    def _can_be_pickled(self, path: str, name: str, value: Any) -> bool:
        """Whether `value` can be pickled. If not, a warning is printed."""
        try:
            dumps(value)
        except Exception as problem:  # noqa: BLE001 -- whatever user classes raise
            click.echo(
                f"warning: {self.file.name}: {path and path + '.'}{name} was changed after the "
                f"import, and cannot be pickled ({one_line(problem)}): tasks see the value "
                "that it had after the import",
                err=True,
            )
            return False
        return True


_ABSENT = object()


class _Noted:
    """Pickles the values that the script's statements compute, after each statement."""

    def __init__(self, module: ModuleType) -> None:
        self.pickles: dict[int, bytes] = {}
        self._module = module
        self._left = MAX_VALUES_BYTES
        self._last: _ValuePickler | None = None

    def recall(self, number: int, names: tuple[str, ...]) -> bool:  # noqa: ARG002
        return False

    def absent(self, names: tuple[str, ...], problem: ModuleNotFoundError) -> None:  # noqa: ARG002
        raise problem

    def note(self, number: int, names: tuple[str, ...]) -> None:
        namespace = vars(self._module)
        values = [namespace.get(name, _ABSENT) for name in names]
        # Workers make functions and classes again.
        if any(each is _ABSENT or isinstance(each, _BY_NAME) for each in values):
            return
        sink = _Bounded(self._left)
        pickler = _ValuePickler(sink, self._module.__name__)
        # All pickles share one memo: an object in two values is one object in workers, too.
        if self._last is not None:
            pickler.memo = self._last.memo
        try:
            pickler.dump(values)
        except Exception:  # noqa: BLE001 -- workers compute again what cannot be pickled
            return
        self._last = pickler
        self.pickles[number] = sink.getvalue()
        self._left -= len(self.pickles[number])


class _ValuePickler(pickle.Pickler):
    """Refuses values with functions, classes or objects of the script: workers make them again."""

    def __init__(self, sink: io.BytesIO, own: str) -> None:
        super().__init__(sink, pickle.HIGHEST_PROTOCOL)
        self._own = own

    def reducer_override(self, obj: Any) -> Any:
        """Pickle calls this for all objects except plain data."""
        if getattr(obj, "__module__", None) == self._own:
            raise pickle.PicklingError("of the script itself")
        return NotImplemented


class _Bounded(io.BytesIO):
    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > self._most:
            raise ValueError(f"over {self._most:,} bytes")
        return super().write(data)


def _variables(module: ModuleType) -> Iterator[tuple[str, str, Any]]:
    """Variables of a module and of its own classes, as (class name or "", name, value)."""
    yield from _own_variables("", module)
    seen: set[type] = set()
    classes = [each for each in vars(module).values() if isinstance(each, type)]
    while classes:
        cls = classes.pop()
        if cls in seen or cls.__module__ != module.__name__ or "<" in cls.__qualname__:
            continue
        seen.add(cls)
        yield from _own_variables(cls.__qualname__, cls)
        classes += [each for each in vars(cls).values() if isinstance(each, type)]


def _own_variables(path: str, holder: ModuleType | type) -> Iterator[tuple[str, str, Any]]:
    for name, value in list(vars(holder).items()):
        hidden = name.startswith(("__", "_abc_", "_mrmesos"))
        if not hidden and not isinstance(value, ModuleType):
            yield path, name, value


def _fingerprint(value: Any) -> bytes | None:
    """A hash of an object's contents, to notice changes in place; None if it cannot change."""
    if isinstance(value, (*_BY_NAME, *_ATOMS)):
        return None
    sink = _Bounded(MAX_VALUES_BYTES)
    try:
        pickle.Pickler(sink, pickle.HIGHEST_PROTOCOL).dump(value)
    except Exception:  # noqa: BLE001 -- then only its replacement by another object is noticed
        return None
    return hashlib.sha256(sink.getvalue()).digest()


def _module_name(file: Path) -> str:
    """The script's own name, or OTHER_NAME if that is invalid or taken."""
    name = file.stem
    taken = (
        not name.isidentifier()
        or keyword.iskeyword(name)
        or name in sys.modules
        or name in sys.stdlib_module_names
        or is_installed(name, file.parent)
    )
    return OTHER_NAME if taken else name


def is_installed(name: str, directory: Path) -> bool:
    """Whether Python finds a module of this name outside the script's directory."""
    spec = PathFinder.find_spec(name, _others(directory))
    return spec is not None and spec.has_location


def is_engines(name: str, directory: Path) -> bool:
    """Whether mrmesos needs the installed module of this name, so a file must not hide it."""
    return is_installed(name, directory) and name in engine_modules()


def _others(directory: Path) -> list[str]:
    return [entry for entry in sys.path if os.path.realpath(entry) != str(directory)]


class _Beside:
    """Finds modules that files in the script's directory must not hide.

    These are the standard library, an installed module with the script's own name, and what
    mrmesos itself imports, perhaps later.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def find_spec(
        self, name: str, path: Any = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None or not self._protects(name):
            return None
        return PathFinder.find_spec(name, _others(self._file.parent), target)

    def _protects(self, name: str) -> bool:
        if name in sys.stdlib_module_names or name == self._file.stem:
            return True
        beside = self._file.parent / name
        found = beside.with_suffix(".py").exists() or beside.exists()
        return found and is_engines(name, self._file.parent)


def _import_beside(file: Path) -> None:
    if str(file.parent) not in sys.path:
        sys.path.insert(0, str(file.parent))
    sys.meta_path[:] = [each for each in sys.meta_path if not isinstance(each, _Beside)]
    # After the finders of built-in modules, and before the finder of `sys.path`.
    at = sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else 0
    sys.meta_path.insert(at, _Beside(file))


def script_problem(script: Path, problem: BaseException, doing: str = "") -> UsageProblem:
    """`helper.py, line 3: ValueError: …` and the traceback, for an error of the user's code.

    The line is the innermost one of the user's own files. `doing` says what failed.
    """
    from mrmesos.task.drivers.user_code import trimmed_traceback

    if isinstance(problem, SyntaxError) and problem.filename:
        where = f"{Path(problem.filename).name}, line {problem.lineno}"
        text = f"{type(problem).__name__}: {problem.msg}"
    else:
        own = _own_line(script, problem)
        where, text = own or script.name, one_line(problem)
    if isinstance(problem, ImportError) and "relative import" in text:
        text += "; a script is no part of a package: import the module by its whole name"
    words = f"{doing}: {text}" if doing else text
    return UsageProblem(f"{where}: {words}", trimmed_traceback(problem))


def _own_line(script: Path, problem: BaseException) -> str:
    """The innermost frame of the user's files, or of the script. Empty if there is none."""
    installed = (*_INSTALLED, str(Path(mrmesos.__file__).parent))
    found = ""
    for frame in traceback.extract_tb(problem.__traceback__):
        if Path(frame.filename) == script or not frame.filename.startswith((*installed, "<")):
            found = f"{Path(frame.filename).name}, line {frame.lineno}"
    return found


def has_own_frames(problem: BaseException) -> bool:
    """Whether an exception came through the user's code."""
    return bool(_own_line(Path(), problem))
