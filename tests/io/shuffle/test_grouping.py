from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.io.columns.batches import concat, cut, take
from mrmesos.io.columns.encode import RecordTypeError, decode_batch, encode_pairs
from mrmesos.io.columns.sorting import argsort
from mrmesos.io.columns.sortkey import sort_column, with_sort_column
from mrmesos.io.columns.unify import unify_batches
from mrmesos.io.shuffle.grouping import (
    Grouping,
    composed,
    first_fields,
    taken_apart,
    without_repeats,
)
from tests.io.keys import KEYS, canonical, key_lists, order


def values_of(count: int) -> st.SearchStrategy[list[Any]]:
    def lists(name: str) -> st.SearchStrategy[list[Any]]:
        return st.lists(KEYS[name] | st.none(), min_size=count, max_size=count)

    return st.sampled_from(sorted(KEYS)).flatmap(lists)


def in_order(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    joined = concat(unify_batches(batches))
    return take(joined, argsort(sort_column(joined)))


def pairs_of(batch: pa.RecordBatch) -> list[tuple[Any, Any]]:
    return list(zip(*decode_batch(batch), strict=True))


@given(key_lists(), st.data(), st.integers(1, 20))
def test_sorted_by_key_then_value(keys: list[Any], data: st.DataObject, rows: int) -> None:
    if not keys:
        return
    values = data.draw(values_of(len(keys)))
    parts = [
        composed(encode_pairs(keys[start : start + rows], values[start : start + rows]))
        for start in range(0, len(keys), rows)
    ]
    found = pairs_of(taken_apart(in_order(parts)))
    expected = sorted(
        zip(keys, values, strict=True), key=lambda pair: (order(pair[0]), order(pair[1]))
    )
    assert [(canonical(key), canonical(value)) for key, value in found] == [
        (canonical(key), canonical(value)) for key, value in expected
    ]


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2), st.text("xy", max_size=2))),
    st.integers(1, 3),
    st.integers(1, 9),
)
def test_groups_of_the_first_fields(keys: list[Any], fields: int, rows: int) -> None:
    if not keys:
        return
    grouping = Grouping(fields=fields)
    batch = in_order([grouping.composed(encode_pairs(keys, list(range(len(keys)))))])
    for piece in grouping.regrouped(cut(batch, rows)):
        codes = sort_column(piece).to_pylist()
        groups = [key[:fields] for key in decode_batch(piece)[0]]
        for one, other, code, next_code in zip(groups, groups[1:], codes, codes[1:], strict=False):
            assert (one == other) == (code == next_code)
            assert (one <= other) == (code <= next_code)


def test_what_cannot_be_sorted_or_grouped() -> None:
    with pytest.raises(RecordTypeError, match="cannot be sorted; yield values of one type"):
        composed(encode_pairs([1, 1], [1, "x"]))
    with pytest.raises(RecordTypeError, match="have fewer than 2 fields"):
        first_fields(pa.array(["text"]), pa.field("key", pa.string()), 2)
    with pytest.raises(RecordTypeError, match="grouping_fields = 3 keys are tuples of at least 3"):
        Grouping(fields=3).partition_column(encode_pairs([("a", 1)], [1]))
    with pytest.raises(RecordTypeError, match=r"the key 'text' has fewer than 2 fields"):
        Grouping(fields=2).partition_column(encode_pairs([("a", 1), "text"], [1, 1]))
    alone, beside = (
        Grouping(fields=2).partition_column(encode_pairs(keys, [None] * len(keys)))
        for keys in ([None], [None, ("a", 1)])
    )
    assert alone.equals(beside.slice(0, 1))


@given(key_lists(), st.integers(1, 20))
def test_repeats_are_dropped_across_batches(keys: list[Any], rows: int) -> None:
    batch = with_sort_column(encode_pairs(keys, [None] * len(keys)))
    batch = take(batch, argsort(sort_column(batch)))
    found = [
        canonical(key) for piece in without_repeats(cut(batch, rows)) for key, _ in pairs_of(piece)
    ]
    assert found == [
        canonical(key) for key in sorted({canonical(k): k for k in keys}.values(), key=order)
    ]
