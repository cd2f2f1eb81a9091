"""Decides whether an archive may be unpacked. Checks names and links before anything is written.

Comes in: an archive's members, in order, and the target directory. Goes out: nothing, or
UnsafeArchive. `tarfile`'s own filters stay active, but we do not rely on them: they resolve links
on the filesystem while it changes, and Python before 3.11.13 trusts a path that has become too
long (CVE-2025-4517). The rules here need no filesystem:

1. A name has no `..`. Neither the name nor the full path is too long.
2. Members are files, directories, symbolic links and hard links; no devices, pipes or sockets.
3. No member lies below a symbolic link, and a link's name is used once. So a name always means the
   same place, and nothing is ever written through a link.
4. A symbolic link points to a place inside the directory, also through other links. The place need
   not exist.
5. A hard link is another name of a regular file that came before it.
"""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import msgspec

PATH_BYTES_MAX = 4095  # Linux' PATH_MAX, without the zero byte
NAME_BYTES_MAX = 255
DEPTH_MAX = 256
LINKS_FOLLOWED_MAX = 40  # as Linux does before it says ELOOP
LINKS_MAX = 50_000


class UnsafeArchive(ValueError):
    """The archive would or might write outside its directory. The message names the member."""


class Kind(Enum):
    """The kind of file that a member becomes."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symbolic link"
    HARDLINK = "hard link"
    OTHER = "device, pipe or socket"


class Member(msgspec.Struct, frozen=True):
    """One entry of an archive. `target` is for links."""

    name: str
    kind: Kind
    target: str = ""


def check_tar(members: Iterable[tarfile.TarInfo], into: Path) -> None:
    """Raise UnsafeArchive unless these members may be extracted into `into`."""
    _check([_of_tar(member) for member in members], into)


def check_zip(members: Iterable[zipfile.ZipInfo], into: Path) -> None:
    """Raise UnsafeArchive unless these members may be extracted into `into`."""
    _check([_of_zip(member) for member in members], into)


def _of_tar(member: tarfile.TarInfo) -> Member:
    if member.issym():
        return Member(member.name, Kind.SYMLINK, member.linkname)
    if member.islnk():
        return Member(member.name, Kind.HARDLINK, member.linkname)
    if member.isdir():
        return Member(member.name, Kind.DIRECTORY)
    return Member(member.name, Kind.FILE if member.isreg() else Kind.OTHER)


def _of_zip(member: zipfile.ZipInfo) -> Member:
    """Describe a zip member. `zipfile` would write a symbolic link as a file, so it is refused."""
    mode = stat.S_IFMT(member.external_attr >> 16)
    if member.is_dir():
        return Member(member.filename, Kind.DIRECTORY)
    plain = mode in (0, stat.S_IFREG)
    return Member(member.filename, Kind.FILE if plain else Kind.OTHER)


@dataclass(slots=True)
class _Tree:
    """The directory as it will be after the members seen so far."""

    into: Path
    root: str
    in_use: bool  # the directory held something before
    kinds: dict[str, Kind] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)  # symbolic ones, with their targets

    def link_at(self, name: str) -> str | None:
        """The target of the symbolic link `name`, from the archive or already on disk."""
        target = self.links.get(name)
        if target is None and self.in_use and name not in self.kinds:
            path = self.into / name
            return str(path.readlink()) if path.is_symlink() else None
        return target


def _check(members: list[Member], into: Path) -> None:
    in_use = into.is_dir() and any(into.iterdir())
    tree = _Tree(into, os.path.realpath(into), in_use)
    for member in members:
        _enter(tree, member)
    clear = {""}  # directories that are not links and not below one
    for name in tree.kinds:
        _check_parents(tree, name, clear)
    for name, target in tree.links.items():
        _check_target(tree, name, target)


def _enter(tree: _Tree, member: Member) -> None:
    name, kind = _name(tree, member.name), member.kind
    before = tree.kinds.get(name)
    if kind is Kind.OTHER:
        raise _unsafe(member.name, "is not a file, a directory or a link that can be made")
    if not name and kind is not Kind.DIRECTORY:
        raise _unsafe(member.name, "would take the place of the directory itself")
    if before is not None and (before is Kind.SYMLINK or kind is Kind.SYMLINK):
        raise _unsafe(member.name, "has the name of a symbolic link and of something else")
    if before is None and tree.link_at(name) is not None:
        raise _unsafe(member.name, "would be written through a link that exists already")
    if kind is Kind.SYMLINK:
        if len(tree.links) >= LINKS_MAX:
            raise _unsafe(member.name, f"is one symbolic link too many (at most {LINKS_MAX:,})")
        tree.links[name] = member.target
    elif kind is Kind.HARDLINK:
        # The target must be a file by now. The hard link counts as a file for later links.
        if tree.kinds.get(_name(tree, member.target)) is not Kind.FILE:
            words = f"is a hard link to {member.target[:200]!r}, which is not an earlier file"
            raise _unsafe(member.name, words)
        kind = Kind.FILE
    tree.kinds[name] = kind


def _name(tree: _Tree, given: str) -> str:
    """The normal form `a/b` of a name; empty for the directory itself."""
    parts = [part for part in given.lstrip("/").split("/") if part not in ("", ".")]
    try:
        raw = [len(os.fsencode(part)) for part in parts]
    except UnicodeEncodeError:
        raise _unsafe(given, "has a name that is not valid here") from None
    if ".." in parts or "\0" in given:
        raise _unsafe(given, "leaves the directory by its name")
    total = len(os.fsencode(tree.root)) + sum(raw) + len(raw)
    if len(parts) > DEPTH_MAX or total > PATH_BYTES_MAX or any(n > NAME_BYTES_MAX for n in raw):
        raise _unsafe(given, "has a name that is too long or too deep")
    return "/".join(parts)


def _check_parents(tree: _Tree, name: str, clear: set[str]) -> None:
    parent = name.rpartition("/")[0]
    fresh = []
    while parent not in clear:
        if tree.link_at(parent) is not None:
            raise _unsafe(name, f"lies beyond the symbolic link {parent[:200]!r}")
        fresh.append(parent)
        parent = parent.rpartition("/")[0]
    clear.update(fresh)


def _check_target(tree: _Tree, name: str, target: str) -> None:
    """Follow the link like the system, but in the tree as it will be after unpacking."""
    if not target or "\0" in target or len(os.fsencode(target)) > PATH_BYTES_MAX:
        raise _unsafe(name, "is a symbolic link whose target is not a path")
    if target.startswith("/"):
        raise _unsafe(name, f"is a symbolic link to {target[:200]!r}, outside the directory")
    place, followed = name.split("/")[:-1], 0
    todo = target.split("/")[::-1]
    while todo:
        part = todo.pop()
        if part in ("", "."):
            continue
        if part == "..":
            if not place:
                words = f"is a symbolic link to {target[:200]!r}, outside the directory"
                raise _unsafe(name, words)
            place.pop()
            continue
        place.append(part)
        further = tree.link_at("/".join(place))
        if further is not None:
            followed += 1
            if further.startswith("/"):
                raise _unsafe(name, "leads outside the directory through other links")
            place.pop()
            todo.extend(further.split("/")[::-1])
        if followed > LINKS_FOLLOWED_MAX or len(place) + len(todo) > DEPTH_MAX:
            raise _unsafe(name, "is a symbolic link in a circle, or a chain that is too long")


def _unsafe(name: str, words: str) -> UnsafeArchive:
    return UnsafeArchive(f"{name[:200]!r} {words}")
