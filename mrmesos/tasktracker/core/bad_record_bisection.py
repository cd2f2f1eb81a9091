"""Which record a worker died at, and what the attempt is to do otherwise when it starts again.

Part of the core: pure. A worker that is killed from outside says nothing of the record it had in
hand, and one death by itself may be chance. So a record is left out only where two workers have
ended at it by themselves, or by our limits of memory and time; where user code raises, once is
enough. A batch that a worker died at is given in pieces, until it is one record.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, field

from mrmesos.conf import SKIP_RECORDS_MAX
from mrmesos.task.drivers.record_spans import Redo, Span
from mrmesos.wire.task import ErrorKind

DEATHS = 2
PIECES = 16
_STARTS_PER_RECORD = 8  # two to be sure, and some to find it in a batch

_FROM_OUTSIDE = frozenset(
    -each for each in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
)
_BLAMED = frozenset({ErrorKind.USER_CODE, ErrorKind.MEMORY, ErrorKind.TIMEOUT, ErrorKind.CRASH})


@dataclass(slots=True)
class Bisection:
    """Of one attempt, all its starts over. `limit` is `skip.records.max`."""

    limit: int
    skip: dict[int, str] = field(default_factory=dict)
    cuts: set[int] = field(default_factory=set)
    starts: int = 0
    _deaths: dict[int, int] = field(default_factory=dict)

    def redo(self) -> Redo:
        """For the next start."""
        return Redo(dict(self.skip), sorted(self.cuts))

    def words(self) -> str:
        """For the error the attempt ends with after all; empty where nothing was left out."""
        if not self.skip:
            return ""
        name = SKIP_RECORDS_MAX.name
        return f"; {len(self.skip):,} records were left out before this ({name}={self.limit})"

    def ended_at(
        self, span: Span | None, kind: ErrorKind, message: str, *, status: int | None = None
    ) -> bool:
        """The attempt failed with these records in hand; whether to start it again.

        `status` is that of a worker that ended, None where it raised or was killed for a limit.
        """
        if span is None or kind not in _BLAMED or status in _FROM_OUTSIDE:
            return False
        if len(self.skip) >= self.limit or self.starts >= _STARTS_PER_RECORD * (self.limit + 1):
            return False
        self.starts += 1
        if span.count > 1:
            step = -(-span.count // PIECES)
            self.cuts.update(range(span.first, span.first + span.count, step))
            return True
        deaths = self._deaths[span.first] = self._deaths.get(span.first, 0) + 1
        if deaths >= DEATHS or kind is ErrorKind.USER_CODE:
            self.skip[span.first] = message
        return True
