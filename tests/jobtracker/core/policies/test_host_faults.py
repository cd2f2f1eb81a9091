from __future__ import annotations

from typing import Any

from mrmesos.jobtracker.core.messages import commands as cmd
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.model.pending_tasks import AVOID_SECONDS
from mrmesos.wire.heartbeat import EndSlot
from mrmesos.wire.job import JobState
from tests.jobtracker.harness import Hands, launches, long, of, started

ONCE: dict[str, Any] = {"job.maxtaskfailures.per.tracker": "1"}
ALL = {"jobtracker.tasktracker.maxblacklists": "1", "jobtracker.tasktracker.forgive.seconds": "100"}


def known(hands: Hands, agents: str) -> None:
    """These agents have been seen."""
    hands.offer(*agents)


def test_a_task_never_goes_back_to_a_host_that_failed_it_while_others_exist() -> None:
    hands = Hands()
    known(hands, "ab")
    job = hands.job(maps=1)
    assert started(hands.offer("a")) == ["m0"]
    hands.fail(long(job, "m0"))
    for _ in range(5):
        hands.later(AVOID_SECONDS / 6)
        assert started(hands.offer("a")) == []
    assert started(hands.offer("b")) == ["m0.1"]


def test_it_does_go_back_where_the_others_are_too_small_or_gone() -> None:
    hands = Hands()
    known(hands, "a")
    hands.offer("b", mem=512)
    job = hands.job(maps=1)
    hands.offer("a")
    assert started(hands.fail(long(job, "m0"))) == ["m0.1"]
    hands.offer("c", cpus=1, mem=1024)  # enough for the task, but not for a TaskTracker beside it
    assert started(hands.fail(long(job, "m0.1"))) == ["m0.2"]

    hands = Hands()
    known(hands, "ac")
    job = hands.job(maps=1)
    hands.offer("a")
    hands.fail(long(job, "m0"))
    assert started(hands.offer("a")) == []
    hands.do(ev.AgentLost("c"))
    assert started(hands.offer("a")) == ["m0.1"]


def test_it_does_go_back_where_the_others_have_no_room_for_very_long() -> None:
    hands = Hands()
    known(hands, "ab")
    job = hands.job(maps=1)
    hands.offer("a")
    hands.fail(long(job, "m0"))
    hands.later(AVOID_SECONDS)
    assert started(hands.offer("a")) == ["m0.1"]


def failing_on_a(agents: str = "abc", maps: int = 6, **conf: Any) -> tuple[Hands, str]:
    """A job whose first three maps fail on `a`; two others run there meanwhile."""
    hands = Hands(conf)
    known(hands, agents)
    job = hands.job(maps=maps)
    hands.offer("a", cpus=3)
    for name in ("m0", "m1", "m2"):
        hands.fail(long(job, name))
    return hands, job


def test_a_job_avoids_a_host_where_its_attempts_fail() -> None:
    hands, job = failing_on_a()
    assert started(hands.offer("a", cpus=4)) == []
    assert started(hands.offer("b", cpus=6)) == ["m0.1", "m1.1", "m2.1", "m5"]
    assert hands.status(job).counters["job"]["BLACKLISTED_HOSTS"] == 1


def test_two_failures_are_too_few_and_each_job_judges_for_itself() -> None:
    hands = Hands()
    known(hands, "abc")
    job = hands.job(maps=4)
    hands.offer("a", cpus=2)
    assert started(hands.fail(long(job, "m0"))) == ["m2"]
    assert started(hands.fail(long(job, "m1"))) == ["m3"]
    hands.fail(long(job, "m2"))
    assert started(hands.fail(long(job, "m3"))) == []
    other = hands.job(maps=1)
    (launch,) = launches(hands.offer("a"))
    assert launch.first.job_id == other


def test_never_more_than_a_third_of_the_hosts() -> None:
    hands = Hands()
    known(hands, "abcde")
    job = hands.job(maps=30, **ONCE)
    hands.offer("a")
    assert started(hands.fail(long(job, "m0"))) == []
    hands.offer("b")
    assert started(hands.fail(long(job, "m0.1"))) == ["m1"], "one of five will do, two are too many"
    hands.offer("f")
    assert started(hands.fail(long(job, "m1"))) == [], "but two of six"


def test_hosts_are_used_again_where_the_others_are_gone() -> None:
    hands, _ = failing_on_a()
    hands.do(ev.AgentLost("b"))
    hands.later(0.5)
    assert started(hands.offer("a")) == ["m5"]


def test_hosts_whose_loss_was_never_told_are_waited_for_no_longer_than_others_by_a_task() -> None:
    """Mesos lost the agents while we were not connected."""
    hands, job = failing_on_a()
    for name in ("m3", "m4"):
        assert started(hands.end(long(job, name))) == []
    waited = 0.0
    while not (found := started(hands.offer("a"))):
        hands.later(5.0)
        waited += 5.0
        assert waited <= AVOID_SECONDS + 30.0, "as b and c offer nothing, a will have to do"
    assert found == ["m0.1"]
    assert waited >= AVOID_SECONDS


def test_a_job_that_waits_goes_by_the_hosts_that_offer_something() -> None:
    hands, job = failing_on_a()
    for name in ("m3", "m4"):
        assert started(hands.end(long(job, name))) == []
    for _ in range(int(AVOID_SECONDS / 5) + 12):
        hands.later(5.0)
        assert started(hands.offer("a")) == []
        for name in "bcd":
            assert started(hands.offer(name, mem=256)) == [], "too small at present"


def test_a_host_that_comes_back_to_a_smaller_cluster_is_used_again() -> None:
    hands, _ = failing_on_a()
    hands.do(ev.AgentLost("a"))
    hands.do(ev.AgentLost("b"))
    hands.later(0.5)
    assert started(hands.offer("a")) == []
    hands.later(0.5)
    assert started(hands.offer("a"))


def test_a_host_that_comes_back_with_little_and_then_offers_enough_is_used_again() -> None:
    hands, _ = failing_on_a()
    hands.do(ev.AgentLost("a"))
    hands.do(ev.AgentLost("b"))
    hands.offer("a", mem=100)
    hands.later(0.5)
    assert started(hands.offer("a")) == []
    hands.later(0.5)
    assert started(hands.offer("a"))


def test_maps_whose_data_is_there_do_not_wait_for_it() -> None:
    hands = Hands()
    known(hands, "abc")
    job = hands.job(("a",), ("a",), **ONCE)
    hands.offer("a")
    hands.fail(long(job, "m0"))
    assert started(hands.offer("b", cpus=2)) == ["m0.1", "m1"]


def test_people_are_told_why_a_job_waits() -> None:
    hands, job = failing_on_a(maps=3)
    hands.later(3)
    hands.offer("a")
    hands.later(3)
    assert hands.status(job).waiting.endswith("too many of its attempts failed on a")


def spoil(hands: Hands) -> None:
    """A job of two maps that succeeds, though one fails on `a`."""
    job = hands.job(maps=2, **ONCE)
    hands.offer("a", cpus=2)
    hands.fail(long(job, "m0"))
    hands.end(long(job, "m1"))
    hands.offer("b")
    (commit,) = of(hands.end(long(job, "m0.1")), cmd.CommitJob)
    hands.do(ev.JobCommitted(commit.job_id))


def test_all_avoid_a_host_that_jobs_came_to_avoid() -> None:
    hands = Hands({**ALL, "jobtracker.tasktracker.maxblacklists": "2"})
    known(hands, "abc")
    spoil(hands)
    spoil(hands)
    job = hands.job(maps=1)
    hands.later(1)
    commands = hands.offer("a")
    assert started(commands) == []
    (decline,) = of(commands, cmd.DeclineOffers)
    assert decline.refuse_seconds == 5.0
    hands.later(6)
    assert "jobs that succeeded had too many failures on a" in hands.status(job).waiting
    assert started(hands.offer("b")) == ["m0"]


def test_it_is_on_parole_after_a_time() -> None:
    hands = Hands(ALL)
    known(hands, "abc")
    spoil(hands)
    hands.later(99)
    hands.job(maps=1)
    assert started(hands.offer("a")) == []
    hands.later(2)
    assert started(hands.offer("a")) == ["m0"]


def test_a_host_that_went_away_and_came_back_is_still_avoided() -> None:
    hands = Hands(ALL)
    known(hands, "abc")
    spoil(hands)
    hands.do(ev.AgentLost("a"))
    hands.job(maps=1)
    offer = hands.an_offer("a")
    again = ev.Offer(offer.offer_id, "a2", "a", offer.resources)
    assert started(hands.do(ev.OffersReceived((again,)))) == []


def test_a_job_that_fails_condemns_nobody() -> None:
    hands = Hands(ALL)
    known(hands, "abc")
    job = hands.job(maps=2, map_maxattempts="1", **ONCE)
    hands.offer("a")
    hands.fail(long(job, "m0"))
    hands.do(ev.JobAborted(job))
    assert hands.status(job).state is JobState.FAILED
    hands.job(maps=1)
    assert started(hands.offer("a")) == ["m0"]


def test_all_of_them_never_give_up_more_than_a_third() -> None:
    hands = Hands(ALL)
    known(hands, "ab")
    hands.do(ev.AgentLost("b"))
    known(hands, "bc")
    spoil(hands)
    hands.do(ev.AgentLost("c"))
    hands.later(0.5)
    hands.job(maps=1)
    assert started(hands.offer("a")) == ["m0"], "one of two is too many"


def test_a_slot_on_an_avoided_host_ends_with_its_attempt() -> None:
    hands = Hands(ALL)
    known(hands, "abc")
    running = hands.job(maps=1)
    hands.offer("a")
    spoil(hands)
    hands.job(maps=1)
    commands = hands.end(long(running, "m0"))
    assert started(commands) == []
    assert of(commands, EndSlot)


def test_the_hosts_that_count_are_those_that_would_do() -> None:
    hands = Hands()
    known(hands, "abcd")
    hands.offer("e", "f", mem=1500)
    job = hands.job(maps=1, map_memory_mb="2048", job_constraints="hostname in a,b", **ONCE)
    hands.offer("a")
    hands.fail(long(job, "m0"))
    assert not hands.core.st.jobs[job].hosts.shunned, "two could run it"
