"""How our processes end: without delay, and after a signal within a few seconds, or by force.

Supervisors, Mesos and machines that shut down send SIGTERM, and most of them send SIGKILL soon
after. So an orderly end has SECONDS. It does not wait longer for a store or a master that does not
answer: the code that cleans up after a killed process cleans up here, too. The exit code of a
forced end is 128 + the signal's number, as in shells.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import NoReturn

SECONDS = 4.0
"""After SIGTERM or SIGHUP: 5 s, minus the delay that a busy machine adds."""
PATIENT_SECONDS = 60.0
"""After SIGINT. It is longer, because a person is there and can press Ctrl-C again."""


_PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with_parent() -> None:
    """From now on, the kernel kills this process when the thread that started it ends."""
    import ctypes  # most programs do not need it

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


@contextlib.contextmanager
def ended_by_interrupts() -> Iterator[None]:
    """Within it, SIGINT ends this process at once, as SIGTERM does without a handler.

    It is for imports, and for programs that have nothing to clean up yet. Python's own handler
    raises KeyboardInterrupt. If this happens in a callback of the import system, Python drops it,
    and the program goes on.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or not _in_main_thread():
        yield  # somebody else handles or ignores it
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


class LastCall:
    """The deadline of a process that got a signal. A second signal ends the process at once.

    All methods may be called from any thread.
    """

    def __init__(self, end: Callable[[int], object] = os._exit, hurry_seconds: float = 0.0) -> None:
        """`end` gets the exit code. It is called `hurry_seconds` after the second signal."""
        self._end, self._hurry_seconds = end, hurry_seconds
        self._lock = threading.Lock()
        self._first: int | None = None
        self._deadline: float | None = None
        self._before_end: list[Callable[[], None]] = []

    def before_end(self, action: Callable[[], None]) -> None:
        """Add a function to call before a forced end. It must be short and not raise."""
        self._before_end.append(action)

    def left(self, seconds: float, keep: float = 0.0) -> float:
        """How many of these `seconds` remain if later steps need `keep` seconds."""
        if self._deadline is None:
            return seconds
        return max(0.0, min(seconds, self._deadline - keep - time.monotonic()))

    def signalled(self, number: int) -> None:
        with self._lock:
            first, self._first = self._first is None, self._first or number
            if first:
                seconds = PATIENT_SECONDS if number == signal.SIGINT else SECONDS
                self._deadline = time.monotonic() + seconds
            else:
                seconds = self._hurry_seconds
        if seconds <= 0:
            self._force(number)
            return
        timer = threading.Timer(seconds, self._force, (number,))
        timer.daemon = True
        timer.start()

    def _force(self, number: int) -> None:
        name = signal.Signals(number).name
        try:
            for action in self._before_end:
                action()
            os.write(2, f"{name}: ended before everything was cleaned up\n".encode())
        finally:
            self._end(128 + number)


def leave(code: object = None, end: Callable[[int], NoReturn] = os._exit) -> NoReturn:
    """End the process with the `code` of a SystemExit, without taking the interpreter apart.

    Python would free each object of each module: 25 ms in each of three processes that end one
    after another. As in an ordinary end, we wait for threads that are no daemons, run the functions
    of `atexit`, and write the output.
    """
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # as the interpreter does, in this order
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # a pipe without a reader, a full disk, closed
            code = code or 120  # as Python does
    end(int(code or 0) & 0xFF)
