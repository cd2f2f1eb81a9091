"""The core decides and does nothing else: no threads, sockets, clocks, files or chance."""

from __future__ import annotations

import ast
from pathlib import Path

import mrmesos.jobtracker.core.jobtracker as core

ROOM = Path(core.__file__).parent
ALLOWED = {
    "__future__",
    "abc",
    "bisect",
    "collections",
    "dataclasses",
    "enum",
    "fnmatch",
    "functools",
    "heapq",
    "itertools",
    "math",
    "msgspec",
    "re",
    "sys",  # for `intern`
    "typing",
}
FRIENDS = (
    "mrmesos.api",
    "mrmesos.bounds",
    "mrmesos.conf",
    "mrmesos.wire",
    "mrmesos.resources",
)


def imports(module: str) -> set[str]:
    tree = ast.parse((ROOM / f"{module}.py").read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            if node.module in ("mrmesos", "mrmesos.jobtracker"):
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
            else:
                found.add(node.module)
    return found


def test_the_core_imports_nothing_that_could_act() -> None:
    todo, seen = ["core"], set()
    while todo:
        module = todo.pop()
        seen.add(module)
        for name in imports(module):
            if name.startswith("mrmesos.jobtracker."):
                friend = name.removeprefix("mrmesos.jobtracker.")
                if friend not in seen:
                    todo.append(friend)
            else:
                known = name.split(".")[0] in ALLOWED or name.startswith(FRIENDS)
                assert known, f"{module} imports {name}"
    assert {"find_task", "offers", "watch"} <= seen
    assert not {"service", "http_api", "framework", "planner"} & seen
