"""Queues of free tasks in `mrmesos job list` and `mrmesos job status`."""

from __future__ import annotations

from collections.abc import Iterator

from mrmesos.client.terminal.job_table import job_row, moment
from mrmesos.wire.job import JobStatus
from mrmesos.wire.queue import QueueStatus


def queue_rows(status: QueueStatus) -> list[tuple[str, ...]]:
    """A queue, and below it its jobs. Free tasks stand in the column of maps."""
    done = sum(job.maps.succeeded for job in status.jobs)
    total = sum(job.maps.total for job in status.jobs)
    head = (status.queue_id, status.state.value, status.user, f"{done}/{total}", "")
    rows: list[tuple[str, ...]] = [(*head, moment(status.submitted), status.name)]
    for job in status.jobs:
        name, *rest = job_row(job)
        rows.append((f"  {name}", *rest))
    return rows


def queue_text(status: QueueStatus) -> Iterator[str]:
    """The lines of `mrmesos job status`."""
    line = f"{status.queue_id} {status.state.value}  {status.name}"
    yield f"{line}: {status.words}" if status.words else line
    if status.waiting:
        yield f"  {status.waiting:,} tasks wait for other tasks"
    if status.unread:
        yield f"  {status.unread:,} results wait for the client"
    for job in status.jobs:
        yield f"  {_job_line(job)}"


def _job_line(job: JobStatus) -> str:
    tasks = job.maps
    parts = [f"{tasks.succeeded:,} of {tasks.total:,} tasks have succeeded"]
    if tasks.running:
        parts.append(f"{tasks.running:,} run")
    if tasks.failed_attempts:
        parts.append(f"{tasks.failed_attempts:,} attempts failed")
    words = f": {job.waiting}" if job.waiting else ""
    return f"{job.job_id} {job.state.value}  {job.name}: {', '.join(parts)}{words}"
