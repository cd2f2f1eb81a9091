"""Skips records at which user code fails, up to `skip.records.max` a task, and keeps them aside.

This is Hadoop's SkipBadRecords, with two differences. A record at which user code raises an
exception is skipped at once, within the attempt. Some records end the worker (by a crash, too much
memory or an endless loop). The worker notes each record in a shared page before its call, so no
search over several attempts is needed: the TaskTracker starts the attempt again without the noted
record (`tasktracker.core.bad_record_bisection`).

A record is identified by its number in its split. In a reduce, a record is a key with all its
values, and the number is that of the key. Reading is deterministic, so the numbers are stable.
"""

from __future__ import annotations

import base64
import errno
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from mrmesos.api.context import Counters
from mrmesos.api.formats import TextOutput
from mrmesos.conf import SKIP_RECORDS_MAX, Conf
from mrmesos.io.fs.filesystem import OutputError
from mrmesos.io.output.writer import Writer
from mrmesos.task.drivers.named_outputs import NamedOutputs
from mrmesos.task.drivers.record_spans import NOTE_FILE, Note, Redo
from mrmesos.task.drivers.user_code import TaskError, shorten
from mrmesos.wire.task import AttemptError, ErrorKind

SKIPPED_DIR = "_skipped"
KEPT_CHARS = 1 << 20
"""Most characters kept of a key, a value or a traceback. All values of a group share one limit."""
KEPT_VALUES = 100
"""Most values kept of a group."""
_NOT_USERS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})


class BadRecords:
    """The bad records of one attempt: counts and limits them, and writes them to an output file."""

    def __init__(self, limit: int, redo: Redo, work_dir: Path, outputs: NamedOutputs) -> None:
        """Raises OSError."""
        self._limit = limit
        self._outputs = outputs
        self.skip = redo.skip
        self._cuts = sorted({*redo.cuts, *redo.skip, *(bad + 1 for bad in redo.skip)})
        self.note = Note(work_dir / NOTE_FILE)
        self.count = 0
        self._first: AttemptError | None = None
        self._writer: Writer | None = None

    def spans(self, first: int, count: int) -> Iterator[tuple[int, int]]:
        """Cut these records at the places in `redo`. Yields each piece's first and end, from
        `first`.
        """
        bounds = [0, *(cut - first for cut in self._cuts if first < cut < first + count), count]
        return pairwise(bounds)

    def is_users(self, exc: BaseException) -> bool:
        """Whether `exc` is the record's fault. It is not if the user's output cannot be written.

        User code also meets a full or broken disk, for example when it prints.
        """
        if isinstance(exc, OutputError) or self._outputs.faulty:
            return False
        return not (isinstance(exc, OSError) and exc.errno in _NOT_USERS)

    def skip_record(self, error: AttemptError, *, key: Any, value: Any) -> None:
        """Skip one more record. Raises TaskError if it exceeds the limit, and OutputError."""
        self.note.clear()
        self.count += 1
        if self._first is None:
            self._first = error
        if self.count > self._limit:
            raise TaskError(too_many(self._first, self.count, self._limit))
        if self._writer is None:
            self._writer = self._outputs.create(SKIPPED_DIR, TextOutput(), ".jsonl")
        line = _line(error, key, value)
        self._writer.write(
            pa.RecordBatch.from_arrays([pa.nulls(1), pa.array([line])], names=["key", "value"])
        )

    def skip_known(self, number: int, where: str, record: str, *, key: Any, value: Any) -> None:
        """Skip a record at which an earlier start of this attempt died. Raises as above."""
        message = self.skip[number]
        error = AttemptError(kind=ErrorKind.CRASH, message=message, where=where, record=record)
        self.skip_record(error, key=key, value=value)

    def close(self, name: str) -> dict[str, int]:
        """Finish the file. Returns the counter `name` if it is not 0. Raises OutputError."""
        self.note.clear()
        if self._writer is not None:
            self._writer.close()
        return {name: self.count} if self.count else {}

    def abort(self) -> None:
        """Close without finishing. Never raises."""
        if self._writer is not None:
            self._writer.abort()


def bad_records(
    conf: Conf, redo: Redo | None, work_dir: Path, outputs: NamedOutputs
) -> BadRecords | None:
    """The bad records, or None if no record may be skipped. None costs nothing.

    Raises ConfError, OSError.
    """
    limit = conf.get_as(SKIP_RECORDS_MAX)
    return BadRecords(limit, redo or Redo(), work_dir, outputs) if limit else None


def too_many(first: AttemptError, count: int, limit: int) -> AttemptError:
    """The error of a task with too many bad records: the error of the first one."""
    return msgspec.structs.replace(
        first,
        message=f"{count:,} bad records, more than {SKIP_RECORDS_MAX.name}={limit}; the first: "
        f"{first.message}",
    )


def copied(counters: Counters) -> Counters:
    """A copy of the counters."""
    return {group: dict(names) for group, names in counters.items()}


def put_back(counters: Counters, before: Counters) -> None:
    """Reset the counters in place to `before`, because a failed batch is tried again in pieces."""
    counters.clear()
    counters.update(before)


def _line(error: AttemptError, key: Any, value: Any) -> str:
    """A bad record as one line of JSON of bounded length."""
    return json.dumps(
        {
            "where": error.where,
            "error": error.message,
            "key": _plain(key),
            "value": _plain_each(value),
            "traceback": error.detail[-KEPT_CHARS:],
        }
    )


def _plain_each(value: Any) -> Any:
    """Render a short list of values, as a reduce's key has them, value by value."""
    if type(value) is list and 0 < len(value) <= KEPT_VALUES:
        return [_plain(each, KEPT_CHARS // len(value)) for each in value]
    return _plain(value)


def _plain(value: Any, chars: int = KEPT_CHARS) -> Any:
    """Render a value as JSON: text and numbers as they are, bytes as base64, the rest by repr."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, str):
        return value[:chars]
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value[:chars]).decode()}
    if type(value) is int and abs(value) < 1 << 63:
        return value
    if type(value) is dict or type(value) is list:
        return value if _fits(value, chars) else {"repr": shorten(value)}
    return {"repr": _repr(value, chars)}


def _fits(value: Any, chars: int) -> bool:
    """Whether `value` is JSON of at most `chars` characters. Renders no more than that."""
    try:
        for part in json.JSONEncoder().iterencode(value):
            chars -= len(part)
            if chars < 0:
                return False
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _repr(value: Any, chars: int) -> str:
    try:
        return repr(value)[:chars]
    except BaseException:  # noqa: BLE001 -- a user's __repr__ may raise anything
        return shorten(value)
