"""Pairs combined as columns."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.mrjob import column_fold
from mrmesos.mrjob.column_fold import ColumnFold


def total(key: Any, values: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
    held = list(values)
    assert len(held) > 1
    yield key, functools.reduce(operator.add, held)


def never(key: Any, values: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
    raise AssertionError(key)


def folded(pairs: list[tuple[Any, Any]], fold: ColumnFold) -> dict[Any, Any]:
    found = fold.combined(total)
    assert found is not None
    alone, combined = found
    once = zip(*(column.to_pylist() for column in alone.columns), strict=True)
    made: dict[Any, Any] = {}
    for key, value in [*once, *combined]:
        made[key] = made[key] + value if key in made else value
    return made


@given(st.lists(st.tuples(st.text("aéb", max_size=2), st.integers(-5, 5)), min_size=1))
def test_all_pairs_come_out_combined_or_alone(pairs: list[tuple[str, int]]) -> None:
    fold = ColumnFold()
    for start in range(0, len(pairs), 3):
        some = pairs[start : start + 3]
        assert fold.add([key for key, _ in some], [value for _, value in some])
    expected: dict[str, int] = {}
    for key, value in pairs:
        expected[key] = expected.get(key, 0) + value
    assert folded(pairs, fold) == expected
    assert fold.combined(total) is None


def test_values_of_a_key_keep_their_order() -> None:
    fold = ColumnFold()
    assert fold.add(["a", "b", "a"], ["1", "2", "3"])
    assert fold.add(["a"] * 4, ["4", "5", "6", "7"])
    assert folded([], fold) == {"a": "134567", "b": "2"}


@pytest.mark.parametrize(
    ("keys", "values"),
    [
        ([1], [1]),
        (["a"], [1.5]),
        (["a"], [True]),
        (["a", "b"], [1, "x"]),
        (["a"], [1 << 64]),
        (["\ud800"], [1]),
        ([b"a"], [1]),
        (["a"], ["other type than before"]),
    ],
)
def test_other_types_are_not_taken(keys: list[Any], values: list[Any]) -> None:
    fold = ColumnFold()
    assert fold.add(["x", "x"], [1, 1])
    assert not fold.add(keys, values)
    assert folded([], fold) == {"x": 2}


def test_it_is_full_by_rows_and_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_fold, "MOST_ROWS", 3)
    fold = ColumnFold()
    assert fold.add(["a", "b"], [1, 1])
    assert not fold.is_full()
    assert fold.add(["a", "b"], [1, 1])
    assert fold.is_full()
    fold.combined(total)
    assert not fold.is_full()
    monkeypatch.setattr(column_fold, "MOST_BYTES", 1000)
    assert fold.add(["x" * 2000], [1])
    assert fold.is_full()


def test_keys_that_do_not_repeat_are_not_combined() -> None:
    fold = ColumnFold()
    assert fold.add(["a", "b", "c", "d", "a"], [1] * 5)
    found = fold.combined(never)
    assert found is not None
    assert found[0].num_rows == 5
    assert fold.add(["a"] * 5, [1] * 5)  # in the pause that follows
    found = fold.combined(never)
    assert found is not None
    assert found[0].num_rows == 5
