from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrmesos.api import Job, Mapper, Reducer
from mrmesos.local.run_job import run_job
from mrmesos.task.collect import counted_combine, counted_pairs, map_sink
from mrmesos.task.drivers.record_feed import (
    MAX_PAIRS,
    ChunkSize,
    Counts,
    Groups,
    NotAPair,
    drain,
    drain_counted,
    drain_grouped,
    flatten,
    told_apart_by_value,
)

ITEMS = st.lists(st.tuples(st.integers(0, 9), st.integers()), max_size=50)


@given(items=ITEMS, count=st.integers(1, 60))
def test_drain_takes_all_in_order(items: list[tuple[int, int]], count: int) -> None:
    source = iter(items)
    found: list[tuple[int, int]] = []
    while True:
        keys, values = drain(source, count)
        if not keys:
            break
        assert len(keys) == len(values) <= count
        found += zip(keys, values, strict=True)
    assert found == items


@given(items=ITEMS, count=st.integers(1, 60))
def test_drain_grouped_keeps_the_order_of_values(items: list[tuple[int, int]], count: int) -> None:
    source, groups = iter(items), defaultdict[Any, list[Any]](list)
    while drain_grouped(source, count, groups)[0]:
        pass
    expected: Groups = {}
    for key, value in items:
        expected.setdefault(key, []).append(value)
    assert groups == expected
    assert list(groups) == list(expected)


def test_a_key_without_a_hash_is_given_back() -> None:
    groups: Groups = defaultdict(list)
    source = iter([("a", 1), (["b"], 2), ("c", 3)])
    assert drain_grouped(source, 10, groups) == (1, (["b"], 2))
    assert drain_grouped(source, 10, groups) == (1, None)
    assert drain_grouped(source, 10, groups) == (0, None)


@given(keys=st.lists(st.integers(0, 9), max_size=50), count=st.integers(1, 60))
def test_drain_counted_counts_keys_in_the_order_of_arrival(keys: list[int], count: int) -> None:
    source, counts, taken = zip(keys, ["x"] * len(keys), strict=True), Counts(), 0
    while (step := drain_counted(source, count, counts)) != (0, None):
        assert step[0] <= count
        taken += step[0]
    assert taken == counts.rows == len(keys)
    assert list(counts.found.items()) == list(Counter(keys).items())


@pytest.mark.parametrize("other", [True, 1.0, 2, None, (1,), "1"])
def test_an_equal_value_of_another_type_is_not_counted(other: object) -> None:
    counts = Counts()
    source = iter([("a", 1), ("a", 1), ("a", other), ("b", 1)])
    assert drain_counted(source, 10, counts) == (2, ("a", other))
    assert drain_counted(source, 10, counts) == (1, None)
    assert (counts.found, counts.rows, counts.value) == ({"a": 2, "b": 1}, 3, 1)


def test_a_value_that_may_change_and_a_key_without_a_hash_are_given_back() -> None:
    shared: list[int] = []
    assert drain_counted(iter([("a", shared), ("a", shared)]), 10, Counts()) == (0, ("a", shared))
    counts = Counts()
    assert drain_counted(iter([("a", 1), (["b"], 1)]), 10, counts) == (1, (["b"], 1))
    assert counts.found == {"a": 1}


@pytest.mark.parametrize("item", ["ab", None, 3, ("a",), (1, 2, 3), {1: 2, 3: 4}, {1, 2}, [1]])
def test_items_that_are_not_pairs(item: object) -> None:
    with pytest.raises(NotAPair):
        drain(iter([item]), 10)
    with pytest.raises(NotAPair):
        drain_grouped(iter([item]), 10, defaultdict(list))
    with pytest.raises(NotAPair):
        drain_counted(iter([item]), 10, Counts())


def test_lists_and_named_tuples_of_two_are_pairs() -> None:
    assert drain(iter([[1, 2], ("a", "b")]), 10) == ([1, "a"], [2, "b"])


def test_none_is_no_pairs_and_generators_are_read_one_after_another() -> None:
    def plain(number: int) -> list[int] | None:
        return [number] * number if number else None

    flat: list[Any] = list(flatten(plain, map(plain, [2, 0, 1])))
    assert flat == [2, 2, 1]
    log = []

    def generator(number: int) -> Iterator[int]:
        log.append(number)
        yield number

    items: Iterator[Any] = flatten(generator, map(generator, range(5)))
    assert next(items) == 0
    assert next(items) == 1
    assert log == [0, 1]


def test_chunks_grow_to_the_limit_and_shrink_for_large_pairs() -> None:
    size = ChunkSize()
    for _ in range(20):
        size.learn(["k"] * 1000, [1] * 1000)
    assert size.pairs == MAX_PAIRS
    size.learn(["k"] * 100, ["x" * (1 << 20)] * 100)
    assert size.pairs <= 4


def test_equality_of_plain_data_only() -> None:
    assert told_apart_by_value({"a": [], None: []})
    assert told_apart_by_value({("a", 1): [], ("b", None): []})
    assert not told_apart_by_value({"a": [], ("b",): []})
    assert not told_apart_by_value({(("nested",), 1): []})
    assert not told_apart_by_value({object(): []})


class Numbers(Mapper):
    def map(self, key: int, line: str) -> Iterator[tuple[Any, int]]:
        for word in line.split(","):
            yield eval(word, {"inf": math.inf}), 1


class Total(Reducer):
    def reduce(self, key: Any, counts: Iterator[int]) -> Iterator[tuple[Any, int]]:
        yield key, sum(counts)


class Counting(Job):
    mapper, combiner, reducer = Numbers, Total, Total


@settings(max_examples=40, deadline=None)
@given(
    numbers=st.lists(
        st.integers(0, 5) | st.integers(0, 1 << 40) | st.floats(allow_nan=False), max_size=300
    ),
    rows=st.integers(1, 100),
)
def test_folding_changes_no_sum(numbers: list[float], rows: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counted_pairs, "_KEYS", rows)
        patch.setattr(counted_combine, "_ROWS_HELD", 3 * rows)
        patch.setattr(map_sink, "_GROUPS_ROWS", rows)
        patch.setattr(map_sink, "_FOLD_ROWS", rows)
        lines = [
            ",".join(map(repr, numbers[start : start + 7])) for start in range(0, len(numbers), 7)
        ]
        result = run_job(Counting, lines, splits=2)
    expected: dict[float, int] = defaultdict(int)
    for number in numbers:
        expected[number] += 1
    assert dict(result.records) == expected
    assert len(result.records) == len(expected)


def test_keys_that_lose_their_hash_half_way_are_combined_too() -> None:
    result = run_job(Counting, ["'a','b',['c'],'a',['c']"], splits=1, num_reducers=1)
    assert result.records == [("a", 2), ("b", 1), (["c"], 2)]


def test_keys_without_a_hash_are_combined_too() -> None:
    result = run_job(Counting, ["['a'],['b'],['a']"], num_reducers=1)
    assert result.records == [(["a"], 2), (["b"], 1)]


def test_the_culprit_is_found_among_many() -> None:
    class Odd(Mapper):
        def map(self, key: int, line: str) -> Iterator[Any]:
            yield from chain([(line, 1)] * 10, ["oops"] if line == "4321" else [])

    class Wrong(Job):
        mapper, combiner, reducer = Odd, Total, Total

    with pytest.raises(Exception, match=r"Odd\.map") as met:
        run_job(Wrong, [str(number) for number in range(1000, 6000)], splits=1)
    assert met.value.__notes__[0].endswith(f"offset {3321 * 5}: record '4321'")
