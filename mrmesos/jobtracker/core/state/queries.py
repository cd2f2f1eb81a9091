"""Answers to users, TaskTrackers and the shell about jobs, chains and queues. No state changes.

Comes in: the state and an id. Goes out: the status, report or facts of one job or chain, or of all.
Thread: the core's, between two events.
"""

from __future__ import annotations

from mrmesos.jobtracker.core.state import chain_reports, queue_reports
from mrmesos.jobtracker.core.state.reports import (
    AttemptLogs,
    logs_of,
    logs_of_ended,
    report_of,
    status_of,
)
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire import ids
from mrmesos.wire.chain import ChainStatus
from mrmesos.wire.ids import TrackerId
from mrmesos.wire.job import JobFacts, JobReport, JobStatus
from mrmesos.wire.queue import QueueStatus, TaskEnds


def job_status(st: State, job_id: str) -> JobStatus | None:
    """A job's status. None if the job is unknown or forgotten."""
    job = st.jobs.get(job_id)
    if job is not None:
        return status_of(job)
    ended = st.ended.get(job_id)
    return None if ended is None else ended.status


def job_statuses(st: State) -> list[JobStatus]:
    """The ended jobs that we remember, then the jobs in progress, each in order."""
    return st.ended.statuses() + [status_of(job) for job in st.jobs.values()]


def job_report(st: State, job_id: str) -> JobReport | None:
    """A job's status and attempts. None if the job is unknown or forgotten."""
    job = st.jobs.get(job_id)
    if job is not None:
        return report_of(job, st.cluster.trackers)
    return st.ended.get(job_id)


def chain_status(st: State, chain_id: str) -> ChainStatus | None:
    """A chain's status. None if the chain is unknown or forgotten."""
    chain = st.chains.live.get(chain_id)
    if chain is not None:
        return chain_reports.status_of(st, chain)
    return st.chains.ended.get(chain_id)


def chain_statuses(st: State) -> list[ChainStatus]:
    """The ended chains that we remember, then the live ones, each in order."""
    live = st.chains.live.values()
    return [*st.chains.ended.values(), *(chain_reports.status_of(st, chain) for chain in live)]


def queue_status(st: State, queue_id: str) -> QueueStatus | None:
    """A queue's status. None if the queue is unknown or forgotten."""
    queue = st.queues.live.get(queue_id)
    if queue is not None:
        return queue_reports.status_of(st, queue)
    return st.queues.ended.get(queue_id)


def queue_statuses(st: State) -> list[QueueStatus]:
    """The ended queues that we remember, then the live ones, each in order."""
    live = st.queues.live.values()
    return [*st.queues.ended.values(), *(queue_reports.status_of(st, queue) for queue in live)]


def queue_ends(st: State, queue_id: str) -> TaskEnds | None:
    """The ends of a queue's tasks that its client has not taken. None if it is unknown."""
    queue = st.queues.live.get(queue_id)
    if queue is not None:
        return queue_reports.ends_of(st, queue)
    over = st.queues.ended.get(queue_id)
    return None if over is None else TaskEnds([], over.state, over.words)


def job_facts(st: State, job_id: str) -> JobFacts | None:
    """The facts of a job for TaskTrackers. None if it is not in progress."""
    job = st.jobs.get(job_id)
    if job is None:
        return None
    return JobFacts(
        job_id=job.id,
        spec=job.spec,
        token=job.token,
        num_maps=len(job.maps.tasks),
        tables=job.tables,
    )


def works_for(st: State, tracker_id: TrackerId, job_id: str) -> bool:
    """Whether a TaskTracker runs an attempt of a job, or holds output that it needs."""
    tracker = st.cluster.trackers.get(tracker_id)
    if tracker is None:
        return False
    attempts = (slot.attempt for slot in tracker.slots.values() if slot.attempt is not None)
    return job_id in tracker.outputs or any(one.task.job_id == job_id for one in attempts)


def attempt_logs(st: State, attempt_id: str) -> AttemptLogs | None:
    """The place of an attempt's logs. None if the attempt is unknown."""
    try:
        name = ids.parse_attempt(attempt_id)
    except ValueError:
        return None
    job = st.jobs.get(name.job_id)
    if job is not None:
        tasks = job.of(name.kind).tasks
        known = tasks[name.index].attempts if name.index < len(tasks) else ()
        attempt = next((each for each in known if each.id == attempt_id), None)
        if attempt is None:
            return None
        return logs_of(job, attempt, st.cluster, st.tails.get(attempt_id))
    report = st.ended.get(name.job_id)
    row = next((r for r in report.attempts if r.id == attempt_id), None) if report else None
    if row is None:
        return None
    return logs_of_ended(row, st.tails.get(attempt_id))
