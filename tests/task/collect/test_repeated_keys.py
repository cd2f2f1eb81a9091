"""Only keys with several records are folded: no record is lost, and the order stays."""

from collections.abc import Iterator
from itertools import pairwise

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.api import pairs
from mrmesos.io.columns.decode import decode_batch
from mrmesos.io.shuffle.merge import group_spans
from mrmesos.task.collect.repeated_keys import (
    RepeatedKeys,
    by_code,
    by_span,
    put_back,
    without,
)

KEYS = st.lists(st.integers(0, 12), max_size=60)


def batch_of(keys: list[int]) -> pa.RecordBatch:
    return pairs(pa.array(keys, pa.int64()), pa.array(range(len(keys)), pa.int64()))


def stretches(groups: RepeatedKeys) -> list[list[int]]:
    bounds = groups.starts.tolist()
    return [groups.rows[a:b].tolist() for a, b in pairwise(bounds)]


def rows_of(keys: list[int]) -> list[list[int]]:
    """The rows of each key that repeats, in the order of the keys' first rows."""
    found: dict[int, list[int]] = {}
    for row, key in enumerate(keys):
        found.setdefault(key, []).append(row)
    return [rows for rows in found.values() if len(rows) > 1]


@given(KEYS)
def test_repeated_keys_of_numbered_keys(keys: list[int]) -> None:
    encoded = pa.array(keys, pa.int64()).dictionary_encode()
    groups = by_code(encoded.indices.to_numpy(), len(encoded.dictionary))
    assert stretches(groups) == rows_of(keys)
    folded = {row for rows in rows_of(keys) for row in rows}
    left = without(batch_of(keys), groups.rows).column("value").to_pylist()
    assert left == [row for row in range(len(keys)) if row not in folded]


@given(KEYS)
def test_repeated_keys_of_sorted_keys(keys: list[int]) -> None:
    keys.sort()
    groups = by_span(group_spans(batch_of(keys)))
    assert stretches(groups) == rows_of(keys)


@given(KEYS, st.sampled_from(["one", "none", "two", "float"]), st.integers(1, 30))
def test_folded_records_replace_their_group(keys: list[int], made: str, size: int) -> None:
    keys.sort()
    batch = batch_of(keys)
    groups = by_span(group_spans(batch))
    of = rows_of(keys)

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
