"""How our processes end by signals: in order, for a few seconds; then whatever still hangs.

SIGTERM is how supervisors, Mesos and machines that shut down ask for an end, and most of them send
SIGKILL soon after. So an end in order has SECONDS, and what cannot be waited for (a store or a
master that does not answer) is left to those who clean up after a dead process anyway. The exit
code is then 128 + the signal's number, as shells have it.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

SECONDS = 4.0
"""For SIGTERM and SIGHUP: 5 s, less what a busy machine takes for it."""
PATIENT_SECONDS = 60.0
"""For SIGINT: somebody sits there, and may press Ctrl-C again."""


class LastCall:
    """Tell it of each signal, from any thread: the first starts the clock, the second is enough."""

    def __init__(self, end: Callable[[int], object] = os._exit, hurry_seconds: float = 0.0) -> None:
        """`end` gets the exit code. After the second signal it is called `hurry_seconds` later."""
        self._end, self._hurry_seconds = end, hurry_seconds
        self._lock = threading.Lock()
        self._first: int | None = None
        self._deadline: float | None = None
        self._before_end: list[Callable[[], None]] = []

    def before_end(self, action: Callable[[], None]) -> None:
        """Called, in some thread, before an end by force. It must be short, and not raise."""
        self._before_end.append(action)

    def left(self, seconds: float, keep: float = 0.0) -> float:
        """How many of these `seconds` there are, with `keep` for what comes after."""
        if self._deadline is None:
            return seconds
        return max(0.0, min(seconds, self._deadline - keep - time.monotonic()))

    def signalled(self, number: int) -> None:
        """A signal came."""
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
