"""A lease ends, and a reduce makes room, only while a master can offer the freed resources."""

from __future__ import annotations

from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.mesos.slot_updates import slot_updated
from mrmesos.wire.heartbeat import EndSlot, KillAttempt
from tests.jobtracker.harness import Hands, launches, long, of, started

LEASE = 10.0


class Leased(Hands):
    """Hands with a short lease."""

    def __init__(self) -> None:
        super().__init__({"slot.lease.seconds": str(LEASE)})


def begin(hands: Hands, maps: int = 5) -> tuple[str, str]:
    """A job and its slot. The first attempt runs."""
    job = hands.job(maps=maps)
    (launch,) = launches(hands.offer("a"))
    hands.update(launch.slot_id, "TASK_RUNNING")
    return job, launch.slot_id


def test_a_lease_ends_where_the_master_is_there() -> None:
    hands = Leased()
    job, slot = begin(hands)
    hands.now += LEASE
    assert [end.slot_id for end in of(hands.end(long(job, "m0")), EndSlot)] == [slot]


def test_no_lease_ends_while_the_master_is_away() -> None:
    hands = Leased()
    job, _ = begin(hands)
    hands.do(ev.Disconnected())
    for index in range(4):
        hands.now += LEASE
        assert started(hands.end(long(job, f"m{index}"))) == [f"m{index + 1}"]


def test_no_lease_ends_while_the_master_is_silent_though_nobody_said_that_it_is_gone() -> None:
    hands = Leased()
    job, _ = begin(hands)
    hands.master_speaks = False
    hands.now += 60
    assert started(hands.end(long(job, "m0"))) == ["m1"]
    hands.do(ev.MasterHeard())
    assert len(of(hands.end(long(job, "m1")), EndSlot)) == 1


def test_a_launch_that_no_master_took_is_no_word_of_a_master() -> None:
    hands = Leased()
    job, slot = begin(hands)
    hands.master_speaks = False
    hands.now += 60
    hands.do(slot_updated("slot_x", "b", "TASK_DROPPED", "REASON_MASTER_DISCONNECTED"))
    assert started(hands.end(long(job, "m0"))) == ["m1"]
    assert slot in hands.core.st.cluster.slots


def test_after_a_masters_restart_a_lease_ends_once_it_knows_the_slot_and_offers_flow() -> None:
    """A new master knows no slot until the agent is back. Until then it cannot offer the slot's
    resources.
    """
    hands = Leased()
    job, slot = begin(hands, maps=8)
    hands.now += LEASE
    hands.do(ev.Disconnected())
    hands.do(ev.Registered("framework"))
    hands.offer("b", cpus=0.1)
    assert started(hands.end(long(job, "m0"))) == ["m1"], "the agent is not back"
    hands.update(slot, "TASK_RUNNING", "REASON_RECONCILIATION")
    assert len(of(hands.end(long(job, "m1")), EndSlot)) == 1


def test_after_a_masters_restart_offers_are_waited_for_but_not_for_ever() -> None:
    hands = Leased()
    job, slot = begin(hands, maps=8)
    hands.now += LEASE
    hands.do(ev.Disconnected())
    hands.do(ev.Registered("framework"))
    hands.update(slot, "TASK_RUNNING", "REASON_RECONCILIATION")
    hands.later(20)
    assert started(hands.end(long(job, "m0"))) == ["m1"], "nothing was offered yet"
    hands.later(20)
    assert len(of(hands.end(long(job, "m1")), EndSlot)) == 1, "all may be taken"


def test_while_a_slot_given_back_is_not_taken_no_other_is_given_back() -> None:
    """A master can vanish without a message. We notice after 20 s, or earlier, because it does not
    confirm the end of a slot.
    """
    hands = Leased()
    job = hands.job(maps=8)
    one, two, three = launches(hands.offer("a", cpus=3.0))
    hands.now += LEASE
    assert len(of(hands.end(long(job, "m0")), EndSlot)) == 1
    hands.now += 4
    assert started(hands.end(long(job, "m1"))) == ["m3"]
    hands.update(one.slot_id, "TASK_FINISHED")
    assert len(of(hands.end(long(job, "m3")), EndSlot)) == 1
    hands.later(40)
    assert len(of(hands.end(long(job, "m2")), EndSlot)) == 1, "it is tried again in time"
    assert {two.slot_id, three.slot_id} <= hands.core.st.cluster.slots.keys()


def waiting_reduces(hands: Hands, **conf: str) -> tuple[str, str]:
    """A job whose reduces hold all resources while a map has to run again."""
    job = hands.job(maps=1, reduces=2, **conf)
    (first,) = launches(hands.offer("a"))
    hands.end(long(job, "m0"))
    (second,) = launches(hands.offer("b", cpus=2.0))[:1]
    hands.beat(second.tracker_id)
    hands.do(ev.TrackerLost(first.tracker_id, "a", 9))
    hands.later(2)  # for anything more that Mesos might say about its end
    return job, first.tracker_id


def test_reduces_do_not_make_room_that_no_master_can_give() -> None:
    hands = Hands()
    waiting_reduces(hands, map_memory_mb="2048", reduce_memory_mb="512")
    hands.do(ev.Disconnected())
    assert of(hands.later(80), KillAttempt) == []
    hands.do(ev.Registered("framework"))
    assert len(of(hands.later(6), KillAttempt)) == 1


def test_a_reduce_makes_room_in_its_own_slot_without_a_master() -> None:
    hands = Hands()
    waiting_reduces(hands, map_memory_mb="512", reduce_memory_mb="512")
    hands.do(ev.Disconnected())
    assert len(of(hands.later(6), KillAttempt)) == 1
