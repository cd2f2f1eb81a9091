"""Free tasks: how they are added, what follows from the ends of their attempts, and how they end.

Comes in: tasks of clients, and the ends of attempts, from attempts.py. Goes out: jobs, kills, and
ends of tasks for the client.

Tasks of a queue with the same demand are in one job. Scheduling, faults, logs and recovery know
only jobs. Such a job has no files: nothing plans or commits it. After TASKS_OF_JOB tasks, the next
job follows.
"""

from __future__ import annotations

from collections import deque

from mrmesos.jobtracker.core.handlers import jobs
from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.model.job_parts import TaskSet
from mrmesos.jobtracker.core.model.pending_tasks import PendingTasks
from mrmesos.jobtracker.core.model.task import TaskAttempt, TaskInProgress, TaskState
from mrmesos.jobtracker.core.model.task_queue import QueuedTask, TaskQueue
from mrmesos.jobtracker.core.policies.dispatch import kill_attempt
from mrmesos.jobtracker.core.state.queue_reports import job_spec
from mrmesos.jobtracker.core.state.reports import not_restored
from mrmesos.jobtracker.core.state.state import State
from mrmesos.wire.job import JobState
from mrmesos.wire.queue import TaskEnd, TaskSpec
from mrmesos.wire.task import AttemptError, AttemptState, ErrorKind, FreeResult, FreeTask

TASKS_OF_JOB = 10_000
TASKS_OF_QUEUE = 1_000_000
"""A queue holds at most this many tasks that are not over."""
JOBS_OF_QUEUE = 1_000
"""A queue has at most this many jobs at once, and so at most this many different demands."""
UNREAD_BYTES = 64 << 20
"""A queue starts no further task while the ends that its client has not taken are larger than
this.
"""
UNREAD = "the client has not taken the results so far"


# --- Adding


def add(st: State, queue: TaskQueue, spec: TaskSpec) -> None:
    """A client adds a task. It runs as soon as it waits for no other task, or fails at once."""
    if before := queue.failed_before(spec.after):
        _refuse(st, queue, spec, task_error(f"it waits for {before}, which did not succeed"))
        return
    if len(queue.tasks) >= TASKS_OF_QUEUE:
        words = f"the queue holds {TASKS_OF_QUEUE:,} tasks; execute more when some have ended"
        _refuse(st, queue, spec, task_error(words))
        return
    job = _job_for(st, queue, spec)
    if isinstance(job, AttemptError):
        _refuse(st, queue, spec, job)
        return
    task = job.add_free(spec.key, what_runs(queue, spec), st.now)
    queued = QueuedTask(spec, job.id, task, st.now)
    queue.enter(queued)
    st.changes.free_task(queue, queued)
    if not queued.waits:
        ready(st, queued)
    if len(job.maps.tasks) >= TASKS_OF_JOB:
        del queue.by_demand[_demanded(spec)]
        close_job(st, job.id)


def what_runs(queue: TaskQueue, spec: TaskSpec) -> FreeTask:
    """The part of a task that TaskTrackers get."""
    return FreeTask(
        name=spec.name, payload=spec.payload, stored=spec.stored, store=queue.spec.store
    )


def ready(st: State, queued: QueuedTask) -> None:
    """A task waits for no other task any more."""
    job = st.jobs.get(queued.job_id)
    if job is not None:
        job.ready(queued.task, st.now)
        st.offers.new_work = True


def _demanded(spec: TaskSpec) -> tuple[object, ...]:
    need = tuple(sorted(spec.need.items()))
    return need, spec.priority, spec.constraints, spec.timeout, spec.fail_if_impossible


def _job_for(st: State, queue: TaskQueue, spec: TaskSpec) -> JobInProgress | AttemptError:
    """The queue's job for tasks with this demand, or the reason why there can be none."""
    demanded = _demanded(spec)
    job = st.jobs.get(queue.by_demand.get(demanded, ""))
    if job is not None and job.state is JobState.RUNNING:
        return job
    if len(queue.jobs) >= JOBS_OF_QUEUE:
        _close_idle(st, queue)
    if len(queue.jobs) >= JOBS_OF_QUEUE:
        return task_error(f"the tasks of the queue have over {JOBS_OF_QUEUE:,} different demands")
    made = job_spec(queue.spec, spec, queue.id, st.settings.shared)
    settings, problem = jobs.settings_of(made)
    if problem is not None:
        return problem
    if words := st.index.shared.impossible(settings):
        return task_error(words, ErrorKind.SETTINGS)
    job = JobInProgress(
        st.next_job_id(), made, queue.token, settings, st.now, st.index, notes=st.changes
    )
    st.jobs[job.id] = job
    job.paused = UNREAD if queue.unread > UNREAD_BYTES else ""
    queue.by_demand[demanded] = job.id
    queue.add_job(job.id, strict=spec.fail_if_impossible)
    begin_job(st, job)
    return job


def begin_job(st: State, job: JobInProgress) -> None:
    """The job of a queue may run. It has no tasks yet."""
    tasks: list[TaskInProgress] = []
    job.planning, job.maps = False, TaskSet(tasks, PendingTasks(tasks))
    st.changes.job(job)
    job.transition(JobState.RUNNING)


def _close_idle(st: State, queue: TaskQueue) -> None:
    """Close the jobs that have no task to run, to make room for other demands."""
    for demanded, job_id in list(queue.by_demand.items()):
        maps = st.jobs[job_id].maps
        if maps.done + maps.dropped == len(maps.tasks):
            del queue.by_demand[demanded]
            close_job(st, job_id)


def close_job(st: State, job_id: str) -> None:
    """A job takes no further tasks. It ends with the last of those that it has."""
    if (job := st.jobs.get(job_id)) is not None:
        job.closed = True
        jobs.advance(st, job)


# --- Ends of attempts


def succeeded(st: State, job: JobInProgress, attempt: TaskAttempt, result: FreeResult) -> None:
    """An attempt has succeeded, as the first of its task."""
    found = st.queues.of(job.spec.queue, attempt.task.key)
    if found is not None:
        queue, queued = found
        queued.result = result
        over(st, queue, queued)


def not_won(st: State, job: JobInProgress, attempt: TaskAttempt, result: FreeResult | None) -> None:
    """An attempt ended without success, and its task was put back. The task fails if it may not be
    tried again.
    """
    found = st.queues.of(job.spec.queue, attempt.task.key)
    if found is None:
        return
    queue, queued = found
    if attempt.state is AttemptState.FAILED:
        queued.result = result
    if queued.dropped:
        if not queued.runs:
            over(st, queue, queued)
    elif attempt.task.failures > queued.spec.retries:
        error = attempt.error or attempt.task.first_real_error()
        give_up(st, job, attempt.task, error)


def give_up(
    st: State, job: JobInProgress, task: TaskInProgress, error: AttemptError | None
) -> None:
    """A free task fails."""
    found = st.queues.of(job.spec.queue, task.key)
    if found is not None:
        error = error or task_error("it failed without saying why")
        drop(st, found[0], found[1], error, error.message)


# --- Ends of tasks


def task_error(words: str, kind: ErrorKind = ErrorKind.INPUT) -> AttemptError:
    """Why a task fails without an attempt of its own."""
    return AttemptError(kind=kind, message=words)


def _refuse(st: State, queue: TaskQueue, spec: TaskSpec, error: AttemptError) -> None:
    _tell(st, queue, spec, error, None)


def _tell(
    st: State,
    queue: TaskQueue,
    spec: TaskSpec,
    error: AttemptError | None,
    result: FreeResult | None,
) -> None:
    """The client must hear how a task ended."""
    queue.number += 1
    end = TaskEnd(number=queue.number, key=spec.key, error=error, result=result, name=spec.name)
    queue.keep(end, spec.name)
    st.changes.task_end(queue, end)
    st.queues.news[queue.id] = None
    pause(st, queue)


def drop(
    st: State, queue: TaskQueue, queued: QueuedTask, error: AttemptError | None, why: str
) -> None:
    """The task gets no further attempt. Its running attempts are killed, and it is over when they
    have ended.
    """
    if queued.dropped:
        return
    queue.drop(queued, error)
    task, job = queued.task, st.jobs.get(queued.job_id)
    for attempt in task.running:
        kill_attempt(st, attempt, why)
    if job is not None:
        job.drop(task, st.now, why)
    if queued.runs:
        st.changes.free_task(queue, queued)
        return
    over(st, queue, queued)
    if job is not None:
        jobs.advance(st, job)


def over(st: State, queue: TaskQueue, first: QueuedTask) -> None:
    """Nothing more happens to the task. Those that wait for it go on, or fail."""
    line = deque([first])
    while line:
        queued = line.popleft()
        spec, task = queued.spec, queued.task
        queue.leave(queued)
        task.free = None
        st.changes.task_over(queue, spec.key)
        good = task.state is TaskState.SUCCEEDED
        if good or queued.error is not None:
            _tell(st, queue, spec, queued.error, queued.result)
        for waiter in queued.waiters:
            waiter.waits -= 1
            if waiter.dropped:
                continue
            if not good and spec.key in waiter.spec.after:
                how = "was cancelled" if queued.error is None else "did not succeed"
                error = task_error(f"it waits for {spec.name}, which {how}")
                queue.drop(waiter, error)
                if (job := st.jobs.get(waiter.job_id)) is not None:
                    job.drop(waiter.task, st.now, error.message)
                    jobs.advance(st, job)
                line.append(waiter)
            elif not waiter.waits:
                ready(st, waiter)


def pause(st: State, queue: TaskQueue) -> None:
    """Start no task while the client does not take the results."""
    words = UNREAD if queue.unread > UNREAD_BYTES else ""
    for job_id in queue.jobs:
        job = st.jobs.get(job_id)
        if job is None or job.paused == words:
            return  # all jobs of a queue are paused, or none is
        job.paused = words
        st.index.shared.review(job)


def lost_task(st: State, queue: TaskQueue, spec: TaskSpec) -> None:
    """A task's job could not be restored."""
    queue.failed[spec.key] = spec.name
    words = not_restored("its job")
    _refuse(st, queue, spec, task_error(words, ErrorKind.LOST))


def drop_all(st: State, queue: TaskQueue, job: JobInProgress, error: AttemptError) -> None:
    """All tasks of a job that could start now fail."""
    for queued in queue.of_job(job):
        if queued.task.state is TaskState.PENDING:
            drop(st, queue, queued, error, error.message)
