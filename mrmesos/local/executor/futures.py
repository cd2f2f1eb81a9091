"""The futures of submitted calls."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class TaskFuture(Future[T]):
    """The future of a submitted call. `cancel` also ends a call that runs already."""

    def __init__(self, cancel: Callable[[int], None]) -> None:
        super().__init__()
        self._end, self.key = cancel, 0

    def cancel(self) -> bool:
        """Cancel the call, whether it runs or waits. False if it has ended."""
        if not super().cancel():
            return False
        with self._condition:
            told = self._state == "CANCELLED"
        if told:
            self.set_running_or_notify_cancel()
            self._end(self.key)
        return True

    def drop(self) -> None:
        """The same, if the executor itself has cancelled the call."""
        if super().cancel():
            self.set_running_or_notify_cancel()
