from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.io.columns import sorting
from mrmesos.io.columns.schema import RecordTypeError
from mrmesos.io.columns.sorting import Ranks, argsort, changes, is_sorted, stable_order
from mrmesos.io.columns.sortkey import drop_sort_column, sort_code, sort_column, with_sort_column
from tests.io.keys import INTS, canonical, key_lists, numbered, order


@given(key_lists())
def test_order_is_pythons_and_stable(keys: list[Any]) -> None:
    batch = numbered(keys)
    expected = sorted(range(len(keys)), key=lambda row: order(keys[row]))
    column = sort_column(batch)
    assert argsort(column).tolist() == expected
    in_order = column.take(pa.array(expected, pa.int64()))
    assert is_sorted(in_order)
    assert is_sorted(column) == (expected == list(range(len(keys))) or _ascending(keys))
    names = [canonical(keys[row]) for row in expected]
    assert changes(in_order).tolist() == [
        row for row in range(1, len(keys)) if names[row] != names[row - 1]
    ]
    ranks = Ranks(in_order)
    assert [ranks[row] for row in range(len(keys))] == sorted(
        ranks[row] for row in range(len(keys))
    )


def _ascending(keys: list[Any]) -> bool:
    return all(order(keys[row]) <= order(keys[row + 1]) for row in range(len(keys) - 1))


@given(key_lists(), st.integers(0, 20), st.integers(0, 20))
def test_slices_sort_as_copies_do(keys: list[Any], start: int, length: int) -> None:
    part = numbered(keys).slice(start, length)
    copy = numbered(keys[start : start + length])
    assert argsort(sort_column(part)).tolist() == argsort(sort_column(copy)).tolist()
    key = part.select(["key", "value"])
    if part.num_rows and not pa.types.is_null(copy.column("key").type):
        again = sort_column(with_sort_column(key)).to_pylist()
        assert list(map(order, again)) == list(map(order, sort_column(copy).to_pylist()))


@given(st.lists(INTS | st.integers(2**53 - 3, 2**53 + 3) | st.floats(), min_size=2, max_size=20))
def test_codes_of_integers_and_doubles_compare_as_numbers(numbers: list[int | float]) -> None:
    codes: list[tuple[bytes, int | float]] = []
    for number in numbers:
        kind = pa.int64() if isinstance(number, int) else pa.float64()
        codes.append((sort_code(pa.array([number], kind))[0].as_py(), number))
    for code, number in codes:
        for other_code, other in codes:
            if math.isnan(number) or math.isnan(other):
                assert (code == other_code) == (math.isnan(number) and math.isnan(other))
            else:
                assert (code < other_code) == (number < other)
                assert (code == other_code) == (number == other)


def test_codes_of_the_largest_integers() -> None:
    top = [2**64 - 1, 2**64 - 2, 2**63, 2**63 - 1, 2**53 + 1, 0]
    codes = sort_code(pa.array(top, pa.uint64())).to_pylist()
    assert codes == sorted(codes, reverse=True)
    assert len(set(codes)) == len(top)
    signed = [2**63 - 1, 2**63 - 2, 2**63 - 512, 2**63 - 1024, -(2**63) + 1, -(2**63)]
    codes = sort_code(pa.array(signed, pa.int64())).to_pylist()
    assert codes == sorted(codes, reverse=True)
    assert len(set(codes)) == len(signed)


@given(
    st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 9), min_size=0, max_size=300),
    st.booleans(),
)
def test_stable_order_is_numpys(numbers: list[int], repeat: bool) -> None:
    array = np.array(numbers * (20 if repeat else 1), np.uint64)
    assert stable_order(array).tolist() == np.argsort(array, kind="stable").tolist()


def test_long_texts_that_begin_alike() -> None:
    keys = [f"https://example.org/{'a' * 60}/{number % 7}" for number in range(200)] * 2
    expected = sorted(range(len(keys)), key=keys.__getitem__)
    assert argsort(pa.array(keys)).tolist() == expected


@pytest.mark.parametrize("near", [2, 64, 1 << 15])
@pytest.mark.parametrize("length", [12, 300])
def test_texts_that_tie_in_parts_and_whole(
    monkeypatch: pytest.MonkeyPatch, near: int, length: int
) -> None:
    """Groups of ties of all sizes, larger and smaller than what is sorted at once."""
    monkeypatch.setattr(sorting, "_NEAR_ROWS", near)
    random = np.random.default_rng(near + length)
    stems = [bytes(random.integers(97, 99, length).astype(np.uint8)) for _ in range(12)]
    keys = [
        stems[min(int(random.exponential(2)), 11)][: random.integers(1, length + 1)]
        + bytes(random.integers(0, 2, random.integers(0, 4)).astype(np.uint8))
        for _ in range(1500)
    ]
    expected = sorted(range(len(keys)), key=keys.__getitem__)
    assert argsort(pa.array(keys)).tolist() == expected


def test_sort_column_helpers() -> None:
    plain = numbered(["b", "a"])
    assert plain.schema.names == ["key", "value"]
    assert sort_column(plain).equals(plain.column("key"))
    nested = numbered([("b", 1), ("a", 2)])
    assert nested.schema.names == ["key", "value", "__sort"]
    assert with_sort_column(nested) is nested
    assert drop_sort_column(nested).schema.names == ["key", "value"]
    assert drop_sort_column(plain) is plain
    assert sort_column(drop_sort_column(nested)).equals(nested.column("__sort"))


def test_batches_of_other_layouts_become_plain() -> None:
    for key in (
        pa.array(["b", "a"]).dictionary_encode(),
        pa.array(["b", "a"], pa.large_string()),
        pa.array(["b", "a"], pa.string_view()),
    ):
        batch = with_sort_column(pa.record_batch({"key": key, "value": [1, 2]}))
        assert batch.schema.field("key").type == pa.string()
    small = pa.record_batch({"key": pa.array([1, 2], pa.int8()), "value": [1, 2]})
    assert with_sort_column(small).schema.field("key").type == pa.int64()
    floats = pa.record_batch({"key": pa.array([1, None], pa.float32()), "value": [1, 2]})
    assert with_sort_column(floats).column("key").to_pylist() == [1.0, None]


def test_floats_have_one_zero_and_one_nan() -> None:
    other_nan = np.array([0x7FF8000000000001], np.uint64).view(np.float64)[0]
    keys = pa.array([-0.0, 0.0, None, math.nan, other_nan, -math.nan])
    batch = with_sort_column(pa.record_batch({"key": keys, "value": list(range(6))}))
    assert changes(batch.column("key")).tolist() == [2, 3]
    assert math.copysign(1, batch.column("key")[0].as_py()) == 1


def test_decimals_that_were_declared() -> None:
    keys = pa.array([Decimal("2.5"), None, Decimal("-1.0"), Decimal("2.5")], pa.decimal128(5, 1))
    assert argsort(keys).tolist() == [1, 2, 0, 3]
    assert changes(keys.take(pa.array([1, 2, 0, 3]))).tolist() == [1, 2]


def test_struct_of_a_batch_mapper() -> None:
    keys = pa.array([{"b": 2, "d": dt.date(2020, 1, 1)}, None, {"b": 1, "d": None}])
    batch = with_sort_column(pa.record_batch({"key": keys, "value": [0, 1, 2]}))
    assert argsort(sort_column(batch)).tolist() == [1, 2, 0]


def test_fixed_size_and_large_lists() -> None:
    rows = [[2, 1], [1, 9], None]
    for kind in (pa.list_(pa.int32(), 2), pa.large_list(pa.int32())):
        batch = pa.record_batch({"key": pa.array(rows, kind), "value": [0, 1, 2]})
        assert argsort(sort_column(with_sort_column(batch))).tolist() == [2, 1, 0]


def test_keys_without_order_are_refused() -> None:
    maps = pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64()))
    with pytest.raises(RecordTypeError, match="no order"):
        with_sort_column(pa.record_batch({"key": maps, "value": [1]}))
    with pytest.raises(RecordTypeError, match="expected key and value"):
        with_sort_column(pa.record_batch({"key": [1], "worth": [1]}))


@pytest.mark.parametrize("different", [1, 10, 5_000, 10**6])
@pytest.mark.parametrize("runs", [1, 3, 20_000])
def test_stable_order_of_many_numbers(different: int, runs: int) -> None:
    numbers = np.random.default_rng(7).integers(0, different, 20_000).astype(np.uint64)
    array = np.concatenate([np.sort(part) for part in np.array_split(numbers, runs)])
    assert (stable_order(array) == np.argsort(array, kind="stable")).all()


@pytest.mark.parametrize("kind", [np.int64, np.uint64])
@pytest.mark.parametrize("high", [1, 30, 1 << 20])
@pytest.mark.parametrize("rows", [1 << 10, 100_000])
def test_numbers_that_differ_in_their_lowest_bits(kind: type, high: int, rows: int) -> None:
    """Beside the row there is no room for these bits."""
    random = np.random.default_rng(7)
    upper, lower = (random.integers(0, most, rows, np.uint64) for most in (high, 1 << 9))
    array = ((upper << np.uint64(44)) | lower).view(kind)
    array[0] = np.iinfo(kind).min
    array[1] = np.iinfo(kind).max
    assert (stable_order(array) == np.argsort(array, kind="stable")).all()


def test_texts_and_bytes_of_many_rows() -> None:
    random = np.random.default_rng(7)
    keys = [
        bytes(random.choice([0, 97, 98], random.integers(0, 24)).astype(np.uint8))
        for _ in range(20_000)
    ]
    expected = sorted(range(len(keys)), key=keys.__getitem__)
    assert argsort(pa.array(keys)).tolist() == expected


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=40),
    st.integers(8, 280),
    st.sampled_from([0, 9, 17, 60, 254, 270]),
)
def test_long_values_that_repeat_keep_their_order(
    kinds: list[int], width: int, differing: int
) -> None:
    values = []
    for kind in kinds:
        value = bytearray(b"x" * width)
        value[min(differing, width - 1)] = kind
        values.append(bytes(value) if kind < 3 else bytes(value[:-1]))
    column = pa.array(values, pa.binary())
    expected = sorted(range(len(values)), key=values.__getitem__)
    assert argsort(column).tolist() == expected
