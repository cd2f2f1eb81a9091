from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.io.columns.batches import cut, take
from mrmesos.io.columns.encode import decode_batch, encode_pairs
from mrmesos.io.columns.sorting import argsort
from mrmesos.io.columns.sortkey import sort_column, with_sort_column
from mrmesos.io.shuffle.merge import (
    GroupTooLargeError,
    group_spans,
    grouped,
    merge_runs,
    whole_groups,
)
from tests.io.keys import canonical, key_lists, numbered, order


def in_order(batch: pa.RecordBatch) -> pa.RecordBatch:
    return take(batch, argsort(sort_column(batch)))


def pairs_of(batches: Any) -> list[tuple[Any, Any]]:
    return [pair for batch in batches for pair in zip(*decode_batch(batch), strict=True)]


def runs_of(keys: list[Any], bounds: list[int], rows: int) -> list[Iterator[pa.RecordBatch]]:
    """The keys, numbered by position, as sorted runs in batches of this many rows."""
    ends = sorted({min(bound, len(keys)) for bound in bounds} | {len(keys)})
    starts = [0, *ends[:-1]]
    return [
        iter(list(cut(in_order(numbered(keys[start:end], start)), rows)))
        for start, end in zip(starts, ends, strict=True)
    ]


@given(
    key_lists(),
    st.lists(st.integers(0, 60), max_size=5),
    st.integers(1, 8),
    st.integers(1, 9),
    st.sampled_from([1, 200, 1 << 20]),
    st.booleans(),
)
def test_merge_is_a_stable_sort(
    keys: list[Any], bounds: list[int], rows: int, batch_rows: int, step: int, one_by_one: bool
) -> None:
    runs = runs_of(keys, bounds, rows)
    limit = 1 if one_by_one else 1 << 30
    merged = list(merge_runs(runs, batch_rows=batch_rows, batch_bytes=step, max_bytes=limit))
    assert all(0 < batch.num_rows <= batch_rows for batch in merged)
    expected = sorted(range(len(keys)), key=lambda row: order(keys[row]))
    found = pairs_of(merged)
    assert [value for _, value in found] == expected
    assert [canonical(key) for key, _ in found] == [canonical(keys[row]) for row in expected]


def test_a_step_of_a_merge_takes_several_batches() -> None:
    keys = list(range(800))
    merged = merge_runs([iter(list(cut(numbered(keys[n::8], n), 10))) for n in range(8)])
    # Each of the 80 batches would be a step of its own if a step ended with the next batch.
    assert len(list(merged)) < 12


def test_merge_of_nothing() -> None:
    assert list(merge_runs([])) == []
    assert list(merge_runs([iter(()), iter([numbered([])])])) == []


def test_runs_of_differing_types() -> None:
    runs: list[list[tuple[Any, Any]]] = [
        [(None, None), (1, 1), (3, 2)],
        [(None, "text"), (1.0, 0.5)],
        [(None, None)],
    ]
    batches = [
        iter(
            [
                in_order(
                    with_sort_column(
                        encode_pairs([key for key, _ in run], [value for _, value in run])
                    )
                )
            ]
        )
        for run in runs
    ]
    merged = pairs_of(merge_runs(batches))
    assert merged == [(None, None), (None, "text"), (None, None), (1, 1), (1.0, 0.5), (3, 2)]
    assert [type(key) for key, _ in merged[3:]] == [int, float, int]


def test_nested_runs_of_differing_types() -> None:
    runs: list[list[Any]] = [[(1, None), (2, "b")], [(1.0, "a"), (1.5, "a")], [None, None]]
    merged = pairs_of(merge_runs([iter([numbered(run)]) for run in runs]))
    assert [key for key, _ in merged] == [
        None,
        None,
        (1.0, None),
        (1.0, "a"),
        (1.5, "a"),
        (2.0, "b"),
    ]
    texts = [str(key) for key, _ in merged[2:]]
    assert texts == ["(1, None)", "(1.0, 'a')", "(1.5, 'a')", "(2, 'b')"]
    mixed: list[list[Any]] = [["a", ("a", 1)], [None, 1, 2**70], [b"a"], [0.5, "b"]]
    merged = pairs_of(merge_runs([iter([numbered(run)]) for run in mixed]))
    assert [key for key, _ in merged] == [None, 0.5, 1, 2**70, "a", "b", b"a", ("a", 1)]


class Live:
    """Yields batches of one key each, and counts how many are alive at once."""

    def __init__(self) -> None:
        gc.collect()
        self._before = pa.total_allocated_bytes()
        self.most = 0.0

    def batches(self, keys: Iterable[str], rows: int) -> Iterator[pa.RecordBatch]:
        size = 0
        for key in keys:
            batch = pa.record_batch(
                {"key": pa.array([key] * rows), "value": pa.array(list(range(rows)))}
            )
            held = pa.total_allocated_bytes() - self._before
            size = size or held
            self.most = max(self.most, held / size)
            yield batch
            del batch


def test_merge_holds_two_batches_of_each_run() -> None:
    gc.collect()
    before = pa.total_allocated_bytes()
    most = 0

    def run(first: int) -> Iterator[pa.RecordBatch]:
        for number in range(first, 4000, 4):
            yield numbered([number * 100 + row for row in range(100)])

    for _ in merge_runs([run(first) for first in range(4)]):
        most = max(most, pa.total_allocated_bytes() - before)
    # 1,000 batches of 1,600 bytes in each of four runs.
    assert most < 40 * 1600


# --- Groups --------------------------------------------------------------------------------------
@given(key_lists(), st.integers(1, 9), st.data())
def test_grouped_is_groupby(keys: list[Any], rows: int, data: st.DataObject) -> None:
    batch = in_order(numbered(keys))
    pairs = pairs_of([batch])
    expected = [
        (name, [value for _, value in group])
        for name, group in groupby(pairs, key=lambda pair: canonical(pair[0]))
    ]
    assert len(group_spans(batch)) == len(expected) + 1
    assert group_spans(batch)[-1] == len(keys)
    found = []
    wanted = []
    for (key, values), (name, all_values) in zip(grouped(cut(batch, rows)), expected, strict=True):
        read = data.draw(st.integers(0, len(all_values) + 1))
        found.append((canonical(key), [value for value, _ in zip(values, range(read))]))  # noqa: B905
        wanted.append((name, all_values[:read]))
    assert found == wanted


def test_a_key_of_many_batches_is_read_lazily() -> None:
    live = Live()
    keys = ["a"] * 500 + ["b"] * 500 + ["c"]
    groups = grouped(live.batches(keys, 500))
    key, values = next(groups)
    assert key == "a"
    assert sum(1 for _ in values) == 250_000
    key, values = next(groups)  # of which nothing is read
    assert key == "b"
    key, values = next(groups)
    assert (key, list(values)) == ("c", list(range(500)))
    assert next(groups, None) is None
    assert live.most < 5


def test_a_group_goes_on_though_its_type_changes() -> None:
    batches = [
        encode_pairs([1, 2], [1, 2]),
        encode_pairs([2.0, 2.0], [0.5, "x"]),
        encode_pairs([2], [None]),
        encode_pairs([3.5], [7]),
    ]
    assert [(key, list(values)) for key, values in grouped(iter(batches))] == [
        (1, [1]),
        (2, [2, 0.5, "x", None]),
        (3.5, [7]),
    ]
    assert list(grouped([])) == []
    assert list(grouped([numbered([])])) == []


@pytest.mark.parametrize("last", [1, 63, 64, 65, 150, 500])
def test_a_long_last_group_is_kept_for_the_next_batch(last: int) -> None:
    keys = [number // 3 for number in range(500 - last)] + [1000] * (last + 20)
    batch = encode_pairs(keys, keys)
    found = list(whole_groups([batch.slice(0, 500), batch.slice(500)], batch_bytes=1))
    assert [each.num_rows for each in found] == [rows for rows in (500 - last, last + 20) if rows]


@given(key_lists(), st.integers(1, 9), st.integers(1, 400))
def test_whole_groups(keys: list[Any], rows: int, batch_bytes: int) -> None:
    batch = in_order(numbered(keys))
    found = list(whole_groups(cut(batch, rows), batch_bytes=batch_bytes))
    assert repr(pairs_of(found)) == repr(pairs_of([batch]))
    seen: set[Any] = set()
    for each in found:
        assert each.schema.names == ["key", "value"]
        assert each.num_rows
        names = {canonical(key) for key in decode_batch(each)[0]}
        assert not names & seen
        seen |= names


def test_a_group_that_is_too_large_for_one_batch() -> None:
    live = Live()
    found = whole_groups(live.batches(["a"] * 3 + ["b"] * 1000, 100), 20_000, batch_bytes=1)
    assert next(found).num_rows == 300
    with pytest.raises(GroupTooLargeError, match=r"key 'b' take more than 20000 .*aggregate"):
        next(found)
    assert live.most < 40
