from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mrmesos.jobtracker.core.handlers.slots import SESSION_SECONDS, lease_seconds
from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.state import queries
from mrmesos.jobtracker.mesos.slot_updates import slot_updated
from mrmesos.wire.heartbeat import EndSlot
from mrmesos.wire.ids import AgentId, SlotId
from mrmesos.wire.queue import QueueRequest, QueueSpec, TaskSpec
from mrmesos.wire.task import ErrorKind
from tests.jobtracker.harness import Hands, launches, long, of, started


def test_a_slot_runs_one_attempt_after_another_then_ends() -> None:
    hands = Hands()
    job = hands.job(maps=3)
    (launch,) = launches(hands.offer("a"))
    assert started(hands.end(long(job, "m0"))) == ["m1"]
    assert started(hands.end(long(job, "m1"))) == ["m2"]
    (end,) = of(hands.end(long(job, "m2")), EndSlot)
    assert end.slot_id == launch.slot_id
    commands = hands.update(launch.slot_id, "TASK_FINISHED", uuid="u")
    assert of(commands, cmd.Acknowledge) == [cmd.Acknowledge(launch.slot_id, AgentId("a"), "u")]
    assert not hands.core.st.cluster.slots


def test_a_slot_serves_the_next_job() -> None:
    hands = Hands()
    first, _ = hands.job(maps=1), hands.job(maps=1)
    hands.offer("a")
    assert started(hands.end(long(first, "m0"))) == ["m0"]


def test_a_slot_waits_for_the_next_job_of_its_session() -> None:
    hands = Hands()
    first = hands.job(maps=1, session="s")
    (launch,) = launches(hands.offer("a"))
    assert of(hands.end(long(first, "m0")), EndSlot) == []
    hands.job(maps=1, session="s")
    assert started(hands.planned) == ["m0"], "without an offer"
    second = hands.core.st.cluster.slots[SlotId(launch.slot_id)].attempt
    assert second is not None
    assert of(hands.end(second.id), EndSlot) == []
    ends = of(hands.later(2 * SESSION_SECONDS + 0.5), EndSlot)
    assert [end.slot_id for end in ends] == [launch.slot_id]
    assert not hands.core.st.slots.held


def test_a_slot_that_waits_for_a_session_takes_any_job() -> None:
    hands = Hands()
    first = hands.job(maps=1, session="s")
    hands.offer("a")
    hands.end(long(first, "m0"))
    hands.job(maps=1)
    assert started(hands.planned) == ["m0"]


def test_a_waiting_slot_does_not_take_a_task_whose_deadline_ends_it_now() -> None:
    hands = Hands()
    queue, need = hands.core.next_queue_id(), {"cpus": 1000, "mem": 128_000}
    made = QueueSpec(name="q", user="me", conf={}, code="0" * 64)
    hands.do(ev.QueueSubmitted(queue, made, "token"))
    late = TaskSpec(key=1, name="t1", need=need, payload=b"pickle", deadline=20.0)
    hands.do(ev.QueueRequested(queue, QueueRequest(tasks=(late,))))
    (launch,) = launches(hands.offer("a"))
    hands.beat(launch.tracker_id)
    hands.later(10)
    hands.beat(launch.tracker_id, slots=())
    job = hands.job(maps=1, session="s")
    hands.offer("b")
    hands.later(9.75)
    hands.end(long(job, "m0"))
    assert hands.core.st.slots.held
    commands = hands.later(0.25)  # a's slot is lost, and the deadline has come
    assert started(commands) == []
    found = queries.queue_ends(hands.core.st, queue)
    assert found is not None
    assert [end.error and end.error.kind for end in found.ends] == [ErrorKind.TIMEOUT]


def test_a_slot_does_not_take_a_task_that_needs_more() -> None:
    hands = Hands()
    job = hands.job(maps=1, reduces=1, reduce_memory_mb="2048")
    hands.offer("a")
    commands = hands.end(long(job, "m0"))
    assert started(commands) == []
    assert len(of(commands, EndSlot)) == 1


def test_a_slot_goes_back_to_mesos_when_its_lease_is_over() -> None:
    hands = Hands({"slot.lease.seconds": "10"})
    job = hands.job(maps=3)
    (launch,) = launches(hands.offer("a"))
    lease = lease_seconds(launch.slot_id, 10.0)
    hands.now += lease - 0.1
    assert started(hands.end(long(job, "m0"))) == ["m1"]
    hands.now += 0.2
    commands = hands.end(long(job, "m1"))
    assert started(commands) == []
    assert len(of(commands, EndSlot)) == 1


@given(first=st.integers(1, 10**9), count=st.integers(2, 64))
def test_leases_of_slots_launched_together_end_one_after_another(first: int, count: int) -> None:
    leases = sorted(lease_seconds(SlotId(f"slot_x_{first + n}"), 60.0) for n in range(count))
    assert 30.0 <= leases[0] <= leases[-1] <= 60.0
    gaps = [after - before for before, after in pairwise(leases)]
    assert min(gaps) >= 30.0 / count / 3, "at most three times as close as if spread evenly"


def test_leases_that_are_over_at_once_end_one_at_a_time() -> None:
    hands = Hands({"slot.lease.seconds": "60"})
    job = hands.job(maps=12)
    slots = launches(hands.offer("a", cpus=4))
    assert len(slots) == 4
    hands.now += 61
    ended: list[str] = []
    for number in range(4):
        commands = hands.end(long(job, f"m{number}"))
        ended += [end.slot_id for end in of(commands, EndSlot)]
    assert ended == [slots[0].slot_id]
    hands.now += 1.4
    assert of(hands.end(long(job, "m4")), EndSlot) == []
    hands.now += 0.2
    assert len(of(hands.end(long(job, "m5")), EndSlot)) == 1


def test_an_unknown_slot_that_runs_is_killed_and_acknowledged() -> None:
    hands = Hands()
    commands = hands.do(slot_updated("slot_x", "a", "TASK_RUNNING", uuid="u"))
    assert commands == [
        cmd.KillSlot(SlotId("slot_x"), AgentId("a")),
        cmd.Acknowledge(SlotId("slot_x"), AgentId("a"), "u"),
    ]
    commands = hands.do(slot_updated("slot_x", "a", "TASK_KILLED", uuid="v"))
    assert commands == [cmd.Acknowledge(SlotId("slot_x"), AgentId("a"), "v")]
    assert hands.do(slot_updated("slot_x", "a", "TASK_LOST")) == []


def test_an_attempt_is_lost_with_its_slot_and_runs_again() -> None:
    hands = Hands()
    job = hands.job(maps=1, map_maxattempts="1")
    (launch,) = launches(hands.offer("a"))
    hands.beat(launch.tracker_id)
    hands.update(launch.slot_id, "TASK_LOST", "REASON_AGENT_REMOVED")
    status = hands.status(job)
    assert (status.maps.pending, status.maps.killed_attempts) == (1, 1)
    assert started(hands.offer("a")) == ["m0.1"], "no failure, so the agent is not avoided"
    report = queries.job_report(hands.core.st, job)
    assert report is not None
    assert report.attempts[0].error is not None
    assert "TASK_LOST: REASON_AGENT_REMOVED: words" in report.attempts[0].error.message


def test_a_launch_on_a_void_offer_is_nobodys_failure() -> None:
    hands = Hands()
    hands.job(maps=1)
    for number in range(15):
        (launch,) = launches(hands.offer("a"))
        assert launch.first.attempt_id.endswith(f"_{number}")
        hands.update(launch.slot_id, "TASK_LOST", "REASON_INVALID_OFFERS")
    assert started(hands.offer("a"))


def test_a_task_lost_again_and_again_fails_the_job() -> None:
    hands = Hands()
    job = hands.job(maps=1)
    for _ in range(21):
        (launch,) = launches(hands.offer("a"))
        hands.update(launch.slot_id, "TASK_LOST", "REASON_INVALID_OFFERS")
    status = hands.status(job)
    assert status.error is not None
    assert "lost 21 times" in status.error.message


def test_known_slots_are_reconciled_after_a_new_subscription() -> None:
    hands = Hands()
    hands.job(maps=1)
    (launch,) = launches(hands.offer("a"))
    hands.do(ev.Disconnected())
    asked = of(hands.do(ev.Registered("f")), cmd.Reconcile)
    assert asked == [cmd.Reconcile(((launch.slot_id, "a"),)), cmd.Reconcile(())]


def test_a_launch_without_an_echo_is_asked_about() -> None:
    hands = Hands()
    hands.job(maps=1)
    (launch,) = launches(hands.offer("a"))
    assert of(hands.later(29), cmd.Reconcile) == []
    assert of(hands.later(2), cmd.Reconcile) == [cmd.Reconcile(((launch.slot_id, "a"),))]


def test_a_kill_is_sent_again_until_mesos_says_that_it_ended() -> None:
    hands = Hands()
    job = hands.job(maps=1)
    (launch,) = launches(hands.offer("a"))
    hands.do(ev.KillAsked(job, "me"))
    assert len(of(hands.later(21), cmd.KillSlot)) == 2
    hands.update(launch.slot_id, "TASK_KILLED")
    assert of(hands.later(21), cmd.KillSlot) == []


def test_a_slot_that_its_tracker_no_longer_has_is_lost_after_a_while() -> None:
    hands = Hands()
    job = hands.job(maps=1)
    (launch,) = launches(hands.offer("a"))
    hands.beat(launch.tracker_id)
    hands.beat(launch.tracker_id, slots=[])
    assert of(hands.later(9), cmd.KillSlot) == []
    assert len(of(hands.later(2), cmd.KillSlot)) == 1
    assert hands.status(job).maps.killed_attempts == 1


def test_a_slot_that_lives_on_after_its_end_is_killed() -> None:
    hands = Hands()
    hands.job(maps=1)
    (launch,) = launches(hands.offer("a"))
    hands.beat(launch.tracker_id)
    hands.update(launch.slot_id, "TASK_UNREACHABLE")
    assert hands.beat(launch.tracker_id) == []
    hands.now += 10
    commands = hands.beat(launch.tracker_id)
    assert of(commands, cmd.KillSlot) == [cmd.KillSlot(launch.slot_id, AgentId("a"))]
    assert hands.beat(launch.tracker_id) == [], "not with every heartbeat"


def test_a_slot_that_its_tracker_no_longer_has_gets_no_attempt() -> None:
    hands = Hands()
    job = hands.job(maps=3)
    first, _ = launches(hands.offer("a", cpus=2))
    hands.beat(first.tracker_id)
    report = hands.report(long(job, "m0"))
    left = [slot for slot in hands.slots[first.tracker_id] if slot != first.slot_id]
    hands.beat(first.tracker_id, slots=left)
    assert started(hands.beat(first.tracker_id, [report], slots=left)) == []
    assert hands.status(job).maps.succeeded == 1


def test_a_tracker_that_does_not_end_a_slot_loses_it() -> None:
    hands = Hands()
    job = hands.job(maps=1)
    (launch,) = launches(hands.offer("a"))
    assert len(of(hands.end(long(job, "m0")), EndSlot)) == 1
    assert of(hands.later(29), cmd.KillSlot) == []
    assert [kill.slot_id for kill in of(hands.later(2), cmd.KillSlot)] == [launch.slot_id]
