"""How a JobTracker ends: it tells TaskTrackers by heartbeat, and waits for a master."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from mrmesos.conf import Conf
from mrmesos.jobtracker.core.messages.events import Event, FrameworkRemoved
from mrmesos.jobtracker.mesos.framework import FrameworkCallbacks
from mrmesos.jobtracker.mesos.link import MesosLink, make_mesos_driver
from mrmesos.jobtracker.mesos.task_info import TrackerCommand
from mrmesos.mesos.errors import MesosError, MesosUnreachable
from mrmesos.wire.heartbeat import HeartbeatAnswer, Leave
from mrmesos.wire.job import JobState
from tests.jobtracker.fakes import DEADLINE, FakeDriver, wait_until
from tests.jobtracker.test_service import Desk, done, first_of


def test_task_trackers_hear_by_heartbeat_that_the_jobtracker_ends(tmp_path: Path) -> None:
    desk = Desk({})
    job_id = desk.client.submit(desk.spec(tmp_path))
    wait_until(lambda: desk.client.status(job_id).state is JobState.RUNNING, "planning")
    (task,) = desk.offer(1)
    tracker, slot = task["executor"]["executor_id"]["value"], task["task_id"]["value"]
    attempt = first_of(task)
    written = tmp_path / "out" / "_temporary" / attempt.attempt_id
    written.mkdir()
    (written / "part-m-00000").write_text("x\n")
    desk.beat(tracker, [slot], [done(attempt)])
    assert desk.client.status(job_id, wait=20).state is JobState.SUCCEEDED
    answers: list[HeartbeatAnswer] = []
    heard = threading.Event()

    def beat_until_told_to_leave() -> None:
        while not heard.is_set():
            answers.append(desk.beat(tracker, [slot]))
            if any(isinstance(one.action, Leave) for one in answers[-1].actions):
                heard.set()

    beating = threading.Thread(target=beat_until_told_to_leave)
    beating.start()
    desk.service.stop()
    beating.join(10)
    assert heard.is_set()
    assert not desk.service.left_behind


SILENCE: dict[str, bool | MesosError] = {
    "no subscription": False,
    "no answer": MesosUnreachable("frozen"),
}


@pytest.mark.parametrize("silence", SILENCE)
def test_a_master_that_takes_the_end_is_waited_for(
    silence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk({})
    wait_until(lambda: bool(desk.driver.named("suppress")), "a registration")
    desk.driver.answers["suppress"] = [SILENCE[silence]] * 3
    told: list[str] = []
    monkeypatch.setattr("mrmesos.jobtracker.mesos.link.TELL_SECONDS", 0.0)
    assert desk.service.stop(master_wait=30.0, tell=told.append)
    assert len(desk.driver.named("suppress")) >= 4
    assert desk.driver.stopped is False
    assert desk.service.left_behind == ""
    assert ["waiting for one" in words for words in told] == [True], "said once"


@pytest.mark.parametrize("silence", SILENCE)
def test_the_user_learns_what_no_master_was_told(silence: str) -> None:
    desk = Desk({})
    wait_until(lambda: bool(desk.driver.named("suppress")), "a registration")
    desk.driver.answers["suppress"] = [SILENCE[silence]] * 1000
    desk.driver.hears_teardown = False
    desk.service.stop(master_wait=0.3, tell=lambda _: None)
    assert "framework framework-1" in desk.service.left_behind
    assert "after 10 s" in desk.service.left_behind
    assert "/master/teardown" in desk.service.left_behind


def test_left_behind_is_known_before_the_stop_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has to end within seconds cannot always wait for it."""
    desk = Desk({})
    wait_until(lambda: bool(desk.driver.named("suppress")), "a registration")
    stops, ended = threading.Event(), threading.Event()

    def join(timeout: float | None = None) -> bool:
        stops.set()
        return ended.wait(DEADLINE)

    monkeypatch.setattr(desk.driver, "join", join)
    desk.driver.hears_teardown = False
    stopping = threading.Thread(target=desk.service.stop)
    stopping.start()
    try:
        assert stops.wait(DEADLINE)
        assert "framework framework-1" in desk.service.left_behind
    finally:
        ended.set()
        stopping.join(DEADLINE)
    assert "framework framework-1" in desk.service.left_behind


class Linked:
    """A link over fake drivers."""

    def __init__(self, **conf: str) -> None:
        self.drivers: list[FakeDriver] = []
        self.events: list[Event] = []
        self.failures: list[str | BaseException] = []

        def make(callbacks: Any, *_more: Any) -> FakeDriver:
            self.drivers.append(FakeDriver(callbacks))
            return self.drivers[-1]

        self.link = MesosLink(
            Conf({name.replace("_", "."): value for name, value in conf.items()}),
            "127.0.0.1:5050",
            make,
            url="http://127.0.0.1:1",
            command=TrackerCommand("exec true", {}),
            framework_id="",
            journal=False,
            post=self.events.append,
            fail=self.failures.append,
        )
        self.link.start()

    @property
    def callbacks(self) -> Any:
        return self.drivers[0].callbacks


def test_jobs_go_on_in_a_new_framework_where_the_old_one_outlived_its_timeout() -> None:
    linked = Linked(mesos_failover_timeout="0.001")
    linked.callbacks.disconnected()
    threading.Event().wait(0.01)
    linked.callbacks.error("Framework has been removed")
    wait_until(lambda: len(linked.drivers) == 2 and linked.drivers[1].started.is_set(), "a driver")
    assert FrameworkRemoved() in linked.events
    assert linked.failures == []
    linked.link.stop(teardown=True, deadline=0.0)


def test_a_framework_that_an_operator_removes_is_not_begun_anew() -> None:
    linked = Linked()
    linked.callbacks.error("Framework has been removed")
    linked.callbacks.disconnected()
    linked.callbacks.error("Framework has been removed")
    assert len(linked.failures) == 2
    assert len(linked.drivers) == 1
    linked.link.stop(teardown=True, deadline=0.0)


@pytest.mark.parametrize(("timeout", "longest"), [(10.0, 2.5), (0.0, 0.25), (86_400.0, 15.0)])
def test_a_subscription_is_tried_again_often_enough_for_the_failover_timeout(
    timeout: float, longest: float
) -> None:
    callbacks = FrameworkCallbacks(lambda _: None, lambda _: None)
    info = {"user": "u", "name": "n", "failover_timeout": timeout}
    driver = make_mesos_driver(callbacks, info, Conf({}), "127.0.0.1:1")
    assert driver._backoff_pauses.longest == longest  # type: ignore[attr-defined]
