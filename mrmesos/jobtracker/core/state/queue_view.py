"""The data of queues of free tasks for web pages. Each function copies a bounded piece of the
state.

Thread: the core's, between two events.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

from mrmesos.jobtracker.core.model.task import TaskState
from mrmesos.jobtracker.core.model.task_queue import QueuedTask, TaskQueue
from mrmesos.jobtracker.core.state import queries
from mrmesos.jobtracker.core.state.state import State
from mrmesos.resources import Amounts
from mrmesos.wire.cluster import SharedView
from mrmesos.wire.queue import QueueState, QueueStatus
from mrmesos.wire.task import AttemptState

RUNNING_MAX = 200
TASKS_MAX = 200
"""Most running, and most waiting, tasks of one queue that a page shows."""
SCAN_MAX = 5_000
"""For one page, at most this many tasks are looked at: a queue may have a million."""
AFTER_MAX = 5
"""The page names at most this many of the tasks for which one task waits."""


class QueueLine(Struct, frozen=True, kw_only=True):
    """A queue in a list. `tasks` is the number of its tasks that are not over."""

    queue_id: str
    name: str
    user: str
    state: QueueState
    submitted: float
    ended: float | None
    tasks: int
    running: int
    succeeded: int
    failed_attempts: int
    words: str


class FreeTaskView(Struct, frozen=True, kw_only=True):
    """A free task that is not over. `after` are the keys of the tasks for which it waits."""

    key: int
    name: str
    state: str
    job_id: str
    added: float
    after: tuple[int, ...] = ()
    after_names: tuple[str, ...] = ()
    """The names of the first AFTER_MAX of them."""
    attempt_id: str = ""
    hostname: str = ""
    since: float | None = None
    progress: float = 0.0


class QueueView(Struct, frozen=True, kw_only=True):
    """A queue. `needs` has what one task of each of its jobs takes, in thousandths.

    `tasks` are the running ones, and then those that wait, as far as they fit; `total` is how many
    are not over. `lease_seconds`: after how much silence of the client the queue is killed.
    """

    status: QueueStatus
    needs: dict[str, Amounts]
    shared: dict[str, int]
    """The global resources that its running attempts hold."""
    tasks: tuple[FreeTaskView, ...] = ()
    total: int = 0
    unread_bytes: int = 0
    heard: float = 0.0
    lease_seconds: float = 0.0


def queue_lines(st: State, most: int) -> list[QueueLine]:
    """The live queues, and those that ended last; the newest come first."""
    ended = islice(reversed(st.queues.ended.values()), most)
    live = islice(reversed(st.queues.live.values()), most)
    return [*(_live_line(st, queue) for queue in live), *(_ended_line(one) for one in ended)]


def _live_line(st: State, queue: TaskQueue) -> QueueLine:
    statuses = [queries.job_status(st, job_id) for job_id in islice(queue.known_jobs, SCAN_MAX)]
    counts = [status.maps for status in statuses if status is not None]
    return QueueLine(
        queue_id=queue.id,
        name=queue.spec.name,
        user=queue.spec.user,
        state=queue.state,
        submitted=queue.submitted,
        ended=None,
        tasks=len(queue.tasks),
        running=sum(each.running for each in counts),
        succeeded=sum(each.succeeded for each in counts),
        failed_attempts=sum(each.failed_attempts for each in counts),
        words=queue.words or _why(st, queue),
    )


def _why(st: State, queue: TaskQueue) -> str:
    found = (st.jobs[job_id] for job_id in queue.jobs)
    return next(
        (job.paused or job.waits.words for job in found if job.paused or job.waits.words), ""
    )


def _ended_line(status: QueueStatus) -> QueueLine:
    return QueueLine(
        queue_id=status.queue_id,
        name=status.name,
        user=status.user,
        state=status.state,
        submitted=status.submitted,
        ended=status.ended,
        tasks=0,
        running=0,
        succeeded=sum(job.maps.succeeded for job in status.jobs),
        failed_attempts=sum(job.maps.failed_attempts for job in status.jobs),
        words=status.words,
    )


def queue_view(st: State, queue_id: str) -> QueueView | None:
    """A queue, also one that has ended. None if it is unknown."""
    queue = st.queues.live.get(queue_id)
    status = queries.queue_status(st, queue_id)
    if queue is None or status is None:
        return None if status is None else QueueView(status=status, needs={}, shared={})
    tasks = {queued.spec.key: _task(queue, queued) for queued in _running(st, queue)}
    waiting = 0
    for queued in islice(queue.tasks.values(), SCAN_MAX):
        if queued.spec.key not in tasks and waiting < TASKS_MAX:
            tasks[queued.spec.key] = _task(queue, queued)
            waiting += 1
    live = [st.jobs[job_id] for job_id in queue.jobs]
    shared: dict[str, int] = {}
    for job in live:
        for name, amount in job.settings.map_shared.items():
            shared[name] = shared.get(name, 0) + amount * len(job.running)
    return QueueView(
        status=status,
        needs={job.id: {**job.settings.map_need, **job.settings.map_shared} for job in live},
        shared=shared,
        tasks=tuple(tasks.values()),
        total=len(queue.tasks),
        unread_bytes=queue.unread,
        heard=queue.heard,
        lease_seconds=st.settings.queue_lease,
    )


def _running(st: State, queue: TaskQueue) -> Iterator[QueuedTask]:
    running = (attempt for job_id in queue.jobs for attempt in st.jobs[job_id].running.values())
    for attempt in islice(running, RUNNING_MAX):
        if (queued := queue.tasks.get(attempt.task.key)) is not None:
            yield queued


def _task(queue: TaskQueue, queued: QueuedTask) -> FreeTaskView:
    task = queued.task
    after: tuple[int, ...] = ()
    if task.state is TaskState.WAITING:
        before = dict.fromkeys((*queued.spec.after, *queued.spec.behind))
        after = tuple(key for key in before if key in queue.tasks)
    state = "waiting" if task.state is TaskState.PENDING else task.state.value.lower()
    attempt = next((a for a in task.attempts if a.state is AttemptState.RUNNING), None)
    view = FreeTaskView(
        key=queued.spec.key,
        name=queued.spec.name,
        state="ending" if queued.dropped else state,
        job_id=queued.job_id,
        added=queued.added,
        after=after,
        after_names=tuple(queue.tasks[key].spec.name for key in after[:AFTER_MAX]),
    )
    if attempt is None:
        return view
    return replace(
        view,
        attempt_id=attempt.id,
        hostname=attempt.hostname,
        since=attempt.start,
        progress=attempt.progress,
    )


def shared_views(st: State) -> list[SharedView]:
    """The global resources, with the part that running attempts hold."""
    shared = st.index.shared
    return [
        SharedView(
            name=name,
            total=total,
            held=shared.held.get(name, 0),
            jobs=len(shared.wanting.get(name, ())),
            blocked=sum(shared.blocks(name, job) for job in shared.wanting.get(name, {}).values()),
        )
        for name, total in shared.total.items()
    ]
