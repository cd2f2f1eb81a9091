"""`hadoop job`: what it prints, and its exit codes."""

from __future__ import annotations

from typing import Any

import pytest

from mrmesos.client.api_client import ApiProblem
from mrmesos.hadoop import jobs
from mrmesos.wire.job import AttemptRow, JobReport, JobState, JobStatus, TaskCounts
from mrmesos.wire.task import Locality

RUNNING, DONE = "job_202611201130_0001", "job_202611201130_0002"


def _status(job_id: str, state: JobState) -> JobStatus:
    counts = TaskCounts(
        total=4,
        pending=1,
        running=2,
        succeeded=1,
        failed_attempts=3,
        killed_attempts=0,
        progress=0.25,
    )
    return JobStatus(
        job_id=job_id,
        name="words",
        user="ann",
        state=state,
        submitted=1_000.0,
        started=1_002.0,
        ended=1_012.0 if state.ended else None,
        maps=counts,
        reduces=counts,
        counters={"task": {"MAP_INPUT_RECORDS": 7}, "my group": {"n": 2}},
        output="out",
    )


class _Client:
    """A JobTracker with two jobs."""

    def __init__(self) -> None:
        self.jobs = {
            RUNNING: _status(RUNNING, JobState.RUNNING),
            DONE: _status(DONE, JobState.SUCCEEDED),
        }
        self.killed: list[str] = []

    def statuses(self) -> list[JobStatus]:
        return list(self.jobs.values())

    def status(self, job_id: str) -> JobStatus:
        if job_id not in self.jobs:
            raise ApiProblem(404, f"no job {job_id}")
        return self.jobs[job_id]

    def report(self, job_id: str) -> JobReport:
        row = AttemptRow(
            id=f"attempt_{job_id[4:]}_m_000000_0",
            kind="map",
            hostname="dn1",
            locality=Locality.ANY,
            start=1_003.0,
            end=1_008.0,
            state="SUCCEEDED",
        )
        return JobReport(status=self.status(job_id), attempts=[row])

    def kill(self, job_id: str, by: str) -> None:
        self.killed.append(job_id)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> _Client:
    made = _Client()
    monkeypatch.setenv("MRMESOS_JOBTRACKER_URL", "http://jt:5055")
    monkeypatch.setenv("TZ", "UTC")

    def opened(*_: Any, **__: Any) -> _Client:
        return made

    monkeypatch.setattr(jobs, "open_client", opened)
    return made


def test_list(client: _Client, capsys: pytest.CaptureFixture[str]) -> None:
    assert jobs.run_job(["-list"]) == 0
    first, head, row = capsys.readouterr().out.splitlines()
    assert (first, head.split()[0]) == ("Total jobs:1", "JobId")
    assert row.split("\t") == [RUNNING.rjust(28), "words", "RUNNING", "1002000", "ann"]
    assert jobs.run_job(["-list", "all"]) == 0
    assert capsys.readouterr().out.startswith("Total jobs:2\n")


def test_status_and_counter(client: _Client, capsys: pytest.CaptureFixture[str]) -> None:
    assert jobs.run_job(["-status", RUNNING]) == 0
    out = capsys.readouterr().out
    for line in (
        f"Job: {RUNNING}",
        f"Job Tracking URL : http://jt:5055/ui/jobs/{RUNNING}",
        "map() completion: 0.25",
        "Job state: RUNNING",
        "\t\tMAP_INPUT_RECORDS=7",
    ):
        assert line in out.split("\n")
    group = "org.apache.hadoop.mapreduce.TaskCounter"
    for words, amount in (
        ((group, "MAP_INPUT_RECORDS"), 7),
        (("my group", "n"), 2),
        (("x", "y"), 0),
    ):
        assert jobs.run_job(["-counter", DONE, *words]) == 0
        assert capsys.readouterr().out == f"{amount}\n"


def test_kill(client: _Client, capsys: pytest.CaptureFixture[str]) -> None:
    assert jobs.run_job(["-kill", RUNNING]) == 0
    assert client.killed == [RUNNING]
    assert capsys.readouterr().out == f"Killed job {RUNNING}\n"
    assert jobs.run_job(["-kill", DONE]) == 255
    assert "has already succeeded" in capsys.readouterr().out
    assert client.killed == [RUNNING]


def test_history(client: _Client, capsys: pytest.CaptureFixture[str]) -> None:
    assert jobs.run_job(["-history", DONE]) == 0
    out = capsys.readouterr().out
    assert f"\nHadoop job: {DONE}\n" in out
    assert "Status: SUCCEEDED\n" in out
    assert "(10sec)" in out
    assert "\nMap\t4\t1\t3\t0\t" in out
    assert "attempt_" not in out
    assert jobs.run_job(["-history", "all", DONE]) == 0
    assert "\tSUCCEEDED\t" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "say"),
    [
        (["-status", "job_1"], "Could not find job"),
        (["-kill", "job_1"], "Could not find job"),
        (["-counter", "job_1"], "Usage: mapred job"),
        (["-list", "some"], "Usage: mapred job"),
        (["-submit", "job.xml"], "Usage: mapred job"),
        ([], "Usage: mapred job"),
    ],
)
def test_wrong_uses(
    client: _Client, capsys: pytest.CaptureFixture[str], words: list[str], say: str
) -> None:
    assert jobs.run_job(words) == 255
    assert say in capsys.readouterr().err
