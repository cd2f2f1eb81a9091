from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.policies.more_memory import LOST_SECONDS, more_mb
from mrmesos.wire.heartbeat import EndSlot
from mrmesos.wire.ids import AgentId, HostName, TaskKind
from mrmesos.wire.job import JobState, MemoryRaised
from mrmesos.wire.task import ErrorKind
from tests.jobtracker.harness import Hands, error, launches, long, of, started
from tests.jobtracker.journaled import JournaledHands

MEMORY = error("used 1,100 MiB, over its limit", ErrorKind.MEMORY)


def need(hands: Hands, job: str, kind: TaskKind = TaskKind.MAP) -> int:
    """The memory of the job's next attempts, in MiB."""
    return hands.core.st.jobs[job].settings.need(kind)["mem"] // 1000


def one_died(hands: Hands, **conf: Any) -> str:
    """A job of two maps. One of them ran on `a`, and died of memory."""
    job = hands.job(maps=2, **conf)
    hands.offer("a", cpus=1.1, mem=16_384)
    return job


def test_the_next_attempt_gets_twice_as_much_and_a_slot_for_it() -> None:
    hands = Hands()
    job = one_died(hands)
    commands = hands.fail(long(job, "m0"), MEMORY)
    assert need(hands, job) == 2048
    assert started(commands) == []
    assert len(of(commands, EndSlot)) == 1, "a slot of 1,024 MiB is too small now"
    [launch] = launches(hands.offer("a", cpus=1.1, mem=16_384))
    assert launch.first is not None
    assert launch.first.memory_mb == 2048
    assert {each["name"]: each["scalar"]["value"] for each in launch.resources}["mem"] == 2048


def test_what_was_raised_is_said() -> None:
    hands = Hands()
    job = one_died(hands, map_memory_mb="500")
    first = long(job, "m0")
    hands.fail(first, MEMORY)
    spec = hands.core.st.jobs[job].spec
    assert spec.conf["map.memory.mb"] == "1000"
    assert spec.raised == (MemoryRaised("map.memory.mb", 500, 1000, first),)
    hands.offer("b", cpus=1.1, mem=16_384)
    [second] = hands.running
    hands.fail(second, MEMORY)
    spec = hands.core.st.jobs[job].spec
    assert spec.raised == (MemoryRaised("map.memory.mb", 500, 2000, second),)


def test_attempts_that_began_with_less_raise_it_once() -> None:
    hands = Hands()
    job = hands.job(maps=3)
    hands.offer("a", cpus=3.1, mem=16_384)
    assert len(hands.running) == 3
    for name in list(hands.running):
        hands.fail(name, MEMORY)
    assert need(hands, job) == 2048


def test_maps_and_reduces_have_each_their_own() -> None:
    hands = Hands()
    job = hands.job(maps=1, reduces=1)
    hands.offer("a", cpus=1.1, mem=16_384)
    hands.end(long(job, "m0"))
    hands.fail(long(job, "r0"), MEMORY)
    assert (need(hands, job), need(hands, job, TaskKind.REDUCE)) == (1024, 2048)


@pytest.mark.parametrize("kind", [ErrorKind.USER_CODE, ErrorKind.CRASH, ErrorKind.TIMEOUT])
def test_other_ends_raise_nothing(kind: ErrorKind) -> None:
    hands = Hands()
    job = one_died(hands)
    hands.fail(long(job, "m0"), error("boom", kind))
    assert need(hands, job) == 1024
    assert hands.core.st.jobs[job].spec.raised == ()


@pytest.mark.parametrize(
    ("conf", "largest", "then"),
    [
        ({}, 16_384, 2048),
        ({"task_memory_max_mb": "0"}, 16_384, 1024),
        ({"task_memory_max_mb": "1500"}, 16_384, 1500),
        ({"task_memory_max_mb": "800"}, 16_384, 1024),
        ({}, 1900, 1900),
        ({}, 1024, 1024),
    ],
)
def test_never_more_than_the_cap_and_the_largest_agent(
    conf: dict[str, Any], largest: int, then: int
) -> None:
    hands = Hands()
    own = hands.core.st.settings.tracker["mem"] // 1000
    job = hands.job(maps=1, **conf)
    hands.offer("a", cpus=1.1, mem=largest + own)
    hands.fail(long(job, "m0"), MEMORY)
    assert need(hands, job) == then


def test_a_job_that_needs_too_much_fails_in_the_end_with_its_first_error() -> None:
    hands = Hands()
    job = hands.job(maps=1)
    seen = []
    for _ in range(4):
        hands.offer("a", cpus=1.1, mem=65_536)
        [attempt] = hands.running
        seen.append(hands.running[attempt].memory_mb)
        hands.fail(attempt, MEMORY)
    assert seen == [0, 2048, 4096, 8192]
    assert hands.core.st.jobs[job].state is JobState.ABORTING
    shown = hands.core.st.jobs[job].ending.error
    assert shown is not None
    assert shown.message == MEMORY.message


def test_a_container_over_its_limit_raises_the_jobs_in_it() -> None:
    hands = Hands()
    job = one_died(hands)
    slot = hands.running[long(job, "m0")].slot_id
    hands.update(slot, "TASK_FAILED", "REASON_CONTAINER_LIMITATION_MEMORY")
    assert need(hands, job) == 2048
    assert hands.status(job).maps.failed_attempts == 0
    other = Hands()
    job = one_died(other)
    slot = other.running[long(job, "m0")].slot_id
    other.update(slot, "TASK_FAILED", "REASON_CONTAINER_LIMITATION_DISK")
    assert need(other, job) == 1024


def test_a_restart_keeps_it() -> None:
    hands = JournaledHands()
    job = one_died(hands)
    hands.fail(long(job, "m0"), MEMORY)
    hands.offer("b", cpus=1.1, mem=16_384)
    spec = hands.core.st.jobs[job].spec
    hands.restart()
    restored = hands.core.st.jobs[job]
    assert restored.settings.need(TaskKind.MAP)["mem"] == 2048_000
    assert restored.spec == spec
    assert [attempt.memory_mb for attempt in restored.running.values()] == [2048]


@pytest.mark.parametrize("strict", ["true", "false"])
def test_after_a_restart_an_agent_has_what_our_slots_hold_there(strict: str) -> None:
    """It offers only the rest. A job that needs more than that neither falls back nor fails."""
    hands = JournaledHands()
    own = hands.core.st.settings.tracker["mem"] // 1000
    job = one_died(hands, **{"job_fail-if-impossible": strict})
    hands.fail(long(job, "m0"), MEMORY)
    assert need(hands, job) == 2048
    other = hands.job(maps=2, map_memory_mb="1200", job_priority="HIGH")
    hands.offer("full", cpus=2.1, mem=2500 + own)
    hands.do(ev.AgentLost(AgentId("a")))
    assert len(hands.running) == 2
    tracker = hands.tracker_of[long(other, "m0")]
    hands.restart()
    hands.offer("full", cpus=0.1, mem=100)
    hands.do(ev.Registered("framework"))
    hands.beat(tracker)
    for _ in range(10):
        hands.offer("full", cpus=0.1, mem=100)
        hands.later(LOST_SECONDS / 5)
    hands.end(long(other, "m0"))
    hands.update(hands.slots[tracker][0], "TASK_FINISHED")
    hands.later(2 * LOST_SECONDS)  # and its resources are not offered yet
    hands.offer("full", cpus=1.1, mem=1300)
    hands.later(2 * LOST_SECONDS)
    assert need(hands, job) == 2048
    assert hands.core.st.jobs[job].state is JobState.RUNNING


def raised_to_2048(**conf: Any) -> tuple[Hands, str, int]:
    """A job whose maps need 2,048 MiB, which no agent has any more. The last number is the memory
    of a TaskTracker.
    """
    hands = Hands()
    own = hands.core.st.settings.tracker["mem"] // 1000
    job = one_died(hands, **conf)
    hands.fail(long(job, "m0"), MEMORY)
    assert need(hands, job) == 2048
    hands.do(ev.AgentLost(AgentId("a")))
    return hands, job, own


def test_memory_that_no_agent_has_any_more_is_taken_back() -> None:
    hands, job, own = raised_to_2048()
    hands.offer("small", cpus=1.1, mem=1500 + own)
    assert not hands.running
    hands.later(LOST_SECONDS - 1)
    assert need(hands, job) == 2048, "the agent may come back"
    hands.later(2)
    assert need(hands, job) == 1500
    [launch] = launches(hands.offer("small", cpus=1.1, mem=1500 + own))
    assert launch.first is not None
    assert launch.first.memory_mb == 1500
    [raised] = hands.core.st.jobs[job].spec.raised
    assert (raised.before_mb, raised.mb, raised.lost_mb) == (1024, 1500, 2048)


def test_it_is_raised_again_on_an_agent_that_is_large_enough() -> None:
    hands, job, own = raised_to_2048()
    hands.offer("small", cpus=1.1, mem=1024 + own)
    hands.later(LOST_SECONDS + 1)
    hands.offer("small", cpus=1.1, mem=1024 + own)
    [attempt] = hands.running
    hands.offer("b", cpus=0.1, mem=16_384)
    hands.fail(attempt, MEMORY)
    assert need(hands, job) == 2048


def test_an_agent_that_comes_back_in_time_is_used() -> None:
    hands, job, own = raised_to_2048()
    hands.offer("small", cpus=1.1, mem=1500 + own)
    hands.later(LOST_SECONDS - 1)
    [launch] = launches(hands.offer("b", cpus=1.1, mem=16_384))
    hands.later(10)
    assert launch.first is not None
    assert launch.first.memory_mb == 2048
    assert need(hands, job) == 2048


def test_what_the_user_has_set_is_never_taken_back() -> None:
    hands, job, own = raised_to_2048()
    hands.offer("small", cpus=1.1, mem=1000 + own)
    hands.later(2 * LOST_SECONDS)
    assert need(hands, job) == 2048
    assert hands.core.st.jobs[job].state is JobState.RUNNING


def test_an_agent_whose_size_is_not_known_may_be_large() -> None:
    hands, job, own = raised_to_2048()
    hands.later(2 * LOST_SECONDS)  # no agent is known
    assert need(hands, job) == 2048
    hands.offer("small", cpus=1.1, mem=1500 + own)
    hands.core.st.cluster.see_agent(AgentId("journal"), HostName("other"), "", "")
    hands.later(2 * LOST_SECONDS)
    assert need(hands, job) == 2048


def test_a_job_that_dies_with_less_fails_and_says_that_the_agents_are_gone() -> None:
    hands, job, own = raised_to_2048(map_maxattempts="3")
    for number in range(3):
        if number:
            hands.later(LOST_SECONDS + 1)
        hands.offer(f"small{number}", cpus=1.1, mem=1024 + own)
        for attempt in list(hands.running):
            hands.fail(attempt, MEMORY)
    hands.offer("small9", cpus=1.1, mem=1024 + own)
    for attempt in list(hands.running):
        hands.fail(attempt, MEMORY)
    assert hands.core.st.jobs[job].state is JobState.ABORTING
    shown = hands.core.st.jobs[job].ending.error
    assert shown is not None
    assert shown.message == (f"{MEMORY.message}; the agents that had 2 GiB for an attempt are gone")


def test_a_limit_of_the_jobtracker_holds_its_tasktrackers_too() -> None:
    """Two of them hold map output, which the reduce needs. So it cannot have all of the rest."""
    hands = Hands({"mesos.mem.max.mb": "3000"})
    own = hands.core.st.settings.tracker["mem"] // 1000
    job = hands.job(maps=2, reduces=1, map_memory_mb="512", reduce_memory_mb="1500")
    hands.offer("a", "b", cpus=1.1, mem=16_384)
    for name in list(hands.running):
        hands.end(name)
    for slot in list(hands.core.st.cluster.slots):
        hands.update(slot, "TASK_FINISHED")
    hands.offer("a", "b", cpus=1.1, mem=16_384)
    hands.fail(long(job, "r0"), MEMORY)
    assert need(hands, job, TaskKind.REDUCE) == 3000 - 2 * own


def test_a_job_that_needs_more_avoids_at_most_a_third_of_the_hosts_that_have_it() -> None:
    hands = Hands()
    job = hands.job(maps=9, map_maxattempts="99", job_maxtaskfailures_per_tracker="1")
    hands.offer("a", "b", "c", cpus=1.1, mem=1500)
    hands.offer("large", "larger", cpus=1.1, mem=16_384)
    bad = next(name for name in hands.running if hands.agent_of[hands.tracker_of[name]] == "large")
    hands.fail(bad, error("boom"))
    assert list(hands.core.st.jobs[job].hosts.shunned) == ["large"]
    hands.fail(next(iter(hands.running)), MEMORY)
    hands.later(1)
    assert need(hands, job) == 2048
    assert not hands.core.st.jobs[job].hosts.shunned


def test_a_job_that_fails_if_impossible_falls_back_at_once() -> None:
    hands, job, own = raised_to_2048(**{"job_fail-if-impossible": "true"})
    hands.offer("small", cpus=1.1, mem=1024 + own)
    hands.later(1)
    assert need(hands, job) == 1024
    assert hands.core.st.jobs[job].state is JobState.RUNNING


@given(st.integers(128, 1 << 20), st.integers(0, 1 << 20), st.integers(0, 1 << 20))
def test_it_grows_within_bounds_and_stops(had: int, cap: int, largest: int) -> None:
    more = more_mb(had, cap, largest)
    assert had <= more <= max(had, min(2 * had, cap, largest))
    assert more > had or cap <= had or largest <= had
    steps = 0
    while (again := more_mb(more, cap, largest)) != more:
        more, steps = again, steps + 1
    assert more == max(had, min(cap, largest))
    assert steps <= 14


@given(
    st.lists(st.tuples(st.sampled_from("mr"), st.integers(0, 3)), max_size=12),
    st.integers(700, 20_000),
)
def test_a_job_still_fits_the_agent_that_it_fitted(deaths: list[tuple[str, int]], mem: int) -> None:
    hands = Hands()
    own = hands.core.st.settings.tracker["mem"] // 1000
    job = hands.job(maps=2, reduces=2, map_maxattempts="99", reduce_maxattempts="99")
    agents = iter(range(100))
    for letter, place in deaths:
        if not hands.running:
            hands.offer(f"h{next(agents)}", cpus=1.1, mem=mem + own)
        names = sorted(name for name in hands.running if f"_{letter}_" in name)
        for name in names[place : place + 1]:
            hands.fail(name, MEMORY)
        for name in list(hands.running)[:1]:
            if place == 3:
                hands.end(name)
    for kind in (TaskKind.MAP, TaskKind.REDUCE):
        got = need(hands, job, kind)
        assert 1024 <= got <= max(1024, min(mem, 8192))
