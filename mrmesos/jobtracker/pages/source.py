"""The source of the pages' data: a running JobTracker (live.py), or the history alone (kept.py)."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from mrmesos.jobtracker.core.state.queue_view import QueueLine, QueueView
from mrmesos.jobtracker.core.state.tracker_view import TrackerView
from mrmesos.jobtracker.history.record import HistoryRecord
from mrmesos.jobtracker.pages.views.charts import ClusterSample
from mrmesos.jobtracker.pages.views.jobs import JobLine
from mrmesos.wire.chain import ChainStatus
from mrmesos.wire.cluster import ClusterView
from mrmesos.wire.explain import WaitingTasks
from mrmesos.wire.tracker_status import Stack, TrackerStatus

ENDED_MAX = 200
"""Most ended jobs in a list."""


class Log(NamedTuple):
    """The end of an attempt's output. `note` says which part is missing; empty if all is here."""

    text: str
    note: str


class TrackerPage(NamedTuple):
    """A TaskTracker as the core knows it, and its own answer about itself, if it answers."""

    view: TrackerView
    status: TrackerStatus | None


class PageSource(Protocol):
    """Any method may raise `access.signing.Refusal`, with words for the user."""

    live: bool
    """Whether the data changes, and jobs can be killed."""

    async def cluster(self) -> ClusterView | None:
        """The cluster; None if there is none, only a history."""

    def trend(self) -> list[ClusterSample]:
        """The cluster over time, as far as it is known."""

    async def chains(self) -> list[ChainStatus]:
        """The chains in progress, and those that ended last."""

    async def queues(self) -> list[QueueLine]:
        """The queues of free tasks in progress, and those that ended last."""

    async def queue(self, queue_id: str) -> QueueView | None:
        """A queue; None if it is unknown."""

    async def jobs(self, text: str, state: str) -> list[JobLine]:
        """The jobs in progress, and at most ENDED_MAX that ended last and match."""

    async def job(self, job_id: str) -> HistoryRecord | None:
        """All data of a job; None if it is unknown."""

    async def waiting(self, job_id: str, task_id: str) -> WaitingTasks | None:
        """Why the tasks of a job wait. With a `task_id`: why this task waits. None if the job is
        not in progress, or has no such task.
        """

    async def tracker(self, tracker_id: str) -> TrackerPage | None:
        """A TaskTracker; None if it is unknown."""

    async def stack(self, attempt_id: str) -> Stack:
        """The stacks of a running attempt's worker, now."""

    async def log(self, attempt_id: str, stream: str) -> Log | None:
        """The output of an attempt; None if the attempt is unknown."""

    async def profile(self, attempt_id: str) -> str:
        """The packed profile of an attempt (wire/profile.py); empty if there is none."""

    async def move(self, job_id: str, priority: str, pool: str, by: str) -> bool:
        """Give a job another priority or pool; an empty one stays as it is. False if there is no
        such job in progress.
        """

    async def kill(self, job_id: str, by: str) -> bool:
        """Kill a job, a chain or a queue; False if there is none of this name in progress."""
