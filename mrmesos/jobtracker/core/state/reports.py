"""The view of a job for users: its status, report and logs, also after its end."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from mrmesos.api.context import Counters, add_counters
from mrmesos.jobtracker.core.messages.job_run import JobRun, TaskRun
from mrmesos.jobtracker.core.model.cluster import Cluster
from mrmesos.jobtracker.core.model.job import JOB_COUNTERS, JobInProgress
from mrmesos.jobtracker.core.model.task import TaskAttempt, TaskInProgress
from mrmesos.jobtracker.core.model.tracker import Tracker
from mrmesos.wire.ids import TaskKind, TrackerId
from mrmesos.wire.job import AttemptRow, JobReport, JobStatus, Sandbox, TaskCounts
from mrmesos.wire.task import AttemptState

ROWS_KEPT = 200_000
"""Most attempts kept of ended jobs, over all jobs."""
TAIL_CHARACTERS = 16_384
TAILS_CHARACTERS = 32 << 20
"""At most this many characters of attempts' output are kept: TAIL_ for one attempt, TAILS_ for
all.
"""
PROFILES_CHARACTERS = 16 << 20
"""The same for profiles."""
PROFILES_OF_JOB = 100
TAILS_OF_JOB = 50
"""The history gets the last printed lines of at most this many failed attempts."""

DAMAGED = "(its record is damaged)"
"""The name that users see of a job, a chain or a queue whose record in the journal is damaged."""


def not_restored(what: str, why: str = "") -> str:
    """The error of something that a restarted JobTracker cannot restore. `what`: "this job"."""
    return f"the JobTracker could not bring {what} back from its journal{why and f': {why}'}"


class AttemptLogs(NamedTuple):
    """The place of an attempt's printed output.

    `url` is the base URL of its TaskTracker, or "" if that is gone or the job has ended. `kept` is
    the end of the output that the JobTracker keeps, or "". Requests to the TaskTracker are signed
    with `token`, the job's token. `hosts` are its agent's name and address, as Mesos gives them.
    `sandbox` is that of the TaskTracker, if we know where it is.
    """

    url: str
    kept: str
    job_id: str = ""
    token: str = ""
    tracker_id: str = ""
    hosts: tuple[str, ...] = ()
    sandbox: Sandbox | None = None


class AttemptTexts:
    """One text for each attempt: the end of its log, or its profile. Keeps at most `most`
    characters of one text, and the latest `total` characters of all.
    """

    __slots__ = ("_most", "_size", "_texts", "_total")

    def __init__(self, most: int, total: int) -> None:
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._size, self._most, self._total = 0, most, total

    def __bool__(self) -> bool:
        return bool(self._texts)

    def put(self, attempt_id: str, text: str) -> None:
        """Keep the end of an attempt's text."""
        if not text:
            return
        tail = text[-self._most :]
        self._size += len(tail) - len(self._texts.pop(attempt_id, ""))
        self._texts[attempt_id] = tail
        while self._size > self._total:
            _, oldest = self._texts.popitem(last=False)
            self._size -= len(oldest)

    def get(self, attempt_id: str) -> str:
        """The kept text of an attempt. Empty if nothing is kept."""
        return self._texts.get(attempt_id, "")

    def some(self, attempt_ids: Iterable[str], most: int) -> dict[str, str]:
        """The kept texts of the first `most` of these attempts that have one."""
        found = ((each, self.get(each)) for each in attempt_ids if self._texts)
        return dict(islice(((each, text) for each, text in found if text), most))


class EndedJobs:
    """The reports of the jobs that ended last: at most `jobs_max`, with at most ROWS_KEPT rows."""

    __slots__ = ("_jobs_max", "_reports", "_rows")

    def __init__(self, jobs_max: int) -> None:
        self._jobs_max = jobs_max
        self._reports: OrderedDict[str, JobReport] = OrderedDict()
        self._rows = 0

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._reports

    def add(self, report: JobReport) -> list[str]:
        """Keep one more report. Forget the oldest if there are too many, and return those jobs."""
        retired = []
        report = JobReport(status=report.status, attempts=report.attempts[:ROWS_KEPT])
        self._reports[report.status.job_id] = report
        self._rows += len(report.attempts)
        while len(self._reports) > self._jobs_max:
            job_id, oldest = self._reports.popitem(last=False)
            retired.append(job_id)
            self._rows -= len(oldest.attempts)
        for job_id, old in self._reports.items():
            if self._rows <= ROWS_KEPT:
                break
            self._rows -= len(old.attempts)
            self._reports[job_id] = JobReport(status=old.status, attempts=[])
        return retired

    def get(self, job_id: str) -> JobReport | None:
        """A job's report. None if it is not kept."""
        return self._reports.get(job_id)

    def statuses(self) -> list[JobStatus]:
        """The statuses of all kept jobs, in the order in which they ended."""
        return [report.status for report in self._reports.values()]


def status_of(job: JobInProgress) -> JobStatus:
    """A job's status, for lists and progress bars."""
    counters: Counters = {g: dict(names) for g, names in job.counters.won.items()}
    add_counters(counters, {JOB_COUNTERS: job.counters.own})
    return JobStatus(
        job_id=job.id,
        name=job.spec.name,
        user=job.spec.user,
        state=job.state,
        submitted=job.submitted,
        started=job.started,
        ended=job.ending.ended,
        maps=_counts(job, job.first_kind, job.maps.done, job.maps.dropped),
        reduces=_counts(job, TaskKind.REDUCE, job.reduces.done),
        counters=counters,
        output=job.spec.output,
        error=job.ending.error,
        waiting=job.waits.words,
        note=_note(job),
        queue=job.spec.queue,
        session=job.spec.session,
    )


def _note(job: JobInProgress) -> str:
    """The status of the first running task that has one, so that the text does not jump."""
    speaking = (attempt for attempt in job.running.values() if attempt.status)
    first = min(speaking, key=lambda each: each.id, default=None)
    if first is None:
        return ""
    return f"{first.task.kind.letter}_{first.task.index:06d}: {first.status}"


def _counts(job: JobInProgress, kind: TaskKind, done: int, dropped: int = 0) -> TaskCounts:
    tasks = job.of(kind).tasks
    running: dict[int, float] = {}  # by task: the progress of its best attempt
    for attempt in job.running.values():
        if attempt.task.kind is kind and attempt in attempt.task.running:
            best = running.get(attempt.task.index, 0.0)
            running[attempt.task.index] = max(best, min(1.0, attempt.progress))
    part = sum(running.values())
    total = len(tasks) if job.maps.tasks or job.reduces.tasks else _expected(job, kind)
    return TaskCounts(
        total=total,
        pending=max(0, total - done - dropped - len(running)),
        running=len(running),
        succeeded=done,
        failed_attempts=job.counters.own.get(f"FAILED_{kind.plural}", 0),
        killed_attempts=job.counters.own.get(f"KILLED_{kind.plural}", 0),
        progress=min(1.0, (done + dropped + part) / total) if total else float(job.state.ended),
    )


def _expected(job: JobInProgress, kind: TaskKind) -> int:
    return job.spec.num_reducers if kind is TaskKind.REDUCE else 0


def report_of(job: JobInProgress, trackers: Mapping[TrackerId, Tracker]) -> JobReport:
    """The status, and a row for each attempt: maps first, then reduces, in order of their tasks."""
    rows = [
        row_of(attempt, trackers)
        for task in (*job.maps.tasks, *job.reduces.tasks)
        for attempt in task.attempts
    ]
    return JobReport(status=status_of(job), attempts=rows)


def run_of(
    job: JobInProgress, report: JobReport, tails: AttemptTexts, profiles: AttemptTexts
) -> JobRun:
    """A job that has ended, with `report`, for the history."""
    failed = (row.id for row in report.attempts if row.error is not None)
    profiled = (row.id for row in report.attempts) if profiles else ()

    tasks = *job.maps.tasks, *job.reduces.tasks
    counters = [counters_of(task) for task in tasks]  # now, because tasks forget their winners

    def rows() -> Iterator[TaskRun]:
        for task, won in zip(tasks, counters, strict=True):
            yield task_run(task, won)

    return JobRun(
        report=report,
        spec=job.spec,
        tasks=rows,
        tails=tails.some(islice(failed, TAILS_OF_JOB), TAILS_OF_JOB),
        profiles=profiles.some(profiled, PROFILES_OF_JOB),
    )


def counters_of(task: TaskInProgress) -> Counters:
    """The counters of the attempt that won."""
    return task.winner.counters if task.winner is not None else {}


def task_run(task: TaskInProgress, counters: Counters) -> TaskRun:
    """The row of one task in histories and pages."""
    files = len(task.split.slices) if task.split is not None else 0
    return TaskRun(task.id, task.kind.value, counters, task.story, files)


def logs_of(job: JobInProgress, attempt: TaskAttempt, cluster: Cluster, kept: str) -> AttemptLogs:
    """The place of the logs of a job in progress."""
    tracker = cluster.trackers.get(attempt.tracker_id)
    agent = cluster.agents.get(attempt.agent_id)
    return AttemptLogs(
        url=tracker.url if tracker is not None else "",
        kept=kept,
        job_id=job.id,
        token=job.token,
        tracker_id=attempt.tracker_id,
        hosts=agent.hosts if tracker is not None and agent is not None else (),
        sandbox=row_of(attempt, cluster.trackers).sandbox,
    )


def logs_of_ended(row: AttemptRow, kept: str) -> AttemptLogs:
    """The place of the logs of an ended job's attempt. TaskTrackers have forgotten the job."""
    return AttemptLogs("", kept, hosts=(row.hostname,), sandbox=row.sandbox)


def log_url(tracker_url: str, attempt_id: str) -> str:
    """The URL of an attempt's logs. Empty if the TaskTracker's URL is not known yet."""
    return f"{tracker_url}/attempts/{attempt_id}/logs" if tracker_url else ""


def row_of(attempt: TaskAttempt, trackers: Mapping[TrackerId, Tracker]) -> AttemptRow:
    """An attempt's row in a report."""
    tracker = trackers.get(attempt.tracker_id)
    log = log_url(tracker.url, attempt.id) if tracker is not None else ""
    found = tracker.sandbox if tracker is not None else None  # a restart restores no other
    return AttemptRow(
        id=attempt.id,
        kind=attempt.task.kind.value,
        hostname=attempt.hostname,
        locality=attempt.locality,
        start=attempt.start,
        end=attempt.end,
        state=attempt.state.value,
        progress=1.0 if attempt.state is AttemptState.SUCCEEDED else attempt.progress,
        status=attempt.status,
        error=attempt.error,
        log=log,
        sandbox=attempt.sandbox or found,
        slot=attempt.slot_id,
        backup=attempt.backup,
    )
