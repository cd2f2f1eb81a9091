"""In a steady state, every pool has its share within one task, in any order of attempts' ends."""

from __future__ import annotations

from random import Random

import pytest

from mrmesos.wire.heartbeat import EndSlot
from mrmesos.wire.task import AttemptState
from tests.jobtracker.harness import Hands, launches, of

FAST, SLOW, CHUNK = 50, 300, 50
MAPS = 120


def ideal(weights: dict[str, int], slots: int) -> dict[str, float]:
    """Each pool's share of the slots by weight. All pools want more than that."""
    return {pool: slots * weight / sum(weights.values()) for pool, weight in weights.items()}


class Pools:
    """A full cluster of one-CPU slots. Each pool always has waiting maps."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = Random(seed)
        self.weights = {f"pool{n}": rng.randint(1, 4) for n in range(rng.randint(2, 5))}
        line = ";".join(f"{pool}:weight={weight}" for pool, weight in self.weights.items())
        self.hands = Hands({"scheduler": "fair", "pools": line, "slot.lease.seconds": "1000000"})
        self.slots = rng.randint(len(self.weights), 16)
        self.pool_of: dict[str, str] = {}

    def submit(self) -> None:
        """One or two jobs of each pool, in any order."""
        jobs = [pool for pool in self.weights for _ in range(self.rng.randint(1, 2))]
        self.rng.shuffle(jobs)
        for pool in jobs:
            self.pool_of[self.hands.job(maps=MAPS, job_pool=pool)] = pool

    def offer(self) -> None:
        agents = [f"a{n}" for n in range(self.slots)]
        self.rng.shuffle(agents)
        while agents:
            some = [agents.pop() for _ in range(self.rng.randint(1, len(agents)))]
            launches(self.hands.offer(*some))

    def end_one(self) -> None:
        """Any attempt ends, with success or without."""
        attempt_id = self.rng.choice(sorted(self.hands.running))
        if self.rng.random() < 0.05:
            commands = self.hands.end(attempt_id, AttemptState.KILLED)
        else:
            commands = self.hands.end(attempt_id)
        assert not of(commands, EndSlot), "somebody always wants a slot"

    def running(self) -> dict[str, int]:
        counts = dict.fromkeys(self.weights, 0)
        for attempt in self.hands.running.values():
            counts[self.pool_of[attempt.job_id]] += 1
        return counts


@pytest.mark.parametrize(
    "first",
    [0, *(pytest.param(first, marks=pytest.mark.slow) for first in range(FAST, SLOW, CHUNK))],
)
def test_every_pool_is_within_one_task_of_its_share(first: int) -> None:
    for seed in range(first, first + CHUNK):
        pools = Pools(seed)
        # At first, one pool uses the whole cluster. The other pools come later.
        early = pools.hands.job(maps=MAPS, job_pool="pool0")
        pools.pool_of[early] = "pool0"
        pools.offer()
        pools.submit()
        due = ideal(pools.weights, pools.slots)
        settled = 0
        for _ in range(8 * pools.slots):
            pools.end_one()
            off = max(abs(have - due[pool]) for pool, have in pools.running().items())
            if settled:
                assert off <= 1.0, (seed, pools.weights, pools.running(), due)
            settled += off <= 1.0
        assert settled, (seed, "never", pools.running(), due)
