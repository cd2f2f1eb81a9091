from __future__ import annotations

from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.state import queries
from mrmesos.wire.heartbeat import EndSlot
from mrmesos.wire.task import Locality
from tests.jobtracker.harness import Hands, launches, long, of, started


def locality(hands: Hands, job_id: str, name: str) -> Locality:
    location = queries.job_report(hands.core.st, job_id)
    assert location is not None
    return {row.id: row.locality for row in location.attempts}[long(job_id, name)]


def test_a_map_goes_where_its_data_is() -> None:
    hands = Hands()
    job = hands.job(("a",), ("b",), ("a", "b"))
    assert started(hands.offer("b", "a")) == ["m1", "m0"]
    assert locality(hands, job, "m1") is Locality.NODE_LOCAL
    assert hands.status(job).counters["job"]["DATA_LOCAL_MAPS"] == 2


def test_an_agent_without_data_is_passed_over_for_a_while_and_no_longer() -> None:
    hands = Hands()
    job = hands.job(("a",), ("a",), locality_wait_node="3")
    commands = hands.offer("a", "b")
    assert started(commands) == ["m0"]
    (decline,) = of(commands, cmd.DeclineOffers)
    assert decline.refuse_seconds <= 1.0, "it must come back soon"
    hands.now += 2.9
    assert started(hands.offer("b")) == []
    hands.now += 0.1
    assert started(hands.offer("b")) == ["m1"]
    assert locality(hands, job, "m1") is Locality.ANY


def test_local_launches_do_not_prolong_the_wait() -> None:
    # SPARK-18886: one busy agent had all the data, and every other agent stood idle for ever.
    hands = Hands()
    job = hands.job(*[("a",)] * 50, locality_wait_node="3")
    hands.offer("a", "b")
    running = "m0"
    for second in range(1, 3):
        hands.now += 1.0
        (running,) = started(hands.end(long(job, running)))
        assert started(hands.offer("b")) == [], second
    hands.now += 1.0
    hands.end(long(job, running))
    assert len(started(hands.offer("b"))) == 1


def test_a_free_slot_goes_back_at_once_where_its_job_waits_for_other_agents() -> None:
    hands = Hands()
    job = hands.job(("a",), ("b",), locality_wait_node="60")
    hands.offer("a")
    hands.offer("b", cpus=0.5)  # a known agent that is too small
    assert len(of(hands.end(long(job, "m0")), EndSlot)) == 1


def test_a_free_slot_that_nobody_else_wants_is_kept_for_two_seconds() -> None:
    hands = Hands()
    job = hands.job(("a",), ("b",), locality_wait_node="60")
    hands.offer("a")
    hands.offer("b", cpus=0.5)
    for _ in range(3):  # each time the same agent comes back, because no other framework takes it
        hands.now += 1
        assert started(hands.offer(*[f"x{i}" for i in range(10)])) == []
    assert of(hands.end(long(job, "m0")), EndSlot) == []
    assert of(hands.later(1.5), EndSlot) == []
    assert len(of(hands.later(1.0), EndSlot)) == 1


def test_tasks_without_a_known_host_do_not_wait() -> None:
    hands = Hands()
    hands.job((), ("elsewhere",))
    assert started(hands.offer("a", "b")) == ["m0", "m1"]


def test_jobs_go_first_in_first_out_and_waiting_ones_let_others_pass() -> None:
    hands = Hands()
    first = hands.job(("a",), ("a",), locality_wait_node="10")
    second = hands.job(maps=2)
    got = launches(hands.offer("a", "b"))
    assert [(one.agent_id, one.first.job_id) for one in got] == [("a", first), ("b", second)]


def test_the_ratio_says_which_kind_goes_next() -> None:
    hands = Hands()
    hands.job(maps=8, reduces=4, job_reduce_slowstart_completedmaps="0")
    got = started(hands.offer("a", cpus=6.0))
    assert got == ["m0", "m1", "r0", "m2", "m3", "r1"]


def test_reduces_wait_for_their_share_of_the_maps() -> None:
    hands = Hands()
    job = hands.job(maps=4, reduces=1, job_reduce_slowstart_completedmaps="0.5")
    assert started(hands.offer("a", cpus=2.0)) == ["m0", "m1"]
    assert started(hands.end(long(job, "m0"))) == ["m2"]
    # Two of four maps are done. The ratio asks for one reduce per two maps, and one map runs.
    assert started(hands.end(long(job, "m1"))) == ["m3"]
    assert started(hands.end(long(job, "m2"))) == ["r0"]


def test_a_failed_task_is_tried_on_another_agent_first() -> None:
    hands = Hands()
    job = hands.job(maps=1)
    hands.offer("a", "b")
    assert started(hands.fail(long(job, "m0"))) == [], "not in the same slot"
    assert started(hands.offer("a")) == []
    assert started(hands.offer("b")) == ["m0.1"]


def test_with_one_agent_a_failed_task_is_tried_there_at_once() -> None:
    hands = Hands()
    job = hands.job(maps=1)
    hands.offer("a")
    assert started(hands.fail(long(job, "m0"))) == ["m0.1"]


def test_too_large_a_task_lets_a_smaller_job_pass() -> None:
    hands = Hands()
    hands.job(maps=1, map_memory_mb="100000")
    small = hands.job(maps=1)
    (launch,) = launches(hands.offer("a"))
    assert launch.first.job_id == small
