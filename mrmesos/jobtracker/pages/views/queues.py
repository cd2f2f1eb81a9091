"""The data of the page of a queue of free tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mrmesos.jobtracker.core.state.queue_view import QueueView
from mrmesos.jobtracker.history.record import HistoryRecord
from mrmesos.jobtracker.pages.views.graph import Graph, queue_graph
from mrmesos.jobtracker.pages.views.jobs import ErrorGroup, errors_of
from mrmesos.resources import Amounts
from mrmesos.wire.cluster import SharedView
from mrmesos.wire.explain import WaitingTasks
from mrmesos.wire.job import JobStatus

JOBS_MAX = 100
LOOKED_AT = 10
"""A page shows the errors and the reasons for waiting of at most this many jobs of a queue."""


class DemandLine(NamedTuple):
    """The tasks of a queue with one demand: one job. `need` is empty if the job has ended."""

    job: JobStatus
    need: Amounts
    waiting: WaitingTasks | None

    @property
    def dropped(self) -> int:
        """The tasks that failed or were cancelled."""
        return _dropped(self.job)


class SharedLine(NamedTuple):
    """A global resource for which the queue's tasks ask. `here` is the amount that they hold."""

    view: SharedView
    here: int

    @property
    def part(self) -> float:
        """The part that all attempts hold."""
        return min(1.0, self.view.held / self.view.total) if self.view.total else 1.0


class QueuePage(NamedTuple):
    """A queue in figures. `further` jobs are not listed."""

    view: QueueView
    demands: list[DemandLine]
    further: int
    shared: list[SharedLine]
    errors: list[ErrorGroup]
    graph: Graph | None
    succeeded: int
    running: int
    ready: int
    """Tasks that wait for an agent."""
    dropped: int
    """Tasks that failed or were cancelled."""
    failed_attempts: int


def _dropped(job: JobStatus) -> int:
    tasks = job.maps
    return max(0, tasks.total - tasks.succeeded - tasks.running - tasks.pending)


def with_errors(view: QueueView) -> list[str]:
    """The jobs whose errors the page shows: the jobs that were used last."""
    jobs = [job.job_id for job in view.status.jobs if job.maps.failed_attempts or job.error]
    return jobs[-LOOKED_AT:]


def with_reasons(view: QueueView) -> list[str]:
    """The jobs for which the page says why they wait."""
    jobs = [j.job_id for j in view.status.jobs if not j.state.ended and j.maps.pending]
    return jobs[:LOOKED_AT]


def queue_page(
    view: QueueView,
    shared: Sequence[SharedView],
    records: Sequence[HistoryRecord],
    waiting: Mapping[str, WaitingTasks | None],
) -> QueuePage:
    """Jobs with tasks to run come first."""
    jobs = sorted(view.status.jobs, key=lambda job: (job.state.ended, job.job_id))
    counts = [job.maps for job in jobs]
    need = view.needs
    pending = sum(each.pending for each in counts)
    return QueuePage(
        view=view,
        demands=[
            DemandLine(job, need.get(job.job_id, {}), waiting.get(job.job_id))
            for job in jobs[:JOBS_MAX]
        ],
        further=max(0, len(jobs) - JOBS_MAX),
        shared=[
            SharedLine(one, view.shared[one.name]) for one in shared if one.name in view.shared
        ],
        errors=errors_of([row for record in records for row in record.report.attempts]),
        graph=queue_graph(view),
        succeeded=sum(each.succeeded for each in counts),
        running=sum(each.running for each in counts),
        ready=max(0, pending - view.status.waiting),
        dropped=sum(map(_dropped, jobs)),
        failed_attempts=sum(each.failed_attempts for each in counts),
    )
