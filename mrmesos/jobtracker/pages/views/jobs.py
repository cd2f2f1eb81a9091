"""The data of the pages of jobs and attempts: lists with filters, errors in groups, counters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mrmesos.conf import JOB_POOL, JOB_PRIORITY, Conf
from mrmesos.jobtracker.history.record import HistoryRecord
from mrmesos.jobtracker.history.spread import MILLIS, TIME, Spread
from mrmesos.wire.ids import TaskKind, parse_attempt
from mrmesos.wire.job import AttemptRow, JobState, JobStatus
from mrmesos.wire.task import AttemptError, AttemptState, ErrorKind

PAGE_ROWS = 100
ERRORS_MAX = 20
_NOISE = (ErrorKind.FETCH, ErrorKind.LOST, ErrorKind.INTERNAL)
_NUMBERS = re.compile(r"\d+")
WAITING, RUNNING, ENDED = "waiting", "running", "ended"
GROUPS = (RUNNING, WAITING, ENDED)


@dataclass(slots=True)
class JobLine:
    """One job in a list. Times are Unix seconds."""

    job_id: str
    name: str
    user: str
    state: str
    submitted: float
    ended: float | None
    maps: int
    reduces: int
    progress: float = 1.0
    running: int = 0
    failed: int = 0
    maps_done: int = 0
    reduces_done: int = 0
    words: str = ""
    """Why it waits, or why it failed."""
    queue: str = ""
    """The queue whose free tasks it holds; they are counted as maps."""

    @property
    def idle(self) -> bool:
        """Whether it belongs to a queue, and none of its tasks runs or waits."""
        return bool(self.queue) and self.group == WAITING and self.progress >= 1.0

    @property
    def group(self) -> str:
        """`running`, `waiting` or `ended`."""
        if JobState(self.state).ended:
            return ENDED
        return RUNNING if self.running or self.state != JobState.RUNNING else WAITING

    def seconds(self, now: float) -> float:
        """How long it took, or how old it is."""
        return (self.ended if self.ended is not None else now) - self.submitted


def line_of(status: JobStatus) -> JobLine:
    """A job's line."""
    maps, reduces = status.maps, status.reduces
    return JobLine(
        job_id=status.job_id,
        name=status.name,
        user=status.user,
        state=status.state.value,
        submitted=status.submitted,
        ended=status.ended,
        maps=maps.total,
        reduces=reduces.total,
        progress=progress_of(status),
        running=maps.running + reduces.running,
        failed=maps.failed_attempts + reduces.failed_attempts,
        maps_done=maps.succeeded,
        reduces_done=reduces.succeeded,
        words=status.error.message if status.error is not None else status.waiting,
        queue=status.queue,
    )


def progress_of(status: JobStatus) -> float:
    """The progress of a whole job. Maps and reduces count by their tasks."""
    tasks = status.maps.total + status.reduces.total
    if status.state is JobState.SUCCEEDED:
        return 1.0
    if not tasks:
        return 0.0
    done = status.maps.progress * status.maps.total + status.reduces.progress * status.reduces.total
    return done / tasks


class Turn(NamedTuple):
    """The facts that decide a job's turn."""

    priority: str
    pool: str


def turn_of(record: HistoryRecord) -> Turn:
    """A job's priority and pool."""
    conf = Conf(record.spec.conf) if record.spec is not None else Conf()
    pool = conf.get_as(JOB_POOL).strip() or record.report.status.user
    return Turn(conf.get_as(JOB_PRIORITY).strip().upper(), pool)


@dataclass(slots=True)
class Asked:
    """The filter and the order of a list, from the query of its address."""

    text: str = ""
    state: str = ""
    sort: str = ""
    page: int = 1

    @staticmethod
    def of(query: Mapping[str, str]) -> Asked:
        """A part that is not understood counts as not given."""
        number = query.get("page", "1")
        page = int(number) if number.isascii() and number.isdigit() and len(number) < 8 else 1
        return Asked(
            text=query.get("q", "").strip()[:200],
            state=query.get("state", "").strip().upper()[:20],
            sort=query.get("sort", "")[:20],
            page=max(1, page),
        )


_JOB_ORDERS = {
    "submitted": lambda job: (-job.submitted, job.job_id),
    "name": lambda job: (job.name.lower(), -job.submitted),
    "user": lambda job: (job.user, -job.submitted),
    "progress": lambda job: (job.progress, job.job_id),
    "failed": lambda job: (-job.failed, -job.submitted),
    "duration": lambda job: (-((job.ended or 1e12) - job.submitted), job.job_id),
}


def select_jobs(jobs: Iterable[JobLine], asked: Asked) -> dict[str, list[JobLine]]:
    """The jobs that the filter leaves, by group, each in order."""
    text = asked.text.lower()
    found = [
        job
        for job in jobs
        if (not asked.state or job.state == asked.state)
        and (not text or text in f"{job.job_id}\n{job.name}\n{job.user}\n{job.words}".lower())
    ]
    found.sort(key=_JOB_ORDERS.get(asked.sort, _JOB_ORDERS["submitted"]))
    return {group: [job for job in found if job.group == group] for group in GROUPS}


@dataclass(slots=True)
class Page:
    """A part of a list."""

    rows: list[AttemptRow]
    number: int
    pages: int
    total: int


_ATTEMPT_ORDERS = {
    "start": lambda row: (row.start, row.id),
    "host": lambda row: (row.hostname, row.start),
    "state": lambda row: (row.state, row.id),
    "duration": lambda row: (-((row.end or 1e12) - row.start), row.id),
}


def select_attempts(rows: Sequence[AttemptRow], asked: Asked) -> Page:
    """The attempts that the filter leaves: one page of them, in order."""
    text = asked.text.lower()
    found = [
        row
        for row in rows
        if (not asked.state or row.state == asked.state)
        and (not text or text in row.id or text in row.hostname.lower() or text in row.slot)
    ]
    if order := _ATTEMPT_ORDERS.get(asked.sort):
        found.sort(key=order)
    pages = max(1, -(-len(found) // PAGE_ROWS))
    number = min(asked.page, pages)
    begin = (number - 1) * PAGE_ROWS
    return Page(found[begin : begin + PAGE_ROWS], number, pages, len(found))


@dataclass(slots=True)
class ErrorGroup:
    """Attempts that failed in the same way. `error` is that of the first one."""

    error: AttemptError
    attempt_id: str
    attempts: int = 0
    hosts: list[str] = field(default_factory=list)
    is_cause: bool = False
    """Whether the job ended by this error."""


def error_groups(record: HistoryRecord) -> list[ErrorGroup]:
    """The errors of a job's attempts, the first real one on top; at most ERRORS_MAX.

    Errors that follow from others (lost hosts, failed fetches) come after those of user code.
    """
    return errors_of(record.report.attempts, record.report.status.error)


def errors_of(rows: Iterable[AttemptRow], cause: AttemptError | None = None) -> list[ErrorGroup]:
    """The same for any attempts. `cause` is the error by which their job ended."""
    groups: dict[tuple[str, str], ErrorGroup] = {}
    failed = [row for row in rows if row.error is not None]
    failed.sort(key=lambda row: row.end or 0.0)
    for row in failed:
        assert row.error is not None
        key = (row.error.kind.value, _NUMBERS.sub("#", row.error.message))
        group = groups.setdefault(key, ErrorGroup(row.error, row.id))
        group.attempts += 1
        if row.hostname not in group.hosts:
            group.hosts.append(row.hostname)
    found = list(groups.values())
    if cause is not None:
        same = (cause.kind.value, _NUMBERS.sub("#", cause.message))
        if same not in groups:
            groups[same] = ErrorGroup(cause, cause.attempt_id)
            found.append(groups[same])
        groups[same].is_cause = True
    found.sort(key=lambda group: (not group.is_cause, group.error.kind in _NOISE))
    return found[:ERRORS_MAX]


@dataclass(slots=True)
class CounterRow:
    """A counter of a job, and its spread over maps or reduces, if it has one."""

    group: str
    name: str
    total: int
    spreads: list[Spread]


def counter_rows(record: HistoryRecord) -> list[CounterRow]:
    """All counters, the counters of tasks first."""
    by_name: dict[tuple[str, str], list[Spread]] = {}
    for each in record.spreads:
        by_name.setdefault((each.group, each.name), []).append(each)
    counters = record.report.status.counters
    rows = [
        CounterRow(group, name, counters[group][name], by_name.get((group, name), []))
        for group in sorted(counters, key=lambda name: (name != "task", name == "job", name))
        for name in sorted(counters[group])
    ]
    times = by_name.get((TIME, MILLIS), [])
    if times:
        rows.insert(0, CounterRow(TIME, MILLIS, sum(each.total for each in times), times))
    return rows


@dataclass(slots=True)
class AttemptPage:
    """One attempt, and the others of its task."""

    row: AttemptRow
    task_id: str
    story: Sequence[str]
    others: list[AttemptRow]
    tail: str


def attempt_page(record: HistoryRecord, attempt_id: str) -> AttemptPage | None:
    """The data of an attempt. None if it is unknown."""
    rows = {row.id: row for row in record.report.attempts}
    row = rows.get(attempt_id)
    if row is None:
        return None
    name = parse_attempt(attempt_id)
    begin = attempt_id.rpartition("_")[0] + "_"
    others = [one for one in rows.values() if one.id.startswith(begin) and one is not row]
    story = record.stories.get(name.task_id, ())
    return AttemptPage(row, name.task_id, story, others, record.tails.get(attempt_id, ""))


def states_of(rows: Iterable[AttemptRow]) -> dict[str, int]:
    """How many attempts are in each state, for the filter."""
    counts = {state.value: 0 for state in AttemptState}
    for row in rows:
        counts[row.state] = counts.get(row.state, 0) + 1
    return {state: number for state, number in counts.items() if number}


def kinds_of(status: JobStatus) -> list[tuple[str, object]]:
    """Maps (or free tasks) and reduces, as far as the job has them."""
    first = TaskKind.FREE if status.queue else TaskKind.MAP
    found = [(first.value, status.maps), (TaskKind.REDUCE.value, status.reduces)]
    return [(kind, counts) for kind, counts in found if counts.total or kind == first]
