"""Files and directories of any store for `hadoop fs`: entries, patterns, Hadoop's errors."""

from __future__ import annotations

import datetime as dt
import posixpath
import stat
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from mrmesos.hadoop.paths import Places
from mrmesos.io.fs.filesystem import InputError, open_filesystem, reason
from mrmesos.io.input.patterns import braces, has_magic


class FsFailed(Exception):
    """One path of a command failed. The message is the line without the command's name."""


class Entry(msgspec.Struct, frozen=True):
    """One file or directory. `shown` is its path as Hadoop prints it. `name` is its path in the
    store.
    """

    fs: Any
    name: str
    shown: str
    info: dict[str, Any]

    @property
    def is_directory(self) -> bool:
        return bool(self.info["type"] == "directory")

    @property
    def size(self) -> int:
        """Bytes; 0 for a directory."""
        return 0 if self.is_directory else int(self.info.get("size") or 0)

    @property
    def modified(self) -> dt.datetime:
        """In local time. The epoch if the store does not say."""
        for key in ("mtime", "modificationTime", "LastModified", "modification_time"):
            value = self.info.get(key)
            if isinstance(value, dt.datetime):
                return value.astimezone().replace(tzinfo=None)
            if isinstance(value, int | float) and value:
                return dt.datetime.fromtimestamp(value / 1000 if value > 1e11 else value)
        return dt.datetime.fromtimestamp(0)

    @property
    def bits(self) -> int:
        """The permissions. The usual ones if the store has none."""
        mode = self.info.get("mode", self.info.get("permission"))
        if not isinstance(mode, int):
            mode = 0o755 if self.is_directory else 0o644
        return mode & 0o7777

    @property
    def mode(self) -> str:
        """The mode as `ls` prints it: `drwxr-xr-x`."""
        return ("d" if self.is_directory else "-") + stat.filemode(self.bits)[1:]

    def child(self, name: str) -> str:
        """The path of an entry of this directory as Hadoop prints it."""
        if self.shown == ".":
            return name
        return f"{self.shown.rstrip('/')}/{name}"


class Stores:
    """Opens the paths of one command."""

    def __init__(self, places: Places) -> None:
        self.places = places

    def open(self, path: str) -> tuple[Any, str]:
        """The filesystem of a path and its name there. Raises FsFailed."""
        try:
            return open_filesystem(self.places.uri(path))
        except InputError as problem:
            raise FsFailed(str(problem)) from problem

    def find(self, path: str) -> Entry | None:
        """The entry at a path, taken literally. None if nothing is there. Raises FsFailed."""
        fs, name = self.open(path)
        try:
            fs.invalidate_cache()
            return Entry(fs, name, path, fs.info(name))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except Exception as problem:  # remote drivers raise any type
            raise FsFailed(f"`{path}': {reason(problem)}") from problem

    def matching(self, path: str) -> list[Entry]:
        """The entries that a path or pattern names, in order. Raises FsFailed if there are none."""
        found: list[Entry] = []
        for each in braces(path):
            if has_magic(each):
                found += self._glob(each)
            elif (entry := self.find(each)) is not None:
                found.append(entry)
        if not found:
            raise FsFailed(f"`{path}': No such file or directory")
        return found

    def _glob(self, pattern: str) -> list[Entry]:
        fs, name = self.open(pattern)
        try:
            infos = fs.glob(name, detail=True)
        except Exception as problem:  # as above
            raise FsFailed(f"`{pattern}': {reason(problem)}") from problem
        root = _fixed_part(name)
        shown_root = _fixed_part(pattern)
        return [
            Entry(fs, each, shown_root + each.removeprefix(root), infos[each])
            for each in sorted(infos)
        ]

    def children(self, entry: Entry) -> list[Entry]:
        """The entries of a directory by name. Raises FsFailed."""
        try:
            infos = entry.fs.ls(entry.name, detail=True)
        except Exception as problem:  # as above
            raise FsFailed(f"`{entry.shown}': {reason(problem)}") from problem
        found = []
        for info in infos:
            name = posixpath.basename(str(info["name"]).rstrip("/"))
            if name:
                full = f"{entry.name.rstrip('/')}/{name}"
                found.append(Entry(entry.fs, full, entry.child(name), info))
        return sorted(found, key=lambda each: each.name)

    def below(self, entry: Entry) -> Iterator[Entry]:
        """All entries below a directory. Each directory comes before its contents."""
        for child in self.children(entry):
            yield child
            if child.is_directory:
                yield from self.below(child)

    def target(self, path: str, sources: Sequence[str]) -> list[tuple[str, str]]:
        """The target of each source: in the directory `path`, or `path` itself.

        Raises FsFailed if several sources have no directory to go to.
        """
        entry = self.find(path)
        if entry is not None and entry.is_directory:
            return [(each, entry.child(posixpath.basename(each.rstrip("/")))) for each in sources]
        if len(sources) > 1:
            missing = "Is not a directory" if entry else "No such file or directory"
            raise FsFailed(f"`{path}': {missing}")
        return [(sources[0], path)]


def hdfs_client(fs: Any) -> Any | None:
    """The client of hdfs-native, for calls that fsspec lacks. None for other stores."""
    return fs.client if getattr(fs, "protocol", "") in ("hdfs", "viewfs") else None


def _fixed_part(path: str) -> str:
    """The part of a pattern before its first part with a wildcard, with a slash at its end."""
    kept = []
    for part in path.split("/"):
        if has_magic(part):
            break
        kept.append(part)
    return "/".join([*kept, ""]) if kept else ""
