"""The worker's thread that reports an attempt's progress twice a second.

One thread serves all attempts of a worker, because starting and joining a thread for each attempt
costs more than a small attempt itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from mrmesos.api.context import Counters
from mrmesos.task.drivers.limits import (
    MAX_FETCH_FAILED,
    MAX_POSITION_CHARS,
    MAX_STATUS_CHARS,
    excess,
)
from mrmesos.task.drivers.progress import Snapshot, Watch
from mrmesos.wire.task import AttemptProgress
from mrmesos.wire.text import unicode_text
from mrmesos.worker.messages import WorkerProgress

INTERVAL = 0.5

logger = logging.getLogger(__name__)


class Reporter:
    """Sends WorkerProgress of one attempt after another, each between `begin()` and `end()`."""

    def __init__(self, send: Callable[[WorkerProgress], None], interval: float = INTERVAL) -> None:
        self._send = send
        self._interval = interval
        self._attempt_id = ""
        self._watch: Watch | None = None
        self._last: tuple[object, ...] = ()
        self._lock = threading.Lock()
        self._busy = threading.Event()
        threading.Thread(target=self._run, name="reporter", daemon=True).start()

    def begin(self, attempt_id: str, watch: Watch) -> None:
        """Begin an attempt. Its first WorkerProgress is sent within the interval."""
        with self._lock:
            self._attempt_id, self._watch, self._last = attempt_id, watch, ()
            self._busy.set()

    def end(self) -> None:
        """End the attempt. After the return, no more WorkerProgress of it is sent."""
        with self._lock:
            self._watch = None

    def _run(self) -> None:
        # The thread sleeps by itself. Waking it at each begin and end would cost every attempt two
        # thread switches.
        while self._busy.wait():
            time.sleep(self._interval)
            with self._lock:
                if self._watch is None:
                    self._busy.clear()
                    continue
                try:
                    snapshot = self._watch.snapshot()
                    if snapshot is not None:
                        self._send(self.message(snapshot))
                except OSError:
                    return  # the channel is closed: the reading thread ends this process
                except Exception:
                    # User code changes the counters at the same time, and may put anything there.
                    logger.exception("could not report progress")

    def message(self, snapshot: Snapshot) -> WorkerProgress:
        """The message for a snapshot, compared with the one before it."""
        counters = plain_counters(snapshot.counters)
        pulse = (snapshot.pulse, snapshot.status, snapshot.progress, counters)
        active, self._last = pulse != self._last, pulse
        return WorkerProgress(
            progress=AttemptProgress(
                attempt_id=self._attempt_id,
                progress=min(1.0, max(0.0, snapshot.progress)),
                status=unicode_text(str(snapshot.status))[:MAX_STATUS_CHARS],
                counters=counters,
                fetch_failed=list(snapshot.fetch_failed[:MAX_FETCH_FAILED]),
                fetch_answered=list(snapshot.fetch_answered[:MAX_FETCH_FAILED]),
                fetched=snapshot.fetched,
            ),
            active=active,
            position=unicode_text(snapshot.position)[:MAX_POSITION_CHARS],
        )


def plain_counters(counters: Mapping[str, Mapping[str, int]]) -> Counters:
    """A copy of the counters with int values. Empty if there are too many of them.

    The end of the attempt reports wrong and excessive counters as an error.
    """
    plain = {
        unicode_text(str(group)): {
            unicode_text(str(name)): int(amount)
            for name, amount in list(names.items())
            if type(amount) is int and -(1 << 63) <= amount < 1 << 63
        }
        for group, names in list(counters.items())
    }
    return {} if excess(plain) else plain
