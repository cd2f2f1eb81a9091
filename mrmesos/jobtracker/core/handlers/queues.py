"""The life of queues of free tasks. free_tasks.py has that of the tasks in them.

Comes in: requests of clients, and the ends of jobs, from jobs.py. Goes out: kills, and news for the
client.
"""

from __future__ import annotations

from mrmesos.jobtracker.core.handlers import free_tasks, jobs
from mrmesos.jobtracker.core.messages.commands import QueueEnded, QueueNews
from mrmesos.jobtracker.core.messages.events import QueueSubmitted
from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.model.task import TaskState
from mrmesos.jobtracker.core.model.task_queue import TaskQueue
from mrmesos.jobtracker.core.policies.explanation import impossible
from mrmesos.jobtracker.core.state.queue_reports import status_of
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire.queue import QueueRequest, QueueState
from mrmesos.wire.task import ErrorKind


def submit(st: State, event: QueueSubmitted) -> None:
    """Add a new queue. A known id changes nothing."""
    if event.queue_id in st.queues.live or event.queue_id in st.queues.ended:
        return
    queue = TaskQueue(event.queue_id, event.spec, event.token, st.now, st.changes, event.key)
    queue.heard = st.now
    st.queues.live[queue.id] = queue
    st.changes.queue(queue)


def requested(st: State, queue_id: str, request: QueueRequest) -> None:
    """The client adds tasks, cancels some, or closes the queue."""
    queue = st.queues.live.get(queue_id)
    if queue is None:
        return
    queue.heard = st.now
    for spec in request.tasks:
        if spec.key > queue.highest and queue.state is QueueState.OPEN:  # else it is a repetition
            queue.highest = spec.key
            st.changes.queue(queue)
            free_tasks.add(st, queue, spec)
    for key in request.cancel:
        if (queued := queue.tasks.get(key)) is not None:
            free_tasks.drop(st, queue, queued, None, "cancelled")
    if request.close and queue.state is QueueState.OPEN:
        queue.transition(QueueState.CLOSED)
        queue.by_demand.clear()
        for job_id in list(queue.jobs):
            free_tasks.close_job(st, job_id)
    _end_if_done(st, queue)


def taken(st: State, queue_id: str, number: int) -> None:
    """The client has received the ends up to this number."""
    queue = st.queues.live.get(queue_id)
    if queue is None:
        return
    queue.heard = st.now
    if numbers := queue.take(number):
        st.changes.ends_taken(queue, numbers)
        free_tasks.pause(st, queue)
        _end_if_done(st, queue)


# --- A restart


def resume(st: State, queue: TaskQueue) -> None:
    """Go on with a restored queue. Steps that may not have been carried out before the restart are
    done again.
    """
    st.queues.news[queue.id] = None
    for queued in list(queue.tasks.values()):
        if queued.spec.key not in queue.tasks or queued.runs:
            continue
        if before := queue.failed_before(queued.spec.after):
            words = f"it waits for {before}, which did not succeed"
            free_tasks.drop(st, queue, queued, free_tasks.task_error(words), words)
        elif queued.dropped:
            free_tasks.over(st, queue, queued)
        elif not queued.waits and queued.task.state is TaskState.WAITING:
            free_tasks.ready(st, queued)
    if queue.state is QueueState.STOPPING:
        for job_id in list(queue.jobs):
            jobs.kill(st, job_id, f"{queue.id}, which was {queue.words}")
    for job_id in list(queue.jobs):
        free_tasks.close_job(st, job_id)
    _end_if_done(st, queue)


# --- Ends of queues


def kill(st: State, queue_id: str, by: str) -> None:
    """Kill a queue with all its tasks."""
    if (queue := st.queues.live.get(queue_id)) is not None:
        _stop(st, queue, f"killed by {by or 'a user'}")


def _stop(st: State, queue: TaskQueue, words: str) -> None:
    if queue.state is QueueState.STOPPING:
        return
    queue.words = words
    queue.transition(QueueState.STOPPING)
    queue.by_demand.clear()
    for job_id in list(queue.jobs):
        jobs.kill(st, job_id, f"{queue.id}, which was {words}")
        free_tasks.close_job(st, job_id)
    _end_if_done(st, queue)


def _end_if_done(st: State, queue: TaskQueue) -> None:
    if queue.jobs or queue.id not in st.queues.live:
        return
    if queue.state is QueueState.STOPPING:
        queue.transition(QueueState.KILLED)
    elif queue.state is QueueState.CLOSED and not queue.ends:
        queue.transition(QueueState.ENDED)
    else:
        return
    del st.queues.live[queue.id]
    retired = st.queues.keep(status_of(st, queue), st.settings.retired_max)
    st.changes.queue_ended(queue.id, queue.key, retired)
    st.emit(QueueEnded(queue.id))


def follow(st: State) -> None:
    """Act on the ends of jobs in this event, and tell clients of ends of tasks."""
    while st.queues.ended_jobs:
        job = st.queues.ended_jobs.pop(0)
        if (queue := st.queues.live.get(job.spec.queue)) is not None:
            _job_ended(st, queue, job)
            _end_if_done(st, queue)
    for queue_id in st.queues.news:
        if queue_id in st.queues.live:
            st.emit(QueueNews(queue_id))
    st.queues.news.clear()


def _job_ended(st: State, queue: TaskQueue, job: JobInProgress) -> None:
    report = st.ended.get(job.id)
    error = report.status.error if report is not None else None
    if error is None:
        how = queue.words or f"{job.id}, the job that held it, was killed"
        error = free_tasks.task_error(how, ErrorKind.LOST)
    for queued in queue.of_job(job):
        if queued.spec.key not in queue.tasks:
            continue  # it failed because one before it did
        if not queued.dropped:
            queue.drop(queued, error)
        free_tasks.over(st, queue, queued)
    queue.jobs.pop(job.id, None)
    for demanded, at in list(queue.by_demand.items()):
        if at == job.id:
            del queue.by_demand[demanded]


def tick(st: State) -> None:
    """Check the deadlines of tasks, the clients of queues, and tasks that no agent can run."""
    for queue in list(st.queues.live.values()):
        if st.now - queue.heard > st.settings.queue_lease:
            _stop(st, queue, f"killed because its client was silent for {_seconds(st)}")
            continue
        for queued in queue.overdue(st.now):
            words = f"it did not end within its deadline of {queued.spec.deadline:g} s"
            free_tasks.drop(
                st, queue, queued, free_tasks.task_error(words, ErrorKind.TIMEOUT), words
            )
        for job_id, strict in list(queue.jobs.items()):
            job = st.jobs.get(job_id)  # a deadline above may have ended it
            if strict and job is not None and job.has_work and (words := impossible(st, job)):
                error = free_tasks.task_error(words, ErrorKind.SETTINGS)
                free_tasks.drop_all(st, queue, job, error)


def _seconds(st: State) -> str:
    return f"{st.settings.queue_lease:g} s"


def unkept(st: State, queue_id: str, problem: str) -> None:
    """A record of the queue cannot be written to the journal. It cannot go on."""
    if (queue := st.queues.live.get(queue_id)) is not None:
        _stop(st, queue, f"killed because its record cannot be kept in the journal: {problem}")
