"""The local filesystem, with the methods of fsspec's that a job calls.

fsspec's own takes 30 ms of CPU to import, in the client and in each worker: it loads all codecs and
asyncio, and looks through the metadata of all packages. So it is imported only for a method that is
not here, such as `glob`. Paths are absolute. Answers are those of fsspec's LocalFileSystem.
"""

# ruff: noqa: PTH102, PTH103, PTH106, PTH107, PTH110, PTH112, PTH114, PTH115, PTH116, PTH123
# (pathlib would make an object for each path)

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import stat
from typing import Any

_TOLD = ("mode", "uid", "gid", "mtime", "ino", "nlink")


class LocalFiles:
    """Threads may share it."""

    def __getattr__(self, name: str) -> Any:
        """Any other method is fsspec's own."""
        return getattr(fsspec_local(), name)

    # Reading.

    def info(self, path: str) -> dict[str, Any]:
        """All facts about the file or directory at a path. Links are followed."""
        path = path.rstrip("/") or "/"
        told = os.lstat(path)
        if not stat.S_ISLNK(told.st_mode):
            return _info(path, told, told.st_size)
        told = os.stat(path)
        return _info(path, told, told.st_size, link=True)

    def ls(self, path: str, detail: bool = False) -> list[Any]:
        """The entries of a directory. Links are not followed, but have the size of their target."""
        path = path.rstrip("/") or "/"
        own = self.info(path)
        if own["type"] != "directory":
            return [own] if detail else [path]
        with os.scandir(path) as entries:
            if not detail:
                return [entry.path for entry in entries]
            return [info for entry in entries if (info := _listed(entry)) is not None]

    def find(self, path: str, detail: bool = False) -> Any:
        """All files below a directory by their paths, in order, or the file at a path. Links to
        directories count as files. Entries that go meanwhile are left out.
        """
        found: dict[str, dict[str, Any]] = {}
        unread = [path]
        while unread:
            above = unread.pop()
            with contextlib.suppress(FileNotFoundError):
                for info in self.ls(above, detail=True):
                    if info["type"] == "directory":
                        unread.append(info["name"])
                    else:
                        found[info["name"]] = info
        names = sorted(found)
        return {name: found[name] for name in names} if detail else names

    def exists(self, path: str) -> bool:
        """Whether there is something, and not only a link to nothing."""
        return os.path.exists(path.rstrip("/") or "/")

    def cat_file(self, path: str) -> bytes:
        """All bytes of a file."""
        with open(path, "rb") as file:
            return file.read()

    def open(self, path: str, mode: str = "rb") -> Any:
        """An ordinary file."""
        return open(path, mode)

    def invalidate_cache(self, path: str | None = None) -> None:
        """There is none."""

    @staticmethod
    def _parent(path: str) -> str:
        return path.rstrip("/").rpartition("/")[0] or "/"

    # Writing.

    def mkdir(self, path: str, create_parents: bool = True) -> None:
        """Make a directory. Raises FileExistsError if there is something."""
        if create_parents:
            os.makedirs(path)
        else:
            os.mkdir(path)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Make a directory and its missing parents."""
        os.makedirs(path, exist_ok=exist_ok)

    def pipe_file(self, path: str, value: bytes) -> None:
        """Write a whole file."""
        with open(path, "wb") as file:
            file.write(value)

    def mv(self, path1: str, path2: str, recursive: bool = True) -> None:  # noqa: ARG002
        """Move a file or directory."""
        shutil.move(path1, path2)

    def rm_file(self, path: str) -> None:
        """Remove a file."""
        os.remove(path)

    def rmdir(self, path: str) -> None:
        """Remove an empty directory."""
        os.rmdir(path)

    def rm(self, path: str, recursive: bool = False) -> None:
        """Remove a file, or a directory with its contents."""
        if not os.path.isdir(path) or os.path.islink(path):
            os.remove(path)
        elif recursive:
            shutil.rmtree(path)
        else:
            raise ValueError("Cannot delete directory, set recursive=True")


@functools.cache
def fsspec_local() -> Any:
    """fsspec's own object, for code that needs its type."""
    from fsspec.implementations.local import LocalFileSystem

    return LocalFileSystem()


def _listed(entry: os.DirEntry[str]) -> dict[str, Any] | None:
    """The information on an entry of a directory. None if it has gone meanwhile."""
    try:
        told = entry.stat(follow_symlinks=False)
        if not entry.is_symlink():
            return _info(entry.path, told, told.st_size)
        try:
            size = entry.stat().st_size
        except OSError:  # it leads nowhere
            size = 0
        return _info(entry.path, told, size, link=True)
    except FileNotFoundError:
        return None


def _info(path: str, told: os.stat_result, size: int, *, link: bool = False) -> dict[str, Any]:
    kind = "other"
    if stat.S_ISDIR(told.st_mode):
        kind = "directory"
    elif stat.S_ISREG(told.st_mode):
        kind = "file"
    info = {
        "name": path,
        "size": size,
        "type": kind,
        "created": told.st_ctime,
        "islink": link,
    }
    info |= {name: getattr(told, f"st_{name}") for name in _TOLD}
    if link:
        info["destination"] = os.readlink(path)
    return info
