from __future__ import annotations

from bisect import bisect_right
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.io.shuffle.grouping import Grouping
from mrmesos.io.shuffle.range_partition import check_cuts, choose_cuts, range_partition
from tests.io.keys import KEYS, canonical, key_lists, numbered, order


def column(keys: list[Any]) -> pa.Array:
    return Grouping().partition_column(numbered(keys))


def test_none_beside_tuples_is_the_same_key_as_none_alone() -> None:
    mixed, alone = column([(None, None), None]), column([None])
    for partitions in (2, 3, 4):
        cuts = choose_cuts([mixed, alone], partitions)
        assert range_partition(mixed, cuts).tolist()[1:] == range_partition(alone, cuts).tolist()


@given(key_lists(), st.integers(1, 9), st.integers(1, 40), st.data())
def test_partitions_are_ranges_and_equal_keys_lie_together(
    keys: list[Any], partitions: int, rows: int, data: st.DataObject
) -> None:
    sampled = [key for key in keys if data.draw(st.booleans())]
    chunks = [column(sampled[start : start + rows]) for start in range(0, len(sampled), rows)]
    cuts = choose_cuts(chunks, partitions)
    whole = range_partition(column(keys), cuts).tolist()
    for start in range(0, len(keys), rows):
        part = range_partition(column(keys[start : start + rows]), cuts)
        assert part.dtype == np.int32
        assert part.tolist() == whole[start : start + rows]
    assert all(0 <= found < partitions for found in whole)
    in_order = sorted(zip(keys, whole, strict=True), key=lambda pair: order(pair[0]))
    assert [found for _, found in in_order] == sorted(whole)
    homes: dict[str, set[int]] = {}
    for key, found in zip(keys, whole, strict=True):
        homes.setdefault(canonical(key), set()).add(found)
    assert all(len(home) == 1 for home in homes.values())


@pytest.mark.parametrize("name", sorted(KEYS))
def test_a_key_that_is_a_cut_begins_its_partition(name: str) -> None:
    @given(st.lists(KEYS[name], min_size=2, max_size=30, unique_by=canonical), st.integers(2, 5))
    def check(keys: list[Any], partitions: int) -> None:
        keys.sort(key=order)
        cuts = choose_cuts([column(keys)], partitions)
        assert cuts is not None
        check_cuts(cuts, len(cuts) + 1)
        found = range_partition(column(keys), cuts)
        assert len(cuts) == min(partitions, len(keys)) - 1 or len(keys) < 2 * partitions
        starts = np.flatnonzero(np.diff(found)) + 1
        firsts = column([keys[start] for start in starts]).to_pylist()
        assert list(map(canonical, firsts)) == list(map(canonical, cuts.to_pylist()))

    check()


def test_shares_are_even() -> None:
    keys = np.random.default_rng(3).permutation(100_000).tolist()
    cuts = choose_cuts([column(keys[:20_000])], 10)
    counts = np.bincount(range_partition(column(keys), cuts), minlength=10)
    assert np.min(counts) > 9_000
    assert np.max(counts) < 11_000
    texts = [f"http://example.org/{number}" for number in keys]
    cuts = choose_cuts([column(texts[:20_000])], 10)
    counts = np.bincount(range_partition(column(texts), cuts), minlength=10)
    assert np.min(counts) > 9_000
    assert np.max(counts) < 11_000


def test_a_key_that_fills_partitions_has_one_and_leaves_the_rest_to_others() -> None:
    keys = ["a"] * 100 + ["the"] * 800 + ["zoo"] * 100
    cuts = choose_cuts([column(keys)], 4)
    counts = np.bincount(range_partition(column(keys), cuts), minlength=4).tolist()
    assert sorted(counts) == [0, 100, 100, 800]
    same = choose_cuts([column([7] * 50)], 4)
    assert range_partition(column([6, 7, 8]), same).tolist() == [0, 0, 0]


def test_nothing_sampled_is_one_range() -> None:
    assert choose_cuts([], 4) is None
    assert choose_cuts([column([])], 4) is None
    assert range_partition(column(["b", None]), None).tolist() == [0, 0]
    nulls = choose_cuts([column([None, None])], 4)
    assert range_partition(column([1, 2]), nulls).tolist() == [0, 0]


def test_types_that_compare_and_types_that_do_not() -> None:
    cuts = choose_cuts([column([1, 2, 3, 4])], 2)
    assert range_partition(column([0.5, 2.5, 3.0, None]), cuts).tolist() == [0, 0, 1, 0]
    assert range_partition(column(["a"]), cuts).tolist() == [1]
    assert range_partition(column(["a", 2**70, 2, None, ("a",)]), cuts).tolist() == [1, 1, 0, 0, 1]
    cuts = choose_cuts([column(["a", 1, 2]), column([3])], 2)
    assert range_partition(column([2, 3, None]), cuts).tolist() == [0, 1, 0]
    assert range_partition(column(["a"]), cuts).tolist() == [1]


def test_cuts_that_somebody_names() -> None:
    check_cuts(column([1, 5]), 3)
    for keys, words in (
        ([1, 5], "2 cut points for 2 reduces; name 1"),
        ([5, 1], "ascending"),
        ([5, 5], "repetitions"),
        ([None, 5], "without None"),
    ):
        with pytest.raises(ValueError, match=words):
            check_cuts(column(keys), 2 if words.startswith("2") else 3)


@pytest.mark.parametrize("number", [1, 3, 64, 65, 300])
def test_few_cuts_and_many(number: int) -> None:
    texts = [f"{each * 7919 % 10_000:04d}" for each in range(2_000)]
    cuts = sorted(texts[:number])
    found = range_partition(pa.array(texts), pa.array(cuts))
    assert found.tolist() == [bisect_right(cuts, text) for text in texts]
