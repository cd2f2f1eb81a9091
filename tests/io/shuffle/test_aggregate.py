from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.api.aggregates import Aggregate, Count, Max, Mean, Min, Sum, TopK
from mrmesos.io.columns.batches import cut, take
from mrmesos.io.columns.encode import RecordTypeError, decode_batch, encode_pairs
from mrmesos.io.columns.sorting import argsort
from mrmesos.io.columns.sortkey import sort_column, with_sort_column
from mrmesos.io.shuffle.aggregate import AggregateOverflowError, combine_with
from tests.io.keys import canonical, key_lists, order

AGGREGATES: list[tuple[type[Aggregate], Callable[[list[Any]], Any]]] = [
    (Sum, sum),
    (Count, len),
    (Min, min),
    (Max, max),
    (Mean, lambda values: sum(values) / len(values)),
    (TopK.of(3), lambda values: sorted(values, reverse=True)[:3]),
]


def sorted_batch(keys: list[Any], values: list[Any]) -> pa.RecordBatch:
    batch = with_sort_column(encode_pairs(keys, values))
    return take(batch, argsort(sort_column(batch)))


def pairs_of(batches: Any) -> list[tuple[Any, Any]]:
    return [pair for batch in batches for pair in zip(*decode_batch(batch), strict=True)]


@pytest.mark.parametrize(("aggregate", "fold"), AGGREGATES)
@given(keys=key_lists(), rows=st.integers(1, 9), data=st.data())
def test_aggregates_of_any_keys(
    aggregate: type[Aggregate],
    fold: Callable[[list[Any]], Any],
    keys: list[Any],
    rows: int,
    data: st.DataObject,
) -> None:
    numbers = st.integers(-(2**50), 2**50)
    values = data.draw(st.lists(numbers, min_size=len(keys), max_size=len(keys)))
    batch = sorted_batch(keys, values)
    partial = list(combine_with(aggregate, "initial")(cut(batch, rows)))
    merged = list(combine_with(aggregate, "merge")(iter(partial)))
    final = pairs_of(combine_with(aggregate, "final")(iter(merged)))
    groups: dict[str, list[int]] = {}
    for key, value in sorted(zip(keys, values, strict=True), key=lambda pair: order(pair[0])):
        groups.setdefault(canonical(key), []).append(value)
    expected = [(name, fold(group)) for name, group in groups.items()]
    assert [(canonical(key), value) for key, value in final] == expected


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20), st.integers(1, 20))
def test_sums_are_exact_or_fail(values: list[int], rows: int) -> None:
    batch = sorted_batch(["k"] * len(values), values)
    fits = -(2**63) <= sum(values) < 2**63
    try:
        found = pairs_of(combine_with(Sum, "initial")(cut(batch, rows)))
    except AggregateOverflowError:
        # A part of the sum may overflow though the whole does not, if its batches are cut so.
        assert rows < len(values) or not fits
    else:
        assert found == [("k", sum(values))]
    if rows >= len(values) and fits:
        assert found == [("k", sum(values))]


def test_overflow_says_what_to_do() -> None:
    batch = sorted_batch(["k", "k"], [2**62, 2**62])
    with pytest.raises(AggregateOverflowError, match="64 bits; yield floats"):
        list(combine_with(Sum, "initial")([batch]))
    unsigned = pa.record_batch({"key": ["k"], "value": pa.array([2**63], pa.uint64())})
    with pytest.raises(AggregateOverflowError, match="64-bit signed"):
        list(combine_with(Sum, "initial")([unsigned]))


def test_none_is_passed_over_but_counted() -> None:
    keys = ["a", "a", "b", "c"]
    batch = sorted_batch(keys, [1, None, None, 3])
    results = {
        aggregate: pairs_of(combine_with(aggregate, "initial")([batch]))
        for aggregate, _ in AGGREGATES[:4]
    }
    values = [("a", 1), ("b", None), ("c", 3)]
    assert results == {
        Sum: values,
        Min: values,
        Max: values,
        Count: [("a", 2), ("b", 1), ("c", 1)],
    }
    nothing = sorted_batch(["a", "a"], [None, None])
    assert pairs_of(combine_with(Sum, "final")([nothing, batch]))[0] == ("a", 1)


def test_floats_and_bools() -> None:
    batch = sorted_batch(["a", "a", "b"], [0.5, 0.25, math.inf])
    assert pairs_of(combine_with(Sum, "final")([batch])) == [("a", 0.75), ("b", math.inf)]
    assert pairs_of(combine_with(Min, "final")([batch])) == [("a", 0.25), ("b", math.inf)]
    bools = sorted_batch(["a", "a", "b"], [True, True, False])
    assert pairs_of(combine_with(Sum, "initial")([bools])) == [("a", 2), ("b", 0)]


def test_values_of_other_types() -> None:
    words = sorted_batch([1, 1, 2], ["b", "a", "c"])
    assert pairs_of(combine_with(Min, "initial")([words])) == [(1, "a"), (2, "c")]
    assert pairs_of(combine_with(Max, "initial")([words])) == [(1, "b"), (2, "c")]
    assert pairs_of(combine_with(Count, "initial")([words])) == [(1, 2), (2, 1)]
    with pytest.raises(RecordTypeError, match="string cannot be folded by sum"):
        list(combine_with(Sum, "initial")([words]))
    objects = sorted_batch([1, 1], [{1}, 2])
    assert pairs_of(combine_with(Count, "initial")([objects])) == [(1, 2)]
    with pytest.raises(RecordTypeError, match="Python objects"):
        list(combine_with(Sum, "initial")([objects]))


def test_partial_results_of_differing_types() -> None:
    batches = [sorted_batch([1, 2], [1, 2]), sorted_batch([2], [0.5]), sorted_batch([2.0], [3])]
    assert pairs_of(combine_with(Sum, "final")(batches)) == [(1, 1), (2, 5.5)]


def test_the_last_step_is_the_aggregates_own() -> None:
    class Doubled(Sum):
        @staticmethod
        def final(value: pa.Array) -> pa.Array:
            return pa.array([2 * each for each in value.to_pylist()], pa.float64())

    batches = [sorted_batch([("a", 1), ("a", 1), ("b", 1)], [1, 2, 3])]
    assert pairs_of(combine_with(Doubled, "final")(batches)) == [(("a", 1), 6.0), (("b", 1), 6.0)]


def test_nothing() -> None:
    assert list(combine_with(Sum, "final")([])) == []
    assert list(combine_with(Sum, "final")([sorted_batch([], [])])) == []


@given(
    st.lists(st.tuples(st.integers(0, 3), st.none() | st.text("abc", max_size=3)), max_size=40),
    st.integers(1, 9),
    st.integers(1, 5),
)
def test_the_largest_of_any_type_and_none(
    records: list[tuple[int, str | None]], rows: int, n: int
) -> None:
    batch = sorted_batch([key for key, _ in records], [value for _, value in records])
    top = TopK.of(n)
    found = pairs_of(combine_with(top, "whole")(cut(batch, rows)))
    groups: dict[int, list[str]] = {}
    for key, value in sorted(records, key=lambda record: record[0]):
        groups.setdefault(key, []).extend([] if value is None else [value])
    expected = [(key, sorted(group, reverse=True)[:n]) for key, group in groups.items()]
    assert found == expected


def test_the_largest_tuples_and_numbers_with_nan() -> None:
    batch = sorted_batch(["k"] * 3, [(1, "b"), (2, "a"), (1, "c")])
    assert pairs_of(combine_with(TopK.of(2), "whole")([batch])) == [("k", [(2, "a"), (1, "c")])]
    batch = sorted_batch(["k"] * 3, [1.0, math.nan, 2.0])
    ((_, found),) = pairs_of(combine_with(TopK.of(2), "whole")([batch]))
    assert math.isnan(found[0])
    assert found[1:] == [2.0]


def test_means_of_nothing_and_of_mixed_partial_results() -> None:
    batch = sorted_batch(["a", "a", "b"], [None, 3, None])
    assert pairs_of(combine_with(Mean, "whole")([batch])) == [("a", 3.0), ("b", None)]
    partial = [
        each
        for values in ([1, 2], [None, None], [0.5, 0.5])
        for each in combine_with(Mean, "initial")([sorted_batch(["a", "a"], values)])
    ]
    assert pairs_of(combine_with(Mean, "final")(partial)) == [("a", 1.0)]
    with pytest.raises(RecordTypeError, match="string cannot be folded by sum"):
        list(combine_with(Mean, "initial")([sorted_batch([1], ["x"])]))
