"""Where the index files a job, and when the job's present wait for locality ends."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.scheduling.delay_scheduling import DelayClock
from mrmesos.jobtracker.core.scheduling.job_order import Rank
from mrmesos.resources import Amounts


@dataclass(slots=True, eq=False)
class Shape:
    """One need, and the jobs whose maps or reduces have it."""

    need: Amounts
    maps: int = 0
    reduces: int = 0


NOTHING_WAITS = (False, False, False, False)


@dataclass(slots=True, eq=False)
class JobEntry:
    """Where a job is filed, and what one attempt of it counts for (order.py)."""

    job: JobInProgress
    bit: int
    rank: Rank
    clock: DelayClock
    map_shape: Shape
    reduce_shape: Shape
    map_cost: int
    reduce_cost: int
    waits: tuple[bool, ...] = NOTHING_WAITS
    """What waits, as it is filed: maps, reduces, maps that failed before, maps that go anywhere."""
    crowded_since: float | None = None
    """When an agent was first passed over as it runs more than its part of the job's reduces."""
    left: bool = False
    """Whether the job has left the index."""


class Deadlines:
    """When the waits of jobs end, the earliest first. Most waits end before: their entries stay
    until their turn comes, or there are too many of them.
    """

    __slots__ = ("_heap", "_number")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, int, JobEntry]] = []
        self._number = 0

    def add(self, deadline: float, entry: JobEntry, jobs: int) -> None:
        """The job's present wait ends then, if nothing ends it before; `jobs` are in the index."""
        self._number += 1
        heapq.heappush(self._heap, (deadline, self._number, entry.clock.version, entry))
        if len(self._heap) > 4 * jobs + 1024:
            self._heap = [each for each in self._heap if _stands(each[2], each[3])]
            heapq.heapify(self._heap)

    def due(self, now: float) -> Iterator[JobEntry]:
        """The jobs whose waits are over; more may be added meanwhile."""
        while self._heap and self._heap[0][0] <= now:
            _, _, version, entry = heapq.heappop(self._heap)
            if _stands(version, entry):
                yield entry

    def clear(self) -> None:
        """No job waits."""
        self._heap.clear()


def _stands(version: int, entry: JobEntry) -> bool:
    return not entry.left and entry.clock.version == version
