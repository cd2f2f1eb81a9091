"""Loads a job, creates its mappers and reducers, and turns their errors into an AttemptError."""

from __future__ import annotations

import hashlib
import operator
import platform
import reprlib
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import cloudpickle

import mrmesos
from mrmesos.api.context import Context, Counters
from mrmesos.api.job import Job
from mrmesos.api.tasks import (
    BatchMapper,
    BatchPartitioner,
    BatchReducer,
    Mapper,
    Partitioner,
    Reducer,
    SortedReducer,
)
from mrmesos.bounds import bounded
from mrmesos.io.code.origins import as_submitted, modules_in
from mrmesos.io.code.stubs import stubs_in
from mrmesos.io.code.user_script import ScriptFailed
from mrmesos.io.shuffle.key_hash import KEY_HASH
from mrmesos.task.drivers.limits import MAX_COUNTERS, excess
from mrmesos.wire.job import JobSpec, running_python
from mrmesos.wire.task import AttemptError, ErrorKind
from mrmesos.wire.text import unicode_text

MAX_DETAIL_CHARS = 16_000
MAX_MESSAGE_CHARS = 500
MAX_RECORD_CHARS = 200

_PACKAGE = str(Path(mrmesos.__file__).parent)
_T = TypeVar(
    "_T",
    bound=Mapper
    | BatchMapper
    | Reducer
    | BatchReducer
    | SortedReducer
    | Partitioner
    | BatchPartitioner,
)

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = _repr.maxlong = MAX_RECORD_CHARS


class TaskError(Exception):
    """An attempt fails with `error`. Its `__cause__` is the original exception, if any."""

    def __init__(self, error: AttemptError) -> None:
        super().__init__(error.message)
        self.error = error


def shorten(value: object) -> str:
    """A repr of at most MAX_RECORD_CHARS characters. It is fast even for a line of a gigabyte."""
    if isinstance(value, bytes | bytearray):  # reprlib would first render all of it
        value = value[:MAX_RECORD_CHARS]
    try:
        text = _repr.repr(value)
    except BaseException as problem:  # noqa: BLE001 -- a user's __repr__ may raise anything
        text = f"<{type(value).__name__} whose repr raises {type(problem).__name__}>"
    return text if len(text) <= MAX_RECORD_CHARS else text[: MAX_RECORD_CHARS - 1] + "…"


def one_line(exc: BaseException) -> str:
    """The exception as `ValueError: bad record`, on one line, even if `str(exc)` raises."""
    try:
        text = str(exc)
    except BaseException as problem:  # noqa: BLE001 -- a user's __str__ may raise anything
        text = f"<its str() raises {type(problem).__name__}>"
    line = " ".join(text.split())
    name = type(exc).__name__
    return f"{name}: {line}"[:MAX_MESSAGE_CHARS] if line else name


def user_frames(exc: BaseException) -> TracebackType | None:
    """The traceback from the first frame outside this package on; None if there is none."""
    frame = exc.__traceback__
    while frame is not None and frame.tb_frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.tb_next
    return frame


def trimmed_traceback(exc: BaseException) -> str:
    """The traceback as Python prints it, at most MAX_DETAIL_CHARS long.

    It leaves out our frames before the first frame of other code, in causes and in members of
    groups, too.
    """
    try:
        shown = traceback.TracebackException(type(exc), exc, exc.__traceback__, compact=True)
        _trim(shown)
        text = as_submitted("".join(shown.format()))
    except BaseException as problem:  # noqa: BLE001 -- formatting calls into the user's classes
        text = f"{one_line(exc)}\n(its traceback cannot be shown: {type(problem).__name__})\n"
    if len(text) > MAX_DETAIL_CHARS:
        half = MAX_DETAIL_CHARS // 2
        text = f"{text[:half]}\n[… {len(text) - 2 * half:,} characters …]\n{text[-half:]}"
    return text


def _trim(shown: traceback.TracebackException) -> None:
    """Drop our first frames from a traceback and from all tracebacks that it contains."""
    left, seen = [shown], set[int]()
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        frames = list(one.stack)
        while frames and frames[0].filename.startswith(_PACKAGE):
            del frames[0]
        one.stack[:] = frames
        more = [one.__cause__, one.__context__, *(getattr(one, "exceptions", None) or ())]
        left += [each for each in more if each is not None]


def memory_error(setting: str, where: str = "", detail: str = "") -> AttemptError:
    """The error of a failed allocation. It names the setting that gives more memory."""
    return AttemptError(
        kind=ErrorKind.MEMORY,
        message=f"MemoryError: not enough memory for this attempt; raise {setting}",
        detail=detail,
        where=where,
    )


def describe(
    exc: BaseException, *, where: str = "", record: str = "", kind: str, usage: str = ""
) -> AttemptError:
    """Turn an exception of user code into the attempt's error. `kind` is "map" or "reduce".

    `usage` says how the called method must look. It helps if the user's method has another
    signature.
    """
    if isinstance(exc, MemoryError):
        return memory_error(f"{kind}.memory.mb", where, trimmed_traceback(exc))
    message = one_line(exc)
    if usage and isinstance(exc, TypeError) and user_frames(exc) is None:
        # The call itself raised, or the iteration over its result: no user frame is involved.
        message = f"{message}; {usage}"
    return AttemptError(
        kind=ErrorKind.USER_CODE,
        message=message,
        detail=trimmed_traceback(exc),
        where=where,
        record=record,
    )


def wrong_use(message: str, *, where: str = "", record: str = "") -> TaskError:
    """The error of user code that breaks a rule of the API but raises no exception itself."""
    return TaskError(
        AttemptError(kind=ErrorKind.USER_CODE, message=message, where=where, record=record)
    )


@contextmanager
def blamed_on_user(where: str, kind: str) -> Iterator[None]:
    """Report every exception inside as the user's error, even SystemExit."""
    try:
        yield
    except TaskError:
        raise
    except BaseException as exc:
        raise TaskError(describe(exc, where=where, kind=kind)) from exc


def load_job(path: Path, hostname: str, *, python: str = "", sha256: str = "") -> Job:
    """Load the job from its pickle at `path`. For the rest, see `load_code`."""
    return as_job(load_code(path, hostname, python=python, sha256=sha256))


def as_job(code: object) -> Job:
    """The object that `load_code` has loaded, if it is a job. Raises TaskError."""
    if not isinstance(code, Job):
        raise TaskError(
            AttemptError(
                kind=ErrorKind.INTERNAL,
                message=f"the job's code holds a {type(code).__name__}, not a Job",
            )
        )
    return code


def load_code(path: Path, hostname: str, *, python: str = "", sha256: str = "") -> object:
    """Load what is pickled at `path`. `python` is the version that wrote it, if known.

    With `sha256`, the file is checked. A damaged file is removed, so that the next attempt fetches
    it again. Raises TaskError if the job does not load. The message says what to do.
    """
    if python and python != running_python():
        raise wrong_use(
            f"the job was pickled by Python {python}, and the TaskTracker on {hostname} runs "
            f"{running_python()}, which cannot run its code: submit with Python "
            f"{running_python()}, or have TaskTrackers started with {python}"
        )
    code = path.read_bytes()
    if sha256 and hashlib.sha256(code).hexdigest() != sha256:
        path.unlink(missing_ok=True)
        raise TaskError(
            AttemptError(
                kind=ErrorKind.INTERNAL,
                message=f"the job's code on {hostname} is damaged: {path} does not have the hash "
                f"{sha256}",
            )
        )
    stubs_in(path.parent / "script", path)
    modules_in(path.parent / "python")
    try:
        return cloudpickle.loads(code)
    except ScriptFailed as exc:
        raise _script_failed(exc, hostname) from exc
    except ModuleNotFoundError as exc:
        raise TaskError(
            AttemptError(
                kind=ErrorKind.USER_CODE,
                message=f"the job needs the module {exc.name!r}, which is not installed on "
                f"{hostname}: install it there (or `mrmesos pack` it), or send it along with "
                "--py-files",
                detail=trimmed_traceback(exc),
            )
        ) from exc
    except BaseException as exc:
        raise TaskError(
            AttemptError(
                kind=ErrorKind.USER_CODE,
                message=f"the job cannot be unpickled on {hostname} (Python "
                f"{platform.python_version()}): {one_line(exc)}",
                detail=trimmed_traceback(exc),
            )
        ) from exc


def check_key_hash(spec: JobSpec, hostname: str) -> None:
    """Refuse a job that began with another hash of keys. Raises TaskError.

    Its other maps would send equal keys to other reduces, and the results would be wrong.
    """
    if spec.num_reducers and spec.key_hash != KEY_HASH:
        raise TaskError(
            AttemptError(
                kind=ErrorKind.SETTINGS,
                message=f"the job began with version {spec.key_hash} of the hash of keys, and the "
                f"worker on {hostname} has version {KEY_HASH}, which would give wrong results: "
                "install one release of mrmesos for the JobTracker and all TaskTrackers, then "
                "submit the job again",
            )
        )


def _script_failed(failed: ScriptFailed, hostname: str) -> TaskError:
    problem = failed.__cause__ or failed
    frame = problem.__traceback__
    while frame is not None and frame.tb_frame.f_code.co_filename != failed.file:
        frame = frame.tb_next
    return TaskError(
        AttemptError(
            kind=ErrorKind.USER_CODE,
            message=f"{failed.file} cannot be imported on {hostname}: {one_line(problem)}; workers "
            "import the script: put what only the client can do under `if __name__ == "
            '"__main__":`, or send files with --files',
            detail=trimmed_traceback(problem.with_traceback(frame)),
        )
    )


def make_task(cls: type[_T], context: Context) -> _T:
    """Create the user's class, set its context, and call `setup()`. Raises TaskError."""
    with blamed_on_user(f"{cls.__name__}()", context.facts.kind):
        task = cls()
        task.context = context
    with blamed_on_user(f"{cls.__name__}.setup()", context.facts.kind):
        task.setup()
    return task


def checked_counters(counters: Counters) -> Counters:
    """The user's counters with Unicode names and int values. Raises TaskError for other values."""
    checked: Counters = {}
    total = 0
    for group, names in list(counters.items()):
        into = checked.setdefault(unicode_text(str(group)), {})
        for name, amount in list(names.items()):
            total += 1
            if total > MAX_COUNTERS:
                raise wrong_use(
                    f"more than {MAX_COUNTERS:,} counters; counters are for totals, "
                    "not for data: yield the data instead"
                )
            text = unicode_text(str(name))
            into[text] = bounded(into.get(text, 0) + _as_int(group, name, amount))
    if too_much := excess(checked):
        raise wrong_use(f"{too_much}; names are for people to read")
    return checked


def _as_int(group: str, name: str, amount: Any) -> int:
    try:
        value = operator.index(amount)
    except TypeError:
        raise wrong_use(
            f"the counter {group}.{name} is {shorten(amount)}, not an int; count in whole numbers"
        ) from None
    if not -(1 << 63) <= value < 1 << 63:
        raise wrong_use(f"the counter {group}.{name} is over 64 bits")
    return value
