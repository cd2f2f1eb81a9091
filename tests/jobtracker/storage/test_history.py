"""The history's file and the thread that writes it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest
from msgspec.structs import replace

from mrmesos.conf import Conf
from mrmesos.jobtracker.core.messages.job_run import JobRun, TaskRun
from mrmesos.jobtracker.history.record import HistoryRecord, bare_record, record_of
from mrmesos.jobtracker.storage import history_writer as writers
from mrmesos.jobtracker.storage.history import History, HistoryDamaged, HistoryError
from mrmesos.jobtracker.storage.history_writer import HistoryWriter, history_writer
from mrmesos.wire.job import JobReport
from tests.jobtracker.history.runs import BOOM, ended_run


@pytest.fixture(scope="module")
def run() -> JobRun:
    return ended_run(error=BOOM)


def named(run: JobRun, job_id: str, ended: float) -> HistoryRecord:
    record = record_of(run)
    status = replace(record.report.status, job_id=job_id, ended=ended, name=f"name of {job_id}")
    return replace(record, report=JobReport(status=status, attempts=record.report.attempts))


def writer_of(history: History, pause: float = 0.0) -> HistoryWriter:
    return HistoryWriter(history, max_age_seconds=0, max_bytes=0, pause_seconds=pause)


def test_records_are_listed_and_read_back(tmp_path: Path, run: JobRun) -> None:
    history = History(tmp_path / "new")
    assert history.lines(limit=9) == []
    assert not history.path.exists()  # a reader creates nothing
    for number in range(3):
        history.put(named(run, f"job_1_{number}", 100.0 + number))
    assert [line.job_id for line in history.lines(limit=2)] == ["job_1_2", "job_1_1"]
    assert [line.job_id for line in history.lines(limit=9, name="OF JOB_1_0")] == ["job_1_0"]
    assert history.lines(limit=9, state="SUCCEEDED") == []
    assert len(history.lines(limit=9, state="FAILED", user="me")) == 3
    record = history.get("job_1_1")
    assert record == named(run, "job_1_1", 101.0)
    assert history.get("job_1_9") is None
    assert history.path.stat().st_mode & 0o777 == 0o600
    assert history.directory.stat().st_mode & 0o777 == 0o700


def test_age_and_size_are_limits_and_the_last_job_stays(tmp_path: Path, run: JobRun) -> None:
    history = History(tmp_path)
    for number in range(10):
        history.put(named(run, f"job_1_{number}", 100.0 + number))
    assert history.prune(max_age_seconds=0, max_bytes=0, now=1e9) == 0
    assert history.prune(max_age_seconds=5, max_bytes=0, now=110.0) == 5
    size = history.lines(limit=1)[0].bytes
    assert history.prune(max_age_seconds=0, max_bytes=2 * size, now=110.0) == 3
    assert history.ids() == {"job_1_8", "job_1_9"}
    assert history.prune(max_age_seconds=1, max_bytes=1, now=1e9) == 1
    assert history.ids() == {"job_1_9"}


def test_a_damaged_file_is_set_aside_and_a_new_one_begins(tmp_path: Path, run: JobRun) -> None:
    history = History(tmp_path)
    history.path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(HistoryDamaged):
        history.lines(limit=1)
    writer = writer_of(history)
    writer.put(run)
    assert writer.stop(30.0)
    assert (writer.lost, len(history.lines(limit=9))) == (0, 1)
    assert (tmp_path / "history.sqlite.damaged-1").read_bytes().startswith(b"this is no")


def test_another_database_is_not_taken_for_a_history(tmp_path: Path, run: JobRun) -> None:
    history = History(tmp_path)
    with sqlite3.connect(history.path) as database:
        database.execute("CREATE TABLE mine (x)")
    database.close()
    with pytest.raises(HistoryDamaged, match="is no history"):
        history.put(record_of(run))


def test_a_damaged_record_is_named(tmp_path: Path, run: JobRun) -> None:
    history = History(tmp_path)
    history.put(named(run, "job_1_1", 1.0))
    with sqlite3.connect(history.path) as database:
        database.execute("UPDATE jobs SET body = substr(body, 1, length(body) - 9)")
    database.close()
    with pytest.raises(HistoryDamaged, match="job_1_1"):
        history.get("job_1_1")


def test_a_busy_file_is_tried_again(tmp_path: Path, run: JobRun) -> None:
    history = History(tmp_path)
    history.put(record_of(run))
    tries = []

    class Busy(History):
        def put(self, record: HistoryRecord) -> None:
            tries.append(record)
            if len(tries) < 3:
                raise HistoryError("database is locked")
            super().put(record)

    writer = writer_of(Busy(tmp_path))
    writer.put(run)
    assert writer.stop(30.0)
    assert (len(tries), writer.lost) == (3, 0)


def test_a_file_that_cannot_be_written_costs_the_jobs_and_nothing_else(
    tmp_path: Path, run: JobRun, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    writer = writer_of(History(tmp_path / "file" / "below"))
    writer.put(run)
    assert writer.stop(30.0)
    assert writer.lost == 1
    assert "not in the history, after 5 tries" in caplog.text


def test_a_full_queue_drops_jobs_and_never_waits(
    tmp_path: Path, run: JobRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "QUEUE_MAX", 1)
    go, begun = threading.Event(), threading.Event()

    def slow() -> Iterable[TaskRun]:
        begun.set()
        go.wait(30.0)
        return ()

    writer = writer_of(History(tmp_path))
    writer.put(replace(run, tasks=slow))
    assert begun.wait(30.0)
    for _ in range(3):
        writer.put(run)
    assert writer.lost == 2
    go.set()
    assert writer.stop(30.0)
    assert len(History(tmp_path).ids()) == 1  # the same job, twice


def test_what_is_missing_is_added_from_the_journal(tmp_path: Path, run: JobRun) -> None:
    history = History(tmp_path)
    whole = named(run, "job_1_1", 1.0)
    history.put(whole)
    writer = writer_of(history)
    other = replace(run.report.status, job_id="job_1_2", ended=2.0)
    found = JobReport(status=other, attempts=run.report.attempts)
    writer.catch_up([whole.report, found])
    assert writer.stop(30.0)
    assert history.get("job_1_1") == whole  # not replaced by less
    assert history.get("job_1_2") == bare_record(found)


def test_settings_name_the_place(tmp_path: Path) -> None:
    assert history_writer(Conf()) is None
    beside = history_writer(Conf({"jobtracker.state.dir": str(tmp_path)}))
    assert beside is not None
    assert beside.history.place == str(tmp_path / "history.sqlite")
    own = history_writer(
        Conf({"jobtracker.state.dir": "/x", "jobtracker.jobhistory.location": str(tmp_path)})
    )
    assert own is not None
    assert own.history.place == str(tmp_path / "history.sqlite")
