"""Lists directories of any store, to expand inputs. It lists each directory once and completely.

Input: an fsspec filesystem. Output: entries by name. A temporary failure is tried again. Any other
failure is an InputError that names the directory. Thread: the caller's. Stores that answer several
calls at once are asked by a pool of threads.
"""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from mrmesos.io.fs.filesystem import InputError, reason, serves_threads, uri_of
from mrmesos.io.fs.local import LocalFiles
from mrmesos.io.fs.retry import retrying
from mrmesos.io.fs.store_calls import GivenUp, caller
from mrmesos.io.input.patterns import Info

THREADS = 16
_NOTHING = (FileNotFoundError, NotADirectoryError)
# A name that is too long and a link to itself also mean that there is no such path.
_NOTHING_ERRNO = frozenset({errno.ENAMETOOLONG, errno.ELOOP})
T = TypeVar("T")


class Listing:
    """The directories of one filesystem, for one expansion of `uri`.

    It implements `patterns.Directories`. It remembers every list, so it must not outlive the
    expansion.
    """

    def __init__(self, fs: Any, uri: str) -> None:
        self.fs = fs
        self._uri = uri
        self._calls = caller(uri)
        self._listed: dict[str, list[tuple[str, Info]]] = {}
        self._followed: dict[str, Info | None] = {}
        self._identities: dict[str, Hashable] = {}
        # our hdfs://
        self._retries_itself = not isinstance(fs, LocalFiles) and hasattr(fs, "open_ranges")
        self._threads = THREADS if serves_threads(fs) else 1

    def children(self, paths: Sequence[str]) -> list[list[tuple[str, Info]]]:
        """The entries of each directory, with their names. A path that is no directory has none."""
        new = [path for path in dict.fromkeys(paths) if path not in self._listed]
        if self._threads == 1 or len(new) < 2:
            listings = list(map(self._list, new))
        else:
            with ThreadPoolExecutor(min(self._threads, len(new)), "list") as pool:
                listings = list(pool.map(self._list, new))
        self._listed |= zip(new, listings, strict=True)
        return [self._listed[path] for path in paths]

    def lookup(self, path: str) -> Info | None:
        """The entry at a path, after following links. None if nothing exists there."""
        known = self._listed.get(posixpath.dirname(path))
        if known is not None:
            base = posixpath.basename(path)
            found = next((info for name, info in known if name == base), None)
            if found is None or not found.get("islink"):
                return found
        return self._follow(path)

    def resolved(self, info: Info) -> Info | None:
        """The target of a link; None if it does not exist. Local listings contain links."""
        return self._follow(info["name"]) if info.get("islink") else info

    def identity(self, path: str) -> Hashable:
        """Equal for two paths of the same directory. Only the local filesystem has links."""
        if not isinstance(self.fs, LocalFiles):
            return path
        if path not in self._identities:
            self._identities[path] = self._call(lambda: _inode(path), path)
        return self._identities[path]

    def _follow(self, path: str) -> Info | None:
        if path not in self._followed:
            self._followed[path] = self._call(lambda: self._info(path), path)
        return self._followed[path]

    def _list(self, path: str) -> list[tuple[str, Info]]:
        listed = self._call(lambda: self._ls(path), path, "the directory ")
        own = path.rstrip("/")
        # Object stores list a directory's own marker, and every store lists a file as itself.
        names = [(raw["name"].rstrip("/"), raw) for raw in listed]
        return [(posixpath.basename(name), raw) for name, raw in names if name != own]

    def _ls(self, path: str) -> list[Info]:
        try:
            listed: list[Info] = self.fs.ls(path, detail=True)
        except _NOTHING:
            return []
        return listed

    def _info(self, path: str) -> Info | None:
        try:
            info: Info = self.fs.info(path)
        except _NOTHING:
            return None
        except OSError as exc:
            if exc.errno in _NOTHING_ERRNO:
                return None
            raise
        return info

    def _call(self, call: Callable[[], T], path: str, what: str = "") -> T:
        def watched() -> T:
            self._calls()
            return call()

        try:
            return watched() if self._retries_itself else retrying()(watched)
        except (InputError, GivenUp):
            raise
        except Exception as exc:  # remote drivers raise any type
            name = uri_of(self.fs, path)
            where = f"{self._uri}: " if name != self._uri else ""
            raise InputError(f"{where}{what}{name} cannot be listed: {reason(exc)}") from exc


def _inode(path: str) -> tuple[int, int]:
    told = os.stat(path)  # noqa: PTH116 (pathlib would make an object for each)
    return told.st_dev, told.st_ino
