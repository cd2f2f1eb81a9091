"""TaskTrackers that are started before they are needed."""

from __future__ import annotations

import base64

import msgspec

from mrmesos.conf import Conf
from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.mesos.task_info import task_info, tracker_command
from mrmesos.wire import heartbeat as hb
from mrmesos.wire.ids import TrackerId
from mrmesos.wire.task import SlotData
from tests.jobtracker.harness import Hands, launches, of, started


def warm_launches(commands: list[cmd.Command]) -> list[cmd.WarmTrackerLaunch]:
    """The warm TaskTrackers that were started."""
    accepts = of(commands, cmd.AcceptOffers)
    return [accept.warm_tracker for accept in accepts if accept.warm_tracker is not None]


def hands_with(minimum: int, **conf: str) -> Hands:
    return Hands({"trackers.minimum": str(minimum), **conf})


def up(hands: Hands, warm: cmd.WarmTrackerLaunch) -> list[cmd.Command]:
    """The executor of a warm TaskTracker starts, and its slot ends."""
    hands.agent_of[warm.tracker_id] = warm.agent_id
    hands.slots[warm.tracker_id] = [warm.slot_id]
    commands = hands.update(warm.slot_id, "TASK_RUNNING")
    commands += hands.beat(warm.tracker_id)
    if not of(commands, hb.RunAttempt):
        hands.update(warm.slot_id, "TASK_FINISHED")
    return commands


def test_so_many_come_up_without_work_and_stay() -> None:
    hands = hands_with(2)
    assert not hands.core.st.offers.suppressed, "offers are wanted"
    commands = hands.offer("a", "b", "c")
    found = warm_launches(commands)
    assert [warm.agent_id for warm in found] == ["a", "b"]
    assert hands.core.st.offers.suppressed, "and wanted no more"
    for warm in found:
        cpus = [r["scalar"]["value"] for r in warm.resources if r["name"] == "cpus"]
        assert cpus == [0.01]
        task = task_info(warm, tracker_command(Conf(), "http://h:1"))
        assert msgspec.json.decode(base64.b64decode(task["data"]), type=SlotData).first is None
        ended = of(up(hands, warm), hb.EndSlot)
        assert [action.slot_id for action in ended] == [warm.slot_id]
    for _ in range(60):
        hands.later(1)
        for warm in found:
            hands.beat(warm.tracker_id)
    assert set(hands.core.st.cluster.trackers) == {warm.tracker_id for warm in found}
    assert not hands.core.st.cluster.slots


def test_a_job_finds_them_up() -> None:
    hands = hands_with(1)
    (warm,) = warm_launches(hands.offer("a"))
    up(hands, warm)
    hands.job(maps=1)
    (launch,) = launches(hands.offer("a"))
    assert launch.tracker_id == warm.tracker_id


def test_a_warm_tracker_that_comes_up_when_work_waits_runs_nothing_too_large() -> None:
    hands = hands_with(1)
    (warm,) = warm_launches(hands.offer("a"))
    hands.job(maps=1)
    assert not started(up(hands, warm))


def test_one_that_is_lost_is_replaced() -> None:
    hands = hands_with(1)
    (warm,) = warm_launches(hands.offer("a", "b"))
    up(hands, warm)
    hands.now += 10
    commands = hands.do(ev.TrackerLost(warm.tracker_id, "a", 9))
    assert of(commands, cmd.Revive)
    assert warm_launches(hands.offer("b"))


def test_those_beyond_the_minimum_leave() -> None:
    hands = hands_with(1, **{"tasktracker.idle.seconds": "2"})
    hands.job(maps=2)
    for launch in launches(hands.offer("a", "b")):
        hands.beat(launch.tracker_id)
        commands = hands.end(launch.first.attempt_id)
        for action in of(commands, hb.EndSlot):
            hands.update(action.slot_id, "TASK_FINISHED")
    left = of(hands.later(10), hb.Leave)
    assert len(left) == 1


def test_no_more_than_there_are_agents_nor_than_the_cap() -> None:
    hands = hands_with(5)
    assert len(warm_launches(hands.offer("a", "b"))) == 2
    assert hands.core.st.offers.suppressed, "each on an agent of its own"
    capped = hands_with(5, **{"mesos.cpus.max": "0.07"})
    assert len(warm_launches(capped.offer("a", "b", "c"))) == 2


def test_none_where_there_is_no_room() -> None:
    hands = hands_with(1)
    commands = hands.offer("a", mem=64.0)
    assert not warm_launches(commands)
    (declined,) = of(commands, cmd.DeclineOffers)
    assert declined.refuse_seconds == 5.0


def test_a_healthy_one_does_not_leave_in_the_place_of_a_silent_one() -> None:
    brief = {"tasktracker.idle.seconds": "2", "tasktracker.silence.seconds": "4"}
    hands = hands_with(2, **brief)
    healthy, silent = warm_launches(hands.offer("a", "b"))
    up(hands, healthy)
    told: list[cmd.Command] = []
    for _ in range(20):
        told += hands.beat(healthy.tracker_id)
        told += hands.later(1)
    assert hands.core.st.cluster.trackers[TrackerId(silent.tracker_id)].silent
    assert not of(told, hb.Leave)
