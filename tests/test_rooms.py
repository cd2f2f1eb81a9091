"""Who may import whom (docs/architecture.md), read from the source itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mrmesos

ROOT = Path(mrmesos.__file__).parent

GROUND = {"conf"}
MAY_IMPORT: dict[str, set[str]] = {
    "conf": set(),
    "garbage": set(),
    "bounds": set(),
    "api": {"bounds"},
    "io": {"conf", "api", "bounds"},
    "wire": {"conf", "api", "bounds"},
    "mesos": {"conf", "bounds"},
    "access": {"conf"},
    "election": set(),
    # Doors and archives: a rule of safety that stands twice is mended once. Nothing of Mesos.
    "minimesos": {"access"},
    "testing": set(),
    "jobtracker": {"conf", "bounds", "access", "api", "io", "wire", "mesos"},
    "tasktracker": {
        "conf",
        "bounds",
        "access",
        "api",
        "election",
        "garbage",
        "io",
        "wire",
        "mesos",
    },
    "simulator": {"conf", "api", "wire", "mesos", "jobtracker"},
    "cli": {
        "conf",
        "access",
        "api",
        "election",
        "garbage",
        "io",
        "wire",
        "mesos",
        "minimesos",
        "jobtracker",
        "tasktracker",
        "simulator",
    },
}
# A harness that runs a whole job in one process stands above the rooms whose code it runs.
# One that runs `mrmesos submit` in a process of its own reads back what that wrote.
EXCEPTIONS: dict[str, set[str]] = {
    "local/run_job.py": {"conf", "io", "wire", "tasktracker"},
    "local/run.py": {"io"},
}


def modules() -> list[Path]:
    return sorted(p for p in ROOT.rglob("*.py") if "__pycache__" not in p.parts)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            yield node.module
            if node.module == "mrmesos":
                yield from (f"mrmesos.{alias.name}" for alias in node.names)


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "mrmesos" and len(parts) > 1 else None


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_imports_only_what_it_may(path: Path) -> None:
    relative = path.relative_to(ROOT)
    room = relative.parts[0].removesuffix(".py")
    if room in {"__init__", "__main__"}:
        return
    allowed = MAY_IMPORT[room] | EXCEPTIONS.get(str(relative), set()) | {room}
    used = {found for name in imports(path) if (found := room_of(name)) is not None}
    assert used <= allowed, f"{relative} must not import {sorted(used - allowed)}"


def test_nothing_but_the_command_line_knows_minimesos() -> None:
    for path in modules():
        room = path.relative_to(ROOT).parts[0]
        if room not in {"cli", "minimesos"}:
            assert not any("minimesos" in name for name in imports(path)), path
