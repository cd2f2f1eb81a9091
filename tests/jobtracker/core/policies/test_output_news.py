"""How often reduces hear of finished maps: at once in small jobs, in rounds in large ones."""

from __future__ import annotations

import pytest

from mrmesos.jobtracker.core.policies.output_news import REDUCES_AT_ONCE, SECONDS_PER_REDUCE
from mrmesos.wire.heartbeat import MapOutputs
from tests.jobtracker.harness import Hands, long, of

MAPS = 5


def fetching(reduces: int, waiting: int = 0) -> tuple[Hands, str]:
    """A job whose maps run on `m`. `reduces` of its reduces run on agents of their own, and the
    `waiting` ones wait.
    """
    hands = Hands()
    job = hands.job(
        maps=MAPS,
        reduces=reduces + waiting,
        reduce_memory_mb="4096",
        job_reduce_slowstart_completedmaps="0",
    )
    hands.offer("m", cpus=MAPS, mem=1024 * MAPS + 512)
    hands.offer(*(f"r{number}" for number in range(reduces)))
    assert hands.status(job).maps.running == MAPS
    assert hands.status(job).reduces.running == reduces
    hands.now += 10
    return hands, job


def news(commands: list[object]) -> list[list[int]]:
    """The numbers of the maps in each message."""
    return [[output.map_index for output in told.outputs] for told in of(commands, MapOutputs)]


def test_few_reduces_hear_of_each_map_at_once() -> None:
    hands, job = fetching(3)
    for number in range(MAPS):
        assert news([*hands.end(long(job, f"m{number}"))]) == [[number]] * 3


def test_many_reduces_hear_of_maps_in_rounds_and_at_once_of_the_last() -> None:
    reduces = REDUCES_AT_ONCE + 5
    hands, job = fetching(reduces)
    assert news([*hands.end(long(job, "m0"))]) == [[0]] * reduces
    assert news([*hands.end(long(job, "m1"))]) == []
    hands.now += 2 * reduces * SECONDS_PER_REDUCE
    assert news([*hands.end(long(job, "m2"))]) == [[1, 2]] * reduces
    assert news([*hands.end(long(job, "m3"))]) == []
    assert news([*hands.end(long(job, "m4"))]) == [[3, 4]] * reduces


def test_a_tick_sends_what_waits() -> None:
    reduces = REDUCES_AT_ONCE + 5
    hands, job = fetching(reduces)
    hands.end(long(job, "m0"))
    hands.end(long(job, "m1"))
    assert news([*hands.later(0.5)]) == [[1]] * reduces
    assert news([*hands.later(5)]) == []


@pytest.mark.parametrize("reduces", [3, REDUCES_AT_ONCE + 5])
def test_a_reduce_that_begins_hears_of_all_maps_and_the_others_of_none(reduces: int) -> None:
    hands, job = fetching(reduces, waiting=1)
    for number in range(3):
        hands.end(long(job, f"m{number}"))
    hands.later(1)
    assert news([*hands.offer("late")]) == [[0, 1, 2]]
