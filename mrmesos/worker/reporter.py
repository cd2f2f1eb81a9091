"""The worker's thread that says how far the attempt is, twice a second.

One thread serves all attempts of a worker: starting and joining one for each cost more than a
small attempt does.
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
    """Sends Progress of one attempt after another, each between `begin()` and `end()`."""

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
        """An attempt starts: the first Progress comes within the interval."""
        with self._lock:
            self._attempt_id, self._watch, self._last = attempt_id, watch, ()
            self._busy.set()

    def end(self) -> None:
        """No Progress of this attempt is sent after this returns."""
        with self._lock:
            self._watch = None

    def _run(self) -> None:
        # It keeps its own time: to be woken by every beginning and end would cost each attempt
        # two switches of threads.
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
                    return  # the channel is gone: the thread that reads it ends this process
                except Exception:
                    # User code changes counters meanwhile, and can put anything into them.
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
    """A copy of what is whole numbers; the attempt's end complains about the rest.

    And about too much: nothing of that is told before.
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
