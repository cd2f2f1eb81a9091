"""The surroundings that mrjob gives a task: a working directory with the job's files, variables.

A worker runs one attempt at a time. So we change the worker's own directory, `sys.path` and
environment, and restore them when the tasks of the attempt are gone. Thread: the worker's main
thread.
"""

from __future__ import annotations

import os
import shutil
import sys
import weakref
from typing import Any

from mrmesos.api.context import Context
from mrmesos.mrjob.task import MRTask
from mrmesos.streaming.environment import child_directory, child_environment
from mrmesos.streaming.stderr_reader import StderrReader

_STDERR = 2


class TaskPlace:
    """The surroundings of one attempt, which all its tasks share (`place_of`)."""

    def __init__(self, context: Context, task: MRTask) -> None:
        self._context, self._task = context, task
        before = os.getcwd()  # noqa: PTH109 (a text, to go back to)
        self.path = child_directory(context)
        weakref.finalize(self, _leave, str(self.path), before, dict(os.environ))
        os.chdir(self.path)
        sys.path.insert(0, str(self.path))
        self.reads("")

    def reads(self, uri: str) -> None:
        """Set the variables of an attempt that reads this file. mrjob names files by URIs."""
        uri = f"file://{uri}" if uri.startswith("/") else uri
        os.environ.update(child_environment(self._task.stream, self._context, uri))

    def stderr(self) -> StderrReader:
        """Takes the output of a task: counters, status, and text for the log."""
        return StderrReader(self._context, to_log)

    def make(self, what: str, *more: str) -> Any:
        """The MRJob object of a task: `what` is mapper, combiner or reducer."""
        job = self._task.job_class([*self._task.words(what), *more])
        job._stderr = _Reporter(self.stderr())
        return job


def _leave(path: str, before: str, environment: dict[str, str]) -> None:
    os.chdir(before)
    if path in sys.path:
        sys.path.remove(path)
    os.environ.clear()
    os.environ.update(environment)
    shutil.rmtree(path, ignore_errors=True)


_places: weakref.WeakValueDictionary[str, TaskPlace] = weakref.WeakValueDictionary()


def place_of(context: Context) -> TaskPlace:
    """The place of an attempt. It is removed with the last task that holds it."""
    name = context.facts.attempt_id
    place = _places.get(name)
    if place is None:
        place = _places[name] = TaskPlace(context, context.args.mrjob)
    return place


def to_log(words: bytes) -> None:
    """Write to the attempt's log, which is this worker's stderr."""
    rest = memoryview(words)
    while len(rest):
        rest = rest[os.write(_STDERR, rest) :]


class _Reporter:
    """The stderr of an MRJob, to which it writes counters and status."""

    def __init__(self, reader: StderrReader) -> None:
        self._reader = reader

    def write(self, data: bytes | str) -> int:
        """Take bytes, as mrjob writes them, or text."""
        self._reader.add(data if isinstance(data, bytes) else data.encode("utf-8", "replace"))
        return len(data)

    def flush(self) -> None:
        """Only half lines are held back."""
