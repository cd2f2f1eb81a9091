"""Runs one free task: unpickles the callable, calls it, and pickles the result or the exception.

Small pickles travel in messages. Larger ones are files. The client writes those of tasks, and this
module writes those of results into the queue's store.
"""

from __future__ import annotations

import hashlib

import cloudpickle
import msgspec

from mrmesos.api.context import Counters
from mrmesos.io.code.code_pickle import dumps
from mrmesos.io.fs.filesystem import InputError, OutputError, open_filesystem
from mrmesos.io.fs.filesystem import reason as words
from mrmesos.task.drivers.progress import ResourceUsage
from mrmesos.task.drivers.user_code import describe, one_line, trimmed_traceback
from mrmesos.wire.task import (
    INLINE_BYTES,
    AttemptError,
    ErrorKind,
    FreeResult,
    FreeTask,
    Stored,
)


class FreeOutcome(msgspec.Struct, frozen=True):
    """The end of a free task. Without `error` it succeeded."""

    result: FreeResult
    error: AttemptError | None = None
    counters: Counters = msgspec.field(default_factory=dict)


def run_free(attempt_id: str, task: FreeTask, hostname: str) -> FreeOutcome:
    """Run the task. The outcome has whatever it raises, even SystemExit."""
    usage = ResourceUsage()
    try:
        call = cloudpickle.loads(_payload(task))
    except BaseException as exc:  # noqa: BLE001 -- unpickling runs user code
        error = AttemptError(
            kind=ErrorKind.USER_CODE,
            message=f"{task.name} cannot be unpickled on {hostname}: {one_line(exc)}{_advice(exc)}",
            detail=trimmed_traceback(exc),
        )
        return FreeOutcome(FreeResult(), error)
    try:
        value = call()
    except BaseException as exc:  # noqa: BLE001 -- all that user code raises ends here
        return FreeOutcome(_exception(exc), _described(exc), {"task": usage.counters()})
    counters: Counters = {"task": usage.counters()}
    try:
        return FreeOutcome(_result(attempt_id, task, value), None, counters)
    except _Unusable as problem:
        error = AttemptError(kind=ErrorKind.USER_CODE, message=str(problem))
        return FreeOutcome(FreeResult(), error, counters)


class _Unusable(Exception):
    """The result cannot be returned. The message is for the user."""


def _payload(task: FreeTask) -> bytes:
    if task.stored is None:
        return task.payload
    return read_stored(task.stored)


def read_stored(stored: Stored) -> bytes:
    """The bytes of a stored pickle. Raises InputError if they are gone or changed."""
    try:
        fs, path = open_filesystem(stored.uri)
        data: bytes = fs.cat_file(path)
    except InputError:
        raise
    except Exception as problem:  # drivers of remote stores raise any type
        raise InputError(f"{stored.uri} cannot be read: {words(problem)}") from problem
    if hashlib.sha256(data).hexdigest() != stored.sha256:
        raise InputError(f"{stored.uri} does not have the hash {stored.sha256}")
    return data


def write_stored(uri: str, data: bytes) -> Stored:
    """Store a pickle. Raises OutputError."""
    try:
        fs, path = open_filesystem(uri)
        fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        fs.pipe_file(path, data)
    except InputError as problem:
        raise OutputError(str(problem)) from problem
    except Exception as problem:  # drivers of remote stores raise any type
        raise OutputError(f"{uri} cannot be written: {words(problem)}") from problem
    return Stored(uri, hashlib.sha256(data).hexdigest(), len(data))


def _result(attempt_id: str, task: FreeTask, value: object) -> FreeResult:
    try:
        data = dumps(value, sources=False)
    except Exception as problem:
        raise _Unusable(
            f"the result of {task.name}, a {type(value).__name__}, cannot be pickled: "
            f"{one_line(problem)}; return plain data, or write it to a file"
        ) from problem
    if len(data) <= INLINE_BYTES:
        return FreeResult(value=data)
    if not task.store:
        raise _Unusable(
            f"the result of {task.name} has {len(data):,} bytes when pickled, over the "
            f"{INLINE_BYTES:,} that travel in messages; name a directory for larger ones with "
            "TaskExecutor(store=URI)"
        )
    try:
        return FreeResult(stored=write_stored(f"{task.store}/{attempt_id}.pickle", data))
    except OutputError as problem:
        raise _Unusable(f"the result of {task.name} cannot be stored: {problem}") from problem


def _exception(exc: BaseException) -> FreeResult:
    """The exception, if it can be pickled and is small."""
    try:
        data = dumps(exc, sources=False)
        cloudpickle.loads(data)  # many exceptions with own __init__ pickle, but do not unpickle
    except Exception:  # noqa: BLE001 -- whatever it raises, the error's text must do
        return FreeResult()
    return FreeResult(value=data) if len(data) <= INLINE_BYTES else FreeResult()


def _described(exc: BaseException) -> AttemptError:
    if isinstance(exc, MemoryError):
        return AttemptError(
            kind=ErrorKind.MEMORY,
            message="MemoryError: not enough memory for this task; raise its `ram`",
            detail=trimmed_traceback(exc),
        )
    return describe(exc, kind="task")


def _advice(exc: BaseException) -> str:
    if isinstance(exc, ModuleNotFoundError):
        return (
            f"; install {exc.name!r} on the agents (or `mrmesos pack` it), or send it with py_files"
        )
    return ""
