"""The job's script as a module, in workers and in the processes that user code starts.

The client sends the script's source with the job (`mrmesos.client.code.script`). A worker puts a
stub with the script's name on `sys.path`. `import`, pickle and other lookups by module name find
the stub there. Processes started by `multiprocessing` inherit `sys.path`, so they find it too.

Importing the stub runs the source again, with two differences:

- Values that top-level assignments computed in the client (from a file, the clock, `sys.argv`) are
  not computed again. They travel with the script if they can be pickled.
- Changes that the client made after the import are repeated. For example, a job's `__init__` may
  set a global or a class attribute.
"""

from __future__ import annotations

import ast
import importlib.util
import io
import itertools
import logging
import pickle
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Protocol

import msgspec

from mrmesos.io.code.code_pickle import remember_source
from mrmesos.io.code.origins import came_from
from mrmesos.io.code.stubs import add_stub

logger = logging.getLogger(__name__)

_HELPER = "__mrmesos_values__"
_PROBLEM = "__mrmesos_problem__"
_STUB = '''"""Importing this module runs {file}, the script of a job."""

from mrmesos.io.code.user_script import enter

enter(__name__, __file__)
'''


class ScriptFailed(Exception):
    """The script raised an exception during its import; `__cause__` is that exception."""

    def __init__(self, file: str) -> None:
        super().__init__(file)
        self.file = file


class Script(msgspec.Struct, frozen=True):
    """A script as the client sends it.

    `file` is its path on the client's host, `argv` the client's `sys.argv`.
    `values` holds one pickle per top-level assignment, by its number, in order. They share a memo.
    `changes` is a pickle of the changes after the import: (class or "", name, value) each.
    `beside` holds the paths of the modules in the script's directory, by file name.
    """

    name: str
    file: str
    source: bytes
    argv: tuple[str, ...]
    values: Mapping[int, bytes]
    changes: bytes = b""
    beside: Mapping[str, str] = msgspec.field(default_factory=dict)


class Values(Protocol):
    """The script calls this before and after each statement that computes values."""

    def recall(self, number: int, names: tuple[str, ...]) -> bool:
        """Set the names to the values that the statement computed before. False: unknown."""

    def note(self, number: int, names: tuple[str, ...]) -> None:
        """Called after the statement has run and set the names."""

    def absent(self, names: tuple[str, ...], problem: ModuleNotFoundError) -> None:
        """Called after an import of these names failed. Raises `problem` if it matters now."""


def run(script: Script, namespace: dict[str, Any], values: Values) -> None:
    """Run the script's statements in a module's namespace."""
    remember_source(script.file, importlib.util.decode_source(script.source))
    namespace[_HELPER] = values
    argv, sys.argv = sys.argv, list(script.argv)
    try:
        exec(compiled(script.source, script.file), namespace)
    finally:
        sys.argv = argv
        namespace.pop(_HELPER, None)


def compiled(source: bytes, file: str) -> CodeType:
    """The script's code, with calls to Values around computing statements. Raises SyntaxError."""
    tree = ast.parse(source, file)
    body = _asking(tree.body, itertools.count())
    tree.body = [_importing(each) for node in body for each in _one_by_one(node)]
    return compile(tree, file, "exec", dont_inherit=True)


def _one_by_one(node: ast.stmt) -> list[ast.stmt]:
    """`import a, b` as two statements; any other statement unchanged."""
    if not isinstance(node, ast.Import):
        return [node]
    return [ast.copy_location(ast.Import([alias]), node) for alias in node.names]


def _importing(node: ast.stmt) -> ast.stmt:
    """A top-level import. A missing module then raises only where the script uses it."""
    match node:
        case ast.Import(names=aliases):
            names = tuple(each.asname or each.name.partition(".")[0] for each in aliases)
        case ast.ImportFrom(names=aliases, level=0) if node.module != "__future__":
            names = tuple(each.asname or each.name for each in aliases)
        case _:
            return node
    if "*" in names:
        return node
    around = ast.parse(
        f"try:\n pass\nexcept ModuleNotFoundError as {_PROBLEM}:\n"
        f" {_HELPER}.absent({names!r}, {_PROBLEM})"
    ).body[0]
    assert isinstance(around, ast.Try)
    for each in ast.walk(around):
        ast.copy_location(each, node)
    around.body = [node]
    return around


def _asking(body: list[ast.stmt], numbers: Iterator[int]) -> list[ast.stmt]:
    """Wrap the top-level statements that compute values, including those in branches."""
    made = []
    for node in body:
        names = _computed(node)
        if names:
            made.append(_asking_for(next(numbers), names, node))
            continue
        if isinstance(node, ast.If | ast.Try | ast.With):
            for part in (node, *getattr(node, "handlers", ())):
                for field in ("body", "orelse", "finalbody"):
                    if inner := getattr(part, field, None):
                        setattr(part, field, _asking(inner, numbers))
        made.append(node)
    return made


def _computed(node: ast.stmt) -> tuple[str, ...]:
    """The names that a statement sets to values that may differ on another host.

    A `with open(…) as file:` block of such statements counts as one statement. Constants are the
    same everywhere. `_ = …` always runs, because scripts write it for its side effect.
    """
    if isinstance(node, ast.With):
        inner = [_targets(each) for each in node.body]
        return tuple(name for names in inner for name in names) if all(inner) else ()
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
        return ()
    names = _targets(node)
    return () if names == ("_",) else names


def _targets(node: ast.stmt) -> tuple[str, ...]:
    """The names that an assignment sets; empty if it is not an assignment to plain names."""
    match node:
        case ast.Assign(targets=targets):
            found = list(targets)
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target, value=ast.expr()):
            found = [target]
        case _:
            return ()
    names = []
    while found:
        match found.pop():
            case ast.Name(id=name):
                names.append(name)
            case ast.Tuple(elts=more) | ast.List(elts=more):
                found += more
            case _:
                return ()
    return tuple(sorted(set(names)))


def _asking_for(number: int, names: tuple[str, ...], node: ast.stmt) -> ast.stmt:
    """`if not values.recall(…): <the statement>; values.note(…)`, on the statement's line."""
    asked = f"({number}, {names!r})"
    around = ast.parse(f"if not {_HELPER}.recall{asked}:\n {_HELPER}.note{asked}").body[0]
    assert isinstance(around, ast.If)
    for each in ast.walk(around):
        ast.copy_location(each, node)
    around.body.insert(0, node)
    return around


class _Recalled:
    """The values that came with the script. Values that shared an object still share it."""

    def __init__(self, script: Script, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._values: dict[int, tuple[Any, ...]] = {}
        # One unpickler reads all pickles in order: a pickle may refer to objects of earlier ones.
        unpickler = pickle.Unpickler(io.BytesIO(b"".join(script.values.values())))  # noqa: S301
        try:
            for number in script.values:
                self._values[number] = unpickler.load()
        except Exception as problem:  # noqa: BLE001 -- the script's own statements then fail
            logger.warning("%s: some values are computed again: %r", script.file, problem)

    def recall(self, number: int, names: tuple[str, ...]) -> bool:
        if number not in self._values:
            return False
        self._namespace.update(zip(names, self._values.pop(number), strict=True))
        return True

    def note(self, number: int, names: tuple[str, ...]) -> None:
        """Does nothing here; the client's class uses it."""

    def absent(self, names: tuple[str, ...], problem: ModuleNotFoundError) -> None:
        """Tasks may not need a module that the client needs, so it fails only where it is used."""
        self._namespace.update((name, _Absent(problem)) for name in names)


class _Absent:
    """Stands for a module that is missing on this host, or for a name imported from it."""

    def __init__(self, problem: ModuleNotFoundError) -> None:
        self.__problem = problem

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # pickle, copy and others ask every object for these
            raise AttributeError(name)
        raise self.__told()

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise self.__told()

    def __mro_entries__(self, _: tuple[Any, ...]) -> tuple[type, ...]:
        raise self.__told()

    def __told(self) -> ModuleNotFoundError:
        missing = self.__problem
        return ModuleNotFoundError(
            f"{missing} on this host: install it here (or `mrmesos pack` it), or send it along "
            "with --py-files",
            name=missing.name,
        )


# In a worker.


def install(name: str, blob: bytes) -> str:
    """Make a pickled script importable. Unpickling a job calls this first. Raises OSError."""
    if name not in sys.modules:  # otherwise this process is the client
        script: Script = pickle.loads(blob)  # noqa: S301
        came_from(script.beside)
        add_stub(name, stub_of(script), blob)
    return name


def stub_of(script: Script) -> str:
    """The source of the stub module; the script's pickle is in a file next to it."""
    return _STUB.format(file=ascii(script.file)[1:-1])


def enter(name: str, file: str) -> None:
    """Run the script in the stub's namespace. Raises ScriptFailed, ModuleNotFoundError."""
    script: Script = pickle.loads(Path(file).with_suffix(".data").read_bytes())  # noqa: S301
    module = sys.modules[name]
    namespace = vars(module)
    namespace["__file__"], namespace["__doc__"] = script.file, None
    try:
        run(script, namespace, _Recalled(script, namespace))
        _change(module, script.changes)
    except ModuleNotFoundError:
        raise  # the importer reports the missing module
    except BaseException as problem:
        raise ScriptFailed(script.file) from problem


def _change(module: ModuleType, changes: bytes) -> None:
    for path, name, value in pickle.loads(changes) if changes else ():  # noqa: S301
        holder: Any = module
        for part in path.split(".") if path else ():
            holder = getattr(holder, part)
        setattr(holder, name, value)
