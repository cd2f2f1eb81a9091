"""The history as a file for each job, on filesystems that are not SQLite's."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mrmesos.cli import main
from mrmesos.conf import Conf
from mrmesos.jobtracker.core.messages.job_run import JobRun
from mrmesos.jobtracker.history.record import record_of
from mrmesos.jobtracker.storage.history import HistoryDamaged, HistoryError
from mrmesos.jobtracker.storage.history_files import HistoryFiles, file_name, parse_name
from mrmesos.jobtracker.storage.history_writer import history_writer
from mrmesos.wire.job import JobReport
from tests.jobtracker.history.runs import BOOM, ended_run
from tests.jobtracker.storage.test_history import named

DAY = 86_400.0


@pytest.fixture(scope="module")
def run() -> JobRun:
    return ended_run(error=BOOM)


@pytest.fixture(params=["memory", "local"])
def history(request: pytest.FixtureRequest, tmp_path: Path) -> HistoryFiles:
    if request.param == "memory":
        fsspec.filesystem("memory").store.clear()
        return HistoryFiles("memory://kept/history/")
    return HistoryFiles(str(tmp_path / "kept"))


def test_records_are_listed_and_read_back(history: HistoryFiles, run: JobRun) -> None:
    assert history.lines(limit=9) == []
    assert history.get("job_1_1") is None
    for number in range(3):
        history.put(named(run, f"job_1_{number}", 100.0 + number * DAY))
    assert [line.job_id for line in history.lines(limit=2)] == ["job_1_2", "job_1_1"]
    assert [line.job_id for line in history.lines(limit=9, name="OF JOB_1_0")] == ["job_1_0"]
    assert history.lines(limit=9, state="SUCCEEDED") == []
    assert len(history.lines(limit=9, state="FAILED", user="me", text="job_1")) == 3
    assert history.get("job_1_1") == named(run, "job_1_1", 100.0 + DAY)
    assert history.ids() == {"job_1_0", "job_1_1", "job_1_2"}
    again = named(run, "job_1_1", 100.0 + 5 * DAY)
    history.put(again)  # a JobTracker that was killed writes it again
    assert history.get("job_1_1") == again
    assert len(history.lines(limit=9)) == 3


def test_age_and_size_are_limits_and_the_last_job_stays(history: HistoryFiles, run: JobRun) -> None:
    for number in range(6):
        history.put(named(run, f"job_1_{number}", number * DAY))
    assert history.prune(max_age_seconds=0, max_bytes=0) == 0
    assert history.prune(max_age_seconds=2.5 * DAY, max_bytes=0, now=6 * DAY) == 4
    assert history.prune(max_age_seconds=0, max_bytes=1 << 20) == 0
    assert history.prune(max_age_seconds=1, max_bytes=1) == 1
    assert history.ids() == {"job_1_5"}


def test_a_damaged_file_is_said_to_be_so_and_others_are_read(
    history: HistoryFiles, run: JobRun
) -> None:
    history.put(named(run, "job_1_1", 100.0))
    history.put(named(run, "job_1_2", 100.0))
    fs, root = history._open()
    [path] = [p for p in fs.ls(f"{root}/1970-01-01", detail=False) if "job_1_1" in p]
    with fs.open(path, "wb") as file:
        file.write(b"no record")
    with fs.open(f"{root}/1970-01-01/foreign.txt", "wb") as file:
        file.write(b"")
    with pytest.raises(HistoryDamaged, match="job_1_1"):
        history.get("job_1_1")
    assert history.get("job_1_2") is not None
    assert len(history.lines(limit=9)) == 2


def test_a_filesystem_that_is_not_there_is_an_error_in_one_line() -> None:
    with pytest.raises(HistoryError, match="nonsense://x"):
        HistoryFiles("nonsense://x/y").lines(limit=1)


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_name_makes_a_short_file_name_that_reads_back(name: str, user: str) -> None:
    record = record_of(RUN)
    status = replace(record.report.status, name=name, user=user)
    path = file_name(replace(record, report=JobReport(status=status, attempts=[])))
    assert len(path) <= 250
    assert "/" not in path
    assert path.isascii()
    line = parse_name(f"a/b/{path}", 7)
    assert line is not None
    assert (line.job_id, line.state, line.bytes) == (status.job_id, "SUCCEEDED", 7)
    clean = name.encode("utf-8", "replace").decode()
    assert clean.startswith(line.name)


RUN = ended_run()


def test_a_setting_names_the_uri_and_the_command_reads_it(tmp_path: Path) -> None:
    uri = f"local://{tmp_path}/kept"
    writer = history_writer(Conf({"jobtracker.jobhistory.location": uri}))
    assert writer is not None
    writer.put(RUN)
    assert writer.stop(20.0)
    job_id = RUN.report.status.job_id
    listed = CliRunner().invoke(main, ["history", "list", "--from", uri])
    assert job_id in listed.stdout, listed.output
    shown = CliRunner().invoke(main, ["history", "show", job_id, "--from", uri])
    assert "SUCCEEDED" in shown.stdout
    assert CliRunner().invoke(main, ["history", "show", "job_9_9", "--from", uri]).exit_code == 2
