"""The maps or the reduces of a job."""

from __future__ import annotations

from dataclasses import dataclass, field

from mrmesos.jobtracker.core.model.pending_tasks import PendingTasks
from mrmesos.jobtracker.core.model.task import TaskInProgress


@dataclass(slots=True, eq=False)
class Pace:
    """The pace of a job's maps or reduces, measured on the attempts that won (speculation.py)."""

    count: int = 0
    seconds: float = 0.0
    rates: float = 0.0
    """Sum of the progress rates (1/s) of these attempts; `squares` is the sum of their squares."""
    squares: float = 0.0
    review_at: float = 0.0
    """When to look at the running attempts again."""
    candidates: list[TaskInProgress] = field(default_factory=list)
    """The tasks that the last review found slow."""

    def add(self, seconds: float) -> None:
        """An attempt won after this many seconds."""
        self.count += 1
        self.seconds += seconds
        self.rates += 1 / seconds
        self.squares += 1 / seconds**2


@dataclass(slots=True, eq=False)
class TaskSet:
    """All tasks of one kind. Written by JobInProgress and restore.py; `pace` by
    handlers/speculation.py.
    """

    tasks: list[TaskInProgress] = field(default_factory=list)
    pending: PendingTasks = field(default_factory=lambda: PendingTasks(()))
    """Those that wait."""
    done: int = 0
    """How many have a winner."""
    over: float | None = None
    """When the last one was done. None while any is not done."""
    pace: Pace = field(default_factory=Pace)
