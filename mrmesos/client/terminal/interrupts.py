"""Ctrl-C, SIGTERM and SIGHUP: the first one ends the work in order, the second one at once.

Thread: enter and leave in the main thread. A second thread listens for signals.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from mrmesos.ending import LastCall

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
HURRY_SECONDS = 0.5
"""Time after the second signal to kill our processes and to remove files."""
_AGAIN_SECONDS = 0.01
"""After a callback dropped the exception of the first signal, the signal is sent again."""


class Interrupted(BaseException):
    """A signal asks for the end. Not an Exception, so that `except Exception` does not catch it."""


class Interrupts:
    """A context in which the first signal raises Interrupted in the main thread.

    After `begin_cleanup()` signals raise nothing. A further signal sets `hurry`, and clean-up code
    stops waiting. An ignored SIGHUP (nohup) stays ignored. The main thread may be inside a call
    that handles no signals (a driver of a store). So another thread gets each signal as well, and
    ends the process when an orderly end takes too long (ending.py).

    Python drops Interrupted in a callback, such as those of imports, forks and `__del__`. It then
    calls `sys.unraisablehook`, where the signal is sent once more.
    """

    def __init__(self, end: Callable[[int], object] = os._exit) -> None:
        self.hurry = threading.Event()
        self.signal_name = ""
        self.last_call = LastCall(end, HURRY_SECONDS)
        self._cleaning = False
        self._count = 0
        self._before: dict[int, Any] = {}
        self._woken: tuple[socket.socket, socket.socket] | None = None
        self._fd_before = -1
        self._hook_before = sys.unraisablehook
        self._to_raise = self._to_hear = 0
        """How many signals the handler and the listening thread will get once more."""
        self._again: threading.Timer | None = None

    def __enter__(self) -> Interrupts:
        self._woken = hears, wakes = socket.socketpair()
        wakes.setblocking(False)
        self._fd_before = signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._listen, args=(hears,), name="signals", daemon=True).start()
        for number in SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue
            self._before[number] = signal.signal(number, self._handle)
        self._hook_before, sys.unraisablehook = sys.unraisablehook, self._dropped
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        sys.unraisablehook = self._hook_before
        self._cleaning = True
        if self._again is not None:  # or else the handler from before would get its signal
            self._again.cancel()
            self._again.join()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._fd_before, warn_on_full_buffer=False)
        if self._woken is not None:
            self._woken[1].close()  # the listening thread ends; a running deadline stays

    def begin_cleanup(self) -> None:
        """From now on signals raise nothing; they only shorten the clean-up."""
        self._cleaning = True

    def wait_for(
        self, condition: Callable[[float], bool], seconds: float, keep: float = 0.3
    ) -> bool:
        """Call `condition(timeout)` until it is true, `seconds` have passed, or `hurry` is set.

        If a signal has set a deadline, `keep` seconds before it are kept for later steps.
        """
        deadline = time.monotonic() + seconds
        while not self.hurry.is_set():
            left = self.last_call.left(deadline - time.monotonic(), keep)
            if left <= 0:
                return False
            if condition(min(left, 0.25)):
                return True
        return False

    def wait_for_call(
        self, function: Callable[[], object], seconds: float, keep: float = 0.3
    ) -> bool:
        """Run a function in a thread and wait for its end like `wait_for`."""
        thread = threading.Thread(target=function, name="clean-up", daemon=True)
        thread.start()

        def ended(timeout: float) -> bool:
            thread.join(timeout)
            return not thread.is_alive()

        return self.wait_for(ended, seconds, keep)

    def _listen(self, hears: socket.socket) -> None:
        """Read the byte that Python writes for each signal, even if the main thread is busy."""
        with hears:
            while numbers := hears.recv(64):
                for number in numbers:
                    if self._to_hear:
                        self._to_hear -= 1
                    elif number in self._before:
                        self.last_call.signalled(number)

    def _dropped(self, dropped: sys.UnraisableHookArgs) -> None:
        if not isinstance(dropped.exc_value, Interrupted):
            self._hook_before(dropped)
            return
        self._to_raise += 1
        self._to_hear += 1
        main, number = threading.main_thread().ident, signal.Signals[self.signal_name]
        self._again = threading.Timer(_AGAIN_SECONDS, signal.pthread_kill, (main, number))
        self._again.daemon = True
        self._again.start()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._to_raise:
            self._to_raise -= 1
            if not self._cleaning:
                raise Interrupted(self.signal_name)
            return
        self._count += 1
        self.signal_name = signal.Signals(number).name
        if self._count > 1:
            self.hurry.set()
        elif not self._cleaning:
            raise Interrupted(self.signal_name)
