"""The production core in small worlds of faults. A failure says how to replay its history."""

from __future__ import annotations

from collections import Counter

import pytest

from mrmesos.jobtracker.core.state import queries
from mrmesos.simulator.faults import WORLD_KINDS
from mrmesos.simulator.faults.fault_plan import FaultPlan
from mrmesos.simulator.faults.histories import WORLDS, command, prove, run
from mrmesos.simulator.faults.world import FaultWorld

FAST, SLOW = 250, 1_400
"""The first seeds always run. `make sim-faults` runs thousands more of each kind."""
ONE_JOB = range(4_000, 5_500)
"""Seeds of worlds with one job."""
CHUNK = 50
BROKEN_ONCE = {
    ("silent", 3741): "a healthy warm TaskTracker left in the place of a silent one",
    ("silent", 4833): "the same",
    ("one-job", 270): "an avoided host came back in two small offers, and was not looked at again",
    ("mixed", 171): "a healthy warm TaskTracker left just before another was found silent",
    ("crashing", 150): "the same, and the other one had ended",
    ("mixed", 214): "a job's output was removed while it was being moved",
    ("chains", 667): "the world forgot a step's old data when the JobTracker died and asked again",
    ("mixed", 447): "the world took another true reason of an impossible job for a wrong one",
    ("chains", 1348): "two idle TaskTrackers left too little of their agent for a waiting reduce",
    ("one-job", 319): "memory was raised to what a limit leaves without one more TaskTracker",
    ("one-job", 4859): "the agents that reach all map outputs had no room beside a TaskTracker",
    ("tasks", 5008): "a healthy warm TaskTracker left with the silent one of its agent",
    ("crashing", 83360): "a restored job that no agent can run started a map before it failed",
    ("crashing", 100144): "the world did not know that a JobTracker may not know all agents' sizes",
    ("crashing", 1893308): "an impossible job was judged by the first offers after a restart only",
    ("cut", 106): "the start of an attempt wiped out why the other reduces of its job waited",
}
"""Histories that broke a promise once, and why. tests/jobtracker/core/test_event_order.py has
another one.
"""


@pytest.mark.parametrize("first", range(0, FAST, CHUNK))
def test_worlds_of_faults(first: int) -> None:
    for seed in range(first, first + CHUNK):
        prove(seed, "mixed")


@pytest.mark.slow
@pytest.mark.parametrize("first", range(FAST, SLOW, CHUNK))
def test_many_worlds_of_faults(first: int) -> None:
    for seed in range(first, first + CHUNK):
        prove(seed, "mixed")


@pytest.mark.slow
@pytest.mark.parametrize("first", ONE_JOB[:: 3 * CHUNK])
def test_many_worlds_with_one_job(first: int) -> None:
    for seed in range(first, first + 3 * CHUNK):
        prove(seed, "one-job")


@pytest.mark.parametrize(("kind", "seed"), list(BROKEN_ONCE))
def test_what_broke_a_promise_once(kind: str, seed: int) -> None:
    prove(seed, kind)


def test_a_seed_is_a_history() -> None:
    def history() -> list[str]:
        world = FaultWorld(7)
        world.run()
        return world.history

    assert history() == history()


def test_the_kinds_that_the_command_offers_are_all() -> None:
    assert tuple(WORLDS) == WORLD_KINDS


@pytest.mark.parametrize("kind", ["", *WORLDS])
def test_a_broken_promise_is_told_with_its_replay(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_world: FaultWorld) -> None:
        raise AssertionError("broken on purpose")

    monkeypatch.setattr(FaultWorld, "check_held", broken)
    _, story = run(3, kind)
    *_, problem, replay = story.splitlines()
    assert problem == "AssertionError: broken on purpose"
    assert replay == f"replay it: {command(3, kind)}"
    assert "-> Tick()" in story


def test_in_peace_every_job_succeeds_at_once() -> None:
    for seed in range(20):
        world = FaultWorld(seed, FaultPlan(until=0.0), jobs=3)
        world.run()
        assert len(world.committed) == 3
        for status in queries.job_statuses(world.core.st):
            job = status.counters["job"]
            preempted = world.core.st.settings.preempt_after > 0
            again = job.get("KILLED_MAPS" if preempted else "SPECULATIVE_MAPS", 0)
            first = job.get("LAUNCHED_MAPS", 0) - again
            assert first == status.maps.total, "a map ran twice, and was not slow"
            # On a tiny cluster with an early slowstart, a reduce may have to make room for maps.
            killed = job.get("KILLED_REDUCES", 0)
            assert job.get("LAUNCHED_REDUCES", 0) - killed == status.reduces.total


def test_worlds_have_slow_tasks_and_hosts_that_fail() -> None:
    seen: Counter[str] = Counter()
    for seed in range(40):
        for status in queries.job_statuses(prove(seed, "mixed").core.st):
            seen.update(status.counters["job"])
    assert seen["SPECULATIVE_MAPS"] > 10
    assert seen["SPECULATIVE_REDUCES"] > 1
    assert seen["BLACKLISTED_HOSTS"] > 5


def test_attempts_get_more_memory_and_impossible_jobs_fail() -> None:
    more: set[str] = set()
    impossible: set[str] = set()
    for seed in range(12):
        faults = FaultPlan(attempt_fails=0.2, out_of_memory=1.0, impossible=0.3)
        world = FaultWorld(seed, faults, agents=3, jobs=4)
        world.run()
        more |= {f"{seed} {job_id}" for job_id in world.more_memory}
        impossible |= {f"{seed} {job_id}" for job_id in world.found_impossible}
    assert len(more) > 5
    assert len(impossible) > 5


def test_jobs_end_although_the_agents_with_enough_memory_are_lost() -> None:
    fell_back: set[str] = set()
    for seed in range(40):
        faults = FaultPlan(attempt_fails=0.2, out_of_memory=1.0, agent_dies=0.05)
        world = FaultWorld(seed, faults, agents=3, jobs=4)
        world.run()
        fell_back |= {f"{seed} {job_id}" for job_id in world.less_memory}
    assert fell_back


def test_lost_and_late_messages_alone_never_fail_a_job() -> None:
    faults = FaultPlan(
        heartbeat_lost=0.4, heartbeat_doubled=0.4, rescind=0.3, disconnect=0.05, silence=0.03
    )
    for seed in range(20):
        world = FaultWorld(seed, faults, jobs=3)
        world.run()
        assert len(world.committed) == 3
