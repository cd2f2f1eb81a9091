"""Pages of ended jobs, from the history. It reads the file in threads beside the event loop."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from mrmesos.jobtracker.core.state.queue_view import QueueLine, QueueView
from mrmesos.jobtracker.core.state.reports import AttemptLogs, logs_of_ended
from mrmesos.jobtracker.history.record import HistoryRecord
from mrmesos.jobtracker.http.errors import Unavailable
from mrmesos.jobtracker.pages.source import ENDED_MAX, Log, TrackerPage
from mrmesos.jobtracker.pages.views.charts import ClusterSample
from mrmesos.jobtracker.pages.views.jobs import JobLine
from mrmesos.jobtracker.storage.history import HistoryError, HistoryLine, HistoryStore
from mrmesos.wire.chain import ChainStatus
from mrmesos.wire.cluster import ClusterView
from mrmesos.wire.explain import WaitingTasks
from mrmesos.wire.ids import is_job_id, parse_attempt
from mrmesos.wire.job import JobState
from mrmesos.wire.tracker_status import Stack

RECORDS_KEPT = 8
T = TypeVar("T")


class KeptSource:
    """The PageSource of `mrmesos history serve`, and the ended jobs of a running JobTracker."""

    live = False

    def __init__(self, history: HistoryStore) -> None:
        self._history = history
        self._records: OrderedDict[str, HistoryRecord] = OrderedDict()  # read last

    async def cluster(self) -> ClusterView | None:
        """There is no cluster."""
        return None

    def trend(self) -> list[ClusterSample]:
        """There is no cluster."""
        return []

    async def chains(self) -> list[ChainStatus]:
        """A history has jobs only."""
        return []

    async def queues(self) -> list[QueueLine]:
        """A history has jobs only."""
        return []

    async def queue(self, queue_id: str) -> QueueView | None:  # noqa: ARG002
        """A history has jobs only."""
        return None

    async def jobs(self, text: str, state: str) -> list[JobLine]:
        """The jobs that ended last and match."""
        if state not in {"", *(each.value for each in JobState if each.ended)}:
            return []
        lines = await _read(lambda: self._history.lines(limit=ENDED_MAX, text=text, state=state))
        return [_line(line) for line in lines]

    async def job(self, job_id: str) -> HistoryRecord | None:
        """The record of a job."""
        if not is_job_id(job_id):
            return None
        known = self._records.get(job_id)
        if known is not None:
            self._records.move_to_end(job_id)
            return known
        record = await _read(lambda: self._history.get(job_id))
        if record is not None:
            self._records[job_id] = record
            while len(self._records) > RECORDS_KEPT:
                self._records.popitem(last=False)
        return record

    async def waiting(self, job_id: str, task_id: str) -> WaitingTasks | None:  # noqa: ARG002
        """No job of a history waits."""
        return None

    async def tracker(self, tracker_id: str) -> TrackerPage | None:  # noqa: ARG002
        """There are no TaskTrackers."""
        return None

    async def stack(self, attempt_id: str) -> Stack:  # noqa: ARG002
        """No attempt of a history runs."""
        return Stack(problem="the attempt has ended")

    async def log(self, attempt_id: str, stream: str) -> Log | None:  # noqa: ARG002
        """The last lines of both streams, if the attempt failed."""
        logs = await self.logs(attempt_id)
        if logs is None:
            return None
        note = "the last lines of both streams" if logs.kept else "nothing was kept"
        return Log(logs.kept, note)

    async def logs(self, attempt_id: str) -> AttemptLogs | None:
        """The place of an attempt's logs."""
        try:
            job_id = parse_attempt(attempt_id).job_id
        except ValueError:
            return None
        record = await self.job(job_id)
        rows = record.report.attempts if record is not None else []
        row = next((each for each in rows if each.id == attempt_id), None)
        if record is None or row is None:
            return None
        return logs_of_ended(row, record.tails.get(attempt_id, ""))

    async def profile(self, attempt_id: str) -> str:
        """The packed profile of an attempt; empty if there is none."""
        record = await self.job(parse_attempt(attempt_id).job_id)
        return record.profiles.get(attempt_id, "") if record is not None else ""

    async def move(self, job_id: str, priority: str, pool: str, by: str) -> bool:  # noqa: ARG002
        """No job of a history is in progress."""
        return False

    async def kill(self, job_id: str, by: str) -> bool:  # noqa: ARG002
        """No job of a history is in progress."""
        return False


async def _read(question: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(question)
    except HistoryError as problem:
        raise Unavailable(f"the history cannot be read: {problem}") from None


def _line(line: HistoryLine) -> JobLine:
    return JobLine(
        job_id=line.job_id,
        name=line.name,
        user=line.user,
        state=line.state,
        submitted=line.submitted,
        ended=line.ended,
        maps=line.maps,
        reduces=line.reduces,
        progress=1.0 if line.state == JobState.SUCCEEDED else 0.0,
        maps_done=line.maps if line.state == JobState.SUCCEEDED else 0,
        reduces_done=line.reduces if line.state == JobState.SUCCEEDED else 0,
        words=line.error,
    )
