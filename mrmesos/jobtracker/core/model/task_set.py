"""The maps or the reduces of a job."""

from __future__ import annotations

from dataclasses import dataclass, field

from mrmesos.jobtracker.core.model.pace import Pace
from mrmesos.jobtracker.core.model.pending_tasks import PendingTasks
from mrmesos.jobtracker.core.model.task import TaskInProgress


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
