from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from mrmesos.simulator.clock import Clock
from mrmesos.simulator.machines import Amounts
from mrmesos.simulator.master import DEFER_AGENTS, Account, Master, SimulatedAgent

SIZE = {"cpus": 4000, "mem": 4096_000}
TASK = {"cpus": 1000, "mem": 512_000}


class Taker:
    """Takes as many tasks as it wants of each agent offered, and refuses the rest for a time."""

    def __init__(
        self, master: Master, number: int, wants: int, refuse: float, weight: float
    ) -> None:
        self.account = Account(number, weight)
        self.master = master
        self.wants, self.refuse = wants, refuse
        self.seen: list[tuple[float, str]] = []
        master.add_bidder(self)

    def offered(self, agents: Sequence[SimulatedAgent]) -> None:
        for agent in agents:
            self.seen.append((self.master._clock.elapsed, agent.id))
            while self.wants and agent.free["cpus"] >= TASK["cpus"]:
                self.master.use(self.account, agent, TASK)
                self.wants -= 1
            self.master.refuse(self.account, (agent.id,), self.refuse)


class Bench:
    def __init__(self, agents: int) -> None:
        self.clock = Clock()
        self.master = Master(self.clock, 1.0, Random(1))
        for number in range(agents):
            size = dict(SIZE)
            self.master.add_agent(
                SimulatedAgent(f"S{number}", f"h{number}", dict(size), 0, size, {})
            )
        self.master.start()

    def taker(self, wants: int = 0, refuse: float = 5.0, weight: float = 1.0) -> Taker:
        return Taker(self.master, len(self.master._bidders), wants, refuse, weight)

    def run(self, seconds: float) -> None:
        until = self.clock.elapsed + seconds
        while self.clock._heap and self.clock._heap[0][0] - Clock.START <= until:
            self.clock.step()


def test_a_filter_holds_until_it_ends_or_more_is_free() -> None:
    bench = Bench(1)
    taker = bench.taker(wants=2, refuse=3.0)
    bench.run(2.5)
    assert [at for at, _ in taker.seen] == [0.0]
    bench.run(2.0)
    assert [at for at, _ in taker.seen] == [0.0, 3.0]
    agent = bench.master.agents["S0"]
    bench.master.give_back(taker.account, agent, TASK)  # more is free than was refused
    bench.run(1.0)
    assert [at for at, _ in taker.seen] == [0.0, 3.0, 5.0]


class Refuser(Taker):
    """Refuses all agents of an offer in one call."""

    def offered(self, agents: Sequence[SimulatedAgent]) -> None:
        self.seen += [(self.master._clock.elapsed, agent.id) for agent in agents]
        self.master.refuse(self.account, [agent.id for agent in agents], self.refuse)


def test_a_filter_of_many_agents_holds_what_they_had_then() -> None:
    bench = Bench(2 * DEFER_AGENTS)
    refuser, master = Refuser(bench.master, 0, 0, 100.0, 1.0), bench.master
    account, (first, second, *_) = refuser.account, master.agents.values()
    master.use(account, first, TASK)
    bench.run(0.5)
    assert len(refuser.seen) == 2 * DEFER_AGENTS
    assert not account.refused, "nobody asked for it yet"
    master.give_back(account, first, TASK)  # more is free than was refused
    master.use(account, second, TASK)
    master.give_back(account, second, TASK)  # as much as was refused
    bench.run(1.0)
    assert refuser.seen[2 * DEFER_AGENTS :] == [(1.0, first.id)]
    assert len(account.refused) == 2 * DEFER_AGENTS


def test_a_revive_drops_a_filter_that_nobody_asked_for() -> None:
    bench = Bench(2 * DEFER_AGENTS)
    refuser = Refuser(bench.master, 0, 0, 100.0, 1.0)
    bench.run(0.5)
    bench.master.revive(refuser.account)
    bench.run(0.0)
    assert len(refuser.seen) == 4 * DEFER_AGENTS
    assert not refuser.account.refused


def test_a_filter_lasts_an_interval_at_least() -> None:
    bench = Bench(1)
    taker = bench.taker(refuse=0.1)
    bench.run(3.5)
    assert [at for at, _ in taker.seen] == [0.0, 1.0, 2.0, 3.0]


def test_suppress_ends_offers_and_revive_brings_all_at_once() -> None:
    bench = Bench(3)
    taker = bench.taker(refuse=100.0)
    bench.run(1.5)
    assert len(taker.seen) == 3
    bench.master.suppress(taker.account)
    bench.run(5.0)
    assert len(taker.seen) == 3
    bench.master.revive(taker.account)
    bench.run(0.0)
    assert len(taker.seen) == 6


@pytest.mark.parametrize(("weight", "expected"), [(1.0, (20, 20)), (3.0, (10, 30))])
def test_shares_follow_weighted_drf(weight: float, expected: tuple[int, int]) -> None:
    bench = Bench(10)
    takers = bench.taker(wants=99), bench.taker(wants=99, weight=weight)
    bench.run(3.0)
    held = [taker.account.held["cpus"] // 1000 for taker in takers]
    assert sum(held) == 40
    assert all(abs(h - e) <= 4 for h, e in zip(held, expected, strict=True)), held


def test_what_one_refuses_the_other_is_offered() -> None:
    bench = Bench(2)
    poor, rich = bench.taker(refuse=50.0), bench.taker(wants=99)
    bench.run(2.5)
    assert poor.seen, "the one that holds less is asked first"
    assert rich.account.held["cpus"] == 8000


def test_partitions_are_offered_to_their_own_only() -> None:
    bench = Bench(0)
    for number in range(4):
        agent = SimulatedAgent(
            f"S{number}", "h", dict(SIZE), 0, dict(SIZE), {}, partition=number % 2
        )
        bench.master.add_agent(agent)
    takers = bench.taker(wants=99), bench.taker(wants=99)
    for taker in takers:
        taker.account.partitioned = True
    bench.run(1.5)
    assert {agent for _, agent in takers[0].seen} == {"S0", "S2"}
    assert {agent for _, agent in takers[1].seen} == {"S1", "S3"}


def test_more_than_is_free_cannot_be_taken() -> None:
    bench = Bench(1)
    taker = bench.taker()
    much: Amounts = {"cpus": 4001}
    with pytest.raises(AssertionError, match="more cpus accepted than offered"):
        bench.master.use(taker.account, bench.master.agents["S0"], much)
