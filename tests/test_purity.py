"""The cores decide and do nothing else: no threads, sockets, clocks, files or chance."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import mrmesos

ROOT = Path(mrmesos.__file__).parent
CORES = ("jobtracker/core", "tasktracker/core")
"""Being below one of these folders is what the test goes by."""

ALLOWED = {
    "__future__",
    "abc",
    "bisect",
    "collections",
    "dataclasses",
    "enum",
    "fnmatch",
    "functools",
    "hashlib",
    "heapq",
    "itertools",
    "math",
    "msgspec",
    "re",
    "signal",  # for the names of signals
    "sys",  # for `intern`
    "typing",
}
PURE = (
    "mrmesos.api",
    "mrmesos.bounds",
    "mrmesos.conf",
    "mrmesos.resources",
    "mrmesos.transitions",
    "mrmesos.wire",
    "mrmesos.io.shuffle.key_hash",
    # The messages about workers that a TaskTracker's core gets.
    "mrmesos.worker.messages",
    "mrmesos.task.drivers.record_spans",
    "mrmesos.task.drivers.limits",
)


def modules() -> list[Path]:
    return sorted(path for core in CORES for path in (ROOT / core).rglob("*.py"))


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_core_imports_nothing_that_could_act(path: Path) -> None:
    own = next(core for core in CORES if (ROOT / core) in path.parents).replace("/", ".")
    for name in imports(path):
        pure = name.startswith((f"mrmesos.{own}", *PURE)) or name.split(".")[0] in ALLOWED
        assert pure, f"{path.relative_to(ROOT)} imports {name}"


def test_both_cores_are_there() -> None:
    for core in CORES:
        assert len(list((ROOT / core).rglob("*.py"))) > 5
