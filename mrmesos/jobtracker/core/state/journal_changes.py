"""The changes that one event made: records for the journal, and news for reduces.

Each `transition()` reports here what changed (model/listeners.py). The records are made once,
at the end of the event, from the state that things have then.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mrmesos.conf import END_NOTIFICATION_URL
from mrmesos.jobtracker.core.messages.journal_records import (
    ChainEndedRecord,
    EndedRecord,
    FrameworkRecord,
    Key,
    NoticeRecord,
    PlanRecord,
    QueueEndedRecord,
    Record,
    TallyRecord,
    TaskEndRecord,
    WriteRecords,
)
from mrmesos.jobtracker.core.model.slot import Slot
from mrmesos.jobtracker.core.model.tracker import Tracker

if TYPE_CHECKING:
    from mrmesos.jobtracker.core.model.chain import ChainInProgress
    from mrmesos.jobtracker.core.model.job import JobInProgress
    from mrmesos.jobtracker.core.model.task import TaskAttempt
    from mrmesos.jobtracker.core.model.task_queue import QueuedTask, TaskQueue
    from mrmesos.jobtracker.core.state.state import State
    from mrmesos.wire.ids import TrackerId
    from mrmesos.wire.queue import TaskEnd

_NOTICE = END_NOTIFICATION_URL.name.removesuffix("url")


class Changes:
    """A ChangeListener. If `on` is False there is no journal, and nothing is noted for it.

    `news` holds the jobs whose reduces must hear of map outputs, and `reduces_began` has the
    reduces that must hear of all outputs (policies/output_news.py).
    """

    __slots__ = (
        "_attempts",
        "_chains",
        "_chains_ended",
        "_ended",
        "_forgotten",
        "_framework",
        "_free_tasks",
        "_jobs",
        "_notices",
        "_planned",
        "_queues",
        "_queues_ended",
        "_retired",
        "_slots",
        "_task_ends",
        "_trackers",
        "news",
        "on",
        "reduces_began",
    )

    def __init__(self, on: bool) -> None:
        self.on = on
        self.news: dict[str, JobInProgress] = {}
        self.reduces_began: dict[tuple[JobInProgress, TrackerId], None] = {}
        self._clear()

    def _clear(self) -> None:
        self._framework: str | None = None
        self._jobs: dict[str, JobInProgress] = {}
        self._planned: dict[str, JobInProgress] = {}
        self._ended: dict[str, str] = {}  # with the keys of their submission
        self._notices: list[NoticeRecord] = []
        self._retired: list[str] = []
        self._chains: dict[str, ChainInProgress] = {}
        self._chains_ended: dict[str, str] = {}  # with the keys of their submission
        self._queues: dict[str, TaskQueue] = {}
        self._queues_ended: dict[str, str] = {}  # with the keys of their submission
        self._free_tasks: dict[tuple[str, int], tuple[TaskQueue, QueuedTask]] = {}
        self._task_ends: dict[tuple[str, int], TaskEnd] = {}
        self._forgotten: list[Key] = []  # records of free tasks that are over
        self._attempts: dict[str, TaskAttempt] = {}
        self._slots: dict[str, Slot] = {}
        self._trackers: dict[str, Tracker] = {}

    def framework(self, framework_id: str) -> None:
        """Mesos gave us an id, or removed our framework (then the id is empty)."""
        if self.on:
            self._framework = framework_id

    def job(self, job: JobInProgress) -> None:
        """The job is new, or its state changed."""
        if self.on:
            self._jobs[job.id] = job

    def planned(self, job: JobInProgress) -> None:
        """The job's splits are known."""
        if self.on:
            self._planned[job.id] = job

    def ended(self, job: JobInProgress, retired: list[str]) -> None:
        """The job ended. The reports of the jobs in `retired` are forgotten."""
        if self.on:
            self._ended[job.id] = job.key
            self._retired += retired
            conf = {n: v for n, v in job.spec.conf.items() if n.startswith(_NOTICE)}
            if conf.get(END_NOTIFICATION_URL.name):
                self._notices.append(NoticeRecord(job.id, job.state, conf))

    def chain(self, chain: ChainInProgress) -> None:
        """The chain is new, or its state or that of a step changed."""
        if self.on:
            self._chains[chain.id] = chain

    def chain_ended(self, chain: ChainInProgress, retired: list[str]) -> None:
        """The chain ended. The chains in `retired` are forgotten."""
        if self.on:
            self._chains_ended[chain.id] = chain.key
            self._retired += retired

    def chain_lost(self, chain_id: str, retired: list[str]) -> None:
        """The chain could not be restored."""
        if self.on:
            self._chains_ended[chain_id] = ""
            self._retired += retired

    def queue(self, queue: TaskQueue) -> None:
        """The queue is new, or its state changed, or it has new tasks."""
        if self.on:
            self._queues[queue.id] = queue

    def queue_ended(self, queue_id: str, key: str, retired: list[str]) -> None:
        """The queue ended, or could not be restored. The queues in `retired` are forgotten."""
        if self.on:
            self._queues_ended[queue_id] = key
            self._retired += retired

    def free_task(self, queue: TaskQueue, queued: QueuedTask) -> None:
        """The task is new, or was dropped."""
        if self.on:
            self._free_tasks[queue.id, queued.spec.key] = queue, queued

    def task_over(self, queue: TaskQueue, key: int) -> None:
        """Nothing more happens to the task."""
        if self.on:
            self._free_tasks.pop((queue.id, key), None)
            self._forgotten.append(Key(queue.id, "free_task", str(key)))

    def task_end(self, queue: TaskQueue, end: TaskEnd) -> None:
        """The client must hear how a task ended."""
        if self.on:
            self._task_ends[queue.id, end.number] = end

    def ends_taken(self, queue: TaskQueue, numbers: Iterable[int]) -> None:
        """The client has heard of these ends."""
        if self.on:
            for number in numbers:
                self._task_ends.pop((queue.id, number), None)
                self._forgotten.append(Key(queue.id, "task_end", str(number)))

    def attempt(self, attempt: TaskAttempt) -> None:
        """The attempt began or ended, or the output with which it won is lost."""
        if self.on:
            self._attempts[attempt.id] = attempt

    def slot(self, slot: Slot) -> None:
        """The slot is new, or ending, or gone."""
        if self.on:
            self._slots[slot.id] = slot

    def tracker(self, tracker: Tracker) -> None:
        """The TaskTracker is new, heard for the first time, leaving, or gone."""
        if self.on:
            self._trackers[tracker.id] = tracker

    def outputs(self, job: JobInProgress) -> None:
        """There is news of map outputs for the job's reduces."""
        self.news[job.id] = job

    def reduce_began(self, job: JobInProgress, tracker_id: TrackerId) -> None:
        """A reduce of the job began on a TaskTracker."""
        self.reduces_began[job, tracker_id] = None

    def take(self, st: State) -> WriteRecords | None:
        """The command with all that the journal must write after this event. None if there is
        nothing.
        """
        if not self.on:
            return None
        whole = self._whole
        others = self._slots or self._trackers or self._forgotten or self._task_ends or whole
        if not others:  # most events
            return self._take_attempts(st) if self._attempts else None
        put: list[Record] = []
        drop: list[Key] = []
        if self._framework is not None:
            put.append(FrameworkRecord(self._framework))
        for tracker in self._trackers.values():
            if tracker.id in st.cluster.trackers:
                put.append(tracker.record(st.cluster.agents.get(tracker.agent_id)))
            else:
                drop.append(Key("", "tracker", tracker.id))
        for slot in self._slots.values():
            if slot.id in st.cluster.slots:
                put.append(slot.record())
            else:
                drop.append(Key("", "slot", slot.id))
        put += [job.record() for job in self._jobs.values() if job.id in st.jobs]
        for job in self._planned.values():
            splits = tuple(task.split for task in job.maps.tasks if task.split is not None)
            put.append(PlanRecord(job.id, splits, job.tables))
        put += self._of_attempts(st)
        for job_id, key in self._ended.items():
            if (report := st.ended.get(job_id)) is not None:
                put.append(EndedRecord(report, key))
        put += self._notices
        put += [chain.record() for chain in self._chains.values() if chain.id in st.chains.live]
        for chain_id, key in self._chains_ended.items():
            if (status := st.chains.ended.get(chain_id)) is not None:
                put.append(ChainEndedRecord(status, key))
        self._of_queues(st, put, drop)
        gone = (*self._retired, *self._ended, *self._chains_ended, *self._queues_ended)
        write = WriteRecords(tuple(put), tuple(drop), gone, sync=whole)
        self._clear()
        return write

    def _take_attempts(self, st: State) -> WriteRecords:
        """`take` if only attempts began or ended."""
        write = WriteRecords(tuple(self._of_attempts(st)))
        self._attempts = {}
        return write

    @property
    def _whole(self) -> bool:
        """Whether the records hold facts that a client or Mesos relies on, beyond running work."""
        chains = self._chains or self._chains_ended
        jobs = self._jobs or self._planned or self._ended
        queues = self._queues or self._queues_ended or self._free_tasks
        return bool(jobs or chains or queues or self._framework is not None)

    def _of_queues(self, st: State, put: list[Record], drop: list[Key]) -> None:
        live = st.queues.live
        drop += self._forgotten
        put += [queue.record() for queue in self._queues.values() if queue.id in live]
        put += [queued.record(queue.id) for queue, queued in self._free_tasks.values()]
        put += [
            TaskEndRecord(queue_id, end)
            for (queue_id, _), end in self._task_ends.items()
            if queue_id in live
        ]
        for queue_id, key in self._queues_ended.items():
            if (status := st.queues.ended.get(queue_id)) is not None:
                put.append(QueueEndedRecord(status, key))

    def _of_attempts(self, st: State) -> list[Record]:
        """The records of the attempts, and of the counters of their jobs."""
        put: list[Record] = []
        jobs: dict[str, JobInProgress] = {}
        for attempt in self._attempts.values():
            job = st.jobs.get(attempt.task.job_id)
            if job is not None:
                jobs[job.id] = job
                put.append(attempt.record())
        put += [TallyRecord(job.id, dict(job.counters.own)) for job in jobs.values()]
        return put
