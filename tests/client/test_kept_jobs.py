"""The files that stay on this machine after a job's JobTracker is gone."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from mrmesos.client.api_client import LogPiece
from mrmesos.client.attempt_logs import KeptAttempts, LogGone
from mrmesos.client.kept_jobs import JOBS_MAX, KeptJob, history_dir, usable
from mrmesos.client.terminal.errors import Failure
from mrmesos.jobtracker.history.record import bare_record, record_of
from mrmesos.jobtracker.storage.history import History
from mrmesos.wire.job import JobReport
from tests.jobtracker.history.runs import ended_run
from tests.jobtracker.mesos.test_sandboxes import Agent, agent

__all__ = ["agent"]

JOB, ATTEMPT = "job_1_0001", "attempt_1_0001_m_000000_0"


def test_the_directory_is_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRMESOS_HISTORY_DIR", str(tmp_path / "here"))
    assert usable(history_dir()).is_dir()
    monkeypatch.setenv("MRMESOS_HISTORY_DIR", "/proc/nothing/here")
    with pytest.raises(OSError, match="nothing"):
        usable(history_dir())
    monkeypatch.setenv("MRMESOS_HISTORY_DIR", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert history_dir() == tmp_path / ".mrmesos" / "jobs"


@pytest.mark.parametrize("job_id", ["..", "job_1", "job_1_1/../..", ""])
def test_no_other_directory_is_read(tmp_path: Path, job_id: str) -> None:
    with pytest.raises(ValueError, match="is not a job id"):
        KeptJob(tmp_path, job_id)


def test_a_job_that_runs_shows_what_it_has_printed(tmp_path: Path) -> None:
    job = KeptJob(tmp_path, JOB)
    job.begin()
    attempts = KeptAttempts(job)
    assert attempts.look() == ([], False)
    job.save_logs(ATTEMPT, {"stdout": b"0123456789", "stderr": b""})
    rows, ended = attempts.look()
    assert ([row.id for row in rows], ended) == ([ATTEMPT], False)
    assert attempts.read(ATTEMPT, "stdout", None) == LogPiece(b"0123456789", 0, False)
    assert attempts.read(ATTEMPT, "stdout", 8) == LogPiece(b"89", 8, False)
    assert attempts.read(ATTEMPT, "stderr", 0) == LogPiece(b"", 0, False), (
        "it printed nothing there"
    )
    (job.path / ATTEMPT / "stderr").mkdir()
    with pytest.raises(LogGone):
        attempts.read(ATTEMPT, "stderr", 0)
    job.end()
    assert attempts.look()[1], "its command has ended, and it left no report"


def test_the_report_comes_from_the_history(tmp_path: Path) -> None:
    run = ended_run((1, 2))
    History(tmp_path).put(record_of(run))
    job = KeptJob(tmp_path, run.report.status.job_id)
    job.begin()
    assert KeptAttempts(job).look() == (run.report.attempts, True)
    (tmp_path / "history.sqlite").write_bytes(b"damaged" * 999)
    with pytest.raises(Failure, match="the history cannot be read"):
        KeptAttempts(job).look()


def test_the_last_jobs_are_kept(tmp_path: Path) -> None:
    for number in range(JOBS_MAX + 3):
        job = KeptJob(tmp_path, f"job_1_{number:04d}")
        job.begin()
        job.end()
    assert len(list(tmp_path.iterdir())) == JOBS_MAX
    assert job.exists()


def test_logs_that_are_not_here_are_in_the_sandbox(tmp_path: Path, agent: Agent) -> None:
    run = ended_run((1, 2))
    report = run.report
    here, there = report.attempts
    rows = [here, replace(there, sandbox=agent.sandbox)]
    History(tmp_path).put(bare_record(JobReport(status=report.status, attempts=rows)))
    job = KeptJob(tmp_path, report.status.job_id)
    job.begin()
    job.save_logs(here.id, {"stdout": b"kept"})
    attempts = KeptAttempts(job)
    assert attempts.look()[0] == rows
    assert attempts.read(here.id, "stdout", None) == LogPiece(b"kept", 0)
    agent.files.clear()
    with pytest.raises(LogGone, match="Mesos has removed the sandbox"):
        attempts.read(there.id, "stdout", None)
    root = "/frameworks/F/executors/tracker_1/runs/latest/userlogs"
    agent.files[f"{root}/{report.status.job_id}/{there.id}/stdout"] = b"printed"
    assert attempts.read(there.id, "stdout", 2) == LogPiece(b"inted", 2)
    assert attempts.read(there.id, "stderr", None) == LogPiece(b"", 0)
    job.end()
