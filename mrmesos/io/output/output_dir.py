"""An output directory on any filesystem: the operations that a commit needs, with retries."""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from mrmesos.io.fs.filesystem import OutputError, open_filesystem, reason, serves_threads
from mrmesos.io.fs.local import LocalFiles
from mrmesos.io.fs.retry import retrying
from mrmesos.io.fs.store_calls import GivenUp, caller

TEMPORARY = "_temporary"
"""Directory with one subdirectory for each attempt; removed when the job ends."""
PLAN = "_commit.json"
"""The list of files that a commit moves."""
NOTHING = "_nothing"
"""A file in an attempt's directory. It says that the attempt succeeded without a part file."""
SUCCESS = "_SUCCESS"
"""Marks a complete output."""

_THREADS, _MANY = 16, 32

A = TypeVar("A")
T = TypeVar("T")


class OutputDirectory:
    """The directory at `uri`. A `name` is a path in it; an empty name is the directory itself.

    Temporary failures (network, servers) are retried up to 5 times, with waits up to 4 s. All
    others raise OutputError with the output at once.
    """

    def __init__(
        self, uri: str, *, fs: Any = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.uri = uri
        self._calls = caller(uri)
        self._calls()  # opening the filesystem may already call the store
        opened, path = open_filesystem(uri, error=OutputError)
        self.fs = opened if fs is None else fs
        self.path = path.rstrip("/") or path
        self._retrying = retrying(sleep)

    @property
    def is_local(self) -> bool:
        """Whether this is the local filesystem."""
        return isinstance(self.fs, LocalFiles)

    def at(self, name: str) -> str:
        """The path of `name` in `fs`."""
        return posixpath.join(self.path, name) if name else self.path

    def trying(self, what: str, action: Callable[[], T]) -> T:
        """Call `action` with retries. Errors say that the output cannot be `what` ("created")."""

        def once() -> T:
            self._calls()
            return action()

        try:
            return self._retrying(once)
        except (OutputError, GivenUp):
            raise
        except Exception as exc:  # remote drivers raise any type
            raise OutputError(
                f"{self.uri}: output cannot be {what}: {reason(exc)}; check the path and its "
                "permissions, or name another output"
            ) from exc

    def each(self, action: Callable[[A], T], items: Sequence[A]) -> list[T]:
        """Call `action` for all items in any order, in threads if the driver is thread-safe.

        Each call is a round trip or waits for a disk, and a job may have thousands of files.
        """
        several = type(self.fs) is LocalFiles or serves_threads(self.fs)
        if len(items) < _MANY or not several:
            return [action(item) for item in items]
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="commit") as pool:
            return list(pool.map(action, items))

    # --- Reading

    def info(self, name: str = "") -> dict[str, Any] | None:
        """fsspec's `info`; None only if the path certainly does not exist.

        `fs.exists` also returns false after other errors.
        """
        return self._info(self.at(name))

    def _info(self, path: str) -> dict[str, Any] | None:
        def info() -> dict[str, Any] | None:
            try:
                found: dict[str, Any] = self.fs.info(path)
            except (FileNotFoundError, NotADirectoryError):
                return None
            return found

        return self.trying("looked at", info)

    def exists(self, name: str = "") -> bool:
        """Whether a file or directory exists there."""
        return self.info(name) is not None

    def names(self, name: str = "") -> set[str]:
        """The entries of a directory."""
        path = self.at(name)

        def listing() -> set[str]:
            self.fs.invalidate_cache()
            found = {str(each).rstrip("/") for each in self.fs.ls(path, detail=False)}
            return {posixpath.basename(each) for each in found - {path}}

        return self.trying("listed", listing)

    def sizes(self, name: str) -> dict[str, int]:
        """The sizes of all files below a directory, by their paths in it."""
        top = self.at(name)

        def find() -> dict[str, dict[str, Any]]:
            self.fs.invalidate_cache()
            found: dict[str, dict[str, Any]] = self.fs.find(top, detail=True)
            return found

        found = self.trying("listed", find)
        return {posixpath.relpath(path, top): info["size"] for path, info in found.items()}

    def check_creatable(self) -> None:
        """Raise OutputError if a parent directory makes it impossible to create the output."""
        above = self._parent(self.path)
        while (found := self._info(above)) is None:
            if above == self._parent(above):
                return  # an object store: a new name has no existing parent
            above = self._parent(above)
        if found["type"] != "directory":
            raise OutputError(f"{self.uri}: {above} is not a directory; name another output")
        if self.is_local and not os.access(above, os.W_OK | os.X_OK):
            raise OutputError(
                f"{self.uri}: cannot be created: {above} is not writable; name another output"
            )

    def _parent(self, path: str) -> str:
        return str(self.fs._parent(path))

    # --- Writing

    def make(self, name: str, what: str = "created") -> None:
        """Make a directory and its missing parents."""
        self.trying(what, lambda: self.fs.makedirs(self.at(name), exist_ok=True))

    def read(self, name: str, what: str) -> bytes:
        """Read a small file."""
        return bytes(self.trying(what, lambda: self.fs.cat_file(self.at(name))))

    def write(self, name: str, data: bytes, what: str) -> None:
        """Write a small file."""

        def write() -> None:
            with self.fs.open(self.at(name), "wb") as file:
                file.write(data)

        self.trying(what, write)

    def rename(self, source: str, target: str, what: str) -> None:
        """Move a file or a directory. An earlier try may have moved it already."""

        def rename() -> None:
            with contextlib.suppress(FileNotFoundError):
                self.fs.mv(self.at(source), self.at(target), recursive=True)
            self.fs.info(self.at(target))

        self.trying(what, rename)

    def move(self, source: str, target: str, size: int) -> None:
        """Move a file of `size` bytes. Raises OutputError if the moved file has another size."""
        path = self.at(target)

        def move() -> None:
            # An earlier try may have moved the file and lost only the answer.
            with contextlib.suppress(FileNotFoundError):
                self.fs.mv(self.at(source), path)
            # Some filesystems return "false" for a failed rename, and fsspec ignores the result.
            moved = self.fs.info(path)
            if moved["type"] != "file" or moved["size"] != size:
                raise OutputError(f"{self.uri}: {path} is not the file that was moved there")

        self.trying("committed", move)

    def remove(self, name: str) -> None:
        """Remove a file, or a directory with its contents, if it exists."""
        path = self.at(name)

        def remove() -> None:
            try:
                self.fs.rm(path, recursive=True)
            except FileNotFoundError:
                if self.fs.exists(path):  # another process removes it too; retry for the rest
                    raise BlockingIOError(errno.EBUSY, "Another process removes it too") from None
            except OSError as exc:
                if exc.errno != errno.ENOTEMPTY:
                    raise
                # An attempt that was told to stop has still written a file.
                raise BlockingIOError(errno.EBUSY, "Another process still writes to it") from exc

        self.trying("cleaned up", remove)
