"""Ctrl-C, SIGTERM and SIGHUP: the first ends the work in order, the second hurries that."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """The user wants an end. Not an Exception, so that no `except Exception` swallows it."""


class Interrupts:
    """While entered, the first signal raises Interrupted where the main thread is.

    After `begin_cleanup()` nothing is raised any more: a further signal sets `hurry`, which those
    who clean up wait on. Where SIGHUP is ignored (nohup), it stays so.
    """

    def __init__(self) -> None:
        self.hurry = threading.Event()
        self.signal_name = ""
        self._cleaning = False
        self._count = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        for number in SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def begin_cleanup(self) -> None:
        """From now on signals only hurry what is being cleaned up."""
        self._cleaning = True

    def wait_for(self, condition: Callable[[float], bool], seconds: float) -> bool:
        """Call `condition(timeout)` until it holds, `seconds` have passed, or a signal hurries."""
        deadline = time.monotonic() + seconds
        while not self.hurry.is_set():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            if condition(min(left, 0.25)):
                return True
        return False

    def wait_for_call(self, function: Callable[[], object], seconds: float) -> bool:
        """Run a function in a thread and wait for its end as `wait_for` does."""
        thread = threading.Thread(target=function, name="clean-up", daemon=True)
        thread.start()

        def ended(timeout: float) -> bool:
            thread.join(timeout)
            return not thread.is_alive()

        return self.wait_for(ended, seconds)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self._count += 1
        self.signal_name = signal.Signals(number).name
        if self._count > 1:
            self.hurry.set()
        elif not self._cleaning:
            self._cleaning = True
            raise Interrupted(self.signal_name)
