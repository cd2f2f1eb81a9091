"""Pickles a job by reference to its script's module. The script is sent along and loaded first."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import cloudpickle
import msgspec

from mrmesos.api.job import Job
from mrmesos.client.code.script import ImportedScript, has_own_frames
from mrmesos.client.terminal.errors import UsageProblem, one_line
from mrmesos.io.code.code_pickle import dumps
from mrmesos.io.code.user_script import install
from mrmesos.resources import mebibytes
from mrmesos.task.drivers.user_code import trimmed_traceback

MAX_CODE_BYTES = 64 << 20
"""The limit of TaskTrackers."""
_registering = threading.Lock()  # cloudpickle's registry is one for the whole process


class _Installed(msgspec.Struct, frozen=True):
    """A script. Unpickling makes it importable and returns its name."""

    name: str
    blob: bytes

    def __reduce__(self) -> tuple[Any, ...]:
        return install, (self.name, self.blob)


class _WithScript(msgspec.Struct, frozen=True):
    """A job that is unpickled after its script."""

    script: _Installed
    job: Job

    def __reduce__(self) -> tuple[Any, ...]:
        return itemgetter(1), ((self.script, self.job),)


def pickle_job(
    job: Job,
    script: ImportedScript,
    travelling: Sequence[ModuleType],
    beside: Iterable[Path] = (),
) -> bytes:
    """Pickle the script and the job for workers.

    Workers cannot import the modules in `travelling`. So the parts of them that the job uses are
    pickled by value. `beside` are the paths of modules that are sent as files.

    Raises UsageProblem, which names the object that cannot be pickled.
    """
    name = script.module.__name__
    return _checked(job, _pickled(job, name, script.pickled(beside), travelling))


def pickle_alone(job: Job, travelling: Sequence[ModuleType]) -> bytes:
    """Pickle a job without a script. Its class is pickled too, if it is defined in `__main__` or in
    `travelling`.

    Raises UsageProblem like pickle_job.
    """
    return _checked(job, _dumped(job, job, travelling))


def _checked(job: Job, code: bytes) -> bytes:
    if len(code) > MAX_CODE_BYTES:
        raise UsageProblem(
            f"{type(job).__name__} has {mebibytes(len(code) >> 20)} when pickled, over "
            f"{mebibytes(MAX_CODE_BYTES >> 20)}; read large data in setup() instead"
        )
    return code


def identity_of(job: Job, script: ImportedScript, travelling: Sequence[ModuleType]) -> str:
    """A hash of the job's code. It is equal for the same script and arguments, wherever the script
    is.
    """
    code = _pickled(job, script.module.__name__, script.identity(), travelling)
    return hashlib.sha256(code).hexdigest()


def _pickled(job: Job, name: str, script: bytes, travelling: Sequence[ModuleType]) -> bytes:
    return _dumped(job, _WithScript(_Installed(name, script), job), travelling)


@contextmanager
def by_value(modules: Iterable[ModuleType]) -> Iterator[None]:
    """Pickle the contents of these modules by value, because workers cannot import them."""
    taken = list(modules)
    with _registering:
        for one in taken:
            cloudpickle.register_pickle_by_value(one)
        try:
            yield
        finally:
            for one in taken:
                cloudpickle.unregister_pickle_by_value(one)


def _dumped(job: Job, whole: object, travelling: Sequence[ModuleType]) -> bytes:
    with by_value(travelling):
        try:
            return dumps(whole)
        except Exception as problem:
            kind = type(job).__name__
            culprit = _culprit(job)
            where = (
                f" (in {culprit}; make it in setup(), or pass it as a parameter)" if culprit else ""
            )
            raise UsageProblem(
                f"{kind} cannot be pickled, so it cannot be sent to agents: {one_line(problem)}"
                f"{where}",
                trimmed_traceback(problem) if has_own_frames(problem) else "",
            ) from problem


def _culprit(job: Job) -> str:
    """Name the first class, attribute or global of the job that cannot be pickled alone."""
    for name, value in vars(job).items():
        if not _pickles(value):
            return f"self.{name}"
    for role in ("mapper", "combiner", "reducer", "partitioner"):
        part = getattr(job, role)
        if part is None or _pickles(part):
            continue
        if not isinstance(part, type):
            return role
        return _culprit_of_class(part)
    return _culprit_of_class(type(job))


def _culprit_of_class(part: type) -> str:
    for name, value in vars(part).items():
        if isinstance(value, FunctionType):
            for variable, held in _variables(value):
                if not _pickles(held):
                    return f"`{variable}`, used by {part.__name__}.{name}"
        elif not name.startswith("__") and not _pickles(value):
            return f"{part.__name__}.{name}"
    return part.__name__


def _variables(function: FunctionType) -> list[tuple[str, object]]:
    """Global and closure variables that a function and its nested functions use."""
    names: set[str] = set()
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        names.update(code.co_names)
        codes.extend(const for const in code.co_consts if isinstance(const, CodeType))
    variables = [
        (name, function.__globals__[name]) for name in sorted(names) if name in function.__globals__
    ]
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            variables.append((name, cell.cell_contents))
        except ValueError:  # not assigned yet: nothing to pickle
            continue
    return variables


def _pickles(value: object) -> bool:
    if isinstance(value, ModuleType):
        return True
    try:
        dumps(value)
    except Exception:  # noqa: BLE001 (whatever it raises, the answer is no)
        return False
    return True
