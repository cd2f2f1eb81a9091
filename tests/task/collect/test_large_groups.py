"""Only groups worth a fold are folded: no record is lost, and the order stays."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.api import pairs
from mrmesos.io.columns.decode import decode_batch
from mrmesos.io.shuffle.merge import group_spans
from mrmesos.task.collect.large_groups import (
    LargeGroups,
    by_code,
    by_span,
    enough,
    put_back,
    without,
)

KEYS = st.lists(st.integers(0, 12), max_size=60)


def batch_of(keys: list[int]) -> pa.RecordBatch:
    return pairs(pa.array(keys, pa.int64()), pa.array(range(len(keys)), pa.int64()))


def stretches(groups: LargeGroups) -> list[list[int]]:
    bounds = groups.starts.tolist()
    return [groups.rows[a:b].tolist() for a, b in pairwise(bounds)]


def rows_of(keys: list[int], least: int) -> list[list[int]]:
    """The rows of each key with enough rows, in the order of the keys' first rows."""
    found: dict[int, list[int]] = {}
    for row, key in enumerate(keys):
        found.setdefault(key, []).append(row)
    return [rows for rows in found.values() if len(rows) >= least]


@given(KEYS, st.integers(1, 5))
def test_large_groups_of_numbered_keys(keys: list[int], least: int) -> None:
    encoded = pa.array(keys, pa.int64()).dictionary_encode()
    groups = by_code(encoded.indices.to_numpy(), len(encoded.dictionary), least)
    assert stretches(groups) == rows_of(keys, least)
    folded = {row for rows in rows_of(keys, least) for row in rows}
    left = without(batch_of(keys), groups.rows).column("value").to_pylist()
    assert left == [row for row in range(len(keys)) if row not in folded]


@given(KEYS, st.integers(1, 5))
def test_large_groups_of_sorted_keys(keys: list[int], least: int) -> None:
    keys.sort()
    groups = by_span(group_spans(batch_of(keys)), least)
    assert stretches(groups) == rows_of(keys, least)


@given(KEYS, st.sampled_from(["one", "none", "two", "float"]), st.integers(1, 30))
def test_folded_records_replace_their_group(keys: list[int], made: str, size: int) -> None:
    keys.sort()
    batch = batch_of(keys)
    groups = by_span(group_spans(batch), 3)
    of = rows_of(keys, 3)

    def folded() -> Iterator[pa.RecordBatch]:
        times = {"none": 0, "two": 2}.get(made, 1)
        found = [(keys[rows[0]], -sum(rows)) for rows in of for _ in range(times)]
        kind = pa.float64() if made == "float" else pa.int64()
        for start in range(0, len(found), size):
            some = found[start : start + size]
            columns = list(zip(*some, strict=True))
            yield pairs(pa.array(columns[0], pa.int64()), pa.array(columns[1], kind))

    result = [
        pair
        for part in put_back(batch, groups, folded())
        for pair in zip(*decode_batch(part.select(["key", "value"])), strict=True)
    ]
    times = {"none": 0, "two": 2}.get(made, 1)
    gone = {row for rows in of for row in rows}
    expected = [(key, row) for row, key in enumerate(keys) if row not in gone]
    expected += [(keys[rows[0]], -sum(rows)) for rows in of for _ in range(times)]
    assert [key for key, _ in result] == sorted(key for key, _ in expected)
    assert sorted(result) == sorted(expected)


def test_records_are_worth_folding_by_twos_where_they_are_large_or_few() -> None:
    few = pairs(pa.array([1, 2]), pa.array([1, 2]))
    many = pairs(pa.array(range(1 << 16)), pa.array(range(1 << 16)))
    large = pairs(many["key"], pa.array(["x" * 500] * (1 << 16)))
    assert enough(few) == enough(large) == 2 < enough(many)
    assert len(by_span(np.array([0, 2, 5]), enough(many))) == 0
