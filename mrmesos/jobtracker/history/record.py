"""The record of one ended job, as the history keeps it.

Records are MessagePack maps by field name. A new field needs a default.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from mrmesos.conf import SETTINGS
from mrmesos.jobtracker.core.messages.job_run import JobRun, TaskRun
from mrmesos.jobtracker.history.spread import Spread, durations, spreads
from mrmesos.wire.job import AttemptRow, JobReport, JobSpec

ROWS_MAX = 200_000
"""Most attempts in one record. Further ones are counted only."""
PLAIN_STORY = 2
"""A task that ran once and succeeded has a story of two lines. We do not keep it, because the
attempt's row says the same.
"""
STORIES_MAX = 10_000


class SettingRow(msgspec.Struct, frozen=True):
    """A setting of a job. `origin`: where its value came from."""

    name: str
    value: str
    origin: str


SUBMISSION, JOB_CLASS, DEFAULT = "submission", "job", "default"
"""Origins: the submission (`-D`, a variable, mrmesos.toml), the job's class, or neither."""


class HistoryRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One ended job. `tails`: the last lines of attempts that failed, by attempt.
    `profiles`: packed ones (wire/profile.py), by attempt.

    `spec` is None if the job was found in the journal only, after a JobTracker was killed.
    `stories`: the states of tasks, where more happened than one attempt that succeeded.
    """

    report: JobReport
    spec: JobSpec | None = None
    spreads: list[Spread] = []
    stories: dict[str, list[str]] = {}
    tails: dict[str, str] = {}
    profiles: dict[str, str] = {}
    attempts_left_out: int = 0


def record_of(run: JobRun) -> HistoryRecord:
    """The record of a job that has just ended."""
    tasks = list(run.tasks())
    report, left_out = within(run.report)
    return HistoryRecord(
        report=report,
        spec=run.spec,
        spreads=[*durations(run.report.attempts), *spreads(tasks)],
        stories=eventful(tasks),
        tails=run.tails,
        profiles=run.profiles,
        attempts_left_out=left_out,
    )


def bare_record(report: JobReport) -> HistoryRecord:
    """The record of a job, if only its report is left."""
    kept, left_out = within(report)
    return HistoryRecord(
        report=kept, spreads=durations(report.attempts), attempts_left_out=left_out
    )


def within(report: JobReport) -> tuple[JobReport, int]:
    """A report with at most ROWS_MAX attempts, and how many it leaves out. Failed ones stay."""
    rows = report.attempts
    if len(rows) <= ROWS_MAX:
        return report, 0
    first = sorted(range(len(rows)), key=lambda number: rows[number].error is None)[:ROWS_MAX]
    kept: list[AttemptRow] = [rows[number] for number in sorted(first)]
    return JobReport(status=report.status, attempts=kept), len(rows) - ROWS_MAX


def eventful(tasks: Iterable[TaskRun]) -> dict[str, list[str]]:
    """The stories of tasks that did not succeed at once; at most STORIES_MAX."""
    found: dict[str, list[str]] = {}
    for task in tasks:
        if len(task.story) > PLAIN_STORY and len(found) < STORIES_MAX:
            found[task.id] = list(task.story)
    return found


def settings_of(spec: JobSpec) -> list[SettingRow]:
    """All settings of a job, each with the origin of its value. Settings that somebody set come
    first.
    """
    given = [
        SettingRow(name, value, SUBMISSION if name in spec.overridden else JOB_CLASS)
        for name, value in sorted(spec.conf.items())
    ]
    rest = [
        SettingRow(name, setting.default_text, DEFAULT)
        for name, setting in SETTINGS.items()
        if setting.scope == "job" and name not in spec.conf
    ]
    return given + rest
