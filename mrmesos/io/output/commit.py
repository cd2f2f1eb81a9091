"""Winners-only output: `_temporary/<attempt>` while the job runs, moved at its end, `_SUCCESS`.

Hadoop's FileOutputCommitter, version 1 of its algorithm; on S3, where nothing can be renamed,
uploads that only the commit completes (s3_uploads.py). The commit may die at any point and be
repeated: before the first move it writes what it will move to `_commit.json`, and from there on
only carries that list out.
"""

from __future__ import annotations

import os
import posixpath
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from mrmesos.io.fs.filesystem import OutputError
from mrmesos.io.output.output_dir import PLAN, SUCCESS, TEMPORARY, OutputDirectory
from mrmesos.io.output.s3_uploads import MARKER, SCHEMES, MultipartUpload, Uploads

_OWNER = f"{TEMPORARY}/{MARKER}"
_REPLACED = f"{TEMPORARY}/_replaced"


class _Move(msgspec.Struct, frozen=True):
    """One file of a winner. Paths are relative to the output directory."""

    source: str
    target: str
    size: int
    upload: MultipartUpload | None = None


class _Plan(msgspec.Struct, frozen=True):
    """What a commit does. `replaced` are the entries of the output that go."""

    moves: list[_Move]
    replaced: list[str] = []


class OutputCommitter:
    """The life of one job's output directory. Every method may be called again after a crash.

    `writing` is the filesystem for those who write into `attempt_dir`. With `overwrite` a finished
    output that is there stays as it is until all tasks have succeeded, and is replaced then.
    Raises OutputError as OutputDirectory does.
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
        self._dir = OutputDirectory(output_uri, fs=fs, sleep=sleep)
        self.fs, self.path = self._dir.fs, self._dir.path
        self._uploads: Uploads | None = None
        if output_uri.partition("://")[0].lower() in SCHEMES:
            self._uploads = Uploads(self.fs, self.path)
        self.writing: Any = self._uploads or self.fs

    def check_absent(self) -> None:
        """Raise OutputError where the output exists, be it empty, or cannot be created.

        With `overwrite` it may be there, empty or the finished output of a job.
        """
        found = self._dir.info()
        if found is not None and self._overwrite and found["type"] == "directory":
            self._check_replaceable()
        elif found is not None or (self._dir.is_local and os.path.lexists(self.path)):
            more = "" if self._overwrite else ", or --overwrite it"
            raise OutputError(f"{self.uri}: output exists already; remove it or name another{more}")
        self._dir.check_creatable()

    def _check_replaceable(self) -> None:
        names = self._dir.names()
        if begun := {TEMPORARY, PLAN} & names:
            raise OutputError(
                f"{self.uri}: another job writes there, or died doing so; if none does, remove "
                f"{', '.join(sorted(begun))} in it"
            )
        if names and SUCCESS not in names:
            raise OutputError(
                f"{self.uri}: cannot be overwritten: without {SUCCESS} it is no finished output "
                "of a job; remove it yourself"
            )

    def setup_job(self, owner: str = "") -> None:
        """Create the output directory and `_temporary` in it, signed by `owner` if it has one."""
        self._make_temporary()
        if owner:
            self._dir.write(_OWNER, owner.encode(), "created")

    def belongs_to(self, owner: str) -> bool:
        """Whether `owner` has set the job up, or may have died doing so: nobody signed yet."""
        if self._dir.exists(_OWNER):
            return self._dir.read(_OWNER, "looked at") == owner.encode()
        if not self._dir.exists(TEMPORARY):
            return False
        return self._dir.names() == {TEMPORARY} and not self._dir.names(TEMPORARY)

    def _make_temporary(self) -> None:
        if self._uploads is not None:
            self._dir.trying("created", self._uploads.begin)
            return
        self._dir.make(TEMPORARY)
        if not self._dir.exists(TEMPORARY):  # an object store, where directories are names
            self._dir.write(_OWNER, b"", "created")

    def attempt_dir(self, attempt_id: str) -> str:
        """Where an attempt writes its files, as a path of `fs`."""
        return self._dir.at(f"{TEMPORARY}/{attempt_id}")

    def commit_job(self, winning_attempt_ids: Sequence[str]) -> None:
        """Move the winners' files to the output, drop all else, then write `_SUCCESS`.

        Where a commit began before, its winners count, not these.
        Each winner must have written at least one file (an empty one will do). Raises OutputError
        where a winner's file is lost or two winners wrote the same name; then nothing was moved.
        """
        if not self._is_committed():
            plan = self._plan(winning_attempt_ids)
            self._set_aside(plan)
            self._dir.each(self._carry_out, plan.moves)
            self._finish(plan)
        # Only now: until `_SUCCESS` stands, an abort has to know what was moved.
        self._dir.remove(PLAN)

    def _finish(self, plan: _Plan) -> None:
        """All winners' files are in place."""
        if self._uploads is not None:
            self._drop_replaced(plan)
            self._dir.trying("cleaned up", self._uploads.abort_all)
        self._remove_attempts()
        self._dir.remove(TEMPORARY)
        self._dir.write(SUCCESS, b"", "finished")

    def abort_job(self) -> None:
        """Remove all that the job wrote, and the output directory if nothing else is in it.

        A committed output stays, and what was to be overwritten comes back, but for what a commit
        on an object store had replaced already.
        """
        if not self._dir.exists() or self._is_committed():
            return
        plan = self._read_plan()
        if plan is not None and plan.replaced and self._is_in_place(plan):
            self._finish(plan)  # what was replaced may be half gone: the new output is what is left
            self._dir.remove(PLAN)
            return
        if plan is not None:
            self._undo(plan)
        if self._uploads is not None:
            self._dir.trying("cleaned up", self._uploads.abort_all)
        self._dir.remove(TEMPORARY)
        self._dir.remove(PLAN)
        if self._dir.exists() and not self._dir.names():  # object stores have no empty ones
            self._dir.remove("")

    def _is_committed(self) -> bool:
        """`_SUCCESS` comes after the end of `_temporary`: with both, it is the old output's."""
        if not self._dir.exists(SUCCESS):
            return False
        marker = TEMPORARY if self._uploads is None else _OWNER
        return not (self._overwrite and self._dir.exists(marker))

    def _plan(self, winners: Sequence[str]) -> _Plan:
        plan = self._read_plan()
        if plan is not None:
            return plan
        by_target: dict[str, _Move] = {}
        listed = self._dir.each(self._moves_of, winners)
        for attempt, moves in zip(winners, listed, strict=True):
            if not moves:
                raise OutputError(
                    f"{self.uri}: the files of {attempt} are lost; was the output removed?"
                )
            for move in moves:
                other = by_target.setdefault(move.target, move)
                if other is not move:
                    raise OutputError(f"{self.uri}: {other.source} and {move.source} collide")
        replaced = self._dir.names() - {TEMPORARY, PLAN} if self._overwrite else set()
        plan = _Plan(list(by_target.values()), sorted(replaced))
        self._dir.write(PLAN, msgspec.json.encode(plan), "committed")
        return plan

    def _moves_of(self, attempt: str) -> list[_Move]:
        """What becomes of the files of a winner."""
        moves = []
        for name, size in self._dir.sizes(f"{TEMPORARY}/{attempt}").items():
            source, upload = f"{TEMPORARY}/{attempt}/{name}", None
            if self._uploads is not None:
                ticket = partial(self._uploads.ticket, self._dir.at(source))
                upload = self._dir.trying("committed", ticket)
                size = upload.size
            moves.append(_Move(source, name, size, upload))
        return moves

    def _read_plan(self) -> _Plan | None:
        """The list of a commit that began; None if it has not, also where it is cut short."""
        if not self._dir.exists(PLAN):
            return None
        try:
            return msgspec.json.decode(self._dir.read(PLAN, "committed"), type=_Plan)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None  # it died while writing it, so before the first move

    def _set_aside(self, plan: _Plan) -> None:
        """What is replaced ends to be an output, and can come back where it can be renamed."""
        if not plan.replaced or self._is_in_place(plan):
            return  # what is there now is the new output
        if self._uploads is not None:
            self._dir.remove(SUCCESS)
            return
        self._dir.make(_REPLACED, "committed")
        for name in plan.replaced:
            kept = f"{_REPLACED}/{name}"
            if not self._dir.exists(kept) and self._dir.exists(name):
                self._dir.rename(name, kept, "committed")

    def _drop_replaced(self, plan: _Plan) -> None:
        """What could not be set aside, and no new file took the place of."""
        for name in set(plan.replaced) - {move.target.split("/")[0] for move in plan.moves}:
            self._dir.remove(name)

    def _is_in_place(self, plan: _Plan) -> bool:
        """Whether all was renamed. Of uploads that is not known: tickets stay."""
        return not any(self._dir.exists(move.source) for move in plan.moves)

    def _undo(self, plan: _Plan) -> None:
        """As if the commit had not begun, but for what an object store has replaced."""
        for move in plan.moves:
            if self._was_placed(move):
                self._dir.remove(move.target)
        for name in plan.replaced:
            kept = f"{_REPLACED}/{name}"
            if self._dir.exists(kept):
                self._dir.rename(kept, name, "restored")

    def _was_placed(self, move: _Move) -> bool:
        if self._uploads is None or move.upload is None:
            return not self._dir.exists(move.source)
        abort = partial(self._uploads.abort, self._dir.at(move.target), move.upload.id)
        return not self._dir.trying("cleaned up", abort)

    def _carry_out(self, move: _Move) -> None:
        if self._uploads is not None and move.upload is not None:
            complete = partial(self._uploads.complete, self._dir.at(move.target), move.upload)
            self._dir.trying("committed", complete)
            return
        if not self._dir.exists(move.source):
            moved = self._dir.info(move.target)
            if moved is None or moved["size"] != move.size:
                raise OutputError(f"{self.uri}: {move.source} is lost; was the output removed?")
            return
        if self._dir.exists(move.target):  # half a copy, on filesystems that cannot rename
            self._dir.remove(move.target)
        if "/" in move.target:
            self._dir.make(posixpath.dirname(move.target))
        self._dir.move(move.source, move.target, move.size)

    def _remove_attempts(self) -> None:
        """Remove the attempts' directories; object stores have none, and delete in bulk."""
        if self._dir.is_local and self._dir.exists(TEMPORARY):
            attempts = [f"{TEMPORARY}/{name}" for name in self._dir.names(TEMPORARY)]
            self._dir.each(self._dir.remove, attempts)
