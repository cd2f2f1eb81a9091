"""Checks that jobs of a chaos run make progress, or say what they wait for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mrmesos.client.api_client import ApiProblem, JobTrackerClient, Unreachable
from mrmesos.wire.job import JobState, JobStatus

LOOK_SECONDS = 5.0
STALLED_SECONDS = 60.0
"""Attempts take about a second, and no process is stopped for more than half of this."""
_ENDED = (JobState.SUCCEEDED, JobState.FAILED, JobState.KILLED)


@dataclass(slots=True)
class Waiting:
    """Asks the JobTracker from time to time; `look` raises AssertionError."""

    connect: Callable[[], JobTrackerClient]
    reasons: dict[str, int] = field(default_factory=dict)
    """The reasons for which jobs without progress waited, and how often."""
    _since: dict[str, tuple[object, float]] = field(default_factory=dict)
    _next: float = 0.0

    def look(self) -> None:
        """Check that every job has made progress recently or names a reason."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + LOOK_SECONDS
        client = self.connect()
        try:
            statuses = client.statuses()
        except (ApiProblem, Unreachable, OSError):
            self._since.clear()  # the JobTracker is away or stopped
            return
        finally:
            client.close()
        self._since = {
            status.job_id: self._seen(status, now)
            for status in statuses
            if status.state not in _ENDED
        }

    def _seen(self, status: JobStatus, now: float) -> tuple[object, float]:
        sign = (status.state, status.maps, status.reduces)
        before, since = self._since.get(status.job_id, (sign, now))
        if before != sign:
            return sign, now
        if now - since > STALLED_SECONDS:
            words = f"{status.job_id} has made no progress for {now - since:.0f} s"
            assert status.waiting, f"{words} and does not say why: {status}"
            self.reasons[status.waiting] = self.reasons.get(status.waiting, 0) + 1
        return sign, since
