"""What people are told of a job: its status, its report, and what is kept once it has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from mrmesos.api.context import Counters
from mrmesos.jobtracker.cluster import Tracker
from mrmesos.jobtracker.job import JOB_COUNTERS, JobInProgress
from mrmesos.jobtracker.task import TaskAttempt
from mrmesos.wire.ids import TaskKind
from mrmesos.wire.job import AttemptRow, JobReport, JobStatus, TaskCounts
from mrmesos.wire.task import AttemptState

ROWS_KEPT = 50_000
"""Most attempts of an ended job that are remembered."""
LOGS_KEPT = 200
"""Most log tails of an ended job that are remembered; those of failed attempts first."""


class AttemptLocation(NamedTuple):
    """Where an attempt's logs are: the base URL of its TaskTracker while that lives, else "",
    and the tail that came with its report, else "".
    """

    url: str
    log_tail: str


@dataclass(frozen=True, slots=True)
class EndedJob:
    """What is remembered of a job that has ended."""

    report: JobReport
    log_tails: Mapping[str, str] = field(default_factory=dict)
    trackers: Mapping[str, str] = field(default_factory=dict)
    """Attempts' trackers, by attempt id."""


def status_of(job: JobInProgress) -> JobStatus:
    """A job as lists and progress bars show it."""
    counters: Counters = {g: dict(names) for g, names in job.won_counters.items()}
    own = counters.setdefault(JOB_COUNTERS, {})
    for name, amount in job.job_counters.items():
        own[name] = own.get(name, 0) + amount
    return JobStatus(
        job_id=job.id,
        name=job.spec.name,
        user=job.spec.user,
        state=job.state,
        submitted=job.submitted,
        started=job.started,
        ended=job.ended,
        maps=_counts(job, TaskKind.MAP, job.maps_done),
        reduces=_counts(job, TaskKind.REDUCE, job.reduces_done),
        counters=counters,
        output=job.spec.output,
        error=job.error,
        waiting=job.waiting,
    )


def _counts(job: JobInProgress, kind: TaskKind, done: int) -> TaskCounts:
    tasks = job.tasks(kind)
    running = [attempt for attempt in job.running.values() if attempt.task.kind is kind]
    part = sum(min(1.0, max(0.0, attempt.progress)) for attempt in running)
    plural = f"{kind.upper()}S"
    total = len(tasks) if job.maps or job.reduces else _expected(job, kind)
    return TaskCounts(
        total=total,
        pending=max(0, total - done - len(running)),
        running=len(running),
        succeeded=done,
        failed_attempts=job.job_counters.get(f"FAILED_{plural}", 0),
        killed_attempts=job.job_counters.get(f"KILLED_{plural}", 0),
        progress=min(1.0, (done + part) / total) if total else float(job.state.ended),
    )


def _expected(job: JobInProgress, kind: TaskKind) -> int:
    return job.spec.num_reducers if kind is TaskKind.REDUCE else 0


def report_of(job: JobInProgress, trackers: Mapping[str, Tracker]) -> JobReport:
    """The status and a row for every attempt, maps first, each in order."""
    rows = [
        _row(attempt, trackers) for task in (*job.maps, *job.reduces) for attempt in task.attempts
    ]
    return JobReport(status=status_of(job), attempts=rows)


def _row(attempt: TaskAttempt, trackers: Mapping[str, Tracker]) -> AttemptRow:
    tracker = trackers.get(attempt.tracker_id)
    log = f"{tracker.url}/attempts/{attempt.id}/logs" if tracker is not None and tracker.url else ""
    return AttemptRow(
        id=attempt.id,
        kind=attempt.task.kind.value,
        agent=attempt.agent,
        locality=attempt.locality,
        start=attempt.start,
        end=attempt.end,
        state=attempt.state.value,
        progress=1.0 if attempt.state is AttemptState.SUCCEEDED else attempt.progress,
        status=attempt.status,
        error=attempt.error,
        log=log,
    )


def ended_job(job: JobInProgress, trackers: Mapping[str, Tracker]) -> EndedJob:
    """What to remember of a job that ends now."""
    report = report_of(job, trackers)
    if len(report.attempts) > ROWS_KEPT:
        report = JobReport(status=report.status, attempts=report.attempts[:ROWS_KEPT])
    attempts = [a for task in (*job.maps, *job.reduces) for a in task.attempts]
    attempts.sort(key=lambda a: a.state is not AttemptState.FAILED)
    return EndedJob(
        report=report,
        log_tails={a.id: a.log_tail for a in attempts[:LOGS_KEPT] if a.log_tail},
        trackers={a.id: a.tracker_id for a in attempts[:ROWS_KEPT]},
    )
