"""The spread of a number over the tasks of a job: minimum, median, maximum, and the task that has
the maximum.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from mrmesos.jobtracker.core.messages.job_run import TaskRun
from mrmesos.wire.ids import parse_attempt
from mrmesos.wire.job import AttemptRow
from mrmesos.wire.task import AttemptState

TIME, MILLIS = "time", "MILLIS"
"""Group and name of the durations of attempts that succeeded, in milliseconds."""
SPLIT, FILES = "split", "FILES"
"""Group and name of the numbers of files in the splits of maps."""


BINS = 24
BINNED = frozenset(
    {
        MILLIS,
        "MAP_INPUT_BYTES",
        "MAP_OUTPUT_BYTES",
        "REDUCE_SHUFFLE_BYTES",
        "REDUCE_INPUT_RECORDS",
    }
)
"""The counters whose bins are kept, for histograms."""
BINNED_LEAST = 5
"""With fewer tasks, the table shows enough."""


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """One counter over the maps or the reduces of a job that have it."""

    kind: str
    group: str
    name: str
    tasks: int
    total: int
    minimum: int
    median: int
    maximum: int
    most: str
    """The task with the maximum."""
    bins: list[int] = []
    """How many tasks are in each of BINS equal parts of the range, for some counters."""


class _Values:
    """The values of one counter, and the tasks that have them."""

    __slots__ = ("numbers", "tasks")

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.tasks: list[str] = []

    def add(self, number: int, task_id: str) -> None:
        """One more value."""
        self.numbers.append(number)
        self.tasks.append(task_id)

    def spread(self, kind: str, group: str, name: str) -> Spread:
        """There must be at least one value."""
        ordered = sorted(self.numbers)
        maximum = ordered[-1]
        return Spread(
            kind=kind,
            group=group,
            name=name,
            tasks=len(ordered),
            total=sum(ordered),
            minimum=ordered[0],
            median=ordered[(len(ordered) - 1) // 2],
            maximum=maximum,
            most=self.tasks[self.numbers.index(maximum)],
            bins=_bins(ordered) if name in BINNED and len(ordered) >= BINNED_LEAST else [],
        )


def _bins(ordered: Sequence[int]) -> list[int]:
    """How many of the numbers are in each of BINS equal parts of their range."""
    low, span = ordered[0], max(1, ordered[-1] - ordered[0])
    bins = [0] * BINS
    for number in ordered:
        bins[min(BINS - 1, (number - low) * BINS // span)] += 1
    return bins


def spreads(tasks: Iterable[TaskRun]) -> list[Spread]:
    """The spread of each counter over the tasks that have one; maps first."""
    values: dict[tuple[str, str, str], _Values] = {}
    for task in tasks:
        if task.files:
            files = values.setdefault((task.kind, SPLIT, FILES), _Values())
            files.add(task.files, task.id)
        for group, names in task.counters.items():
            for name, value in names.items():
                key = (task.kind, group, name)
                known = values.get(key)
                if known is None:
                    known = values[key] = _Values()
                known.numbers.append(value)
                known.tasks.append(task.id)
    return [values[key].spread(*key) for key in sorted(values)]


def durations(rows: Iterable[AttemptRow]) -> list[Spread]:
    """The spread of the durations of attempts that succeeded."""
    values: dict[str, _Values] = {}
    for row in rows:
        if row.state == AttemptState.SUCCEEDED and row.end is not None:
            millis = max(0, round((row.end - row.start) * 1000))
            values.setdefault(row.kind, _Values()).add(millis, row.id)
    found = [values[kind].spread(kind, TIME, MILLIS) for kind in sorted(values)]
    return [replace(each, most=parse_attempt(each.most).task_id) for each in found]
