"""Where the index files a job, and when the job's present wait for locality ends."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mrmesos.jobtracker.core.scheduling.delay_scheduling import DelayClock
from mrmesos.jobtracker.core.scheduling.job_order import Rank
from mrmesos.resources import Amounts

if TYPE_CHECKING:
    from mrmesos.jobtracker.core.model.job import JobInProgress


@dataclass(slots=True, eq=False)
class Shape:
    """One need, and the jobs whose maps or reduces have it."""

    need: Amounts
    maps: int = 0
    reduces: int = 0


@dataclass(slots=True, eq=False)
class JobEntry:
    """Where a job is filed, and what one attempt of it counts for (order.py)."""

    bit: int
    rank: Rank
    patience: DelayClock
    map_shape: Shape
    reduce_shape: Shape
    map_cost: int
    reduce_cost: int
    waits: tuple[bool, ...] = (False, False, False, False)
    """What waits, as it is filed: maps, reduces, maps that failed before, maps that go anywhere."""
    crowded_since: float | None = None
    """When an agent was first passed over as it runs more than its part of the job's reduces."""


class Deadlines:
    """When the waits of jobs end, the earliest first. Most waits end before: their entries stay
    until their turn comes, or there are too many of them.
    """

    __slots__ = ("_entries", "_number")

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, int, JobInProgress]] = []
        self._number = 0

    def add(self, deadline: float, job: JobInProgress, jobs: int) -> None:
        """The job's present wait ends then, if nothing ends it before; `jobs` are in the index."""
        if job.place is None:
            return
        self._number += 1
        heapq.heappush(self._entries, (deadline, self._number, job.place.patience.version, job))
        if len(self._entries) > 4 * jobs + 1024:
            self._entries = [entry for entry in self._entries if _stands(entry[2], entry[3])]
            heapq.heapify(self._entries)

    def due(self, now: float) -> Iterator[tuple[JobEntry, JobInProgress]]:
        """The jobs whose waits are over; more may be added meanwhile."""
        while self._entries and self._entries[0][0] <= now:
            _, _, version, job = heapq.heappop(self._entries)
            if job.place is not None and _stands(version, job):
                yield job.place, job

    def clear(self) -> None:
        """No job waits."""
        self._entries.clear()


def _stands(version: int, job: JobInProgress) -> bool:
    return job.place is not None and job.place.patience.version == version
