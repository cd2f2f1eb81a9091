"""The index's entry of a job, and the deadlines of jobs' waits for locality."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.scheduling.delay_scheduling import DelayClock
from mrmesos.jobtracker.core.scheduling.job_order import Rank
from mrmesos.jobtracker.core.scheduling.job_set import NO_JOBS, JobSet
from mrmesos.resources import Amounts


@dataclass(slots=True, eq=False)
class Shape:
    """One amount of resources, and the jobs whose maps or reduces need exactly this."""

    need: Amounts
    maps: JobSet = NO_JOBS
    reduces: JobSet = NO_JOBS


Shapes = dict[tuple[tuple[str, int], ...], Shape]
NOTHING_WAITS = (False, False, False, False)


@dataclass(slots=True, eq=False)
class JobEntry:
    """A job's place in the index, and the cost of one of its attempts (job_order.py)."""

    job: JobInProgress
    clock: DelayClock
    map_cost: int
    reduce_cost: int
    # The index sets these when it enters the job, and again when it numbers all jobs anew.
    bit: JobSet = field(init=False)
    rank: Rank = field(init=False)
    map_shape: Shape = field(init=False)
    reduce_shape: Shape = field(init=False)
    waits: tuple[bool, ...] = NOTHING_WAITS
    """The waiting tasks that the index knows: maps, reduces, failed maps, maps without
    preference.
    """
    crowded_since: float | None = None
    """When an agent was first passed over because it runs its share of the job's reduces."""
    left: bool = False
    """Whether the job has left the index."""

    def enter(self, shapes: Shapes) -> None:
        """Enter the needs of the job's tasks there."""
        settings = self.job.settings
        self.map_shape, self.reduce_shape = (
            shapes.setdefault(tuple(sorted(need.items())), Shape(need))
            for need in (settings.map_need, settings.reduce_need)
        )
        self.map_shape.maps |= self.bit
        self.reduce_shape.reduces |= self.bit

    def leave(self, shapes: Shapes) -> None:
        """Remove the needs of the job's tasks from there."""
        self.map_shape.maps &= ~self.bit
        self.reduce_shape.reduces &= ~self.bit
        for shape in (self.map_shape, self.reduce_shape):
            if not shape.maps | shape.reduces:
                shapes.pop(tuple(sorted(shape.need.items())), None)


class Deadlines:
    """The deadlines of jobs' waits, the earliest first. Most waits end before their deadline. Such
    a deadline stays here until its time comes, or until there are too many.
    """

    __slots__ = ("_heap", "_number")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, int, JobEntry]] = []
        self._number = 0

    @property
    def next(self) -> float:
        """A time before which none is due."""
        return self._heap[0][0] if self._heap else math.inf

    def add(self, deadline: float, entry: JobEntry, jobs: int) -> None:
        """Add the deadline of the job's present wait. `jobs` is the number of jobs in the index."""
        self._number += 1
        heapq.heappush(self._heap, (deadline, self._number, entry.clock.version, entry))
        if len(self._heap) > 4 * jobs + 1024:
            self._heap = [each for each in self._heap if _stands(each[2], each[3])]
            heapq.heapify(self._heap)

    def due(self, now: float) -> Iterator[JobEntry]:
        """The jobs whose deadline has come. Deadlines may be added during the iteration."""
        while self._heap and self._heap[0][0] <= now:
            _, _, version, entry = heapq.heappop(self._heap)
            if _stands(version, entry):
                yield entry

    def clear(self) -> None:
        """Remove all deadlines."""
        self._heap.clear()


def _stands(version: int, entry: JobEntry) -> bool:
    return not entry.left and entry.clock.version == version
