"""Global resources: amounts that belong to no agent, such as connections to a database.

The setting `resources.global` says how much of each there is. A running attempt holds what its job
asks for, until the attempt has ended as far as the JobTracker knows. If the next map of a job would
take too much, the job's maps are blocked; the same holds for reduces. The index then treats the job
as if none of them waited, so findTask does not look at it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mrmesos.resources import Amounts

if TYPE_CHECKING:
    from mrmesos.jobtracker.core.model.job import JobInProgress
    from mrmesos.jobtracker.core.model.settings import JobSettings


@dataclass(slots=True)
class GlobalResources:
    """How much there is (`total`), and how much running attempts hold, in thousandths."""

    touch: Callable[[JobInProgress], None]
    """Tells the index that a job is blocked now, or not any more."""
    total: Amounts = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    wanting: dict[str, dict[str, JobInProgress]] = field(default_factory=dict)
    """By resource: the running jobs that ask for it."""

    def enter(self, job: JobInProgress) -> None:
        """A job may run."""
        for name in _names(job):
            self.wanting.setdefault(name, {})[job.id] = job
        self.review(job)

    def leave(self, job: JobInProgress) -> None:
        """A job starts no further attempt."""
        for name in _names(job):
            if (jobs := self.wanting.get(name)) is not None:
                jobs.pop(job.id, None)
                if not jobs:
                    del self.wanting[name]

    def take(self, need: Amounts, sign: int = 1) -> None:
        """An attempt begins to hold `need`; with the sign -1, it has ended."""
        for name, amount in need.items():
            self.held[name] = self.held.get(name, 0) + sign * amount
            for job in self.wanting.get(name, {}).values():
                self.review(job)

    def give(self, need: Amounts) -> None:
        """An attempt that held `need` has ended."""
        self.take(need, -1)

    def review(self, job: JobInProgress) -> None:
        """Set whether the job's maps and its reduces are blocked."""
        blocked = job.paused or self.lacks(job.settings.map_shared)
        reduces = self.lacks(job.settings.reduce_shared)
        if (blocked, reduces) != (job.blocked, job.waits.reduces_blocked):
            job.blocked, job.waits.reduces_blocked = blocked, reduces
            self.touch(job)

    def lacks(self, need: Amounts) -> str:
        """The first resource in `need` of which too little is free. Empty if enough is free."""
        for name, amount in need.items():
            if self.held.get(name, 0) + amount > self.total.get(name, 0):
                return name
        return ""

    def blocks(self, name: str, job: JobInProgress) -> bool:
        """Whether a map or a reduce of the job waits until more of this resource is free."""
        settings = job.settings
        maps = len(job.maps.pending) > 0 and not job.paused
        reduces = len(job.reduces.pending) > 0 and job.maps.done >= job.maps_for_reduces
        needs = (maps, settings.map_shared), (reduces, settings.reduce_shared)
        return any(
            waits and name in need and self.lacks({name: need[name]}) != "" for waits, need in needs
        )

    def impossible(self, job: JobSettings) -> str:
        """Why an attempt can never hold what the job asks for, in words. Empty if it can."""
        for name, amount in (*job.map_shared.items(), *job.reduce_shared.items()):
            if name not in self.total:
                return f"the JobTracker has no global resource {name} (resources.global)"
            if amount > self.total[name]:
                return (
                    f"it needs {name}:{amount / 1000:g}, but resources.global has "
                    f"{name}:{self.total[name] / 1000:g}"
                )
        return ""


def _names(job: JobInProgress) -> set[str]:
    return {*job.settings.map_shared, *job.settings.reduce_shared}
