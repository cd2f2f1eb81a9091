"""Winners-only output: `_temporary/<attempt>` while the job runs, moved at its end, `_SUCCESS`.

Hadoop's FileOutputCommitter, version 1 of its algorithm. The commit may die at any point and be
repeated: before the first move it writes what it will move to `_commit.json`, and from there on
only carries that list out.
"""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec
from fsspec.implementations.local import LocalFileSystem

from mrmesos.io.filesystem import OutputError, open_filesystem, reason
from mrmesos.io.retry import retrying

_TEMPORARY, _PLAN, _SUCCESS = "_temporary", "_commit.json", "_SUCCESS"
_THREADS, _MANY = 16, 32

A = TypeVar("A")
T = TypeVar("T")


class _Move(msgspec.Struct, frozen=True):
    """One file of a winner. Paths are relative to the output directory."""

    source: str
    target: str
    size: int


class OutputCommitter:
    """The life of one job's output directory. Every method may be called again after a crash.

    `fs` and `path` are for those who write into `attempt_dir`. Trouble that may pass (network,
    servers) is tried again up to 5 times, waiting up to 4 s in between; anything else raises
    OutputError naming the output at once.
    """

    def __init__(
        self, output_uri: str, *, fs: Any = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.uri = output_uri
        opened, self.path = open_filesystem(output_uri, error=OutputError)
        self.fs = opened if fs is None else fs
        self.path = self.path.rstrip("/") or self.path
        self._retrying = retrying(sleep)

    def check_absent(self) -> None:
        """Raise OutputError where the output exists, be it empty, or cannot be created."""
        if self._exists(self.path) or (self._local() and os.path.lexists(self.path)):
            raise OutputError(f"{self.uri}: output exists already; remove it or name another")
        above = self._parent(self.path)
        while (found := self._info(above)) is None:
            if above == self._parent(above):
                return  # an object store: there is nothing above a new name
            above = self._parent(above)
        if found["type"] != "directory":
            raise OutputError(f"{self.uri}: {above} is no directory; name another output")
        if self._local() and not os.access(above, os.W_OK | os.X_OK):
            raise OutputError(
                f"{self.uri}: cannot be created, as {above} is not writable; name another output"
            )

    def setup_job(self) -> None:
        """Create the output directory and `_temporary` in it."""
        self._try("created", lambda: self.fs.makedirs(self._in(_TEMPORARY), exist_ok=True))

    def attempt_dir(self, attempt_id: str) -> str:
        """Where an attempt writes its files, as a path of `fs`."""
        return self._in(f"{_TEMPORARY}/{attempt_id}")

    def commit_job(self, winning_attempt_ids: Sequence[str]) -> None:
        """Move the winners' files to the output, drop all else, then write `_SUCCESS`.

        Where a commit began before, its winners count, not these.
        Each winner must have written at least one file (an empty one will do). Raises OutputError
        where a winner's file is lost or two winners wrote the same name; then nothing was moved.
        """
        if not self._exists(self._in(_SUCCESS)):
            self._each(self._carry_out, self._plan(winning_attempt_ids))
            self._remove_attempts()
            self._remove(_TEMPORARY)
            self._try("finished", lambda: self._write(_SUCCESS, b""))
        # Only now: until `_SUCCESS` stands, an abort has to know what was moved.
        self._remove(_PLAN)

    def abort_job(self) -> None:
        """Remove all that the job wrote, and the output directory if nothing else is in it.

        A committed output stays.
        """
        if not self._exists(self.path) or self._exists(self._in(_SUCCESS)):
            return
        for move in self._read_plan() or []:
            self._remove(move.target)
        self._remove(_TEMPORARY)
        self._remove(_PLAN)
        if not self._try("listed", lambda: self._listing(self.path)):
            self._remove("")

    def _plan(self, winners: Sequence[str]) -> list[_Move]:
        moves = self._read_plan()
        if moves is not None:
            return moves
        by_target: dict[str, _Move] = {}
        listed = self._each(lambda attempt: self._files(f"{_TEMPORARY}/{attempt}"), winners)
        for attempt, files in zip(winners, listed, strict=True):
            source_dir = f"{_TEMPORARY}/{attempt}"
            if not files:
                raise OutputError(
                    f"{self.uri}: the files of {attempt} are lost; was the output removed?"
                )
            for name, size in files.items():
                move = _Move(f"{source_dir}/{name}", name, size)
                other = by_target.setdefault(name, move)
                if other is not move:
                    raise OutputError(f"{self.uri}: {other.source} and {move.source} collide")
        moves = list(by_target.values())
        data = msgspec.json.encode(moves)
        self._try("committed", lambda: self._write(_PLAN, data))
        return moves

    def _read_plan(self) -> list[_Move] | None:
        """The list of a commit that began; None if it has not, also where it is cut short."""
        path = self._in(_PLAN)
        if not self._exists(path):
            return None
        data = self._try("committed", lambda: self.fs.cat_file(path))
        try:
            return msgspec.json.decode(data, type=list[_Move])
        except msgspec.DecodeError:
            return None  # it died while writing it, so before the first move

    def _carry_out(self, move: _Move) -> None:
        source, target = self._in(move.source), self._in(move.target)
        if not self._exists(source):
            moved = self._info(target)
            if moved is None or moved["size"] != move.size:
                raise OutputError(f"{self.uri}: {move.source} is lost; was the output removed?")
            return
        if self._exists(target):  # half a copy, on filesystems that cannot rename
            self._remove(move.target)
        if "/" in move.target:
            above = self._parent(target)
            self._try("created", lambda: self.fs.makedirs(above, exist_ok=True))
        self._try("committed", lambda: self._move(source, target, move.size))

    def _move(self, source: str, target: str, size: int) -> None:
        # The try before this one may have moved it and lost only the answer.
        with contextlib.suppress(FileNotFoundError):
            self.fs.mv(source, target)
        # Some filesystems answer a rename that they did not do with "false", which fsspec drops.
        moved = self.fs.info(target)
        if moved["type"] != "file" or moved["size"] != size:
            raise OutputError(f"{self.uri}: {target} is not the file that was moved there")

    def _each(self, action: Callable[[A], T], items: Sequence[A]) -> list[T]:
        """Do it with all, in any order; many at a time where the filesystem bears it.

        Each is a round trip or waits for a disk, and a job may have thousands of files. Other
        drivers than these do not say whether several threads may use them.
        """
        bears_it = type(self.fs) is LocalFileSystem or getattr(self.fs, "async_impl", False)
        if len(items) < _MANY or not bears_it:
            return [action(item) for item in items]
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="commit") as pool:
            return list(pool.map(action, items))

    def _remove_attempts(self) -> None:
        """Remove the attempts' directories; object stores have none, and delete in bulk."""
        if not self._local() or not self._exists(self._in(_TEMPORARY)):
            return
        paths = self._try("cleaned up", lambda: self._listing(self._in(_TEMPORARY)))
        names = [posixpath.basename(path) for path in paths]
        self._each(lambda name: self._remove(f"{_TEMPORARY}/{name}"), names)

    def _write(self, name: str, data: bytes) -> None:
        with self.fs.open(self._in(name), "wb") as file:
            file.write(data)

    def _remove(self, name: str) -> None:
        path = self._in(name)

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

        self._try("cleaned up", remove)

    def _files(self, directory: str) -> dict[str, int]:
        """Sizes of all files below `directory`, by their path in it."""
        top = self._in(directory)

        def find() -> dict[str, dict[str, Any]]:
            self.fs.invalidate_cache()
            found: dict[str, dict[str, Any]] = self.fs.find(top, detail=True)
            return found

        found = self._try("listed", find)
        return {posixpath.relpath(path, top): info["size"] for path, info in found.items()}

    def _listing(self, path: str) -> list[str]:
        self.fs.invalidate_cache()
        names = [str(name).rstrip("/") for name in self.fs.ls(path, detail=False)]
        return [name for name in names if name != path]

    def _info(self, path: str) -> dict[str, Any] | None:
        """None only where it is certain that there is nothing (`fs.exists` is not so sure)."""

        def info() -> dict[str, Any] | None:
            try:
                found: dict[str, Any] = self.fs.info(path)
            except (FileNotFoundError, NotADirectoryError):
                return None
            return found

        return self._try("looked at", info)

    def _exists(self, path: str) -> bool:
        return self._info(path) is not None

    def _try(self, what: str, action: Callable[[], T]) -> T:
        try:
            return self._retrying(action)
        except OutputError:
            raise
        except Exception as exc:  # remote drivers raise what they like
            raise OutputError(
                f"{self.uri}: output cannot be {what}: {reason(exc)}; check the path and its "
                "permissions, or name another output"
            ) from exc

    def _local(self) -> bool:
        return isinstance(self.fs, LocalFileSystem)

    def _parent(self, path: str) -> str:
        return str(self.fs._parent(path))

    def _in(self, name: str) -> str:
        return posixpath.join(self.path, name) if name else self.path
