"""The worker's thread that says how far the attempt is, twice a second."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from mrmesos.api.context import Counters
from mrmesos.tasktracker.messages import Progress
from mrmesos.tasktracker.progress import Snapshot, Watch
from mrmesos.wire.task import AttemptProgress

INTERVAL = 0.5

logger = logging.getLogger(__name__)


class Reporter:
    """Sends Progress from its making until `stop()`."""

    def __init__(
        self,
        attempt_id: str,
        watch: Watch,
        send: Callable[[Progress], None],
        interval: float = INTERVAL,
    ) -> None:
        self._attempt_id = attempt_id
        self._watch = watch
        self._send = send
        self._interval = interval
        self._last: tuple[object, ...] = ()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No Progress is sent after this returns."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval):
            try:
                snapshot = self._watch.snapshot()
                if snapshot is not None:
                    self._send(self.message(snapshot))
            except OSError:
                return  # the channel is gone: the thread that reads it ends this process
            except Exception:
                # User code changes counters meanwhile, and can put anything into them.
                logger.exception("could not report progress")

    def message(self, snapshot: Snapshot) -> Progress:
        """The message for a snapshot, compared with the one before it."""
        counters = plain_counters(snapshot.counters)
        pulse = (snapshot.pulse, snapshot.status, snapshot.progress, counters)
        active, self._last = pulse != self._last, pulse
        return Progress(
            progress=AttemptProgress(
                attempt_id=self._attempt_id,
                progress=snapshot.progress,
                status=str(snapshot.status)[:200],
                counters=counters,
                fetch_failed=list(snapshot.fetch_failed),
            ),
            active=active,
            position=snapshot.position,
        )


def plain_counters(counters: Mapping[str, Mapping[str, int]]) -> Counters:
    """A copy of what is whole numbers; the attempt's end complains about the rest."""
    return {
        str(group): {
            str(name): int(amount)
            for name, amount in list(names.items())
            if type(amount) is int and -(1 << 63) <= amount < 1 << 63
        }
        for group, names in list(counters.items())
    }
