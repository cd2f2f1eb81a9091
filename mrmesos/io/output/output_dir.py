"""An output's directory on any filesystem: what a commit does there, again where that may help."""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from fsspec.implementations.local import LocalFileSystem

from mrmesos.io.fs.filesystem import OutputError, open_filesystem, reason
from mrmesos.io.fs.retry import retrying
from mrmesos.io.fs.store_calls import GivenUp, caller

TEMPORARY = "_temporary"
"""Below it attempts write, a directory each; it goes when the job ends."""
PLAN = "_commit.json"
"""What a commit has begun to move."""
SUCCESS = "_SUCCESS"
"""Says that the output is complete."""

_THREADS, _MANY = 16, 32

A = TypeVar("A")
T = TypeVar("T")


class OutputDirectory:
    """The directory at `uri`; `name`s are paths in it, empty for itself.

    Trouble that may pass (network, servers) is tried again up to 5 times, waiting up to 4 s in
    between; anything else raises OutputError naming the output at once.
    """

    def __init__(
        self, uri: str, *, fs: Any = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.uri = uri
        caller(uri)()  # opening may already speak to it
        opened, path = open_filesystem(uri, error=OutputError)
        self.fs = opened if fs is None else fs
        self.path = path.rstrip("/") or path
        self._retrying = retrying(sleep)
        self._calls = caller(uri)

    @property
    def is_local(self) -> bool:
        """Whether these are local files."""
        return isinstance(self.fs, LocalFileSystem)

    def at(self, name: str) -> str:
        """The path of a name, as one of `fs`."""
        return posixpath.join(self.path, name) if name else self.path

    def trying(self, what: str, action: Callable[[], T]) -> T:
        """Do it, again where that may help. `what` says in an error what the output cannot be."""

        def once() -> T:
            self._calls()
            return action()

        try:
            return self._retrying(once)
        except (OutputError, GivenUp):
            raise
        except Exception as exc:  # remote drivers raise what they like
            raise OutputError(
                f"{self.uri}: output cannot be {what}: {reason(exc)}; check the path and its "
                "permissions, or name another output"
            ) from exc

    def each(self, action: Callable[[A], T], items: Sequence[A]) -> list[T]:
        """Do it with all, in any order; many at a time where the filesystem bears it.

        Each is a round trip or waits for a disk, and a job may have thousands of files. Other
        drivers than these (`open_ranges` is our hdfs://) do not say whether they bear it.
        """
        bears_it = type(self.fs) is LocalFileSystem or getattr(self.fs, "async_impl", False)
        bears_it = bears_it or hasattr(self.fs, "open_ranges")
        if len(items) < _MANY or not bears_it:
            return [action(item) for item in items]
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="commit") as pool:
            return list(pool.map(action, items))

    # --- What is there

    def info(self, name: str = "") -> dict[str, Any] | None:
        """See fsspec. None only where it is certain that there is nothing (`fs.exists` is not)."""
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
        """Whether there is anything."""
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
        """The bytes of all files below a directory, by their paths in it."""
        top = self.at(name)

        def find() -> dict[str, dict[str, Any]]:
            self.fs.invalidate_cache()
            found: dict[str, dict[str, Any]] = self.fs.find(top, detail=True)
            return found

        found = self.trying("listed", find)
        return {posixpath.relpath(path, top): info["size"] for path, info in found.items()}

    def check_creatable(self) -> None:
        """Raise OutputError where what is above it does not let it be made."""
        above = self._parent(self.path)
        while (found := self._info(above)) is None:
            if above == self._parent(above):
                return  # an object store: there is nothing above a new name
            above = self._parent(above)
        if found["type"] != "directory":
            raise OutputError(f"{self.uri}: {above} is no directory; name another output")
        if self.is_local and not os.access(above, os.W_OK | os.X_OK):
            raise OutputError(
                f"{self.uri}: cannot be created, as {above} is not writable; name another output"
            )

    def _parent(self, path: str) -> str:
        return str(self.fs._parent(path))

    # --- What is changed

    def make(self, name: str, what: str = "created") -> None:
        """Make a directory and all above, where they are missing."""
        self.trying(what, lambda: self.fs.makedirs(self.at(name), exist_ok=True))

    def read(self, name: str, what: str) -> bytes:
        """All of a small file."""
        return bytes(self.trying(what, lambda: self.fs.cat_file(self.at(name))))

    def write(self, name: str, data: bytes, what: str) -> None:
        """A small file."""

        def write() -> None:
            with self.fs.open(self.at(name), "wb") as file:
                file.write(data)

        self.trying(what, write)

    def rename(self, source: str, target: str, what: str) -> None:
        """Move a file or a directory. The try before this one may have done it."""

        def rename() -> None:
            with contextlib.suppress(FileNotFoundError):
                self.fs.mv(self.at(source), self.at(target), recursive=True)
            self.fs.info(self.at(target))

        self.trying(what, rename)

    def move(self, source: str, target: str, size: int) -> None:
        """Move a file of `size` bytes. Raises OutputError where that is not what is there then."""
        path = self.at(target)

        def move() -> None:
            # The try before this one may have moved it and lost only the answer.
            with contextlib.suppress(FileNotFoundError):
                self.fs.mv(self.at(source), path)
            # Some filesystems answer "false" to a rename that they did not do; fsspec drops that.
            moved = self.fs.info(path)
            if moved["type"] != "file" or moved["size"] != size:
                raise OutputError(f"{self.uri}: {path} is not the file that was moved there")

        self.trying("committed", move)

    def remove(self, name: str) -> None:
        """A file, or a directory with all in it, be it there or not."""
        path = self.at(name)

        def remove() -> None:
            try:
                self.fs.rm(path, recursive=True)
            except FileNotFoundError:
                if self.fs.exists(path):  # somebody else removes it, too: see to the rest
                    raise BlockingIOError(errno.EBUSY, "Somebody else is removing it") from None
            except OSError as exc:
                if exc.errno != errno.ENOTEMPTY:
                    raise
                # An attempt that has been told to stop still wrote a file.
                raise BlockingIOError(errno.EBUSY, "Somebody still writes to it") from exc

        self.trying("cleaned up", remove)
