"""The job order: priorities, pools and fair shares, also together with delay scheduling."""

from __future__ import annotations

from collections import Counter
from functools import reduce
from operator import or_

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.conf import ConfError
from mrmesos.jobtracker.core.jobtracker import JobTracker
from mrmesos.jobtracker.core.model.pools import PoolShare
from mrmesos.jobtracker.core.scheduling.job_order import HALF_A_TASK, Fair, Fifo, Rank, cost
from mrmesos.jobtracker.core.scheduling.job_set import NO_JOBS, JobSet
from mrmesos.wire.task import AttemptState
from tests.jobtracker.harness import Hands, launches, long, spec, started

FAIR = {"scheduler": "fair"}
ranks = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from("abc"), st.integers(0, 5)), min_size=1, max_size=8
)


@given(ranks, st.data())
def test_the_order_agrees_with_sorting(
    jobs: list[tuple[int, str, int]], data: st.DataObject
) -> None:
    shares = {"a": PoolShare(2000, 0), "b": PoolShare(1000, 3)}
    line = [Rank(JobSet(1 << i), priority, pool) for i, (priority, pool, _) in enumerate(jobs)]
    fifo, fair = Fifo(), Fair(shares)
    for rank, (_, _, used) in zip(line, jobs, strict=True):
        fifo.add(rank)
        fair.add(rank)
        fair.use(rank, used)
    if data.draw(st.booleans()) and len(line) > 1:
        gone = line.pop(data.draw(st.integers(0, len(line) - 1)))
        fifo.discard(gone)
        fair.discard(gone)
    of_pool = Counter[str]()
    for rank in line:
        of_pool[rank.pool] += rank.used

    def fair_key(rank: Rank) -> tuple[int, float, str, int, int]:
        share = shares.get(rank.pool, PoolShare())
        below = of_pool[rank.pool] < share.least
        have = of_pool[rank.pool] + (0 if below else HALF_A_TASK)
        due = have * 1_000_000 // (share.least if below else share.weight)
        return (
            0 if below else 1,
            due,
            rank.pool,
            rank.used << rank.priority,
            rank.bit.bit_length(),
        )

    chosen = data.draw(st.sets(st.sampled_from(range(len(line))), min_size=1))
    candidates = reduce(or_, (line[i].bit for i in chosen))
    for order, in_order in (
        (fifo, sorted(line, key=lambda rank: (rank.priority, rank.bit.bit_length()))),
        (fair, sorted(line, key=fair_key)),
    ):
        first = next(i for i, rank in enumerate(in_order) if rank.bit & candidates)
        ahead = reduce(or_, (rank.bit for rank in in_order[:first]), NO_JOBS)
        assert order.first(candidates) == in_order[first].bit
        assert order.before(in_order[first]) == ahead


def test_an_attempt_counts_by_its_dominant_resource() -> None:
    cluster = {"cpus": 100_000, "mem": 400_000_000}
    assert cost({"cpus": 1000, "mem": 1_000_000}, cluster) == 1000
    assert cost({"cpus": 1000, "mem": 8_000_000}, cluster) == 2000
    assert cost({"cpus": 500, "licences": 1000}, {**cluster, "licences": 10_000}) == 10_000
    assert cost({"cpus": 500, "mem": 9_000_000}, {}) == 500


def jobs_of(hands: Hands, agents: int, cpus: float = 1.0) -> Counter[str]:
    """Offer new agents. Returns how many attempts of each job begin."""
    names = [f"n{hands.offers + i}" for i in range(agents)]
    return Counter(one.first.job_id for one in launches(hands.offer(*names, cpus=cpus)))


def test_a_higher_priority_goes_first() -> None:
    hands = Hands()
    normal = hands.job(maps=3)
    low = hands.job(maps=3, job_priority="LOW")
    high = hands.job(maps=3, job_priority="very_high")
    assert [jobs_of(hands, 3), jobs_of(hands, 3), jobs_of(hands, 3)] == [
        {high: 3},
        {normal: 3},
        {low: 3},
    ]


def test_what_is_no_priority_or_scheduler_is_refused() -> None:
    with pytest.raises(ConfError, match=r"job\.priority='URGENT': expected one of VERY_HIGH"):
        JobTracker.check_spec(spec(job_priority="URGENT"))
    with pytest.raises(ConfError, match="scheduler"):
        Hands({"scheduler": "random"})


def test_pools_share_by_weight_within_one_task() -> None:
    hands = Hands({**FAIR, "pools": "etl:weight=2;adhoc:weight=1"})
    etl = hands.job(maps=100, job_pool="etl")
    adhoc = hands.job(maps=100, job_pool="adhoc")
    got = jobs_of(hands, 30)
    assert got == {etl: 20, adhoc: 10}
    # Steady state: a free slot goes to the pool that has less of its share.
    for name in list(hands.running)[:25]:
        commands = hands.end(name, AttemptState.SUCCEEDED)
        begun = len(started(commands))
        now = Counter(a.job_id for a in hands.running.values())
        assert begun == 1
        assert abs(now[etl] - 20) <= 1
        assert now[etl] + now[adhoc] == 30


def test_jobs_of_a_pool_share_alike_and_by_priority() -> None:
    hands = Hands(FAIR)
    old, new = hands.job(maps=100), hands.job(maps=100)
    assert jobs_of(hands, 10) == {old: 5, new: 5}
    urgent = hands.job(maps=100, job_priority="HIGH")
    assert jobs_of(hands, 10) == {urgent: 10}, "it has nothing yet"
    assert jobs_of(hands, 20) == {urgent: 10, old: 5, new: 5}


def test_a_pool_below_its_minimum_share_goes_first() -> None:
    hands = Hands({**FAIR, "pools": "etl:weight=100;adhoc:min=3"})
    etl = hands.job(maps=100, job_pool="etl")
    adhoc = hands.job(maps=100, job_pool="adhoc")
    assert jobs_of(hands, 3) == {adhoc: 3}
    assert jobs_of(hands, 3) == {etl: 3}


def test_the_pool_is_the_user_if_none_is_named() -> None:
    hands = Hands(FAIR)
    mine, other = hands.job(maps=10), hands.job(maps=10, job_pool="me")
    assert {hands.core.st.jobs[job].settings.pool for job in (mine, other)} == {"me"}


def test_memory_counts_where_it_is_dominant() -> None:
    # Agents have 4 CPUs and 8 GiB. A map of 1 CPU and 4 GiB takes half of one, so it counts 2 CPUs.
    hands = Hands(FAIR)
    large = hands.job(maps=100, job_pool="a", map_memory_mb="4000")
    small = hands.job(maps=100, job_pool="b", map_memory_mb="500")
    got = jobs_of(hands, 30, cpus=4.0)
    assert got[large] * 2 == pytest.approx(got[small], abs=2)


def test_a_job_below_its_share_that_waits_for_its_data_lets_others_pass() -> None:
    hands = Hands(FAIR)
    hands.job(maps=100, job_pool="a")
    jobs_of(hands, 5)
    waits = hands.job(*[("d",)] * 3, job_pool="b", locality_wait_node="3")
    hands.offer("d", cpus=0.5)  # a known agent that is too small
    assert waits not in jobs_of(hands, 5)
    assert launches(hands.offer("d"))[0].first.job_id == waits
    jobs_of(hands, 1)
    hands.now += 3
    assert jobs_of(hands, 2) == {waits: 2}


def reduces_ready(hands: Hands) -> None:
    """Four reduces may start, and one of them runs on `a`. `b` is known, and busy."""
    job = hands.job(maps=4, reduces=4)
    hands.offer("a", cpus=4.0)
    hands.offer("b", cpus=0.5)
    for index in range(4):
        hands.end(long(job, f"m{index}"))
    assert len(hands.running) == 1


def test_reduces_spread_over_agents() -> None:
    hands = Hands()
    reduces_ready(hands)
    assert started(hands.offer("a", cpus=3.0)) == ["r1"], "the other half is b's"
    assert started(hands.offer("b", cpus=4.0)) == ["r2", "r3"]


def test_reduces_do_not_wait_long_for_other_agents() -> None:
    hands = Hands()
    reduces_ready(hands)
    assert started(hands.offer("a", cpus=3.0)) == ["r1"]
    hands.now += 0.5
    assert started(hands.offer("a", cpus=2.0)) == ["r2", "r3"]


def test_while_maps_wait_reduces_keep_to_the_ratio_over_the_whole_job() -> None:
    hands = Hands()
    early = {"job_reduce_slowstart_completedmaps": "0"}
    hands.job(maps=20, reduces=20, map_memory_mb="4000", reduce_memory_mb="128", **early)
    got = started(hands.offer("a", "b", cpus=8.0, mem=8800.0))
    assert sorted(got) == ["m0", "m1", "m2", "m3", "r0", "r1"], "one for each two maps"
