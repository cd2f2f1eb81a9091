"""The production core in worlds where hosts do not reach each other, or segments are damaged."""

from __future__ import annotations

import itertools
import math

import pytest

from mrmesos.jobtracker.core.state import queries
from mrmesos.simulator.faults.histories import prove
from mrmesos.simulator.faults.reach import SmallWorld

CHUNK = 60


@pytest.mark.parametrize("first", range(0, 120, CHUNK))
def test_every_job_ends_within_a_minute_of_a_cut(first: int) -> None:
    for seed in range(first, first + CHUNK):
        prove(seed, "cut")


def test_every_job_ends_within_a_minute_of_an_agents_silence() -> None:
    for seed in range(60):
        prove(seed, "silent")


@pytest.mark.slow
@pytest.mark.parametrize("first", range(120, 1_560, CHUNK))
def test_every_job_ends_within_a_minute_of_many_cuts(first: int) -> None:
    for seed in range(first, first + CHUNK):
        for kind in ("cut", "silent"):
            prove(seed, kind)


@pytest.mark.parametrize("hosts", [2, 3, 5])
@pytest.mark.parametrize("lasts", [25.0, math.inf])
@pytest.mark.parametrize("ways", [1, 2])
def test_any_pair_of_hosts_may_be_cut(hosts: int, lasts: float, ways: int) -> None:
    for seed, (one, other) in enumerate(itertools.permutations(range(hosts), 2)):
        pairs = ((one, other), (other, one))[:ways]
        SmallWorld(seed, hosts, pairs=pairs, lasts=lasts, maps=2 * hosts, reduces=hosts).run()


@pytest.mark.parametrize("hosts", [2, 3, 5])
@pytest.mark.parametrize("ways", ["in", "out", "both"])
def test_one_host_may_be_cut_from_all_others(hosts: int, ways: str) -> None:
    for seed, alone in enumerate(range(hosts)):
        others = [host for host in range(hosts) if host != alone]
        pairs = [(alone, host) for host in others if ways != "out"]
        pairs += [(host, alone) for host in others if ways != "in"]
        SmallWorld(seed, hosts, pairs=tuple(pairs), maps=2 * hosts, reduces=hosts).run()


def test_no_two_hosts_may_reach_each_other() -> None:
    for seed, hosts in itertools.product(range(20), (2, 3, 5)):
        pairs = tuple(itertools.permutations(range(hosts), 2))
        world = SmallWorld(seed, hosts, pairs=pairs)
        # A job learns only by trying that no host is better: one in fifty takes over 240 s.
        world.end_seconds = 400.0
        world.run()


def test_hosts_may_be_cut_in_two_halves() -> None:
    for seed in range(20):
        pairs = [(a, b) for a, b in itertools.permutations(range(4), 2) if a % 2 != b % 2]
        world = SmallWorld(seed, 4, pairs=tuple(pairs), maps=8, reduces=4)
        world.end_seconds = 120.0
        world.run()


@pytest.mark.parametrize("hosts", [1, 2, 3])
@pytest.mark.parametrize("damaged", [((0, 0), (1, 1)), ((0, 0),), ((0, 0), (1, 0), (2, 1), (3, 1))])
def test_segments_of_several_reduces_may_be_damaged(
    hosts: int, damaged: tuple[tuple[int, int], ...]
) -> None:
    for seed in range(10):
        SmallWorld(seed, hosts, damaged=damaged).run()


def test_a_short_cut_throws_little_away() -> None:
    attempts = tasks = 0
    for seed in range(40):
        world = SmallWorld(seed, 5, pairs=((0, 1), (1, 0)), lasts=25.0, maps=10, reduces=5)
        world.run()
        [status] = queries.job_statuses(world.core.st)
        job = status.counters["job"]
        attempts += job["LAUNCHED_MAPS"] + job["LAUNCHED_REDUCES"]
        tasks += 15
    assert attempts < 1.2 * tasks
