"""Finds the record at which workers die, and tells the next start of the attempt to skip it.

Part of the core: pure. If something outside killed a worker, that says nothing about its record.
One death may also be chance. So a record is skipped only after two workers have died at it, by
themselves or by our limits of memory and time. If user code raises an exception, once is enough. If
a worker dies at a batch, the next start gets the batch in pieces, until a piece is one record.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, field

from mrmesos.conf import SKIP_RECORDS_MAX
from mrmesos.task.drivers.record_spans import Redo, Span
from mrmesos.wire.task import ErrorKind

DEATHS = 2
PIECES = 16
_STARTS_PER_RECORD = 8  # two to be sure, the others to find the record in a batch

_FROM_OUTSIDE = frozenset(
    -each for each in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
)
_BLAMED = frozenset({ErrorKind.USER_CODE, ErrorKind.MEMORY, ErrorKind.TIMEOUT, ErrorKind.CRASH})


@dataclass(slots=True)
class Bisection:
    """The search within one attempt, over all its starts. `limit` is `skip.records.max`."""

    limit: int
    skip: dict[int, str] = field(default_factory=dict)
    cuts: set[int] = field(default_factory=set)
    starts: int = 0
    _deaths: dict[int, int] = field(default_factory=dict)

    def redo(self) -> Redo:
        """The changes for the next start."""
        return Redo(dict(self.skip), sorted(self.cuts))

    def words(self) -> str:
        """A text for the attempt's final error; empty if no record was skipped."""
        if not self.skip:
            return ""
        name = SKIP_RECORDS_MAX.name
        return f"; {len(self.skip):,} records had been skipped before this ({name}={self.limit})"

    def ended_at(
        self, span: Span | None, kind: ErrorKind, message: str, *, status: int | None = None
    ) -> bool:
        """Take note that the attempt failed at these records. Returns whether to start it again.

        `status` is the exit status of a dead worker. It is None if user code raised an exception,
        or if the worker was killed for a limit.
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
