from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from mrmesos.simulator.storage import Storage


def storage(sizes: list[int], seed: int) -> Storage:
    racks = [[f"h{rack}-{n}" for n in range(size)] for rack, size in enumerate(sizes)]
    return Storage(racks, Random(seed))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6).filter(any), st.integers(0, 99))
def test_a_block_lies_on_hosts_that_differ(sizes: list[int], seed: int) -> None:
    world = storage(sizes, seed)
    for _ in range(20):
        hosts = world.block()
        assert 1 <= len(hosts) <= 3
        assert len(set(hosts)) == len(hosts)
        assert set(hosts) <= set(world.rack_of)


def test_the_second_and_third_replica_are_in_one_other_rack() -> None:
    world = storage([4, 4, 4], 1)
    for _ in range(100):
        first, second, third = (world.rack_of[host] for host in world.block())
        assert second == third != first


def test_every_host_stores_its_share() -> None:
    world = storage([5, 5], 2)
    counts: dict[str, int] = {}
    for _ in range(10_000):
        for host in world.block():
            counts[host] = counts.get(host, 0) + 1
    assert all(2_700 < count < 3_300 for count in counts.values())
