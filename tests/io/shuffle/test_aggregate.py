from __future__ import annotations

import decimal
import functools
import itertools
import math
import operator
from collections.abc import Callable
from decimal import Decimal
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
def test_sums_of_integers_are_exact(values: list[int], rows: int) -> None:
    batch = sorted_batch(["k"] * len(values), values)
    assert pairs_of(combine_with(Sum, "initial")(cut(batch, rows))) == [("k", sum(values))]


def test_a_mean_whose_sum_overflows_says_what_to_do() -> None:
    batch = sorted_batch(["k"] * 4, [2**62] * 4)
    with pytest.raises(AggregateOverflowError, match="64 bits; yield floats"):
        list(combine_with(Mean, "initial")([batch]))


@pytest.mark.parametrize(
    ("cut_up", "mean"),
    [
        ([[None, None], [2**63 - 1, 2**63 - 1]], 2.0**63),
        ([[2**63 - 1, 2**63 - 1], [-1, -1]], 2.0**62),
        ([[1, 2], [2**63 - 1, 2**62], [None, None], [3]], 3 * 2.0**62 / 5),
    ],
)
def test_a_mean_whose_partial_sums_need_the_64th_bit(
    cut_up: list[list[int | None]], mean: float
) -> None:
    partial = [
        each
        for values in cut_up
        for each in combine_with(Mean, "initial")([sorted_batch(["k"] * len(values), values)])
    ]
    merged = list(combine_with(Mean, "merge")(partial))
    assert pairs_of(combine_with(Mean, "final")(merged)) == [("k", mean)]
    with pytest.raises(AggregateOverflowError, match="64 bits; yield floats"):
        list(combine_with(Mean, "merge")([*partial, *partial]))


NUMBERS = st.integers(-(2**40), 2**40) | st.integers(-99, 99).map(lambda i: i / 8)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False) | st.decimals(-99, 99, places=1)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.none() | NUMBERS), min_size=1, max_size=12)
    | st.lists(st.tuples(st.integers(0, 2), st.integers(-(2**65), 2**65)), min_size=1, max_size=9)
    | st.lists(st.tuples(st.integers(0, 2), st.none() | DECIMALS), min_size=1, max_size=12),
    st.lists(st.integers(0, 12), max_size=4),
    st.sampled_from([Sum, Min, Max]),
)
def test_folds_of_mixed_values_do_not_depend_on_cuts(
    records: list[tuple[int, Any]], cuts: list[int], aggregate: type[Sum | Min | Max]
) -> None:
    records.sort(key=lambda record: record[0])
    bounds = [0, *sorted(min(each, len(records)) for each in cuts), len(records)]
    parts = [records[start:end] for start, end in itertools.pairwise(bounds) if end > start]
    batches = [
        with_sort_column(encode_pairs([key for key, _ in part], [value for _, value in part]))
        for part in parts
    ]
    partial = [each for batch in batches for each in combine_with(aggregate, "initial")([batch])]
    found = pairs_of(combine_with(aggregate, "final")(partial))
    with decimal.localcontext(prec=9999):
        expected = [(key, expected_fold(aggregate, group)) for key, group in grouped(records)]
    assert [(key, repr(value)) for key, value in found] == [
        (key, repr(value)) for key, value in expected
    ]


def grouped(records: list[tuple[int, Any]]) -> list[tuple[int, list[Any]]]:
    groups: dict[int, list[Any]] = {}
    for key, value in records:
        groups.setdefault(key, []).extend([] if value is None else [value])
    return list(groups.items())


def expected_fold(aggregate: type[Sum | Min | Max], values: list[Any]) -> Any:
    """Plain Python's result. Of equal values the integer wins, or the fewest decimal places."""
    if not values:
        return None
    if aggregate is Sum:
        if any(type(each) is float for each in values):
            ints = sum(each for each in values if type(each) is int)
            return float(ints) + sum(each for each in values if type(each) is float)
        return functools.reduce(operator.add, values)
    best = min(values) if aggregate is Min else max(values)
    ties = [each for each in values if each == best]
    if isinstance(best, Decimal):
        return max(ties, key=lambda each: (each.as_tuple().exponent, -each.as_tuple().sign))
    return min(ties, key=lambda each: type(each) is float)


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
    says = r"string cannot be folded by sum: seen: '[abc]'; a Reducer can$"
    with pytest.raises(RecordTypeError, match=says):
        list(combine_with(Sum, "initial")([words]))
    objects = sorted_batch([1, 1], [{1}, 2])
    assert pairs_of(combine_with(Count, "initial")([objects])) == [(1, 2)]
    with pytest.raises(RecordTypeError, match="type int and set cannot be folded by sum"):
        list(combine_with(Sum, "initial")([objects]))
    with pytest.raises(RecordTypeError, match=r"Python objects .set."):
        list(combine_with(Mean, "initial")([objects]))


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
