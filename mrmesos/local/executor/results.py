"""Reads the value or the exception of a task, and removes files that nobody needs any more."""

from __future__ import annotations

from typing import Any

import cloudpickle

from mrmesos.io.fs.filesystem import InputError, OutputError, open_filesystem
from mrmesos.local.executor.errors import exception_of
from mrmesos.task.free_task import read_stored
from mrmesos.wire.queue import TaskEnd
from mrmesos.wire.task import AttemptError, ErrorKind, FreeResult, Stored


def outcome(end: TaskEnd) -> tuple[Any, BaseException | None]:
    """The value that a task returned, or its exception."""
    try:
        data = b"" if end.result is None else _bytes_of(end.result)
        if end.error is not None:
            return None, exception_of(end.error, data)
        return cloudpickle.loads(data), None
    except Exception as problem:  # noqa: BLE001 -- unpickling runs user code
        words = f"the result cannot be read here: {type(problem).__name__}: {problem}"
        return None, exception_of(AttemptError(kind=ErrorKind.OUTPUT, message=words), b"")


def _bytes_of(result: FreeResult) -> bytes:
    return result.value if result.stored is None else read_stored(result.stored)


def remove(payload: Stored | None, result: FreeResult | None) -> None:
    """Remove the files of a task that has ended."""
    for stored in (payload, None if result is None else result.stored):
        if stored is not None:
            try:
                fs, path = open_filesystem(stored.uri)
                fs.rm_file(path)
            except (InputError, OutputError, OSError):
                continue  # the store's owner sees the file that is left
