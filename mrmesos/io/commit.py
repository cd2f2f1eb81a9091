"""Winners-only output: `_temporary/<attempt>` while the job runs, moved at its end, `_SUCCESS`.

Hadoop's FileOutputCommitter, version 1 of its algorithm; on S3, where nothing can be renamed,
uploads that only the commit completes (s3_uploads.py). The commit may die at any point and be
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
from functools import partial
from typing import Any, TypeVar

import msgspec
from fsspec.implementations.local import LocalFileSystem

from mrmesos.io.filesystem import OutputError, open_filesystem, reason
from mrmesos.io.retry import retrying
from mrmesos.io.s3_uploads import MARKER, SCHEMES, Upload, Uploads

_TEMPORARY, _PLAN, _SUCCESS = "_temporary", "_commit.json", "_SUCCESS"
_OWNER = f"{_TEMPORARY}/_job"
_REPLACED = f"{_TEMPORARY}/_replaced"
_THREADS, _MANY = 16, 32

A = TypeVar("A")
T = TypeVar("T")


class _Move(msgspec.Struct, frozen=True):
    """One file of a winner. Paths are relative to the output directory."""

    source: str
    target: str
    size: int
    upload: Upload | None = None


class _Plan(msgspec.Struct, frozen=True):
    """What a commit does. `replaced` are the entries of the output that go."""

    moves: list[_Move]
    replaced: list[str] = []


class OutputCommitter:
    """The life of one job's output directory. Every method may be called again after a crash.

    `writing` is the filesystem for those who write into `attempt_dir`. With `overwrite` a finished
    output that is there stays as it is until all tasks have succeeded, and is replaced then.
    Trouble that may pass (network, servers) is tried again up to 5 times, waiting up to 4 s in
    between; anything else raises OutputError naming the output at once.
    """

    def __init__(
        self,
        output_uri: str,
        *,
        overwrite: bool = False,
        fs: Any = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.uri, self._overwrite = output_uri, overwrite
        opened, self.path = open_filesystem(output_uri, error=OutputError)
        self.fs = opened if fs is None else fs
        self.path = self.path.rstrip("/") or self.path
        self._uploads: Uploads | None = None
        if output_uri.partition("://")[0].lower() in SCHEMES:
            self._uploads = Uploads(self.fs, self.path)
        self.writing: Any = self._uploads or self.fs
        self._retrying = retrying(sleep)

    def check_absent(self) -> None:
        """Raise OutputError where the output exists, be it empty, or cannot be created.

        With `overwrite` it may be there, empty or the finished output of a job.
        """
        found = self._info(self.path)
        if found is not None and self._overwrite and found["type"] == "directory":
            self._check_replaceable()
        elif found is not None or (self._local() and os.path.lexists(self.path)):
            more = "" if self._overwrite else ", or --overwrite it"
            raise OutputError(f"{self.uri}: output exists already; remove it or name another{more}")
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

    def _check_replaceable(self) -> None:
        names = self._names()
        if begun := {_TEMPORARY, _PLAN} & names:
            raise OutputError(
                f"{self.uri}: another job writes there, or died doing so; if none does, remove "
                f"{', '.join(sorted(begun))} in it"
            )
        if names and _SUCCESS not in names:
            raise OutputError(
                f"{self.uri}: cannot be overwritten: without {_SUCCESS} it is no finished output "
                "of a job; remove it yourself"
            )

    def setup_job(self, owner: str = "") -> None:
        """Create the output directory and `_temporary` in it, signed by `owner` if it has one."""
        self._make_temporary()
        if owner:
            self._try("created", lambda: self._write(_OWNER, owner.encode()))

    def belongs_to(self, owner: str) -> bool:
        """Whether `owner` has set the job up, or may have died doing so: nobody signed yet."""
        path = self._in(_OWNER)
        if self._exists(path):
            return bool(self._try("looked at", lambda: self.fs.cat_file(path)) == owner.encode())
        if not self._exists(self._in(_TEMPORARY)):
            return False
        return self._names() == {_TEMPORARY} and not self._listing(self._in(_TEMPORARY))

    def _make_temporary(self) -> None:
        if self._uploads is not None:
            self._try("created", self._uploads.begin)
            return
        self._try("created", lambda: self.fs.makedirs(self._in(_TEMPORARY), exist_ok=True))
        if not self._exists(self._in(_TEMPORARY)):  # an object store, where directories are names
            self._try("created", lambda: self._write(f"{_TEMPORARY}/{MARKER}", b""))

    def attempt_dir(self, attempt_id: str) -> str:
        """Where an attempt writes its files, as a path of `fs`."""
        return self._in(f"{_TEMPORARY}/{attempt_id}")

    def commit_job(self, winning_attempt_ids: Sequence[str]) -> None:
        """Move the winners' files to the output, drop all else, then write `_SUCCESS`.

        Where a commit began before, its winners count, not these.
        Each winner must have written at least one file (an empty one will do). Raises OutputError
        where a winner's file is lost or two winners wrote the same name; then nothing was moved.
        """
        if not self._is_committed():
            plan = self._plan(winning_attempt_ids)
            self._set_aside(plan)
            self._each(self._carry_out, plan.moves)
            self._finish(plan)
        # Only now: until `_SUCCESS` stands, an abort has to know what was moved.
        self._remove(_PLAN)

    def _finish(self, plan: _Plan) -> None:
        """All winners' files are in place."""
        if self._uploads is not None:
            self._drop_replaced(plan)
            self._try("cleaned up", self._uploads.abort_all)
        self._remove_attempts()
        self._remove(_TEMPORARY)
        self._try("finished", lambda: self._write(_SUCCESS, b""))

    def abort_job(self) -> None:
        """Remove all that the job wrote, and the output directory if nothing else is in it.

        A committed output stays, and what was to be overwritten comes back, but for what a commit
        on an object store had replaced already.
        """
        if not self._exists(self.path) or self._is_committed():
            return
        plan = self._read_plan()
        if plan is not None and plan.replaced and self._is_in_place(plan):
            self._finish(plan)  # what was replaced may be half gone: the new output is what is left
            self._remove(_PLAN)
            return
        if plan is not None:
            self._undo(plan)
        if self._uploads is not None:
            self._try("cleaned up", self._uploads.abort_all)
        self._remove(_TEMPORARY)
        self._remove(_PLAN)
        if self._exists(self.path) and not self._names():  # object stores have no empty ones
            self._remove("")

    def _is_committed(self) -> bool:
        """`_SUCCESS` comes after the end of `_temporary`: with both, it is the old output's."""
        if not self._exists(self._in(_SUCCESS)):
            return False
        marker = self._in(_TEMPORARY) if self._uploads is None else self._uploads.marker
        return not (self._overwrite and self._exists(marker))

    def _plan(self, winners: Sequence[str]) -> _Plan:
        plan = self._read_plan()
        if plan is not None:
            return plan
        by_target: dict[str, _Move] = {}
        listed = self._each(self._moves_of, winners)
        for attempt, moves in zip(winners, listed, strict=True):
            if not moves:
                raise OutputError(
                    f"{self.uri}: the files of {attempt} are lost; was the output removed?"
                )
            for move in moves:
                other = by_target.setdefault(move.target, move)
                if other is not move:
                    raise OutputError(f"{self.uri}: {other.source} and {move.source} collide")
        replaced = self._names() - {_TEMPORARY, _PLAN} if self._overwrite else set()
        plan = _Plan(list(by_target.values()), sorted(replaced))
        data = msgspec.json.encode(plan)
        self._try("committed", lambda: self._write(_PLAN, data))
        return plan

    def _moves_of(self, attempt: str) -> list[_Move]:
        """What becomes of the files of a winner."""
        moves = []
        for name, size in self._files(f"{_TEMPORARY}/{attempt}").items():
            source, upload = f"{_TEMPORARY}/{attempt}/{name}", None
            if self._uploads is not None:
                upload = self._try("committed", partial(self._uploads.ticket, self._in(source)))
                size = upload.size
            moves.append(_Move(source, name, size, upload))
        return moves

    def _read_plan(self) -> _Plan | None:
        """The list of a commit that began; None if it has not, also where it is cut short."""
        path = self._in(_PLAN)
        if not self._exists(path):
            return None
        data = self._try("committed", lambda: self.fs.cat_file(path))
        try:
            return msgspec.json.decode(data, type=_Plan)
        except msgspec.DecodeError:
            return None  # it died while writing it, so before the first move

    def _set_aside(self, plan: _Plan) -> None:
        """What is replaced ends to be an output, and can come back where it can be renamed."""
        if not plan.replaced or self._is_in_place(plan):
            return  # what is there now is the new output
        if self._uploads is not None:
            self._remove(_SUCCESS)
            return
        self._try("committed", lambda: self.fs.makedirs(self._in(_REPLACED), exist_ok=True))
        for name in plan.replaced:
            kept, there = self._in(f"{_REPLACED}/{name}"), self._in(name)
            if not self._exists(kept) and self._exists(there):
                self._try("committed", partial(self._rename, there, kept))

    def _drop_replaced(self, plan: _Plan) -> None:
        """What could not be set aside, and no new file took the place of."""
        for name in set(plan.replaced) - {move.target.split("/")[0] for move in plan.moves}:
            self._remove(name)

    def _is_in_place(self, plan: _Plan) -> bool:
        """Whether all was renamed. Of uploads that is not known: tickets stay."""
        return not any(self._exists(self._in(move.source)) for move in plan.moves)

    def _undo(self, plan: _Plan) -> None:
        """As if the commit had not begun, but for what an object store has replaced."""
        for move in plan.moves:
            if self._was_placed(move):
                self._remove(move.target)
        for name in plan.replaced:
            kept = self._in(f"{_REPLACED}/{name}")
            if self._exists(kept):
                self._try("restored", partial(self._rename, kept, self._in(name)))

    def _was_placed(self, move: _Move) -> bool:
        if self._uploads is None or move.upload is None:
            return not self._exists(self._in(move.source))
        abort = partial(self._uploads.abort, self._in(move.target), move.upload.id)
        return not self._try("cleaned up", abort)

    def _rename(self, source: str, target: str) -> None:
        """A file or a directory. The try before this one may have done it."""
        with contextlib.suppress(FileNotFoundError):
            self.fs.mv(source, target, recursive=True)
        self.fs.info(target)

    def _carry_out(self, move: _Move) -> None:
        if self._uploads is not None and move.upload is not None:
            complete = partial(self._uploads.complete, self._in(move.target), move.upload)
            self._try("committed", complete)
            return
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
        drivers than these (`open_ranges` is our hdfs://) do not say whether they bear it.
        """
        bears_it = type(self.fs) is LocalFileSystem or getattr(self.fs, "async_impl", False)
        bears_it = bears_it or hasattr(self.fs, "open_ranges")
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

    def _names(self) -> set[str]:
        """The entries of the output directory."""
        paths = self._try("listed", lambda: self._listing(self.path))
        return {posixpath.basename(path) for path in paths}

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
