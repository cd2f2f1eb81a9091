"""Pages of a running JobTracker: snapshots of its core, and its history.

All viewers share one snapshot of a thing. We take a new one when the last is older than a second.
After each snapshot, we take no other for SHARE times as long as it took. So pages take at most a
few percent of the core's thread, however many browsers look at however many things. We ask for
large things in pieces, and the core works between them.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from mrmesos.jobtracker.core.messages.job_run import TaskRun
from mrmesos.jobtracker.core.policies.explanation import waiting_of
from mrmesos.jobtracker.core.state import queries, views
from mrmesos.jobtracker.core.state.queue_view import (
    QueueLine,
    QueueView,
    queue_lines,
    queue_view,
)
from mrmesos.jobtracker.core.state.reports import AttemptLogs
from mrmesos.jobtracker.core.state.state import State
from mrmesos.jobtracker.core.state.tracker_view import TrackerView, tracker_of, tracker_view
from mrmesos.jobtracker.history.record import HistoryRecord, bare_record, eventful
from mrmesos.jobtracker.history.spread import durations, spreads
from mrmesos.jobtracker.http.live_logs import LiveLogs, not_kept
from mrmesos.jobtracker.pages.kept import KeptSource
from mrmesos.jobtracker.pages.source import ENDED_MAX, Log, TrackerPage
from mrmesos.jobtracker.pages.trend import TrendKeeper
from mrmesos.jobtracker.pages.views.charts import ClusterSample
from mrmesos.jobtracker.pages.views.jobs import JobLine, line_of
from mrmesos.wire.chain import ChainStatus
from mrmesos.wire.cluster import AgentView, ClusterView
from mrmesos.wire.explain import WaitingTasks
from mrmesos.wire.ids import is_job_id
from mrmesos.wire.job import KEPT, AttemptRow, JobReport, JobSpec, JobStatus
from mrmesos.wire.tracker_status import STACK_PATH, STATUS_PATH, Stack, TrackerStatus

FRESH_SECONDS = 1.0
SHARE = 30
SNAPSHOTS_MAX = 64
STATUSES_PIECE = AGENTS_PIECE = 200
LOG_BYTES = 64 << 10
CHAINS_MAX = QUEUES_MAX = 100
T = TypeVar("T")


class Core(Protocol):
    """The part of the core that pages use (backend.py)."""

    def look(self, question: Callable[[State], T]) -> Future[T]:
        """Ask a question of the state, in the core's thread."""

    def ended_statuses(self) -> Future[list[JobStatus]]:
        """The ended jobs in memory, in the order in which they ended."""

    def report(self, job_id: str) -> Future[JobReport | None]:
        """A job's status and attempts."""

    def logs(self, attempt_id: str) -> Future[AttemptLogs | None]:
        """The place of an attempt's logs."""

    def move(self, job_id: str, priority: str, pool: str, by: str) -> Future[bool]:
        """Give a job another priority or pool."""

    def kill(self, job_id: str, by: str) -> Future[bool]:
        """Kill a job, a chain or a queue."""


@dataclass(slots=True)
class _Snapshot:
    """The snapshot of one thing, and the time from which a new one may be taken."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    value: Any = None
    stale_at: float = float("-inf")


class LiveSource:
    """The PageSource of a running JobTracker."""

    live = True

    def __init__(self, core: Core, logs: LiveLogs, kept: KeptSource | None) -> None:
        """`kept` has the ended jobs, also those that the core has forgotten."""
        self._core, self._logs, self._kept = core, logs, kept
        self._snapshots: OrderedDict[str, _Snapshot] = OrderedDict()
        self._free_at = float("-inf")
        self.trend_keeper = TrendKeeper(self.cluster)

    async def _shared(self, name: str, take: Callable[[], Awaitable[T]]) -> T:
        snapshot = self._snapshots.setdefault(name, _Snapshot())
        self._snapshots.move_to_end(name)
        while len(self._snapshots) > SNAPSHOTS_MAX:
            self._snapshots.popitem(last=False)
        async with snapshot.lock:
            begin = time.monotonic()
            new = snapshot.stale_at == float("-inf")
            if new or begin >= max(snapshot.stale_at, self._free_at):
                snapshot.value = await take()
                now = time.monotonic()
                snapshot.stale_at = now + FRESH_SECONDS
                self._free_at = now + SHARE * (now - begin)
            value: T = snapshot.value
            return value

    async def _look(self, question: Callable[[State], T]) -> T:
        return await asyncio.wrap_future(self._core.look(question))

    async def cluster(self) -> ClusterView | None:
        """The cluster, a second ago at most."""
        return await self._shared("cluster", self._cluster_here)

    async def _cluster_here(self) -> ClusterView:
        agents: list[AgentView] = []
        ids = await self._look(views.agent_ids)
        for begin in range(0, len(ids), AGENTS_PIECE):
            piece = ids[begin : begin + AGENTS_PIECE]
            agents += await self._look(partial(views.agents_of, ids=piece))
        return replace(await self._look(views.cluster_view), agents=agents)

    def trend(self) -> list[ClusterSample]:
        """The cluster over time."""
        return list(self.trend_keeper.samples)

    async def chains(self) -> list[ChainStatus]:
        """The chains in progress, and those that ended last."""
        return await self._shared("chains", lambda: self._look(_chains))

    async def queues(self) -> list[QueueLine]:
        """The queues in progress, and those that ended last."""
        question = partial(queue_lines, most=QUEUES_MAX)
        return await self._shared("queues", lambda: self._look(question))

    async def queue(self, queue_id: str) -> QueueView | None:
        """A queue, a second ago at most."""
        question = partial(queue_view, queue_id=queue_id)
        return await self._shared(queue_id, lambda: self._look(question))

    async def totals(self) -> views.Totals:
        """Sums over all jobs."""
        return await self._shared("totals", lambda: self._look(views.totals))

    async def jobs(self, text: str, state: str) -> list[JobLine]:
        """The jobs in progress, then those that ended last."""
        here = await self._shared("jobs", self._jobs_here)
        before = await self._kept.jobs(text, state) if self._kept is not None else []
        known = {job.job_id for job in here}
        return here + [job for job in before if job.job_id not in known]

    async def _jobs_here(self) -> list[JobLine]:
        ended = await asyncio.wrap_future(self._core.ended_statuses())
        found = [line_of(status) for status in ended[-ENDED_MAX:]]
        job_ids = await self._look(views.jobs_in_progress)
        for begin in range(0, len(job_ids), STATUSES_PIECE):
            piece = job_ids[begin : begin + STATUSES_PIECE]
            statuses = await self._look(partial(views.statuses_of, job_ids=piece))
            found += map(line_of, statuses)
        return found

    async def job(self, job_id: str) -> HistoryRecord | None:
        """A job in progress, in the form of the history, or an ended job."""
        if not is_job_id(job_id):
            return None
        found = await self._shared(job_id, lambda: self._job_here(job_id))
        if found is not None:
            return found
        if self._kept is not None and (record := await self._kept.job(job_id)) is not None:
            return record
        report = await asyncio.wrap_future(self._core.report(job_id))
        return None if report is None else bare_record(report)

    async def _job_here(self, job_id: str) -> HistoryRecord | None:
        head = await self._look(lambda st: views.job_head(st, job_id))
        if head is None:
            return None
        rows: list[AttemptRow] = []
        tasks: list[TaskRun] = []
        number = head[0].maps.total + head[0].reduces.total
        for begin in range(0, number, views.PIECE):
            piece = await self._look(partial(views.job_piece, job_id=job_id, start=begin))
            if piece is None:
                return None  # it has just ended
            rows += piece.rows
            tasks += piece.tasks
        return await asyncio.to_thread(_record, *head, rows, tasks)

    async def waiting(self, job_id: str, task_id: str) -> WaitingTasks | None:
        """Why tasks of a job wait, a second ago at most."""
        question = partial(_waiting, job_id=job_id, task_id=task_id)
        return await self._shared(f"{job_id} {task_id} waiting", lambda: self._look(question))

    async def tracker(self, tracker_id: str) -> TrackerPage | None:
        """A TaskTracker, a second ago at most."""
        return await self._shared(tracker_id, lambda: self._tracker(tracker_id))

    async def _tracker(self, tracker_id: str) -> TrackerPage | None:
        view = await self._look(lambda st: tracker_view(st, tracker_id))
        if view is None:
            return None
        status = await self._ask(view, STATUS_PATH, TrackerStatus)
        return TrackerPage(view, status)

    async def stack(self, attempt_id: str) -> Stack:
        """The stacks of a running attempt's worker, now."""
        view = await self._look(lambda st: tracker_of(st, attempt_id))
        if view is None:
            return Stack(problem="the attempt does not run now")
        found = await self._ask(view, STACK_PATH.format(attempt_id=attempt_id), Stack)
        return found or Stack(problem=f"the TaskTracker on {view.hostname} does not answer")

    async def _ask(self, view: TrackerView, path: str, kind: type[T]) -> T | None:
        body = await self._logs.ask(view.id, view.url, view.hosts, path)
        if body is None:
            return None
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError):  # of another version
            return None

    async def log(self, attempt_id: str, stream: str) -> Log | None:
        """The output that an attempt has printed so far. For an ended job: the part that was
        kept.
        """
        logs = await asyncio.wrap_future(self._core.logs(attempt_id))
        if logs is None and self._kept is not None:
            logs = await self._kept.logs(attempt_id)
        if logs is None:
            return None
        text, start, source, note = await self._logs.read(logs, attempt_id, stream)
        if source != KEPT:
            more = start > 0 or len(text) > LOG_BYTES
            shown = text[-LOG_BYTES:].decode("utf-8", "replace")
            return Log(shown, "only the end is shown" if more else "")
        if not text and self._kept is not None:
            kept = await self._kept.log(attempt_id, stream)
            if kept is not None and kept.text:
                return kept
        if not text:
            return Log("", not_kept(attempt_id, logs, note))
        why = f": {note}" if note else ""
        return Log(text.decode("utf-8", "replace"), f"the last lines of both streams{why}")

    async def profile(self, attempt_id: str) -> str:
        """The packed profile of an attempt; empty if there is none."""
        found = await self._look(lambda st: st.profiles.get(attempt_id))
        if not found and self._kept is not None:
            found = await self._kept.profile(attempt_id)
        return found

    async def move(self, job_id: str, priority: str, pool: str, by: str) -> bool:
        """Give a job another priority or pool."""
        return await asyncio.wrap_future(self._core.move(job_id, priority, pool, by))

    async def kill(self, job_id: str, by: str) -> bool:
        """Kill a job, a chain or a queue."""
        return await asyncio.wrap_future(self._core.kill(job_id, by))


def _chains(st: State) -> list[ChainStatus]:
    return queries.chain_statuses(st)[-CHAINS_MAX:]


def _waiting(st: State, job_id: str, task_id: str) -> WaitingTasks | None:
    job = st.jobs.get(job_id)
    try:
        return None if job is None else waiting_of(st, job, task_id)
    except KeyError:
        return None


def _record(
    status: JobStatus, spec: JobSpec, rows: list[AttemptRow], tasks: list[TaskRun]
) -> HistoryRecord:
    """A job in progress, in the form of the history."""
    report = JobReport(status=status, attempts=rows)
    return HistoryRecord(
        report=report,
        spec=spec,
        spreads=[*durations(rows), *spreads(tasks)],
        stories=eventful(tasks),
    )
