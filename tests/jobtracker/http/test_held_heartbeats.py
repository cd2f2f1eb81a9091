"""Which heartbeats are held, for how long, and what answers them."""

from __future__ import annotations

import asyncio

import pytest

from mrmesos.jobtracker.http.held_heartbeats import (
    ACTIONS_MANY,
    HEARTBEATS_PER_SECOND,
    HeldHeartbeats,
)
from mrmesos.wire.heartbeat import Heartbeat
from mrmesos.wire.task import AttemptReport, AttemptState

LONG = 60.0


def beat(sequence: int, tracker_id: str = "t1", *, ended: bool = False) -> Heartbeat:
    report = AttemptReport(
        attempt_id="attempt_202611201130_0001_m_000003_0",
        slot_id="s",
        state=AttemptState.SUCCEEDED,
        started=1.0,
        ended=2.0,
    )
    return Heartbeat(
        tracker_id=tracker_id,
        agent_id="a",
        hostname="h",
        url="http://x",
        sequence=sequence,
        acknowledged=0,
        slots=[],
        reports=[report] * ended,
    )


def test_one_heartbeat_of_a_tasktracker_is_held() -> None:
    async def scenario() -> None:
        heartbeats = HeldHeartbeats(LONG, 2 * LONG)
        first = heartbeats.register(beat(1))
        third = heartbeats.register(beat(3))
        assert first is not None
        assert third is not None
        assert await heartbeats.wait(first) is False
        assert heartbeats.register(beat(2)) is None
        assert heartbeats.register(beat(4, ended=True)) is None
        waiting = asyncio.create_task(heartbeats.wait(third))
        heartbeats.answered_beside("t1", ACTIONS_MANY - 1)
        await asyncio.sleep(0)
        assert not waiting.done()
        heartbeats.wake("t1")
        assert await waiting is True
        heartbeats.drop("t1", first)
        assert len(heartbeats) == 1
        heartbeats.drop("t1", third)
        assert not heartbeats
        assert heartbeats.register(beat(5, ended=True)) is not None

    asyncio.run(scenario())


def test_a_wake_up_between_registration_and_wait_counts() -> None:
    async def scenario() -> None:
        heartbeats = HeldHeartbeats(LONG, 2 * LONG)
        held = heartbeats.register(beat(1))
        assert held is not None
        heartbeats.wake("t1")
        assert await heartbeats.wait(held) is True

    asyncio.run(scenario())


def test_after_many_actions_the_held_one_is_answered_so_that_more_can_follow() -> None:
    async def scenario() -> None:
        heartbeats = HeldHeartbeats(LONG, 2 * LONG)
        held = heartbeats.register(beat(1))
        assert held is not None
        heartbeats.answered_beside("t1", ACTIONS_MANY)
        assert await heartbeats.wait(held) is False

    asyncio.run(scenario())


def test_all_are_answered_at_the_end_and_none_is_held_after_it() -> None:
    async def scenario() -> None:
        heartbeats = HeldHeartbeats(LONG, 2 * LONG)
        held = [heartbeats.register(beat(1, f"t{number}")) for number in range(3)]
        heartbeats.release_all()
        assert all([await heartbeats.wait(each) is not None for each in held if each is not None])
        late = heartbeats.register(beat(1, "t9"))
        assert late is not None
        assert await heartbeats.wait(late) is False

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("trackers", "seconds", "silence", "held"),
    [
        (10, 1.0, 10.0, 1.0),
        (3 * HEARTBEATS_PER_SECOND, 1.0, 10.0, 3.0),
        (50 * HEARTBEATS_PER_SECOND, 1.0, 60.0, 5.0),
        (3 * HEARTBEATS_PER_SECOND, 1.0, 4.0, 2.0),
        (3 * HEARTBEATS_PER_SECOND, 8.0, 10.0, 8.0),
    ],
)
def test_a_large_cluster_holds_heartbeats_longer(
    trackers: int, seconds: float, silence: float, held: float
) -> None:
    async def scenario() -> None:
        heartbeats = HeldHeartbeats(seconds, silence)
        for number in range(trackers):
            heartbeats.register(beat(1, f"t{number}"))
        assert heartbeats.seconds == held

    asyncio.run(scenario())
