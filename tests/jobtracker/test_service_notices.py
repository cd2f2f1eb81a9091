"""The running service and `job.end-notification.url`: what a kill must not lose."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mrmesos.jobtracker.storage.journal import FILE
from mrmesos.wire.job import JobState
from tests.jobtracker.fakes import wait_until
from tests.jobtracker.http.test_end_notification import URL, Ear
from tests.jobtracker.test_service import Desk


@pytest.fixture
def ear() -> Iterator[Ear]:
    ear = Ear()
    yield ear
    ear.free.set()
    ear.server.shutdown()
    ear.server.server_close()


def notices(state: Path) -> list[str]:
    """The jobs whose end has yet to be told, as the journal has them."""
    with closing(sqlite3.connect(state / FILE)) as database:
        return [
            name for (name,) in database.execute("SELECT name FROM records WHERE kind='notice'")
        ]


def test_a_kill_before_the_answer_loses_no_notification(tmp_path: Path, ear: Ear) -> None:
    state, killed = tmp_path / "state", tmp_path / "killed"
    ear.free.clear()
    desk = Desk({"jobtracker.state.dir": str(state)})
    try:
        job_id = desk.client.submit(desk.spec(tmp_path, **{URL: ear.url}))
        desk.client.kill(job_id, "a test")
        assert desk.client.status(job_id, wait=20).state is JobState.KILLED
        wait_until(lambda: len(ear.heard) == 1, "the request")
        shutil.copytree(state, killed)  # what a kill would leave behind now
        assert notices(killed) == [job_id]
        ear.free.set()
    finally:
        desk.service.stop(teardown=False, timeout=20.0)
    assert notices(state) == [], "the receiver has answered"

    again = Desk({"jobtracker.state.dir": str(killed)})
    try:
        wait_until(lambda: len(ear.heard) == 2, "the request of the next JobTracker")
    finally:
        again.service.stop(teardown=False, timeout=20.0)
    assert ear.heard == [f"/ended?id={job_id}&how=KILLED"] * 2
    assert notices(killed) == []
    third = Desk({"jobtracker.state.dir": str(killed)})
    third.service.stop(teardown=False, timeout=20.0)
    assert len(ear.heard) == 2, "it was told before"


def test_a_stop_leaves_to_the_next_start_what_it_could_not_tell(tmp_path: Path, ear: Ear) -> None:
    conf = {"jobtracker.state.dir": str(tmp_path / "state")}
    often = {"retry.attempts": "9", "max.attempts": "9", "retry.interval": "5000"}
    asked = {URL: ear.url, **{f"job.end-notification.{name}": often[name] for name in often}}
    ear.answers = [503]
    desk = Desk(conf)
    try:
        job_id = desk.client.submit(desk.spec(tmp_path, **asked))
        desk.client.kill(job_id, "a test")
        wait_until(lambda: len(ear.heard) == 1, "the first request")
    finally:
        desk.service.stop(teardown=False, timeout=0.5)
    assert notices(tmp_path / "state") == [job_id]
    again = Desk(conf)
    again.service.stop(teardown=False, timeout=20.0)
    assert len(ear.heard) == 2
    assert notices(tmp_path / "state") == []


def test_what_cannot_be_told_does_not_stay_in_the_journal(tmp_path: Path) -> None:
    conf = {
        "jobtracker.state.dir": str(tmp_path / "state"),
        "jobtracker.end-notification.hosts": "example.org",
    }
    desk = Desk(conf)
    try:
        job_id = desk.client.submit(desk.spec(tmp_path, **{URL: "http://127.0.0.1:9/"}))
        desk.client.kill(job_id, "a test")
        assert desk.client.status(job_id, wait=20).state is JobState.KILLED
    finally:
        desk.service.stop(teardown=False, timeout=20.0)
    assert notices(tmp_path / "state") == []


def test_an_end_without_a_url_writes_no_notice(tmp_path: Path) -> None:
    desk = Desk({"jobtracker.state.dir": str(tmp_path / "state")})
    try:
        job_id = desk.client.submit(desk.spec(tmp_path))
        desk.client.kill(job_id, "a test")
        assert desk.client.status(job_id, wait=20).state is JobState.KILLED
    finally:
        desk.service.stop(teardown=False, timeout=20.0)
    assert notices(tmp_path / "state") == []
    assert desk.service._aftermath.notifier.told() == ()
