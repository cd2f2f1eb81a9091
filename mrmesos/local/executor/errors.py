"""The exceptions of a TaskExecutor."""

from __future__ import annotations

import cloudpickle

from mrmesos.wire.task import AttemptError


class ExecutorLost(Exception):
    """The executor's cluster did not start, has ended, or does not answer any more."""


class TaskFailed(Exception):
    """A task did not succeed, and there is no exception of its own code.

    `kind` is the kind of error, such as `memory` or `timeout`. `detail` is a traceback, if there is
    one. `log` is the address of the task's output; it works while the TaskTracker lives.
    """

    def __init__(self, message: str, kind: str = "", detail: str = "", log: str = "") -> None:
        super().__init__(message)
        self.kind, self.detail, self.log = kind, detail, log


class RemoteTraceback(Exception):
    """The place in a worker where an exception was raised. It is the `__cause__` of that
    exception.
    """

    def __init__(self, text: str, where: str) -> None:
        super().__init__(text)
        self.text, self.where = text, where

    def __str__(self) -> str:
        return f"on {self.where}:\n{self.text}" if self.where else f"\n{self.text}"


def exception_of(error: AttemptError, pickled: bytes) -> BaseException:
    """The exception of a task that failed: its own, if the worker sent it, else a TaskFailed."""
    if pickled:
        try:
            found = cloudpickle.loads(pickled)
        except Exception:  # noqa: BLE001 -- of a module that is missing here, for instance
            found = None
        if isinstance(found, BaseException):
            found.__cause__ = RemoteTraceback(error.detail, error.hostname)
            return found
    return TaskFailed(error.message, error.kind.value, error.detail, error.log)
