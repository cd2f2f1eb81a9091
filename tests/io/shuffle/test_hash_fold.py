from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mrmesos.api.aggregates import Aggregate, Count, Max, Mean, Min, Sum, TopK
from mrmesos.io.columns.batches import take
from mrmesos.io.columns.encode import decode_batch, encode_pairs
from mrmesos.io.columns.sorting import argsort
from mrmesos.io.columns.sortkey import sort_column, with_sort_column
from mrmesos.io.shuffle import hash_fold
from mrmesos.io.shuffle.aggregate import combine_with
from mrmesos.io.shuffle.hash_fold import Hashes, HashFold, group_by_hash
from mrmesos.io.shuffle.hash_partition import hash_column
from tests.io.keys import canonical, key_lists

AGGREGATES: list[type[Aggregate]] = [Sum, Count, Min, Max, Mean, TopK.of(3)]
HASHES: dict[str, Callable[[Hashes], Hashes]] = {
    "good": lambda hashes: hashes,
    "one for all": np.zeros_like,
    "of two bits": lambda hashes: hashes >> np.uint64(62),
    "alike in front": lambda hashes: hashes & np.uint64(3),
    "alike at the end": lambda hashes: hashes & np.uint64(3 << 62),
}


@contextmanager
def hashed_by(weaken: Callable[[Hashes], Hashes], **limits: Any) -> Iterator[None]:
    """With a weaker hash, and lower limits."""
    if weaken is not HASHES["good"]:
        limits["_INJECTIVE"] = 0  # it does not tell short texts apart
    weak = mock.patch.object(hash_fold, "hash_column", lambda column: weaken(hash_column(column)))
    with weak, mock.patch.multiple(hash_fold, **limits):
        yield


def folded(
    aggregate: type[Aggregate], batches: list[pa.RecordBatch], max_bytes: int
) -> list[pa.RecordBatch]:
    """As a map and a reduce do it, one after the other."""
    for first in (aggregate.initial, aggregate.merge):
        fold = HashFold(aggregate, first, max_bytes)
        taken = []
        for batch in batches:
            if not fold.has_room(batch):
                taken += fold.take()
            fold.add(batch)
        taken += fold.take()
        batches = [each.batch for each in taken]
    return batches


def by_sorting(aggregate: type[Aggregate], batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    whole = with_sort_column(pa.concat_batches(batches))
    ordered = take(whole, argsort(sort_column(whole)))
    return list(combine_with(aggregate, "initial")([ordered]))


def values_by_key(batches: list[pa.RecordBatch]) -> dict[Any, list[Any]]:
    found = defaultdict(list)
    for batch in batches:
        for key, value in zip(*decode_batch(batch), strict=True):
            found[canonical(key)].append(value)
    return dict(found)


@pytest.mark.parametrize("aggregate", AGGREGATES, ids=lambda each: each.__name__)
@pytest.mark.parametrize("weaken", HASHES.values(), ids=HASHES)
@settings(max_examples=30)
@given(keys=key_lists(), rows=st.integers(1, 9), enough=st.integers(1, 12), data=st.data())
def test_what_is_folded_by_hash_is_what_is_folded_in_order(
    aggregate: type[Aggregate],
    weaken: Callable[[Hashes], Hashes],
    keys: list[Any],
    rows: int,
    enough: int,
    data: st.DataObject,
) -> None:
    numbers = st.integers(-(2**50), 2**50)
    values = data.draw(st.lists(numbers, min_size=len(keys), max_size=len(keys)))
    if not keys:
        return
    whole = encode_pairs(keys, values)
    batches = [whole.slice(first, rows) for first in range(0, len(keys), rows)]
    with hashed_by(weaken, _ENOUGH_ROWS=enough, _AT_ONCE=3, _MENDED_MAX=enough % 3):
        found = values_by_key(folded(aggregate, batches, 1 << 20))
    expected = values_by_key(by_sorting(aggregate, [whole]))
    assert found == expected
    assert all(len(group) == 1 for group in found.values())


@given(
    keys=st.lists(st.text("ab", max_size=12), min_size=1, max_size=60),
    max_bytes=st.integers(1, 2000),
)
def test_within_few_bytes_keys_come_more_than_once_but_no_value_is_lost(
    keys: list[str], max_bytes: int
) -> None:
    whole = encode_pairs(keys, [1] * len(keys))
    batches = [whole.slice(first, 5) for first in range(0, len(keys), 5)]
    with hashed_by(HASHES["good"], _ENOUGH_ROWS=7):
        found = values_by_key(folded(Count, batches, max_bytes))
    assert {key: sum(group) for key, group in found.items()} == {
        canonical(key): keys.count(key) for key in keys
    }


@given(keys=key_lists())
@example(keys=[None, b"\x00", b"", b"\x01"] * 2)
def test_rows_are_grouped_in_the_order_of_hashes(keys: list[Any]) -> None:
    if not keys:
        return
    column = sort_column(with_sort_column(encode_pairs(keys, [0] * len(keys))))
    hashes = hash_column(column)
    order, starts, of_keys = group_by_hash(column, hashes)
    assert sorted(order.tolist()) == list(range(len(keys)))
    assert bool((hashes[order][1:] >= hashes[order][:-1]).all())
    assert of_keys.tolist() == hashes[order[starts[:-1]]].tolist()
    groups = [order[a:b].tolist() for a, b in pairwise(starts.tolist())]
    assert all(group == sorted(group) for group in groups)  # stable
    names = [{canonical(keys[row]) for row in group} for group in groups]
    assert all(len(name) == 1 for name in names)
    assert len({min(name) for name in names}) == len(groups)


def test_hashes_that_agree_in_all_but_their_last_bits_are_put_in_order() -> None:
    rng = np.random.default_rng(1)
    for few in (3, 5_000):
        # Beside the number of one of 20,000 rows there is no room for the 15 lowest bits.
        hashes = rng.integers(0, 1 << 63, 20_000).astype(np.uint64) << np.uint64(20)
        rows = rng.choice(20_000, 2 * few, replace=False)
        hashes[rows[:few]] = hashes[rows[few:]] | np.uint64(1)
        order, starts, of_keys = group_by_hash(pa.array(hashes), hashes)
        assert np.array_equal(order, np.argsort(hashes, kind="stable"))
        assert len(starts) - 1 == len(of_keys)
        assert np.array_equal(of_keys, np.unique(hashes))


def test_bytes_of_one_length_have_hashes_of_their_own() -> None:
    """Up to eight bytes the hash is trusted to tell values of one length apart."""
    singles = pa.array([bytes([each]) for each in range(256)])
    assert len(np.unique(hash_column(singles))) == 256
    for length in range(2, 9):
        some = np.random.default_rng(length).integers(0, 256, (50_000, length), np.uint8)
        values = {row.tobytes() for row in some}
        assert len(np.unique(hash_column(pa.array(sorted(values))))) == len(values)


def test_types_that_meet_are_unified() -> None:
    batches = [encode_pairs([3, 4], [1, 2]), encode_pairs([3.0, 4.5], [0.5, 0.5])]
    found = values_by_key(folded(Sum, batches, 1 << 20))
    assert found == {canonical(3): [1.5], canonical(4): [2], canonical(4.5): [0.5]}


@pytest.mark.parametrize("aggregate", AGGREGATES, ids=lambda each: each.__name__)
@pytest.mark.parametrize("weaken", HASHES.values(), ids=HASHES)
@pytest.mark.parametrize("as_key", [str, lambda text: text.encode()], ids=["text", "bytes"])
def test_keys_that_repeat_often_are_numbered_and_folded_alike(
    aggregate: type[Aggregate],
    weaken: Callable[[Hashes], Hashes],
    as_key: Callable[[str], str | bytes],
) -> None:
    words = ["", "a", "zero \0 zero", "two words", "the same eight", "the same nine", "x" * 200]
    keys = [as_key(words[row * row % 11 % 7]) for row in range(400)]
    whole = encode_pairs(keys, [row * 0.1 for row in range(400)])
    batches = [whole.slice(first, 100) for first in range(0, 400, 100)]
    with hashed_by(weaken, _ENOUGH_ROWS=100, _REPEATING=0.0):
        expected = folded(aggregate, batches, 1 << 20)
    numbered = mock.Mock(wraps=hash_fold._numbered)
    with hashed_by(weaken, _ENOUGH_ROWS=100, _numbered=numbered):
        found = folded(aggregate, batches, 1 << 20)
    assert numbered.call_count == 3, "the first piece tells that keys repeat"
    assert values_by_key(found) == values_by_key(expected)
    assert [each.schema for each in found] == [each.schema for each in expected]


@pytest.mark.parametrize(("length", "most", "looked"), [(9, 2, 1), (9, 3, 1), (8, 3, 0)])
def test_short_keys_and_too_many_keys_are_not_numbered(length: int, most: int, looked: int) -> None:
    keys = ["abc"[row % 3] * length for row in range(12)]
    fold = HashFold(Sum, "sum", 1 << 20)
    numbered = mock.Mock(wraps=hash_fold._numbered)
    with hashed_by(HASHES["good"], _ENOUGH_ROWS=12, _NUMBERED_MAX=most, _numbered=numbered):
        for _ in range(2):
            fold.add(encode_pairs(keys, list(range(12))))
        found = [each.batch for each in fold.take()]
    assert numbered.call_count == looked
    assert values_by_key(found) == {
        canonical(key): [2 * sum(range(at, 12, 3))] for at, key in enumerate(keys[:3])
    }


def test_what_was_folded_is_not_sorted_again() -> None:
    keys = [f"key {number}" for number in range(1000)]
    fold = HashFold(Mean, Mean.initial, 1 << 30)
    fold.add(encode_pairs(keys * 2, list(range(2000))))
    (once,) = fold.take()
    again = HashFold(Mean, Mean.merge, 1 << 30)
    with mock.patch.object(hash_fold, "group_by_hash", side_effect=AssertionError):
        again.add(once.batch)
        (twice,) = again.take()
    assert twice.batch.equals(once.batch)
    assert twice.hashes.tolist() == once.hashes.tolist()


@pytest.mark.parametrize("aggregate", [Count, Mean, TopK.of(2)], ids=lambda each: each.__name__)
def test_pieces_whose_keys_seldom_repeat_are_not_folded_at_once(
    aggregate: type[Aggregate],
) -> None:
    fold = HashFold(aggregate, aggregate.initial, 1 << 30)
    unlike = [f"key {number}" for number in range(1600)]
    whole = encode_pairs([*unlike, *["again"] * 100, *unlike], list(range(3300)))
    plain = hash_fold.group_by_hash
    with (
        mock.patch.multiple(hash_fold, _ENOUGH_ROWS=100),
        mock.patch.object(hash_fold, "group_by_hash", side_effect=plain) as grouped,
    ):
        for first in range(0, 3300, 100):
            fold.add(whole.slice(first, 100))
        assert grouped.call_count == 5  # each eighth of 33 pieces
        found = fold.take()
    assert all((np.diff(each.hashes.astype(object)) > 0).all() for each in found)
    expected = by_sorting(aggregate, [whole])
    assert values_by_key([each.batch for each in found]) == values_by_key(expected)


def test_nothing_gives_nothing() -> None:
    fold = HashFold(Sum, "sum", 100)
    fold.add(encode_pairs([], []))
    assert fold.take() == []
