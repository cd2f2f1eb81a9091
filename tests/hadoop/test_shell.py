"""`hadoop fs` on the local filesystem and on one in memory: output, messages and exit codes."""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path

import fsspec
import pytest

from mrmesos.hadoop.paths import Places
from mrmesos.hadoop.shell import run_shell
from mrmesos.hadoop.shell_reads import human_size


class Shell:
    """Runs commands, and keeps what they print."""

    def __init__(self, capsys: pytest.CaptureFixture[str], places: Places) -> None:
        self._capsys, self._places = capsys, places
        self.out = self.err = ""

    def __call__(self, *words: object) -> int:
        code = run_shell(list(map(str, words)), self._places)
        self.out, self.err = self._capsys.readouterr()
        return code


@pytest.fixture
def fs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Shell:
    return Shell(capsys, Places("", str(tmp_path / "hdfs"), "ann"))


@pytest.fixture(params=["local", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A directory on either filesystem."""
    if request.param == "local":
        return str(tmp_path)
    name = f"memory://{tmp_path.name}"
    memory = fsspec.filesystem("memory")
    memory.makedirs(f"/{tmp_path.name}", exist_ok=True)
    return name


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """A local file of six bytes."""
    path = tmp_path / "local.txt"
    path.write_text("a\nb\nc\n")
    return path


def test_put_list_read_remove(fs: Shell, root: str, local: Path) -> None:
    assert fs("-mkdir", f"{root}/x/y") == 1
    assert fs("-mkdir", "-p", f"{root}/x/y") == 0
    assert fs("-put", local, f"{root}/x/y/f.txt") == 0
    assert fs("-put", local, f"{root}/x/y") == 0
    assert fs("-put", local, f"{root}/x/y") == 1
    assert "File exists" in fs.err
    assert fs("-put", "-f", local, f"{root}/x/y") == 0
    assert fs("-ls", f"{root}/x/y") == 0
    first, *lines = fs.out.splitlines()
    assert first == "Found 2 items"
    usual = r"-rw\S+ +\d+ \S+ \S+ +6 \d{4}-\d\d-\d\d \d\d:\d\d (\S+)"
    names = [re.fullmatch(usual, line) for line in lines]
    assert [name and name[1] for name in names] == [f"{root}/x/y/f.txt", f"{root}/x/y/local.txt"]
    assert fs("-cat", f"{root}/x/y/f.txt") == 0
    assert fs.out == "a\nb\nc\n"
    assert fs("-du", f"{root}/x") == 0
    assert fs.out.split()[0] == "12"
    assert fs("-count", f"{root}/x") == 0
    assert fs.out.split()[:3] == ["2", "2", "12"]
    assert fs("-rm", f"{root}/x") == 1
    assert "Is a directory" in fs.err
    assert fs("-rm", "-r", "-skipTrash", f"{root}/x") == 0
    assert fs("-test", "-e", f"{root}/x") == 1


def test_what_is_not_there(fs: Shell, root: str) -> None:
    for command in ("-ls", "-cat", "-rm", "-du", "-count", "-stat"):
        assert fs(command, f"{root}/none") == 1
        assert fs.err == f"{command[1:]}: `{root}/none': No such file or directory\n"
    assert fs("-rm", "-f", f"{root}/none") == 0
    assert fs("-rm", "-R", "-f", "-skipTrash", f"{root}/none*") == 0


def test_the_list_goes_down(fs: Shell, root: str, local: Path) -> None:
    fs("-mkdir", "-p", f"{root}/d/e")
    fs("-put", local, f"{root}/d/e/f")
    assert fs("-ls", "-R", f"{root}/d") == 0
    found = [(line[0], line.split(" ")[-1]) for line in fs.out.splitlines()]
    assert found == [("d", f"{root}/d/e"), ("-", f"{root}/d/e/f")]
    assert fs("-lsr", f"{root}/d") == 0
    assert fs("-ls", "-d", f"{root}/d") == 0
    assert fs.out.startswith("d")


def test_patterns(fs: Shell, root: str, local: Path) -> None:
    for name in ("a1", "a2", "b1"):
        fs("-put", local, f"{root}/{name}")
    assert fs("-ls", f"{root}/a*") == 0
    assert [line.split(" ")[-1] for line in fs.out.splitlines()] == [f"{root}/a1", f"{root}/a2"]
    assert fs("-cat", f"{root}/{{a1,b1}}") == 0
    assert fs.out == 2 * "a\nb\nc\n"


@pytest.mark.parametrize(
    ("option", "name", "code"),
    [
        ("-e", "full", 0),
        ("-e", "none", 1),
        ("-d", "dir", 0),
        ("-d", "full", 1),
        ("-f", "full", 0),
        ("-f", "dir", 1),
        ("-z", "empty", 0),
        ("-z", "full", 1),
        ("-s", "full", 0),
        ("-s", "empty", 1),
    ],
)
def test_test(fs: Shell, root: str, local: Path, option: str, name: str, code: int) -> None:
    fs("-put", local, f"{root}/full")
    fs("-touchz", f"{root}/empty")
    fs("-mkdir", f"{root}/dir")
    assert fs("-test", option, f"{root}/{name}") == code


def test_copies_and_moves(fs: Shell, root: str, local: Path, tmp_path: Path) -> None:
    fs("-mkdir", "-p", f"{root}/from/sub")
    fs("-put", local, f"{root}/from/sub/f")
    assert fs("-cp", f"{root}/from", f"{root}/to") == 0
    assert fs("-cat", f"{root}/to/sub/f") == 0
    assert fs.out == "a\nb\nc\n"
    assert fs("-mv", f"{root}/from/sub/f", f"{root}/to/g") == 0
    assert fs("-test", "-e", f"{root}/from/sub/f") == 1
    assert fs("-mv", f"{root}/to/g", f"{root}/to/sub/f") == 1
    assert "File exists" in fs.err
    assert fs("-get", f"{root}/to/g", tmp_path / "copy") == 0
    assert (tmp_path / "copy").read_text() == "a\nb\nc\n"
    assert fs("-getmerge", f"{root}/to/sub", f"{root}/to/g", tmp_path / "merged") == 0
    assert (tmp_path / "merged").read_text() == 2 * "a\nb\nc\n"


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (1023, "1023"),
        (1024, "1 K"),
        (1536, "1.5 K"),
        (1 << 20, "1 M"),
        ((1 << 20) - 1, "1.0 M"),
        ((5 << 30) + 1, "5.0 G"),
        (1 << 60, "1 E"),
    ],
)
def test_sizes_for_people(size: int, shown: str) -> None:
    assert human_size(size) == shown


def test_stat(fs: Shell, local: Path) -> None:
    local.chmod(0o640)
    os.utime(local, (86_400 * 365, 86_400 * 365))
    assert fs("-stat", "%y|%Y|%b|%a|%A|%n|%F", local) == 0
    assert fs.out == ("1971-01-01 00:00:00|31536000000|6|640|rw-r-----|local.txt|regular file\n")


def test_modes(fs: Shell, root: str, local: Path) -> None:
    assert fs("-put", local, f"{root}/f") == 0
    assert fs("-chmod", "-R", "600", root) == 0
    assert fs("-chmod", "a+z", root) == 255
    assert fs("-setrep", "-w", "2", f"{root}/f") == 0
    assert fs("-setrep", "none", f"{root}/f") == 255
    assert fs("-chown", "ann:staff", f"{root}/f") == 0
    assert fs("-chown", "ann", f"{root}/none") == 1


def test_text_is_decompressed(fs: Shell, tmp_path: Path) -> None:
    (tmp_path / "z.gz").write_bytes(gzip.compress(b"hello\n"))
    assert fs("-text", tmp_path / "z.gz") == 0
    assert fs.out == "hello\n"


def test_the_default_filesystem(capsys: pytest.CaptureFixture[str], local: Path) -> None:
    places = Places("memory://", "/none", "ann")
    shell = Shell(capsys, places)
    shell("-mkdir", "-p", "/user/ann/in")
    assert shell("-put", local, "in/f") == 0
    assert shell("-cat", "/user/ann/in/f") == 0
    assert shell.out == "a\nb\nc\n"


def test_hdfs_without_a_namenode_is_a_directory(fs: Shell, local: Path, tmp_path: Path) -> None:
    assert fs("-mkdir", "-p", "hdfs:///user/ann/tmp") == 0
    assert fs("-put", local, "hdfs:///user/ann/tmp/f") == 0
    assert (tmp_path / "hdfs/user/ann/tmp/f").exists()
    assert fs("-ls", "hdfs:///user/ann/tmp") == 0
    assert fs.out.splitlines()[1].endswith(" hdfs:///user/ann/tmp/f")


@pytest.mark.parametrize(
    "words",
    [(), ("-nosuch",), ("ls",), ("-ls", "-z"), ("-cat",), ("-test", "x"), ("-tail", "-f", "x")],
)
def test_wrong_uses(fs: Shell, words: tuple[str, ...]) -> None:
    assert fs(*words) == 255
    assert fs.err
    assert not fs.out


@pytest.mark.parametrize(
    ("before", "mode", "after"),
    [
        (0o644, "u+x", 0o744),
        (0o644, "+x", 0o755),
        (0o777, "go-w", 0o755),
        (0o640, "a+r,u=rwx", 0o744),
        (0o644, "a+X", 0o644),
        (0o744, "a+X", 0o755),
        (0o755, "o=", 0o750),
        (0o600, "0644", 0o644),
    ],
)
def test_symbolic_modes(fs: Shell, local: Path, before: int, mode: str, after: int) -> None:
    local.chmod(before)
    assert fs("-chmod", mode, local) == 0
    assert local.stat().st_mode & 0o7777 == after


def test_what_a_disk_refuses_is_one_line(fs: Shell, local: Path) -> None:
    assert fs("-getmerge", local, "/nowhere/merged") == 1
    assert fs.err == "getmerge: `/nowhere/merged': No such file or directory\n"
    assert fs("-getmerge", local, "/dev/full") == 1
    assert fs.err == "getmerge: No space left on device\n"
    assert fs("-cp", "-f", local, "/dev/full") == 1
    assert fs.err == "cp: No space left on device\n"
    assert fs("-moveFromLocal", local, "/dev/full") == 1
    assert fs.err.startswith("moveFromLocal: ")


@pytest.mark.parametrize("mode", ["u+q", "9", "rwx", "64", "u+x,"])
def test_bad_modes(fs: Shell, local: Path, mode: str) -> None:
    assert fs("-chmod", mode, local) == 255
    assert "does not match the expected pattern" in fs.err


def test_a_move_to_a_directory_that_is_not_there_names_it(fs: Shell, local: Path) -> None:
    assert fs("-mv", local, f"{local.parent}/none/x") == 1
    place = f"{local.parent}/none"
    assert fs.err == f"mv: `{place}/x': No such file or directory: `{place}'\n"
    assert local.exists()
