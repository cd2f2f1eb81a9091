"""A service that ends and starts again on its journal. Only the Mesos driver is a fake."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mrmesos.client.api_client import ApiProblem
from mrmesos.jobtracker.mesos.framework import FAILOVER_SECONDS
from mrmesos.jobtracker.storage.journal import FILE, Journal
from mrmesos.jobtracker.storage.journal_errors import JournalDamaged, JournalError, JournalLost
from mrmesos.wire.heartbeat import Announce, Heartbeat, HeartbeatAnswer
from mrmesos.wire.job import FileKind, JobFile, JobState
from mrmesos.wire.task import Attempt
from tests.jobtracker.fakes import FakeDriver, wait_until
from tests.jobtracker.test_service import Desk, done, first_of

ZK = "zk://h1,h2/mrmesos"


class Removed(FakeDriver):
    """Mesos no longer knows the framework."""

    def start(self) -> None:
        assert self.callbacks is not None
        self.callbacks.error("Framework has been removed")


class JournaledDesk(Desk):
    """Keeps the FrameworkInfos that its drivers were made with."""

    def __init__(
        self,
        directory: Path,
        *drivers: type[FakeDriver],
        election: str = "",
        accept: bool = False,
    ) -> None:
        self.infos: list[dict[str, Any]] = []
        self.kinds = list(drivers)
        state = str(directory / "state")
        conf = {"tasktracker.heartbeat.seconds": "0.05", "jobtracker.state.dir": state}
        super().__init__(conf, election, accept)

    def _make_driver(self, callbacks: Any, *more: Any) -> FakeDriver:
        self.infos.append(more[0])
        self.drivers.append((self.kinds.pop(0) if self.kinds else FakeDriver)(callbacks))
        return self.drivers[-1]

    @property
    def driver(self) -> FakeDriver:
        return self.drivers[-1]

    def say(self, tracker: str, attempts: dict[str, str], sequence: int, heard: int) -> Any:
        beat = Heartbeat(
            tracker_id=tracker,
            agent_id="agent-S0",
            hostname="host-0.example",
            url="http://127.0.0.1:1",
            sequence=sequence,
            acknowledged=heard,
            slots=list(attempts),
            attempts=attempts,
        )
        body = self.as_tracker(tracker, "POST", "/api/v1/heartbeat", msgspec.json.encode(beat))
        return msgspec.json.decode(body, type=HeartbeatAnswer)


@pytest.fixture
def desks(tmp_path: Path) -> Iterator[list[JournaledDesk]]:
    made: list[JournaledDesk] = []
    yield made
    for desk in made:
        desk.service.stop(teardown=False, timeout=0.5)


def start_a_job(desk: JournaledDesk, directory: Path) -> tuple[str, str, Attempt]:
    """A job whose only attempt runs. Returns the job, its TaskTracker, and the attempt."""
    job_id = desk.service.backend.submit(desk.spec(directory), "key").result(10)
    wait_until(lambda: desk.client.status(job_id).state is JobState.RUNNING, "planning")
    (task,) = desk.offer(1)
    attempt = first_of(task)
    tracker = task["executor"]["executor_id"]["value"]
    desk.beat(tracker, [attempt.slot_id])
    return job_id, tracker, attempt


def test_the_next_one_goes_on_with_what_runs(tmp_path: Path, desks: list[JournaledDesk]) -> None:
    desks.append(JournaledDesk(tmp_path))
    job_id, tracker, attempt = start_a_job(desks[0], tmp_path)
    token, url = desks[0].facts(job_id, tracker).token, desks[0].service.url
    assert "id" not in desks[0].infos[0]
    assert desks[0].infos[0]["failover_timeout"] == FAILOVER_SECONDS
    desks[0].service.stop(teardown=False)
    desks[0].service.remove_leftovers()
    assert (tmp_path / "out" / "_temporary").is_dir()

    desks.append(JournaledDesk(tmp_path))
    desk = desks[1]
    desk.keys = desks[0].keys  # the new service knows the old TaskTrackers
    assert desk.service.url == url
    assert desk.infos[0]["id"] == {"value": "framework-1"}
    assert desk.facts(job_id, tracker).token == token
    assert not desk.service.codes.damaged(desk.facts(job_id, tracker).spec.code)
    assert desk.service.backend.submit(desk.spec(tmp_path), "key").result(10) == job_id
    wait_until(lambda: bool(desk.driver.named("reconcile")), "reconciliation")
    assert attempt.slot_id in desk.driver.named("reconcile")[0][0]
    runs = {attempt.slot_id: attempt.attempt_id}
    answer = desk.say(tracker, runs, 50, 1)
    assert [numbered.action for numbered in answer.actions] == [Announce()]
    assert desk.say(tracker, runs, 51, answer.actions[-1].number).actions == []
    written = tmp_path / "out" / "_temporary" / attempt.attempt_id
    written.mkdir()
    (written / "part-m-00000").write_text("x\n")
    desk.sequence, desk.acknowledged = 52, answer.actions[-1].number
    desk.beat(tracker, [attempt.slot_id], [done(attempt)])
    assert desk.client.status(job_id, wait=20).state is JobState.SUCCEEDED
    assert [row.id for row in desk.client.report(job_id).attempts] == [attempt.attempt_id]
    desk.service.stop(teardown=False)

    desks.append(JournaledDesk(tmp_path))
    assert desks[2].client.status(job_id).state is JobState.SUCCEEDED
    assert desks[2].client.report(job_id).attempts[0].id == attempt.attempt_id
    desks[2].service.stop(teardown=False)
    with closing(sqlite3.connect(tmp_path / "state" / FILE)) as database:
        kinds = {kind for (kind,) in database.execute("SELECT kind FROM records WHERE job != ''")}
        assert kinds == {"ended"}


def test_files_of_jobs_are_there_after_a_restart(
    tmp_path: Path, desks: list[JournaledDesk]
) -> None:
    (tmp_path / "words").write_text("a the")
    sha256 = hashlib.sha256(b"a the").hexdigest()
    file = JobFile(name="words", sha256=sha256, size=5, kind=FileKind.FILE)
    desks.append(JournaledDesk(tmp_path))
    desks[0].client.upload_file(sha256, tmp_path / "words")
    spec = msgspec.structs.replace(desks[0].spec(tmp_path), files=(file,))
    job_id = desks[0].client.submit(spec)
    desks[0].service.stop(teardown=False)

    desks.append(JournaledDesk(tmp_path))
    assert desks[1].client.status(job_id).state is not JobState.FAILED
    assert desks[1].service.codes.path(sha256) == tmp_path / "state" / "code" / sha256
    desks[1].service.stop(teardown=False)
    (tmp_path / "state" / "code" / sha256).write_text("x the")
    desks.append(JournaledDesk(tmp_path))
    status = desks[2].client.status(job_id, wait=20)
    assert status.state is JobState.FAILED
    assert status.error is not None
    assert f"{sha256}, whose bytes are damaged" in status.error.message
    assert not (tmp_path / "out").exists(), "its output was cleaned"
    another = msgspec.structs.replace(spec, files=(), output=f"file://{tmp_path / 'out2'}")
    assert desks[2].client.status(desks[2].client.submit(another)).error is None


def test_a_journal_that_lost_commits_is_refused_until_that_is_accepted(
    tmp_path: Path, desks: list[JournaledDesk]
) -> None:
    desks.append(JournaledDesk(tmp_path))
    early = (tmp_path / "state" / f"{FILE}-wal").read_bytes()
    job_id, _, _ = start_a_job(desks[0], tmp_path)
    desks[0].service.stop(teardown=False)
    (tmp_path / "state" / FILE).unlink()
    (tmp_path / "state" / f"{FILE}-wal").write_bytes(early)
    with pytest.raises(JournalDamaged, match="--accept-journal-loss"):
        JournaledDesk(tmp_path)
    desks.append(JournaledDesk(tmp_path, accept=True))
    with pytest.raises(ApiProblem, match=job_id):
        desks[1].client.status(job_id)
    desks[1].service.stop(teardown=False)
    desks.append(JournaledDesk(tmp_path))
    assert list((tmp_path / "state").glob("*.lost-1"))


def test_a_framework_that_mesos_removed_meanwhile(
    tmp_path: Path, desks: list[JournaledDesk]
) -> None:
    desks.append(JournaledDesk(tmp_path))
    job_id, tracker, attempt = start_a_job(desks[0], tmp_path)
    desks[0].service.stop(teardown=False)
    desks.append(JournaledDesk(tmp_path, Removed))
    desk = desks[1]
    wait_until(lambda: len(desk.drivers) == 2, "another driver")
    assert ["id" in info for info in desk.infos] == [True, False]
    wait_until(lambda: bool(desk.driver.named("revive")), "the new framework")
    (task,) = desk.offer(1)
    again = first_of(task)
    assert again.attempt_id not in ("", attempt.attempt_id)
    assert task["executor"]["executor_id"]["value"] != tracker
    assert desk.say(tracker, {}, 50, 1).unknown
    assert desk.client.status(job_id).state is JobState.RUNNING


def test_nothing_is_answered_that_could_not_be_journaled(
    tmp_path: Path, desks: list[JournaledDesk], monkeypatch: pytest.MonkeyPatch
) -> None:
    desks.append(JournaledDesk(tmp_path))
    _, tracker, attempt = start_a_job(desks[0], tmp_path)
    monkeypatch.setattr("mrmesos.jobtracker.storage.journal_session.TRY_SECONDS", 0.0)

    def full(*_: object, **_more: object) -> None:
        raise JournalError("the disk is full")

    monkeypatch.setattr(Journal, "write", full)
    with pytest.raises(ApiProblem, match="the disk is full") as refusal:
        desks[0].beat(tracker, [attempt.slot_id], [done(attempt)])
    assert refusal.value.status == 503
    assert isinstance(desks[0].service.failure, JournalError)
    monkeypatch.undo()
    desks[0].service.stop(teardown=False)
    desks.append(JournaledDesk(tmp_path))
    runs = {attempt.slot_id: attempt.attempt_id}
    assert desks[1].say(tracker, runs, 50, 1).actions[0].action == Announce()


def test_one_service_to_a_journal(tmp_path: Path, desks: list[JournaledDesk]) -> None:
    desks.append(JournaledDesk(tmp_path))
    with pytest.raises(JournalError, match="another JobTracker"):
        JournaledDesk(tmp_path)


def test_a_deposed_leader_says_nothing_more(tmp_path: Path, desks: list[JournaledDesk]) -> None:
    """The old leader has not noticed that another one was elected and goes on with its jobs."""
    desks.append(JournaledDesk(tmp_path, election=ZK))
    first = desks[0]
    job_id, tracker, attempt = start_a_job(first, tmp_path)
    (task,) = first.driver.named("accept")[0][1][0]["launch"]["task_infos"]
    variables = task["executor"]["command"]["environment"]["variables"]
    told = {one["name"]: one["value"] for one in variables}
    assert told["MRMESOS_JOBTRACKER"] == ZK

    desks.append(JournaledDesk(tmp_path, election=ZK))
    second = desks[1]
    second.keys = first.keys
    assert second.service.url != first.service.url
    assert second.infos[0]["id"] == {"value": "framework-1"}
    calls = len(first.driver.calls)
    with pytest.raises(ApiProblem) as refusal:
        first.beat(tracker, [], [done(attempt)])
    assert refusal.value.status == 503
    assert isinstance(first.service.failure, JournalLost)
    assert len(first.driver.calls) == calls, "Mesos was told something"
    with pytest.raises(ApiProblem, match="taken it over"):
        first.client.statuses()

    assert second.client.status(job_id).state is JobState.RUNNING
    runs = {attempt.slot_id: attempt.attempt_id}
    answer = second.say(tracker, runs, 50, 1)
    assert [numbered.action for numbered in answer.actions] == [Announce()]
    assert second.say(tracker, runs, 51, answer.actions[-1].number).actions == []
