"""The status of a queue of free tasks for users, and the jobs that hold its tasks."""

from __future__ import annotations

from mrmesos.api.formats import TextInput, TextOutput
from mrmesos.jobtracker.core.model.task_queue import TaskQueue
from mrmesos.jobtracker.core.state import reports
from mrmesos.jobtracker.core.state.state import State
from mrmesos.resources import Amounts, describe
from mrmesos.wire.job import JobSpec, JobStatus
from mrmesos.wire.queue import (
    ENDS_BYTES,
    ENDS_OF_ANSWER,
    QueueSpec,
    QueueState,
    QueueStatus,
    TaskEnd,
    TaskEnds,
    TaskSpec,
)


def status_of(st: State, queue: TaskQueue) -> QueueStatus:
    """The status of a live queue, or of one that ends now. Looks at its jobs, and at no task that
    does not run.
    """
    found = (_job(st, job_id) for job_id in queue.known_jobs)
    live = (st.jobs.get(job_id) for job_id in queue.jobs)
    return QueueStatus(
        queue_id=queue.id,
        name=queue.spec.name,
        user=queue.spec.user,
        state=queue.state,
        submitted=queue.submitted,
        ended=st.now if queue.state.ended else None,
        jobs=tuple(status for status in found if status is not None),
        waiting=sum(job.maps.waiting for job in live if job is not None),
        unread=len(queue.ends),
        open=len(queue.tasks) - queue.cancelled,
        highest=max(0, queue.highest),
        words=queue.words,
    )


def _job(st: State, job_id: str) -> JobStatus | None:
    if (job := st.jobs.get(job_id)) is not None:
        return reports.status_of(job)
    ended = st.ended.get(job_id)
    return None if ended is None else ended.status


def ends_of(st: State, queue: TaskQueue) -> TaskEnds:
    """The ends that the client has not taken, as many as fit into an answer."""
    some: list[TaskEnd] = []
    size = 0
    for end in queue.ends.values():
        size += end.size
        if some and (size > ENDS_BYTES or len(some) >= ENDS_OF_ANSWER):
            break
        some.append(end)
    waits = (st.jobs[job_id].waits.words for job_id in queue.jobs)
    return TaskEnds(some, queue.state, queue.words or next(filter(None, waits), ""))


def lost_status(queue_id: str, now: float, words: str) -> QueueStatus:
    """The status of a queue whose record is damaged."""
    return QueueStatus(
        queue_id=queue_id,
        name=reports.DAMAGED,
        user="",
        state=QueueState.KILLED,
        submitted=now,
        ended=now,
        jobs=(),
        waiting=0,
        unread=0,
        words=words,
    )


def job_spec(queue: QueueSpec, task: TaskSpec, queue_id: str, shared: Amounts) -> JobSpec:
    """The job of a queue that holds the tasks with the same demand as `task`. `shared` names the
    global resources.
    """
    here = {n: a for n, a in task.need.items() if n not in ("cpus", "mem") and n not in shared}
    of_all = {name: amount for name, amount in task.need.items() if name in shared}
    conf = {
        **queue.conf,
        "map.cpus": f"{task.need.get('cpus', 1000) / 1000:g}",
        "map.memory.mb": str(-(-task.need.get("mem", 0) // 1000)),
        "map.resources": _text(here),
        "map.resources.global": _text(of_all),
        "map.speculative": queue.conf.get("map.speculative", "false"),
        "task.timeout": f"{task.timeout:g}",
        "locality.wait.node": "0",
        "locality.wait.rack": "0",
    }
    if task.priority:
        conf["job.priority"] = task.priority
    if task.constraints:
        conf["job.constraints"] = task.constraints
    return JobSpec(
        name=f"{queue.name} ({describe(task.need)})",
        user=queue.user,
        inputs=(),
        output="",
        input_format=TextInput(),
        output_format=TextOutput(),
        num_reducers=0,
        conf=conf,
        code=queue.code,
        python=queue.python,
        files=queue.files,
        queue=queue_id,
        session=queue_id,
    )


def _text(amounts: Amounts) -> str:
    """As in Mesos' notation, which `parse_scalars` reads."""
    return ";".join(f"{name}:{amount / 1000:.12g}" for name, amount in sorted(amounts.items()))
