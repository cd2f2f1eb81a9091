"""We ask Mesos for the state of slots until it has sent an update of each (as its document "Task
Reconciliation" says).
"""

from __future__ import annotations

from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.policies.reconciliation import EVERY_SECONDS, LONGEST_PAUSE_SECONDS
from tests.jobtracker.harness import Hands, launches, of

IMPLICIT = cmd.Reconcile(())


def with_two_slots() -> tuple[Hands, list[cmd.SlotLaunch]]:
    hands = Hands()
    hands.job(maps=4)
    found = launches(hands.offer("a", "b"))
    for launch in found:
        hands.update(launch.slot_id, "TASK_RUNNING")
        hands.beat(launch.tracker_id)
    hands.now += 1
    return hands, found


def keep_alive(hands: Hands, found: list[cmd.SlotLaunch], seconds: int) -> list[cmd.Command]:
    commands = []
    for _ in range(seconds):
        commands += hands.later(1)
        for launch in found:
            hands.beat(launch.tracker_id)
    return commands


def test_after_a_subscription_slots_without_news_are_asked_for_again() -> None:
    hands, (one, two) = with_two_slots()
    all_of_them = cmd.Reconcile(((one.slot_id, "a"), (two.slot_id, "b")))
    assert of(hands.do(ev.Registered("f")), cmd.Reconcile) == [all_of_them, IMPLICIT]
    hands.update(one.slot_id, "TASK_RUNNING", "REASON_RECONCILIATION")
    again = of(keep_alive(hands, [one, two], 600), cmd.Reconcile)
    assert set(again) == {cmd.Reconcile(((two.slot_id, "b"),))}
    most = 600 / LONGEST_PAUSE_SECONDS + 6
    assert 9 <= len(again) <= most, "pauses grow, to a minute"
    hands.update(two.slot_id, "TASK_RUNNING", "REASON_RECONCILIATION")
    assert of(keep_alive(hands, [one, two], 120), cmd.Reconcile) == []


def test_now_and_then_everything_is_asked_for() -> None:
    hands, found = with_two_slots()
    hands.do(ev.Registered("f"))
    for launch in found:
        hands.update(launch.slot_id, "TASK_RUNNING")
    asked = of(keep_alive(hands, found, int(EVERY_SECONDS) + 10), cmd.Reconcile)
    assert len(asked[0].slots) == 2
    assert asked[1] == IMPLICIT


def test_without_a_subscription_nobody_is_asked() -> None:
    hands, found = with_two_slots()
    hands.do(ev.Registered("f"))
    hands.do(ev.Disconnected())
    assert of(keep_alive(hands, found, 100), cmd.Reconcile) == []


def test_slots_launched_since_need_not_be_asked_for() -> None:
    hands, found = with_two_slots()
    hands.do(ev.Registered("f"))
    for launch in found:
        hands.update(launch.slot_id, "TASK_RUNNING")
    (new,) = launches(hands.offer("c"))
    assert of(hands.later(20), cmd.Reconcile) == []
    assert new.slot_id in hands.core.st.cluster.slots
