"""`mrmesos job …` with a real service that has no Mesos."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mrmesos.cli import main
from mrmesos.client.api_client import JobTrackerClient
from mrmesos.conf import Conf
from mrmesos.jobtracker.mesos.framework import FrameworkCallbacks
from mrmesos.jobtracker.service import JobTrackerService
from mrmesos.wire.job import JobState
from tests.jobtracker.fakes import FakeDriver, wait_until
from tests.wire.specs import job_spec


def make_driver(callbacks: FrameworkCallbacks, *_more: Any) -> FakeDriver:
    return FakeDriver(callbacks)


class Desk:
    """A service with one job that never gets an offer."""

    def __init__(self, directory: Path) -> None:
        self.service = JobTrackerService(Conf(), "127.0.0.1:5050", make_driver=make_driver)
        self.url = self.service.start()
        self.client = JobTrackerClient(self.url, token=self.service.token)
        (directory / "in.txt").write_text("a\n")
        spec = job_spec(
            name="copy",
            user="somebody",
            inputs=(f"file://{directory / 'in.txt'}",),
            output=f"file://{directory / 'out'}",
            num_reducers=0,
            conf={"job.maps": "2"},
            code=self.client.upload(b"code"),
        )
        self.job_id = self.client.submit(spec)
        wait_until(lambda: self.client.status(self.job_id).state is JobState.RUNNING)

    def ask(self, *arguments: str) -> Result:
        environment = {"MRMESOS_JOBTRACKER_URL": self.url, "MRMESOS_TOKEN": self.service.token}
        return CliRunner().invoke(main, ["job", *arguments], env=environment)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.client.close()
    desk.service.stop()


def test_list(desk: Desk) -> None:
    lines = desk.ask("list").stdout.splitlines()
    assert lines[0].split() == ["JOB", "STATE", "USER", "MAPS", "REDUCES", "SUBMITTED", "NAME"]
    assert lines[1].split()[:3] == [desk.job_id, "RUNNING", "somebody"]
    (as_json,) = json.loads(desk.ask("list", "--json").stdout)
    assert as_json["job_id"] == desk.job_id


def test_status(desk: Desk) -> None:
    assert desk.ask("status", desk.job_id).stdout.startswith(f"{desk.job_id} RUNNING  maps 0/2")
    assert json.loads(desk.ask("status", desk.job_id, "--json").stdout)["state"] == "RUNNING"


def test_explain(desk: Desk) -> None:
    shown = desk.ask("explain", desk.job_id).stdout
    assert "2 tasks wait, 0 attempts run" in shown
    assert "[no-offer] maps: no offers received from Mesos" in shown
    one = json.loads(desk.ask("explain", desk.job_id, "m_000001", "--json").stdout)
    assert [reason["why"] for reason in one["waiting"]["reasons"]] == ["no-offer"]
    assert one["waiting"]["facts"][0].endswith("_m_000001: pending")
    unknown = desk.ask("explain", desk.job_id, "m_000099")
    assert unknown.exit_code == 2
    assert "has no task" in unknown.stderr
    assert desk.ask("explain", "job_1_1").exit_code == 2


def test_move(desk: Desk) -> None:
    moved = desk.ask("move", desk.job_id, "--priority", "high", "--pool", "etl")
    assert (moved.exit_code, moved.stderr) == (
        0,
        f"{desk.job_id} has priority HIGH, pool etl now\n",
    )
    job = desk.service._core.st.jobs[desk.job_id]
    assert (job.settings.priority, job.settings.pool) == (1, "etl")
    moved = desk.ask("move", desk.job_id, "--pool", "adhoc", "--json")
    assert json.loads(moved.stdout)["job_id"] == desk.job_id
    assert job.settings.pool == "adhoc"
    assert desk.ask("move", desk.job_id).exit_code == 2
    assert desk.ask("move", desk.job_id, "--priority", "urgent").exit_code == 2
    unknown = desk.ask("move", "job_1_1", "--pool", "etl")
    assert (unknown.exit_code, "no job job_1_1" in unknown.stderr) == (2, True)


def test_top(desk: Desk) -> None:
    environment = {"MRMESOS_JOBTRACKER_URL": desk.url, "MRMESOS_TOKEN": desk.service.token}
    shown = CliRunner().invoke(main, ["top", "--once"], env=environment)
    assert shown.exit_code == 0, shown.output
    assert desk.job_id in shown.stdout
    assert "no agent has made an offer yet" in shown.stdout
    snapshot = json.loads(CliRunner().invoke(main, ["top", "--json"], env=environment).stdout)
    assert [job["job_id"] for job in snapshot["jobs"]] == [desk.job_id]
    assert snapshot["cluster"]["agents"] == []


def test_a_job_without_attempts(desk: Desk) -> None:
    assert desk.ask("attempts", desk.job_id).stdout.split()[:3] == ["ATTEMPT", "STATE", "AGENT"]
    assert json.loads(desk.ask("attempts", desk.job_id, "--json").stdout) == []
    shown = desk.ask("logs", desk.job_id)
    assert (shown.exit_code, shown.stdout, shown.stderr) == (0, "", "")


def test_kill_and_wait(desk: Desk) -> None:
    assert desk.ask("wait", desk.job_id, "--timeout", "0.01").exit_code == 1
    assert desk.ask("kill", desk.job_id).exit_code == 0
    waited = desk.ask("wait", desk.job_id)
    assert waited.exit_code == 1
    assert f"{desk.job_id} KILLED" in waited.stdout


def test_what_is_not_there(desk: Desk) -> None:
    for arguments, words in (
        (("status", "job_1_1"), "no job job_1_1; `mrmesos job list` shows"),
        (("wait", "job_1_1"), "no job job_1_1"),
        (("kill", "job_1_1"), "no job job_1_1"),
        (("logs", "attempt_1"), "'attempt_1' is not an id of a job, task or attempt"),
        (("logs", "attempt_1_1_m_000000_0"), "no job job_1_1; `mrmesos job list` shows"),
        (("logs", desk.job_id.replace("job", "task") + "_m_000009"), "`mrmesos job attempts"),
        (("attempts", "job_1_1"), "no job job_1_1; `mrmesos job list` shows"),
        (("attempts", "../.."), "'../..' is not a job id"),
        (("list", "--jobtracker", "ftp://x"), "http://host:port"),
    ):
        answer = desk.ask(*arguments)
        assert answer.exit_code == 2
        assert words in answer.stderr
        assert len(answer.stderr.splitlines()) == 1


def test_no_jobtracker_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mrmesos.cli.job.RETRY_SECONDS", 0.1)
    answer = CliRunner().invoke(main, ["job", "list", "--jobtracker", "http://127.0.0.1:1"])
    assert answer.exit_code == 2
    assert "127.0.0.1:1" in answer.stderr
