"""How a number is spread over the tasks of a job: minimum, median, maximum, and in which task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from mrmesos.jobtracker.core.messages.job_run import TaskRun
from mrmesos.wire.ids import parse_attempt
from mrmesos.wire.job import AttemptRow
from mrmesos.wire.task import AttemptState

TIME, MILLIS = "time", "MILLIS"
"""Group and name of the durations of attempts that succeeded, in milliseconds."""


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


def spread(kind: str, group: str, name: str, found: Sequence[tuple[int, str]]) -> Spread:
    """The spread of values, each with its task. There must be at least one."""
    ordered = sorted(found)
    maximum, most = ordered[-1]
    return Spread(
        kind=kind,
        group=group,
        name=name,
        tasks=len(ordered),
        total=sum(value for value, _ in ordered),
        minimum=ordered[0][0],
        median=ordered[(len(ordered) - 1) // 2][0],
        maximum=maximum,
        most=most,
    )


def spreads(tasks: Iterable[TaskRun]) -> list[Spread]:
    """The spread of each counter over the tasks that have one; maps first."""
    values: dict[tuple[str, str, str], list[tuple[int, str]]] = {}
    for task in tasks:
        for group, names in task.counters.items():
            for name, value in names.items():
                values.setdefault((task.kind, group, name), []).append((value, task.id))
    return [spread(*key, found) for key, found in sorted(values.items())]


def durations(rows: Iterable[AttemptRow]) -> list[Spread]:
    """The spread of the durations of attempts that succeeded."""
    values: dict[str, list[tuple[int, str]]] = {}
    for row in rows:
        if row.state == AttemptState.SUCCEEDED and row.end is not None:
            millis = max(0, round((row.end - row.start) * 1000))
            values.setdefault(row.kind, []).append((millis, parse_attempt(row.id).task_id))
    return [spread(kind, TIME, MILLIS, found) for kind, found in sorted(values.items())]
