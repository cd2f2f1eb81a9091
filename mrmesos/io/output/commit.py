"""The commit of a job's output. Only files of winning attempts become visible.

Attempts write to `_temporary/<attempt>`. The commit moves the winners' files to the output and then
writes `_SUCCESS` (version 1 of the algorithm of Hadoop's FileOutputCommitter). S3 has no rename, so
there the commit completes uploads instead (s3_uploads.py).

The commit may die at any point and run again. Before the first move it writes the list of moves to
`_commit.json`. After that it only executes this list.
"""

from __future__ import annotations

import os
import posixpath
import time
from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

import msgspec
from msgspec.structs import replace

from mrmesos.io.fs.filesystem import OutputError
from mrmesos.io.output.output_dir import NOTHING, PLAN, SUCCESS, TEMPORARY, OutputDirectory
from mrmesos.io.output.part_notes import (
    CONFORMED,
    NOTE_SUFFIX,
    Conform,
    Conformed,
    Conforming,
    Part,
    PartNote,
)
from mrmesos.io.output.s3_uploads import MARKER, SCHEMES, MultipartUpload, Uploads

_OWNER = f"{TEMPORARY}/{MARKER}"
_REPLACED = f"{TEMPORARY}/_replaced"


class _Move(msgspec.Struct, frozen=True):
    """One file of a winner. Paths are relative to the output directory."""

    source: str
    target: str
    size: int
    upload: MultipartUpload | None = None
    note: PartNote | None = None
    schema: str = ""
    """If not empty, the upload gets this schema after it is completed."""


class _Plan(msgspec.Struct, frozen=True):
    """The list of a commit's moves. `replaced` has the old entries of the output to delete."""

    moves: list[_Move]
    replaced: list[str] = []


def _parts(moves: Sequence[_Move]) -> list[Part]:
    return [Part(move.source, move.target, move.note) for move in moves if move.note is not None]


def _schema_of(move: _Move) -> str:
    return "" if move.note is None else move.note.schema


def _is_bare(move: _Move) -> bool:
    return move.note is not None and move.note.bare > 0


class OutputCommitter:
    """Sets up, commits and aborts one job's output. Every method may run again after a crash.

    Attempts write to `attempt_dir` through the filesystem `writing`. With `overwrite`, an existing
    finished output stays until all tasks have succeeded; then the commit replaces it.
    Raises OutputError like OutputDirectory.
    """

    def __init__(
        self,
        output_uri: str,
        *,
        overwrite: bool = False,
        fs: Any = None,
        sleep: Callable[[float], None] = time.sleep,
        conform: Conform | None = None,
        pickle_key: str = "",
    ) -> None:
        """`conform` gives parts one schema; without it, this process does.

        `pickle_key` signs the values that it pickles.
        """
        self._pickle_key = pickle_key
        self.uri, self._overwrite = output_uri, overwrite
        self._conform = conform or self._in_this_process
        self._dir = OutputDirectory(output_uri, fs=fs, sleep=sleep)
        self.fs, self.path = self._dir.fs, self._dir.path
        self._uploads: Uploads | None = None
        if output_uri.partition("://")[0].lower() in SCHEMES:
            self._uploads = Uploads(self.fs, self.path)
        self.writing: Any = self._uploads or self.fs

    def check_absent(self) -> None:
        """Raise OutputError if the output exists, even empty, or cannot be created.

        With `overwrite`, it may exist if it is empty or the finished output of a job.
        """
        found = self._dir.info()
        if found is not None and self._overwrite and found["type"] == "directory":
            self._check_replaceable()
        elif found is not None or (self._dir.is_local and os.path.lexists(self.path)):
            more = "" if self._overwrite else ", or set output.overwrite=true"
            raise OutputError(f"{self.uri}: output exists already; remove it or name another{more}")
        self._dir.check_creatable()

    def _check_replaceable(self) -> None:
        names = self._dir.names()
        if begun := {TEMPORARY, PLAN} & names:
            raise OutputError(
                f"{self.uri}: another job writes there or died there; if no job runs, remove "
                f"{', '.join(sorted(begun))} in it"
            )
        if names and SUCCESS not in names:
            raise OutputError(
                f"{self.uri}: cannot be overwritten: without {SUCCESS} it is not a finished output "
                "of a job; remove it yourself"
            )

    def setup_job(self, owner: str = "") -> None:
        """Create the output directory and `_temporary` in it, with the name of `owner` if given."""
        self._make_temporary()
        if owner:
            self._dir.write(_OWNER, owner.encode(), "created")

    def belongs_to(self, owner: str) -> bool:
        """Whether `owner` set up this output. Also true if no owner is written yet.

        The owner may have died before it wrote its name.
        """
        if self._dir.exists(_OWNER):
            return self._dir.read(_OWNER, "looked at") == owner.encode()
        if not self._dir.exists(TEMPORARY):
            return False
        return self._dir.names() == {TEMPORARY} and not self._dir.names(TEMPORARY)

    def is_owned_by(self, owner: str) -> bool:
        """Whether `owner` has certainly set up this output, and has not committed it."""
        return self._dir.exists(_OWNER) and self.belongs_to(owner)

    def _make_temporary(self) -> None:
        if self._uploads is not None:
            self._dir.trying("created", self._uploads.begin)
            return
        self._dir.make(TEMPORARY)
        if not self._dir.exists(TEMPORARY):  # an object store without directories
            self._dir.write(_OWNER, b"", "created")

    def attempt_dir(self, attempt_id: str) -> str:
        """The directory for an attempt's files, as a path of `fs`."""
        return self._dir.at(f"{TEMPORARY}/{attempt_id}")

    def commit_job(self, winning_attempt_ids: Sequence[str]) -> None:
        """Move the winners' files to the output, delete all others, then write `_SUCCESS`.

        If an earlier commit has begun, its winners count, not these. Each winner must have written
        at least one file: a part, which may be empty, or the mark NOTHING. Raises OutputError if a
        winner's file is lost, or if two winners wrote the same name; then nothing was moved.
        """
        if not self._is_committed():
            plan = self._plan(winning_attempt_ids)
            self._set_aside(plan)
            self._dir.each(self._make_move, plan.moves)
            self._replace_differing(plan)
            self._finish(plan)
        # Last, because an abort needs the list of moves until `_SUCCESS` exists.
        self._dir.remove(PLAN)

    def _finish(self, plan: _Plan) -> None:
        """Clean up and write `_SUCCESS`, after all winners' files are in place."""
        if self._uploads is not None:
            self._drop_replaced(plan)
            self._dir.trying("cleaned up", self._uploads.abort_all)
        self._remove_attempts()
        self._dir.remove(TEMPORARY)
        self._dir.write(SUCCESS, b"", "finished")

    def abort_job(self) -> None:
        """Remove all files of the job, and the output directory if it is empty then.

        A committed output stays. An output that was to be overwritten is restored, except for files
        that a commit on an object store has already replaced.
        """
        if not self._dir.exists() or self._is_committed():
            return
        plan = self._read_plan()
        if plan is not None and plan.replaced and self._is_in_place(plan):
            self._finish(plan)  # the old output may be half deleted, but the new one is complete
            self._dir.remove(PLAN)
            return
        if plan is not None:
            self._undo(plan)
        if self._uploads is not None:
            self._dir.trying("cleaned up", self._uploads.abort_all)
        self._dir.remove(TEMPORARY)
        self._dir.remove(PLAN)
        if self._dir.exists() and not self._dir.names():  # object stores have no empty directories
            self._dir.remove("")

    def _is_committed(self) -> bool:
        """A commit writes `_SUCCESS` after it removes `_temporary`.

        If both exist, `_SUCCESS` belongs to the old output.
        """
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
            if moves is None:
                raise OutputError(
                    f"{self.uri}: the files of {attempt} are lost; was the output removed?"
                )
            for move in moves:
                other = by_target.setdefault(move.target, move)
                if other is not move:
                    raise OutputError(f"{self.uri}: {other.source} and {move.source} collide")
        replaced = self._dir.names() - {TEMPORARY, PLAN} if self._overwrite else set()
        plan = _Plan(self._in_one_schema(list(by_target.values())), sorted(replaced))
        self._dir.write(PLAN, msgspec.json.encode(plan), "committed")
        return plan

    def _moves_of(self, attempt: str) -> list[_Move] | None:
        """The moves of a winner's files; None if it has left none, not even a mark."""
        moves = []
        sizes = self._dir.sizes(f"{TEMPORARY}/{attempt}")
        if not sizes:
            return None
        for name, size in sizes.items():
            if name == NOTHING:
                continue
            source, upload, note = f"{TEMPORARY}/{attempt}/{name}", None, None
            if self._uploads is not None:
                ticket = partial(self._uploads.ticket, self._dir.at(source))
                upload = self._dir.trying("committed", ticket)
                size, note = upload.size, upload.note
            elif name.removesuffix(NOTE_SUFFIX) != name and name.removesuffix(NOTE_SUFFIX) in sizes:
                continue
            elif f"{name}{NOTE_SUFFIX}" in sizes:
                data = self._dir.read(f"{source}{NOTE_SUFFIX}", "committed")
                note = msgspec.json.decode(data, type=PartNote)
            moves.append(_Move(source, name, size, upload, note))
        return moves

    def _in_one_schema(self, moves: list[_Move]) -> list[_Move]:
        """The moves, after parts of one directory that differ in their schema are rewritten.

        The originals stay, so a commit that dies here does the same again. Uploads cannot be read
        before they are completed, so they are rewritten after that.
        """
        directories: dict[str, list[_Move]] = {}
        for move in sorted(moves, key=attrgetter("target")):
            if move.note is not None:
                directories.setdefault(posixpath.dirname(move.target), []).append(move)
        changed: dict[str, _Move] = {}
        for found in directories.values():
            if len(set(map(_schema_of, found))) == 1 and not any(map(_is_bare, found)):
                continue
            step = "rewrite" if self._uploads is None else "unify"
            answer = self._conform(
                Conforming(self.uri, step, _parts(found), pickle_key=self._pickle_key)
            )
            for move in found:
                if move.target in answer.sizes:
                    source = f"{CONFORMED}/{move.target}"
                    changed[move.target] = replace(
                        move, source=source, size=answer.sizes[move.target]
                    )
                elif self._uploads is not None and answer.schema != _schema_of(move):
                    changed[move.target] = replace(move, schema=answer.schema)
        return [changed.get(move.target, replace(move, note=None)) for move in moves]

    def _replace_differing(self, plan: _Plan) -> None:
        """Rewrite completed uploads whose schema is not that of all parts."""
        for schema in dict.fromkeys(move.schema for move in plan.moves if move.schema):
            found = [move for move in plan.moves if move.schema == schema]
            self._conform(Conforming(self.uri, "replace", _parts(found), schema, self._pickle_key))

    def _in_this_process(self, request: Conforming) -> Conformed:
        from mrmesos.io.output.conform_parts import conform

        return conform(request, self.fs, self.path, lambda: None)

    def _read_plan(self) -> _Plan | None:
        """The list of a commit that has begun; None if there is none or it is incomplete."""
        if not self._dir.exists(PLAN):
            return None
        try:
            return msgspec.json.decode(self._dir.read(PLAN, "committed"), type=_Plan)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None  # the commit died while writing the list, before the first move

    def _set_aside(self, plan: _Plan) -> None:
        """Move the old output aside, so that an abort can restore it.

        An object store cannot rename, so there this only deletes `_SUCCESS`.
        """
        if not plan.replaced or self._is_in_place(plan):
            return  # the files in the output are the new ones
        if self._uploads is not None:
            self._dir.remove(SUCCESS)
            return
        self._dir.make(_REPLACED, "committed")
        for name in plan.replaced:
            kept = f"{_REPLACED}/{name}"
            if not self._dir.exists(kept) and self._dir.exists(name):
                self._dir.rename(name, kept, "committed")

    def _drop_replaced(self, plan: _Plan) -> None:
        """Delete old files that were not set aside and not replaced by a new file."""
        for name in set(plan.replaced) - {move.target.split("/")[0] for move in plan.moves}:
            self._dir.remove(name)

    def _is_in_place(self, plan: _Plan) -> bool:
        """Whether all files were renamed. Always false for uploads, because their tickets stay."""
        return not any(self._dir.exists(move.source) for move in plan.moves)

    def _undo(self, plan: _Plan) -> None:
        """Undo a commit that has begun, except for files that an object store has replaced."""
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

    def _make_move(self, move: _Move) -> None:
        if self._uploads is not None and move.upload is not None:
            complete = partial(
                self._uploads.complete,
                self._dir.at(move.target),
                move.upload,
                rewritten=bool(move.schema),
            )
            self._dir.trying("committed", complete)
            return
        if not self._dir.exists(move.source):
            moved = self._dir.info(move.target)
            if moved is None or moved["size"] != move.size:
                raise OutputError(f"{self.uri}: {move.source} is lost; was the output removed?")
            return
        if self._dir.exists(move.target):  # an incomplete copy, on filesystems that cannot rename
            self._dir.remove(move.target)
        if "/" in move.target:
            self._dir.make(posixpath.dirname(move.target))
        self._dir.move(move.source, move.target, move.size)

    def _remove_attempts(self) -> None:
        """Remove the attempts' directories; object stores have none, and delete in bulk."""
        if self._dir.is_local and self._dir.exists(TEMPORARY):
            attempts = [f"{TEMPORARY}/{name}" for name in self._dir.names(TEMPORARY)]
            self._dir.each(self._dir.remove, attempts)
