"""Checks which folders may import which (docs/architecture.md), by reading the source itself.

ROOMS lists the folders from the ground up. A module imports only from its own folder and from those
before it, so there is no circle of folders. A file may stand in the list by itself.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import mrmesos

ROOT = Path(mrmesos.__file__).parent

ROOMS = (
    "__init__.py",
    "startup.py",
    "garbage.py",
    "ending.py",
    "retrying.py",
    "forking.py",
    "bounds.py",
    "resources.py",
    "machine_memory.py",
    "transitions.py",
    "log_format.py",
    "metrics_text.py",
    "conf",
    "election",
    "testing",
    # The names that authors import, and the messages between processes.
    "api",
    "access",
    "wire",
    # Bytes and Arrow.
    "io",
    "io/compression",
    "io/fs",
    "io/columns",
    "io/output",
    "io/input/text",
    "io/input/formats",
    "io/input",
    "io/shuffle",
    # One attempt, the process that runs it, and the TaskTracker of that process.
    "task/files",
    "task/drivers",
    "task/collect",
    "task/shuffle",
    "task",
    "streaming",
    "mrjob",
    "worker",
    "mesos",
    "tasktracker/core",
    "tasktracker/workers",
    "tasktracker/jobtracker",
    "tasktracker/outputs",
    "tasktracker",
    # The JobTracker: its pure core first.
    "jobtracker/core/messages",
    "jobtracker/core/model",
    "jobtracker/core/scheduling",
    "jobtracker/core/state",
    "jobtracker/core/policies",
    "jobtracker/core/handlers",
    "jobtracker/core",
    "jobtracker/history",
    "jobtracker/storage",
    "jobtracker/http",
    "jobtracker/pages/views",
    "jobtracker/pages",
    "jobtracker/mesos",
    "jobtracker",
    "simulator",
    "simulator/faults",
    "minimesos/model",
    "minimesos/agent",
    "minimesos/master",
    "minimesos/http",
    "minimesos",
    # The programs that users start.
    "client/terminal",
    "client/config",
    "client/code",
    "client",
    "client/doctor",
    "hadoop",
    "local",
    "api/testing.py",
    "api/running.py",
    "api/sessions.py",
    "api/executors.py",
    "cli",
    "__main__.py",
)

NEVER = {
    "jobtracker": ("tasktracker", "task", "worker"),
    "tasktracker": ("jobtracker", "minimesos"),
    "simulator": ("tasktracker", "task", "worker"),
    "minimesos": tuple(
        {*ROOMS} - {"access", "bounds.py"} - {r for r in ROOMS if r.startswith("minimesos")}
    ),
}
"""Beyond the order: a TaskTracker and a JobTracker meet only in `wire`. minimesos stands for a real
Mesos: of ours it imports only `access`, the rules of who gets in, and `bounds.py`.
"""
FACE = ("api/__init__.py", ("api/sessions.py", "api/executors.py"))
"""Authors import also what runs jobs from `mrmesos.api`, which imports it only on demand."""
KNOW_MINIMESOS = ("minimesos", "client", "local", "cli")


def modules() -> list[Path]:
    return sorted(p.relative_to(ROOT) for p in ROOT.rglob("*.py") if "__pycache__" not in p.parts)


@cache
def room_of(path: Path) -> str:
    """The entry of ROOMS that a file belongs to: the longest that leads to it."""
    for place in (path, *path.parents):
        if str(place) in ROOMS:
            return str(place)
    raise AssertionError(f"{path}: its folder is missing in ROOMS")


def imported(path: Path) -> Iterator[Path]:
    """The files of ours that a file imports."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "mrmesos":
                yield file_of(name)


def file_of(name: str) -> Path:
    """The file of a dotted name, which may name something in it."""
    place = Path(*name.split(".")[1:])
    for each in (place, place.parent):
        for file in (each.with_suffix(".py") if each.name else each, each / "__init__.py"):
            if (ROOT / file).is_file():
                return file
    raise AssertionError(f"{name} is in no file")


@pytest.mark.parametrize("path", modules(), ids=str)
def test_a_room_imports_only_rooms_below_it(path: Path) -> None:
    own = room_of(path)
    below = ROOMS[: ROOMS.index(own) + 1]
    used = {room_of(file) for file in imported(path)}
    if str(path) == FACE[0]:
        used -= set(FACE[1])
    assert used <= set(below), f"{path} must not import {sorted(used - set(below))}"
    never = NEVER.get(path.parts[0], ())
    wrong = {room for room in used if room.split("/")[0] in never and room != own}
    assert not wrong, f"{path} must not import {sorted(wrong)}"


def test_every_room_of_the_list_is_there() -> None:
    assert [room for room in ROOMS if not (ROOT / room).exists()] == []


def test_only_what_users_start_knows_minimesos() -> None:
    for path in modules():
        if path.parts[0] not in KNOW_MINIMESOS:
            assert not any(file.parts[0] == "minimesos" for file in imported(path)), path


def test_every_folder_says_what_it_is_for() -> None:
    for folder in {path.parent for path in modules()}:
        face = ROOT / folder / "__init__.py"
        assert face.is_file(), folder
        assert ast.get_docstring(ast.parse(face.read_text())), folder


def test_a_file_is_one_subject() -> None:
    """Past 400 lines it is two, and a folder past some twenty files is, too."""
    files = modules()
    long = [str(path) for path in files if (ROOT / path).read_text().count("\n") > 400]
    assert not long
    folders = [path.parent for path in files if path.name != "__init__.py"]
    assert not {str(folder) for folder in folders if folders.count(folder) > 20}


FACES = {"__init__.py", "__main__.py"}
SHORT = {
    "access/names.py": "needs aiohttp, which most users of the room must not import",
    "client/insight.py": "what the commands and `top` ask alike",
    "client/terminal/preview.py": "imports what reads outputs only when it is used",
    "client/terminal/printable.py": "every command needs it, and it needs nothing",
    "garbage.py": "comes before all other imports",
    "hadoop/saying.py": "comes before all other imports",
    "io/input/formats/types.py": "two formats share it",
    "io/shuffle/key_hash.py": "the core reads it, and may not import what hashes",
    "jobtracker/storage/directory_sync.py": "three stores share it",
    "jobtracker/pages/page.py": "gate and app need it, and content.py imports all views",
    "machine_memory.py": "worker and client share it",
    "mesos/errors.py": "seven modules raise or catch them",
    "task/shuffle/addresses.py": "worker and TaskTracker share it",
    "tasktracker/outputs/disk.py": "a check of the disk, apart from what decides on it",
    "wire/login.py": "messages that meet no other message",
    "worker/stack_signal.py": "worker and TaskTracker share it, and it may import nothing",
}
"""Files under 25 lines that are no faces, each with the reason why it is a file."""


def test_a_short_file_has_a_reason() -> None:
    short = {
        str(path): (ROOT / path).read_text().count("\n") < 25
        for path in modules()
        if path.name not in FACES and path.parts[0] != "api"
    }
    found = {path for path, is_short in short.items() if is_short}
    assert not found - {*SHORT}, "merge it with its neighbour, or say why it stands alone"
    assert {*SHORT} <= {*short}, "a file that is gone"


def test_modules_that_promise_to_import_no_pyarrow_keep_it() -> None:
    """Clients and the JobTracker start in less than half the time without it."""
    promised = [
        f"mrmesos.{'.'.join(path.with_suffix('').parts)}"
        for path in modules()
        if "Imports no pyarrow" in (ast.get_docstring(ast.parse((ROOT / path).read_text())) or "")
    ]
    assert promised
    code = (
        f"import sys, {', '.join(promised)}\n"
        "print([m for m in ('pyarrow', 'numpy') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (ran.stdout.strip(), ran.stderr) == ("[]", ""), promised


@pytest.mark.parametrize(
    ("process", "never"),
    [
        (
            "mrmesos.worker.loop",
            (
                "pyarrow.parquet",
                "pyarrow.orc",
                "pyarrow.fs",
                "aiohttp",
                "fsspec",
                "tenacity",
                "asyncio",
            ),
        ),
        (
            "mrmesos.tasktracker.executor",
            ("pyarrow", "numpy", "fsspec", "tenacity", "jinja2", "sqlite3"),
        ),
        ("mrmesos.cli.submit", ("pyarrow", "numpy", "aiohttp", "jinja2", "prometheus_client")),
    ],
)
def test_a_process_imports_nothing_heavy_that_it_may_not_need(
    process: str, never: tuple[str, ...]
) -> None:
    """Each of these costs tens of milliseconds, in every process and every job."""
    code = f"import sys, {process}\nprint([m for m in {never!r} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (ran.stdout.strip(), ran.stderr) == ("[]", "")
