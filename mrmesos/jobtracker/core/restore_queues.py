"""Restores queues of free tasks from the journal's records. `restore` calls this.

First come the jobs that hold the tasks (`add_tasks`), then the queues themselves (`restored`). A
job of an earlier life takes no further tasks, so no number of a task is used twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mrmesos.api.context import add_counters
from mrmesos.jobtracker.core.handlers import free_tasks, jobs, queues
from mrmesos.jobtracker.core.messages.commands import QueueEnded
from mrmesos.jobtracker.core.messages.journal_records import (
    AttemptRecord,
    FreeTaskRecord,
    QueueRecord,
    TaskEndRecord,
)
from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.model.job_parts import TaskSet
from mrmesos.jobtracker.core.model.pending_tasks import PendingTasks
from mrmesos.jobtracker.core.model.task import TaskInProgress, TaskState
from mrmesos.jobtracker.core.model.task_queue import QueuedTask, TaskQueue
from mrmesos.jobtracker.core.state.queue_reports import lost_status
from mrmesos.jobtracker.core.state.reports import not_restored
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire.ids import parse_attempt
from mrmesos.wire.queue import QueueState
from mrmesos.wire.task import AttemptState

ENDS_OF_A_LIFE = 1_000_000_000
"""Each life numbers the ends of tasks from its own multiple of this. Suppose that a loss of power
undid an end that the client had taken. Its number is not used again, so the client does not miss
another end.
"""
_RESTORED = "restored from the journal"


def add_tasks(
    job: JobInProgress, records: Iterable[FreeTaskRecord], attempts: Sequence[AttemptRecord]
) -> None:
    """Make the tasks of a job. Tasks without a record are over, and have only attempts."""
    by_index = {record.index: record for record in records}
    indexes = [*by_index, *(parse_attempt(attempt.id).index for attempt in attempts)]
    tasks: list[TaskInProgress] = []
    job.planning, job.closed = False, True
    job.maps = TaskSet(tasks, PendingTasks(tasks))
    for index in range(max(indexes, default=-1) + 1):
        record = by_index.get(index)
        job.add_free(record.spec.key if record is not None else 0, None, 0.0)


def settle_task(st: State, job: JobInProgress, task: TaskInProgress, *, known: bool) -> None:
    """Set the state of a task by its attempts. `known`: the journal has a record of it, so it is
    not over.

    Tasks that wait stay WAITING until their queue is restored.
    """
    task.pending_since = st.now
    for attempt in task.attempts:
        if attempt.state is AttemptState.RUNNING:
            job.add_running(attempt)
    if (winner := task.winner) is not None:
        for state in (TaskState.PENDING, TaskState.RUNNING, TaskState.SUCCEEDED):
            task.transition(state, st.now, _RESTORED)
        task.running = ()
        add_counters(job.counters.won, winner.counters)
        job.maps.pace.add(max(0.001, (winner.end or winner.start) - winner.start))
    elif not known:
        job.drop(task, st.now, _RESTORED)
    elif task.running:
        task.transition(TaskState.PENDING, st.now, _RESTORED)
        task.transition(TaskState.RUNNING, st.now, _RESTORED)


def restored(
    st: State,
    record: QueueRecord,
    records: Iterable[FreeTaskRecord],
    ends: Iterable[TaskEndRecord],
) -> None:
    """Take over a queue, after the jobs that hold its tasks are restored."""
    queue = TaskQueue(
        record.id, record.spec, record.token, record.submitted, st.changes, record.key
    )
    st.queues.live[queue.id] = queue
    queue.highest, queue.words, queue.heard = record.highest, record.words, st.now
    for kept in sorted(ends, key=lambda each: each.end.number):
        queue.keep(kept.end, f"task {kept.end.key}")
    queue.number = max([st.recovery.life * ENDS_OF_A_LIFE, *queue.ends])
    for job in st.jobs.values():
        if job.spec.queue == queue.id:
            queue.add_job(job.id, strict=False)
    if record.state is not QueueState.OPEN:
        queue.transition(record.state)
    for one in sorted(records, key=lambda each: each.spec.key):
        _task(st, queue, one)
    queues.resume(st, queue)


def _task(st: State, queue: TaskQueue, record: FreeTaskRecord) -> None:
    job = st.jobs.get(record.job_id)
    spec = record.spec
    if job is None or record.index >= len(job.maps.tasks):
        free_tasks.lost_task(st, queue, spec)
        return
    task = job.maps.tasks[record.index]
    task.free = free_tasks.what_runs(queue, spec)
    queued = QueuedTask(spec, job.id, task, record.added)
    queued.dropped, queued.error = record.dropped, record.error
    if record.dropped and task.state is not TaskState.DROPPED:
        job.drop(task, st.now, _RESTORED)
    queue.jobs[job.id] |= spec.fail_if_impossible
    queue.enter(queued)


def lost(st: State, queue_id: str, why: str) -> None:
    """A queue cannot be restored. Its running attempts are killed."""
    words = not_restored("this queue", why)
    status = lost_status(queue_id, st.now, words)
    st.changes.queue_ended(queue_id, "", st.queues.keep(status, st.settings.retired_max))
    st.emit(QueueEnded(queue_id))


def kill_orphans(st: State) -> None:
    """Kill the jobs of queues that could not be restored."""
    for job in list(st.jobs.values()):
        if job.spec.queue and job.spec.queue not in st.queues.live:
            jobs.kill(st, job.id, "the JobTracker, because its queue is lost")
