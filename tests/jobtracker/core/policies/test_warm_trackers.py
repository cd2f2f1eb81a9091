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


def spares(commands: list[cmd.Command]) -> list[cmd.SpareLaunch]:
    """The spares that were started."""
    accepts = of(commands, cmd.AcceptOffers)
    return [accept.spare for accept in accepts if accept.spare is not None]


def hands_with(minimum: int, **conf: str) -> Hands:
    return Hands({"trackers.minimum": str(minimum), **conf})


def up(hands: Hands, spare: cmd.SpareLaunch) -> list[cmd.Command]:
    """The spare's executor starts, and its slot ends."""
    hands.agent_of[spare.tracker_id] = spare.agent_id
    hands.slots[spare.tracker_id] = [spare.slot_id]
    commands = hands.update(spare.slot_id, "TASK_RUNNING")
    commands += hands.beat(spare.tracker_id)
    if not of(commands, hb.RunAttempt):
        hands.update(spare.slot_id, "TASK_FINISHED")
    return commands


def test_so_many_come_up_without_work_and_stay() -> None:
    hands = hands_with(2)
    assert not hands.core.st.offers.suppressed, "offers are wanted"
    commands = hands.offer("a", "b", "c")
    found = spares(commands)
    assert [spare.agent_id for spare in found] == ["a", "b"]
    assert hands.core.st.offers.suppressed, "and wanted no more"
    for spare in found:
        cpus = [r["scalar"]["value"] for r in spare.resources if r["name"] == "cpus"]
        assert cpus == [0.01]
        task = task_info(spare, tracker_command(Conf(), "http://h:1"))
        assert msgspec.json.decode(base64.b64decode(task["data"]), type=SlotData).first is None
        ended = of(up(hands, spare), hb.EndSlot)
        assert [action.slot_id for action in ended] == [spare.slot_id]
    for _ in range(60):
        hands.later(1)
        for spare in found:
            hands.beat(spare.tracker_id)
    assert set(hands.core.st.cluster.trackers) == {spare.tracker_id for spare in found}
    assert not hands.core.st.cluster.slots


def test_a_job_finds_them_up() -> None:
    hands = hands_with(1)
    (spare,) = spares(hands.offer("a"))
    up(hands, spare)
    hands.job(maps=1)
    (launch,) = launches(hands.offer("a"))
    assert launch.tracker_id == spare.tracker_id


def test_a_spare_that_comes_up_when_work_waits_runs_nothing_too_large() -> None:
    hands = hands_with(1)
    (spare,) = spares(hands.offer("a"))
    hands.job(maps=1)
    assert not started(up(hands, spare))


def test_one_that_is_lost_is_replaced() -> None:
    hands = hands_with(1)
    (spare,) = spares(hands.offer("a", "b"))
    up(hands, spare)
    hands.now += 10
    commands = hands.do(ev.TrackerLost(spare.tracker_id, "a", 9))
    assert of(commands, cmd.Revive)
    assert spares(hands.offer("b"))


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
    assert len(spares(hands.offer("a", "b"))) == 2
    assert hands.core.st.offers.suppressed, "each on an agent of its own"
    capped = hands_with(5, **{"mesos.cpus.max": "0.07"})
    assert len(spares(capped.offer("a", "b", "c"))) == 2


def test_none_where_there_is_no_room() -> None:
    hands = hands_with(1)
    commands = hands.offer("a", mem=64.0)
    assert not spares(commands)
    (declined,) = of(commands, cmd.DeclineOffers)
    assert declined.refuse_seconds == 5.0


def test_a_healthy_one_does_not_leave_in_the_place_of_a_silent_one() -> None:
    brief = {"tasktracker.idle.seconds": "2", "tasktracker.silence.seconds": "4"}
    hands = hands_with(2, **brief)
    healthy, silent = spares(hands.offer("a", "b"))
    up(hands, healthy)
    told: list[cmd.Command] = []
    for _ in range(20):
        told += hands.beat(healthy.tracker_id)
        told += hands.later(1)
    assert hands.core.st.cluster.trackers[TrackerId(silent.tracker_id)].silent
    assert not of(told, hb.Leave)
