"""Turns the exception that ended an attempt into the error to report. Only this module decides."""

from __future__ import annotations

import errno
import traceback

from mrmesos.conf import ConfError
from mrmesos.io.columns.schema import RecordTypeError
from mrmesos.io.fs.filesystem import InputError, OutputError
from mrmesos.io.shuffle.aggregate import AggregateOverflowError
from mrmesos.io.shuffle.segments import CorruptSegmentError
from mrmesos.io.shuffle.sortbuffer import CombinerError
from mrmesos.task.drivers.user_code import MAX_DETAIL_CHARS, TaskError, memory_error, one_line
from mrmesos.wire.task import AttemptError, ErrorKind

_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def error_of(exc: BaseException, kind: str) -> AttemptError:
    """The error of an attempt of this kind ("map" or "reduce") that ended with `exc`."""
    match exc:
        case TaskError():
            return exc.error
        case MemoryError():
            return memory_error(f"{kind}.memory.mb")
        case InputError():
            return AttemptError(kind=ErrorKind.INPUT, message=str(exc))
        case OutputError():
            return AttemptError(kind=ErrorKind.OUTPUT, message=str(exc))
        case CorruptSegmentError():
            return AttemptError(kind=ErrorKind.FETCH, message=str(exc))
        case RecordTypeError() | AggregateOverflowError() | CombinerError() | ConfError():
            return AttemptError(kind=ErrorKind.USER_CODE, message=str(exc))
        case OSError() if exc.errno in _DISK_FULL:
            return AttemptError(
                kind=ErrorKind.INTERNAL,
                message=f"the agent's disk is full: {one_line(exc)}; free space on the disk of "
                "Mesos' sandboxes",
            )
        case _:
            detail = "".join(traceback.format_exception(exc))
            return AttemptError(
                kind=ErrorKind.INTERNAL, message=one_line(exc), detail=detail[-MAX_DETAIL_CHARS:]
            )
