"""The production core in a small world of faults. Each seed gives one history.

`MRMESOS_SIM_SEED=1234 pytest tests/jobtracker/test_simulation.py -k replay` runs one history again
and prints its last events.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.jobtracker.sim import Faults, World
from tests.jobtracker.sim_many import story_of

FAST, SLOW, ALL = 250, 4_000, 10_000
"""The first seeds always run. Seeds up to SLOW run as whole worlds, and the rest with one job."""
CHUNK = 50


def run_seed(seed: int) -> World:
    world = World(seed, jobs=1 if seed >= SLOW else 0)
    if story := story_of(world):
        pytest.fail(f"MRMESOS_SIM_SEED={seed} {world.faults}\n{story}")
    return world


@pytest.mark.parametrize("first", range(0, FAST, CHUNK))
def test_worlds_of_faults(first: int) -> None:
    for seed in range(first, first + CHUNK):
        run_seed(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(FAST, ALL, CHUNK * 5))
def test_many_worlds_of_faults(first: int) -> None:
    for seed in range(first, min(first + CHUNK * 5, ALL)):
        run_seed(seed)


@pytest.mark.skipif("MRMESOS_SIM_SEED" not in os.environ, reason="replays one seed")
def test_replay() -> None:
    world = run_seed(int(os.environ["MRMESOS_SIM_SEED"]))
    print("\n".join(world.history))


def test_a_seed_is_a_history() -> None:
    def history() -> list[str]:
        world = World(7)
        world.run()
        return world.history

    assert history() == history()


def test_in_peace_every_job_succeeds_at_once() -> None:
    for seed in range(20):
        world = World(seed, Faults(until=0.0), jobs=3)
        world.run()
        assert len(world.committed) == 3
        for status in world.core.job_statuses():
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
        for status in run_seed(seed).core.job_statuses():
            seen.update(status.counters["job"])
    assert seen["SPECULATIVE_MAPS"] > 10
    assert seen["SPECULATIVE_REDUCES"] > 1
    assert seen["BLACKLISTED_HOSTS"] > 5


def test_lost_and_late_messages_alone_never_fail_a_job() -> None:
    faults = Faults(
        heartbeat_lost=0.4, heartbeat_doubled=0.4, rescind=0.3, disconnect=0.05, silence=0.03
    )
    for seed in range(20):
        world = World(seed, faults, jobs=3)
        world.run()
        assert len(world.committed) == 3
