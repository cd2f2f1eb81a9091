"""Our own local filesystem answers as fsspec's does."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem

from mrmesos.io.fs.local import LocalFiles

OURS, THEIRS = LocalFiles(), LocalFileSystem()


NAMES = ("", "full", "full/", "empty", "file", "file/", "to-file", "to-full", "to-nothing", "fifo")
CHANGES: dict[str, Callable[[Any, str], Any]] = {
    "rm_file": lambda fs, path: fs.rm_file(path),
    "rmdir": lambda fs, path: fs.rmdir(path),
    "rm": lambda fs, path: fs.rm(path, recursive=True),
    "mkdir": lambda fs, path: fs.mkdir(path, create_parents=False),
    "mkdir of a parent": lambda fs, path: fs.mkdir(f"{path}/a/b"),
    "mkdir without a parent": lambda fs, path: fs.mkdir(f"{path}/a/b", create_parents=False),
    "makedirs": lambda fs, path: fs.makedirs(path, exist_ok=True),
    "mv": lambda fs, path: fs.mv(path, f"{path}-moved"),
    "pipe_file": lambda fs, path: fs.pipe_file(path, b"new"),
    "cat_file": lambda fs, path: fs.cat_file(path),
    "glob": lambda fs, path: len(fs.glob(f"{path}*")),
    "find": lambda fs, path: [name.rpartition("/")[2] for name in fs.find(path)],
    "find in detail": lambda fs, path: [
        each["size"] for each in fs.find(path, detail=True).values()
    ],
}


def filled(place: Path) -> Path:
    """A directory with an entry of each kind."""
    (place / "full" / "below").mkdir(parents=True)
    (place / "empty").mkdir()
    (place / "file").write_bytes(b"some bytes")
    (place / "full" / "one").write_bytes(b"1")
    (place / "to-file").symlink_to("file")
    (place / "to-full").symlink_to("full")
    (place / "to-nothing").symlink_to("nothing")
    os.mkfifo(place / "fifo")
    return place


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except OSError as problem:
        return type(problem)


@pytest.mark.parametrize("name", [*NAMES, "none", "file/none"])
def test_it_tells_what_fsspec_tells(tmp_path: Path, name: str) -> None:
    path = f"{filled(tmp_path)}/{name}" if name else str(filled(tmp_path))
    for ask in ("info", "exists", "_parent"):
        ours, theirs = getattr(OURS, ask), getattr(THEIRS, ask)
        assert outcome(lambda: ours(path)) == outcome(lambda: theirs(path)), ask  # noqa: B023
    for detail in (True, False):
        listed = [outcome(lambda: fs.ls(path, detail)) for fs in (OURS, THEIRS)]  # noqa: B023
        assert listed[0] == listed[1]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["full", "empty", "file", "to-file", "to-full", "none"])
def test_it_changes_what_fsspec_changes(tmp_path: Path, name: str, change: str) -> None:
    seen = []
    for fs in (OURS, THEIRS):
        place = filled(tmp_path / type(fs).__name__)
        told = outcome(lambda: CHANGES[change](fs, f"{place}/{name}"))  # noqa: B023
        seen.append((told, tree(place)))
    assert seen[0] == seen[1]


def test_what_it_does_not_know_is_fsspecs(tmp_path: Path) -> None:
    assert OURS.unstrip_protocol("/a") == "file:///a"
    with pytest.raises(ValueError, match="recursive"):
        OURS.rm(str(filled(tmp_path)))


def test_inputs_and_outputs_need_no_fsspec(tmp_path: Path) -> None:
    code = f"""
import sys
from mrmesos.io.input.splits import expand_inputs
from mrmesos.io.output.commit import OutputCommitter
expand_inputs(["{filled(tmp_path / "in")}/file"])
out = OutputCommitter("{tmp_path}/out")
out.setup_job()
out.commit_job([])
print("fsspec" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (ran.stdout, ran.stderr) == ("False\n", "")


def tree(place: Path) -> dict[str, str | bytes]:
    found: dict[str, str | bytes] = {}
    for path in place.rglob("*"):
        name = str(path.relative_to(place))
        found[name] = str(path.readlink()) if path.is_symlink() else ""
        if path.is_file() and not path.is_symlink():
            found[name] = path.read_bytes()
    return found
