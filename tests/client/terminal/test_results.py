"""The result of a job as text and as a report."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mrmesos.client.terminal.results import (
    format_counters,
    format_end,
    format_error,
    report_json,
    write_report,
)
from mrmesos.wire.job import AttemptRow, JobReport, JobState, JobStatus, TaskCounts
from mrmesos.wire.task import AttemptError, ErrorKind, Locality

NONE = TaskCounts(0, 0, 0, 0, 0, 0, 0.0)
STATUS = JobStatus(
    job_id="job_1",
    name="n",
    user="u",
    state=JobState.SUCCEEDED,
    submitted=10.0,
    started=10.5,
    ended=12.25,
    maps=NONE,
    reduces=NONE,
    counters={"words": {"long": 7}, "task": {"MAP_INPUT_RECORDS": 1234, "X": 1}},
    output="file:///out",
)
REPORT = JobReport(
    status=STATUS,
    attempts=[
        AttemptRow(
            id="attempt_1",
            kind="map",
            hostname="h",
            locality=Locality.ANY,
            start=1.0,
            end=2.0,
            state="SUCCEEDED",
        )
    ],
)


def test_counters_in_columns_with_the_engines_first() -> None:
    assert format_counters(STATUS.counters).splitlines() == [
        "  task",
        "    MAP_INPUT_RECORDS            1,234",
        "    X                                1",
        "  words",
        "    long                7",
    ]


def test_the_last_line() -> None:
    assert format_end(STATUS) == "job_1 SUCCEEDED in 2.2 s: file:///out"


def test_an_error_tells_everything_once() -> None:
    error = AttemptError(
        kind=ErrorKind.USER_CODE,
        message="ValueError: bad record",
        detail='Traceback:\n  File "job.py", line 3\n',
        where="file:///in.txt offset 12",
        record="'x'",
        attempt_id="attempt_1",
        hostname="h",
        log="/sandbox/stderr",
    )
    text = format_error(error, log="/tmp/kept")
    assert text.splitlines()[0] == "error: ValueError: bad record"
    for part in ("file:///in.txt offset 12", "'x'", "attempt_1", '"job.py", line 3', "/tmp/kept"):
        assert text.count(part) == 1
    assert "/sandbox/stderr" not in text
    assert "next:" in text


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_there_is_advice_for_every_kind(kind: ErrorKind) -> None:
    text = format_error(AttemptError(kind=kind, message="m"), "")
    assert text.splitlines()[-1].strip().startswith("next:")


def test_a_report_is_one_flat_object(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    write_report(REPORT, target)
    report = json.loads(target.read_text())
    assert report == json.loads(report_json(REPORT))
    assert (report["job_id"], report["state"], report["ended"]) == ("job_1", "SUCCEEDED", 12.25)
    assert report["counters"]["words"] == {"long": 7}
    (row,) = report["attempts"]
    assert {"id", "kind", "agent", "locality", "start", "end", "state"} <= set(row)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_report_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "report.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_report(REPORT, tmp_path / "report.json")
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_report_does_not_replace_what_is_no_file(tmp_path: Path) -> None:
    """As root, `--report /dev/stdout` made a file of the device."""
    pipe, real, link = tmp_path / "pipe", tmp_path / "real.json", tmp_path / "latest.json"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_report(REPORT, pipe)
    assert os.read(reader, 1 << 16) == report_json(REPORT)
    os.close(reader)
    assert pipe.is_fifo()
    link.symlink_to("real.json")
    write_report(REPORT, link)
    assert link.is_symlink()
    assert real.read_bytes() == report_json(REPORT)
