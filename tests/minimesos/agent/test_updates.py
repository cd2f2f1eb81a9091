"""Status updates of an agent: their order, repetition and acknowledgement."""

from __future__ import annotations

import pytest

from mrmesos.minimesos.agent.updates import MAX_PENDING, UpdateManager
from tests.minimesos.fakes import FakeClock, status

Sent = tuple[str, str]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sent() -> list[Sent]:
    return []


@pytest.fixture
def manager(clock: FakeClock, sent: list[Sent]) -> UpdateManager:
    return UpdateManager(clock, lambda f, s, latest: sent.append((s["state"], latest)))


def test_one_at_a_time_in_order_with_the_newest_state(
    manager: UpdateManager, sent: list[Sent]
) -> None:
    for number, state in enumerate(["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]):
        assert manager.add("f", status("t", state, str(number)))
    assert sent == [("TASK_STARTING", "TASK_STARTING")]
    manager.acknowledge("f", "t", "1")  # not the update that was sent
    assert len(sent) == 1
    for number in range(3):
        manager.acknowledge("f", "t", str(number))
    assert sent[1:] == [("TASK_RUNNING", "TASK_FINISHED"), ("TASK_FINISHED",) * 2]


def test_repeated_after_10_seconds_then_twice_as_long(
    manager: UpdateManager, sent: list[Sent], clock: FakeClock
) -> None:
    manager.add("f", status("t", "TASK_RUNNING"))
    times: list[float] = []
    for _ in range(100):
        clock.advance(1)
        times += [clock.time - 1000] * (len(sent) - 1 - len(times))
    assert times == [10, 30, 70]
    manager.acknowledge("f", "t", "u1")
    clock.advance(10_000)
    assert len(sent) == 4


def test_same_update_twice_is_one(manager: UpdateManager, sent: list[Sent]) -> None:
    for _ in range(2):
        manager.add("f", status("t", "TASK_RUNNING"))
    manager.acknowledge("f", "t", "u1")
    manager.add("f", status("t", "TASK_RUNNING"))
    assert len(sent) == 1


def test_new_scheduler_does_not_wait(manager: UpdateManager, sent: list[Sent]) -> None:
    manager.add("f", status("t", "TASK_RUNNING"))
    manager.resume("f")
    manager.resume("g")
    assert len(sent) == 2


def test_too_many_are_refused(manager: UpdateManager) -> None:
    for number in range(MAX_PENDING):
        assert manager.add("f", status("t", "TASK_RUNNING", str(number)))
    assert not manager.add("f", status("t", "TASK_RUNNING", "more"))
