"""The history's record of an ended job, and the differences between two."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from mrmesos.jobtracker.history import record as records
from mrmesos.jobtracker.history.diff import differences
from mrmesos.jobtracker.history.record import HistoryRecord, record_of, settings_of, within
from mrmesos.wire.job import JobState
from mrmesos.wire.task import Locality
from tests.jobtracker.history.runs import BOOM, ended_run


def test_counters_and_durations_per_task_name_the_task_with_the_most() -> None:
    record = record_of(ended_run((5, 7, 100)))
    (counter,) = [each for each in record.spreads if each.name == "RECORDS"]
    assert (counter.minimum, counter.median, counter.maximum, counter.total) == (5, 7, 100, 112)
    assert counter.most.endswith("_m_000002")
    (time,) = [each for each in record.spreads if each.name == "MILLIS"]
    assert (time.minimum, time.median, time.maximum) == (500, 1500, 2500)


def test_a_record_survives_being_written() -> None:
    record = record_of(ended_run(error=BOOM, task_timeout="5"))
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(record), type=HistoryRecord)
    assert again == record
    assert again.report.status.state is JobState.FAILED
    assert again.report.status.error is not None
    assert again.report.status.error.message == BOOM.message
    failed = again.report.attempts[-1]
    assert again.tails == {failed.id: "Traceback …"}
    assert (failed.slot[:5], failed.locality, failed.backup) == ("slot_", Locality.ANY, False)


def test_only_stories_with_more_than_one_success_are_kept() -> None:
    record = record_of(ended_run((1, 2), error=BOOM))
    assert record.stories == {}  # the failed task ran once, too
    assert record_of(ended_run((1, 2))).stories == {}


def test_settings_say_where_they_come_from() -> None:
    run = ended_run(task_timeout="5", my_own="x")
    spec = replace(run.spec, overridden=("task.timeout",))
    rows = {row.name: row for row in settings_of(spec)}
    assert (rows["task.timeout"].value, rows["task.timeout"].origin) == ("5", "submission")
    assert (rows["my.own"].value, rows["my.own"].origin) == ("x", "job")
    assert rows["reduce.maxattempts"].origin == "default"
    assert "jobtracker.jobs.max" not in rows


def test_a_huge_job_keeps_its_failed_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "ROWS_MAX", 2)
    report = ended_run((1, 2, 3, 4), error=BOOM).report
    kept, left_out = within(report)
    assert left_out == 2
    assert [row.id[-8:] for row in kept.attempts] == ["000000_0", "000003_0"]


def test_two_runs_differ_in_settings_counters_and_time() -> None:
    before = record_of(ended_run((5, 7, 100), task_timeout="5"))
    after = record_of(ended_run((5, 7, 300), task_timeout="9"))
    found = {(one.what, one.name): one for one in differences(before, after)}
    timeout = found["setting", "task.timeout"]
    assert (timeout.before, timeout.after, timeout.ratio) == ("5", "9", None)
    records_read = found["counter", "task: RECORDS"]
    assert (records_read.before, records_read.after) == (112, 312)
    assert found["per task", "map task: RECORDS, maximum"].ratio == 3.0
    assert ("per task", "map task: RECORDS, median") not in found
    assert differences(before, before) == []


def test_a_run_that_failed_differs_by_its_error() -> None:
    found = differences(record_of(ended_run((1, 2))), record_of(ended_run((1, 2), error=BOOM)))
    names = {(one.what, one.name): (one.before, one.after) for one in found}
    assert names["job", "state"] == ("SUCCEEDED", "FAILED")
    assert names["job", "error"] == (None, BOOM.message)
