"""Hostile archives never write outside the directory, whatever Python's own filters allow."""

from __future__ import annotations

import contextlib
import io
import random
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mrmesos.access.unpacking import LINKS_MAX, UnsafeArchive, check_tar, check_zip
from mrmesos.minimesos.agent.fetcher import FetchError, fetch
from mrmesos.task.files.archives import BadArchive, unpack, unpacked_bytes

Unpack = Callable[[Path, Path], None]


def file(name: str, data: bytes = b"written") -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    return member, data


def other(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    member.mode = 0o755
    return member, b""


def symlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return other(name, tarfile.SYMTYPE, target)


def hardlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return other(name, tarfile.LNKTYPE, target)


def directory(name: str) -> tuple[tarfile.TarInfo, bytes]:
    return other(name, tarfile.DIRTYPE)


Members = list[tuple[tarfile.TarInfo, bytes]]


def too_long_for_realpath() -> Members:
    """CVE-2025-4517: links make a path so long that `realpath` gives up and trusts it."""
    long, steps, path, made = "d" * 247, "abcdefghijklmnop", "", []
    for step in steps:
        made += [directory(f"{path}{long}"), symlink(f"{path}{step}", long)]
        path += f"{long}/"
    way_out = "/".join(steps) + "/" + "l" * 254
    made += [symlink(way_out, "../" * len(steps)), symlink("escape", way_out + "/../outside")]
    return [*made, hardlink("hard", "escape/secret"), file("hard")]


HOSTILE: dict[str, Members] = {
    "a path that leaves": [file("../outside/new")],
    "a path that comes back": [file("../inside/new")],
    "a path that leaves later": [file("a/../../outside/new")],
    "a link to above": [symlink("l", "../outside/secret")],
    "a link to the root": [symlink("l", "/etc/passwd")],
    "a file through a link": [symlink("l", "../outside"), file("l/new")],
    "a file through a link inside": [directory("d"), symlink("l", "d"), file("l/new")],
    "a link that comes after its file": [file("l/new"), symlink("l", "../outside")],
    "a chain of links": [symlink("a", "."), symlink("a2", "a/.."), symlink("b", "a2/outside")],
    "a chain that is short by letters": [
        *(directory("d"), directory("d/e"), symlink("up", "d/e/../..")),
        *(symlink("x", "d"), symlink("y", "up/../outside")),
    ],
    "a link through a later link": [symlink("l", "d/../../outside"), symlink("d", ".")],
    "a link twice": [symlink("l", "ok"), file("ok"), symlink("l", "../outside/secret")],
    "a file over a link": [symlink("l", "ok"), file("l")],
    "a directory over a link": [directory("d"), symlink("l", "d"), directory("l")],
    "a hard link to above": [hardlink("h", "../outside/secret")],
    "a hard link to the root": [hardlink("h", "/etc/passwd")],
    "a hard link to nothing": [hardlink("h", "missing")],
    "a hard link to a link": [file("f"), symlink("l", "f"), hardlink("h", "l")],
    "a hard link through a link": [
        *(directory("d"), file("d/f"), symlink("l", "d"), hardlink("h", "l/f")),
    ],
    "a hard link to a directory": [directory("d"), hardlink("h", "d")],
    "a hard link to itself": [hardlink("h", "h")],
    "a circle": [symlink("a", "b"), symlink("b", "a")],
    "a link to itself": [symlink("a", "a/x")],
    "a chain without end": [
        *(symlink(f"l{n}", f"l{n + 1}") for n in range(60)),
        file("l60"),
    ],
    "a path too long for realpath": too_long_for_realpath(),
    "a name too long": [file("n" * 256)],
    "a path too long": [file("/".join(["n" * 200] * 25))],
    "a path too deep": [file("/".join(["n"] * 1500))],
    "a target too long": [symlink("l", "n/" * 2500)],
    "a target that is empty": [symlink("l", "")],
    "a pipe": [other("p", tarfile.FIFOTYPE)],
    "a device": [other("null", tarfile.CHRTYPE)],
    "a disk": [other("sda", tarfile.BLKTYPE)],
    "a file for the directory": [file("./")],
    "a link for the directory": [symlink(".", "../outside")],
}

GOOD: dict[str, Members] = {
    "files": [directory("./"), directory("a"), file("a/b"), file("c"), file("c", b"again")],
    "links": [
        *(directory("lib"), file("lib/x.so.1"), symlink("lib/x.so", "x.so.1")),
        *(symlink("lib64", "lib"), symlink("bin/x", "../lib64/x.so"), file("bin/y")),
        *(symlink("nowhere", "lib/absent"), symlink("here", "."), symlink("lib/up", "..")),
    ],
    "hard links": [file("a/f"), hardlink("g", "a/f"), hardlink("h", "g")],
    "a name from the root on": [file("/a/f")],
    "a chain of links": [*(symlink(f"l{n}", f"l{n + 1}") for n in range(30)), file("l30")],
}


def write_tar(path: Path, members: Members) -> None:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for member, data in members:
            tar.addfile(member, io.BytesIO(data))


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    place = tmp_path / "outside"
    place.mkdir()
    (place / "secret").write_text("as it was")
    return place


def of_a_tracker(archive: Path, into: Path) -> None:
    unpack(archive, into)


def of_the_fetcher(archive: Path, into: Path) -> None:
    into.mkdir()
    fetch({"value": str(archive)}, into)


def all_of(place: Path) -> list[tuple[str, bytes]]:
    return sorted(
        (str(path.relative_to(place)), path.read_bytes() if path.is_file() else b"")
        for path in place.rglob("*")
    )


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("way", [of_a_tracker, of_the_fetcher])
def test_nothing_hostile_is_unpacked(tmp_path: Path, outside: Path, way: Unpack, name: str) -> None:
    archive, into = tmp_path / "bad.tar", tmp_path / "inside"
    write_tar(archive, HOSTILE[name])
    before = all_of(outside)
    with pytest.raises((BadArchive, FetchError), match=r"bad\.tar"):
        way(archive, into)
    assert all_of(outside) == before
    assert {path.name for path in into.iterdir()} <= {"bad.tar"}  # nothing was unpacked
    assert {path.name for path in tmp_path.iterdir()} == {"bad.tar", "inside", "outside"}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_client_is_told_before_it_submits(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "bad.tar"
    write_tar(archive, HOSTILE[name])
    with pytest.raises(BadArchive, match=r"bad\.tar"):
        unpacked_bytes(archive)


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("way", [of_a_tracker, of_the_fetcher])
def test_honest_archives_are_unpacked_as_they_are(tmp_path: Path, way: Unpack, name: str) -> None:
    archive, into = tmp_path / "good.tar", tmp_path / "inside"
    write_tar(archive, GOOD[name])
    way(archive, into)
    for member, _ in GOOD[name]:
        path = into / member.name.lstrip("/")
        assert path.is_symlink() == member.issym()
        if member.issym():
            assert str(path.readlink()) == member.linkname
        else:
            assert path.is_dir() == member.isdir()


def test_a_second_archive_does_not_go_through_links_of_the_first(
    tmp_path: Path, outside: Path
) -> None:
    into = tmp_path / "inside"
    into.mkdir()
    write_tar(tmp_path / "one.tar", [symlink("here", ".")])
    fetch({"value": str(tmp_path / "one.tar")}, into)
    for number, members in enumerate(
        [
            [directory("here/a"), symlink("here/a/l", "../..")],
            [symlink("l", "here/../outside")],
            [file("here/f")],
            [file("here")],
        ]
    ):
        write_tar(tmp_path / f"two{number}.tar", members)
        with pytest.raises(FetchError, match=f"two{number}"):
            fetch({"value": str(tmp_path / f"two{number}.tar")}, into)
    assert all_of(outside) == [("secret", b"as it was")]


def test_zip_files_by_the_same_rules(tmp_path: Path, outside: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    pipe = zipfile.ZipInfo("pipe")
    pipe.external_attr = (stat.S_IFIFO | 0o777) << 16
    for name in ("../outside/new", "a/../../outside/new", "n" * 256, "n/" * 1500 + "x", link, pipe):
        archive = tmp_path / "bad.zip"
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr(name, "../outside/secret")
        for place, way in (("x", of_a_tracker), ("y", of_the_fetcher)):
            with pytest.raises((BadArchive, FetchError), match=r"bad\.zip"):
                way(archive, tmp_path / place)
            for path in sorted((tmp_path / place).iterdir()):
                path.unlink()
            (tmp_path / place).rmdir()
    assert all_of(outside) == [("secret", b"as it was")]
    assert not (tmp_path / "outside" / "new").exists()


def _random(dice: random.Random) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    names = ["a", "b", "c", "a/b", "a/c", "b/a", "b/c", "c/a", "a/b/c", "c/b/a", "../outside"]
    targets = [*names, ".", "..", "../..", "a/..", "b/../..", "../outside", "c/../../outside"]
    for _ in range(dice.randrange(2, 9)):
        name, target = dice.choice(names), dice.choice(targets)
        kinds = [file(name), directory(name), symlink(name, target), hardlink(name, target)]
        yield dice.choice([*kinds, symlink(name, target)])


def test_ten_thousand_archives_at_random(tmp_path: Path, outside: Path) -> None:
    """Accepted archives are unpacked without any filter, so only the check keeps them inside."""
    dice, unpacked = random.Random(8), 0
    for number in range(10_000):
        members = list(_random(dice))
        into = tmp_path / "inside" / str(number)
        try:
            check_tar([member for member, _ in members], into)
        except UnsafeArchive:
            continue
        unpacked += 1
        if unpacked > 400:
            continue
        archive = tmp_path / "any.tar"
        write_tar(archive, members)
        into.mkdir(parents=True)
        # If a file stands in the place of a directory, unpacking fails without harm.
        with contextlib.suppress(OSError), tarfile.open(archive) as tar:
            tar.extractall(into, filter="fully_trusted")
        for path in into.rglob("*"):
            assert path.resolve().is_relative_to(into), members
        assert all_of(outside) == [("secret", b"as it was")]
    assert unpacked > 400


def test_what_it_takes_is_bounded(tmp_path: Path) -> None:
    """Symbolic links through other links, several levels deep."""
    deep = "/".join(["d"] * 120)
    ladder = [symlink(f"l{n}", f"l{n + 1}/../{deep}/{'../' * 120}") for n in range(100)]
    with pytest.raises(UnsafeArchive):
        check_tar([member for member, _ in ladder], tmp_path)
    many = [symlink(f"l{n}", "x")[0] for n in range(LINKS_MAX + 1)]
    with pytest.raises(UnsafeArchive, match="too many"):
        check_tar(many, tmp_path)
    check_zip([zipfile.ZipInfo(f"f{n}") for n in range(1000)], tmp_path)
