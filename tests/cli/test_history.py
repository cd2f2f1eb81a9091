"""`mrmesos history`: lists, shows and compares ended jobs without a JobTracker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from mrmesos.cli import main
from mrmesos.jobtracker.history.record import record_of
from mrmesos.jobtracker.storage.history import History
from mrmesos.wire.job import JobReport
from tests.jobtracker.history.runs import BOOM, ended_run

GOOD, BAD = "job_202611201130_0001", "job_202611201130_0002"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    history = History(tmp_path_factory.mktemp("history"))
    history.put(record_of(ended_run((5, 7, 100))))
    record = record_of(ended_run((5, 7, 100), error=BOOM, my_own="\x1b[2J"))
    status = replace(record.report.status, job_id=BAD)
    history.put(replace(record, report=JobReport(status=status, attempts=record.report.attempts)))
    return history.directory


def mrmesos(*words: str) -> Result:
    return CliRunner().invoke(main, ["history", *words], prog_name="mrmesos")


def test_list_shows_what_ended_and_filters(kept: Path) -> None:
    listed = mrmesos("list", "--from", str(kept))
    assert listed.exit_code == 0
    assert [line.split()[:2] for line in listed.stdout.splitlines()] == [
        ["JOB", "STATE"],
        [BAD, "FAILED"],
        [GOOD, "SUCCEEDED"],
    ]
    one = mrmesos("list", "--from", str(kept), "--state", "failed", "--json")
    assert [job["job_id"] for job in json.loads(one.stdout)] == [BAD]
    none = mrmesos("list", "--from", str(kept), "--name", "zzz")
    assert "no ended job is like this" in none.stderr


def test_show_has_the_error_the_counters_and_the_settings(kept: Path) -> None:
    shown = mrmesos("show", BAD, "--from", str(kept)).stdout
    assert f"error: {BOOM.message}" in shown
    assert "the last lines it printed:\nTraceback …" in shown
    assert "map.maxattempts  job   1" in shown
    assert "\x1b" not in shown
    rows = [line.split() for line in mrmesos("show", GOOD, "--from", str(kept)).stdout.split("\n")]
    most = "task_202611201130_0001_m_000002"
    assert ["map", "task:", "RECORDS", "3", "5", "7", "100", most] in rows
    assert json.loads(mrmesos("show", GOOD, "--from", str(kept), "--json").stdout)["spreads"]


def test_diff_ends_with_1_if_something_differs(kept: Path) -> None:
    found = mrmesos("diff", GOOD, BAD, "--from", str(kept))
    assert found.exit_code == 1
    assert any(
        line.split()[:4] == ["job", "state", "SUCCEEDED", "FAILED"]
        for line in found.stdout.splitlines()
    )
    assert mrmesos("diff", GOOD, GOOD, "--from", str(kept)).exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "job_1_1"), "no job job_1_1 in"),
        (("show", "job_1_1", "--from", "/"), "/ has no history.sqlite"),
        (("show",), "Missing argument 'JOB_ID'"),
        (("list", "--state", "RUNNING"), "'RUNNING' is not one of"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(kept: Path, words: tuple[str, ...], said: str) -> None:
    if words == ("show", "job_1_1"):
        words = (*words, "--from", str(kept))
    ran = mrmesos(*words)
    assert ran.exit_code == 2
    assert said in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_a_damaged_history_is_said(tmp_path: Path) -> None:
    (tmp_path / "history.sqlite").write_text("no database, but long enough to be read as one" * 99)
    ran = mrmesos("list", "--from", str(tmp_path))
    assert ran.exit_code == 1
    assert "the history cannot be read" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
