"""Two JobTrackers on one agent: each holds its share by weight, within one task, at any time.

Their cores are the production ones. The offers come from the simulator's master, or from minimesos'
allocator, which answers as the recorded master did (tests/minimesos/test_replay.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import pytest

from mrmesos.minimesos.master.allocator import Allocator
from mrmesos.minimesos.model.resources import SCALAR, Bucket, Resources
from mrmesos.simulator import world as worlds
from mrmesos.simulator.clock import Clock
from mrmesos.simulator.machines import Amounts
from mrmesos.simulator.master import Account, Bidder, Master, SimulatedAgent
from mrmesos.simulator.spec import ClusterSpec, FrameworksSpec, JobClass, Spec, TimesSpec
from mrmesos.simulator.world import World

TASKS = 4  # that the agent has room for
WINDOW = 10.0
STEP = 0.25
LEEWAY = 1.1
"""Tasks. One, and a little: what has ended is nobody's until the next allocation."""


def _resources(amounts: Amounts, role: str) -> Resources:
    return Resources(
        {Bucket(name, SCALAR): amount for name, amount in amounts.items() if amount}
    ).allocate(role)


class MiniMesosMaster(Master):
    """minimesos' allocator in the simulator: each framework has a role of its own."""

    def __init__(self, clock: Clock, interval: float, rng: Random) -> None:
        super().__init__(clock, interval, rng)
        self.allocator = Allocator(interval, rng=rng)
        self._of: dict[str, Bidder] = {}

    def add_bidder(self, bidder: Bidder) -> None:
        super().add_bidder(bidder)
        role = str(bidder.account.number)
        self._of[role] = bidder
        self.allocator.add_framework(role, [role])

    def add_agent(self, agent: SimulatedAgent) -> None:
        super().add_agent(agent)
        total = {Bucket(name, SCALAR): amount for name, amount in agent.total.items()}
        self.allocator.add_agent(agent.id, Resources(total))

    def use(self, account: Account, agent: SimulatedAgent, amounts: Amounts) -> None:
        super().use(account, agent, amounts)
        role = str(account.number)
        self.allocator.occupy(role, agent.id, _resources(amounts, role))

    def give_back(self, account: Account, agent: SimulatedAgent, amounts: Amounts) -> None:
        super().give_back(account, agent, amounts)
        role = str(account.number)
        self.allocator.recover(role, agent.id, _resources(amounts, role))

    def refuse(self, account: Account, agent_ids: Iterable[str], seconds: float) -> None:
        role = str(account.number)
        for agent_id in agent_ids:
            rest = _resources(self.agents[agent_id].free, role)
            self.allocator.occupy(role, agent_id, rest)
            self.allocator.recover(role, agent_id, rest, seconds, self._clock.now)

    def suppress(self, account: Account) -> None:
        super().suppress(account)
        self.allocator.suppress(str(account.number))

    def revive(self, account: Account) -> None:
        super().revive(account)
        self.allocator.revive(str(account.number))

    def _allocate(self) -> None:
        for role, bidder in self._of.items():
            self.allocator.weights[role] = bidder.account.weight
        made = self.allocator.allocate(self._clock.now)
        for one in made:  # as all offers are answered at once, and in the same event
            self.allocator.recover(one.framework, one.agent, one.resources)
        for one in made:
            self._of[one.framework].offered([self.agents[one.agent]])


def shares(
    monkeypatch: pytest.MonkeyPatch,
    master: type[Master],
    weights: tuple[float, ...],
    *,
    lease: float,
    seconds: float,
    noise: float,
    seed: int,
) -> list[list[float]]:
    """Of each window once the first leases are over: how many tasks of TASKS each had, by what
    all had, and zero where it had none at all.
    """
    monkeypatch.setattr(worlds, "Master", master)
    world = World(
        Spec(
            seed=seed,
            cluster=ClusterSpec(agents=1, racks=1, cpus=TASKS, memory_mb=8192),
            frameworks=FrameworksSpec(count=len(weights)),
            times=TimesSpec(noise=noise),
            jobs=(
                JobClass(
                    name="scan",
                    count=len(weights),
                    maps=4000,
                    map_seconds=seconds,
                    placement="none",
                ),
            ),
            conf={"slot.lease.seconds": lease},
        )
    )
    for framework, weight in zip(world.frameworks, weights, strict=True):
        framework.account.weight = weight
    rows: list[list[int]] = []

    def look() -> None:
        rows.append([one.account.held.get("cpus", 0) for one in world.frameworks])
        world.clock.after(STEP, look)

    world.clock.after(1.5 * lease, look)
    while world.clock.elapsed < 1.5 * lease + 15 * WINDOW:
        world.clock.step()
    size = int(WINDOW / STEP)
    sums = [
        [sum(row[place] for row in rows[at : at + size]) for place in range(len(weights))]
        for at in range(0, len(rows) - size + 1, size)
    ]
    return [[TASKS * part / sum(window) for part in window] for window in sums]


@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize("seconds", [0.7, 5.0])
@pytest.mark.parametrize("lease", [10.0, 60.0])
@pytest.mark.parametrize("weights", [(1.0, 1.0), (3.0, 1.0)])
@pytest.mark.parametrize("master", [Master, MiniMesosMaster])
def test_two_frameworks_share_an_agent_by_their_weights(
    monkeypatch: pytest.MonkeyPatch,
    master: type[Master],
    weights: tuple[float, ...],
    lease: float,
    seconds: float,
    noise: float,
) -> None:
    due = [TASKS * weight / sum(weights) for weight in weights]
    for seed in range(2):
        for window in shares(
            monkeypatch, master, weights, lease=lease, seconds=seconds, noise=noise, seed=seed
        ):
            off = max(abs(had - one) for had, one in zip(window, due, strict=True))
            assert off <= LEEWAY, f"seed {seed}: {window} instead of {due}"
