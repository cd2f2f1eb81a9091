"""Tests of what a reduce of an aggregate makes of the unsorted output of maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mrmesos.api.aggregates import Sum
from mrmesos.conf import SHUFFLE_BUFFER_MB, Conf
from mrmesos.io.columns.encode import decode_batch, encode_pairs
from mrmesos.io.shuffle.hash_fold import HashFold, distinct_part
from mrmesos.io.shuffle.merge import merge_runs
from mrmesos.task.collect.sorted_runs import SortedRun, folded_runs

MAPS = 5


def map_output(keys: list[Any], value: Any) -> list[pa.RecordBatch]:
    fold = HashFold(Sum, Sum.initial, 64 << 20)
    fold.add(encode_pairs(keys, [value] * len(keys)))
    return [folded.batch for folded in fold.take()]


def run_of(batches: list[pa.RecordBatch]) -> SortedRun:
    rows = sum(batch.num_rows for batch in batches)
    return SortedRun(rows, sum(batch.nbytes for batch in batches), lambda: iter(batches))


def keys_of(number: int, *, common: int, own: int) -> list[str]:
    """Keys of a map: some that all maps have, and some that only this map has."""
    shared = [f"a key that all maps have {key}" for key in range(common)]
    return shared + [f"map {number} has a key {key}" for key in range(own)]


def folded(outputs: list[list[pa.RecordBatch]], tmp_path: Path, megabytes: int) -> list[SortedRun]:
    counted: list[int] = []
    conf = Conf({SHUFFLE_BUFFER_MB.name: str(megabytes)})
    runs = folded_runs(Sum, [run_of(each) for each in outputs], conf, tmp_path, counted.append)
    assert sum(counted) == sum(batch.num_rows for each in outputs for batch in each)
    return runs


def in_order(runs: list[SortedRun]) -> list[tuple[Any, Any]]:
    merged = merge_runs([run.open() for run in runs])
    return [pair for batch in merged for pair in zip(*decode_batch(batch), strict=True)]


@pytest.mark.parametrize(
    ("common", "own", "megabytes", "rows"),
    [
        (20, 2_000, 64, MAPS * 2_020),  # few keys repeat: only sorted
        (2_000, 20, 64, 2_000 + MAPS * 20),  # most repeat: folded
        (2_000, 9_000, 1, None),  # they do not fit: several runs
    ],
)
def test_records_are_sorted_or_folded(
    tmp_path: Path, common: int, own: int, megabytes: int, rows: int | None
) -> None:
    keys = [keys_of(number, common=common, own=own) for number in range(MAPS)]
    runs = folded([map_output(each, 1) for each in keys], tmp_path, megabytes)
    if rows is None:
        assert len(runs) > 1
    else:
        assert [run.rows for run in runs] == [rows]
    found = in_order(runs)
    assert [key for key, _ in found] == sorted(key for key, _ in found)
    sums: dict[str, int] = {}
    for key, value in found:
        sums[key] = sums.get(key, 0) + value
    expected: dict[str, int] = {}
    for key in (key for each in keys for key in each):
        expected[key] = expected.get(key, 0) + 1
    assert sums == expected


def test_runs_of_different_types_meet(tmp_path: Path) -> None:
    keys: list[list[Any]] = [list(range(20)), [2.0, 3.5], ["x", None]]
    found = in_order(folded([map_output(each, 1) for each in keys], tmp_path, 64))
    assert [key for key, _ in found] == [None, 0, 1, 2, 2, 3, 3.5, *range(4, 20), "x"]


def test_no_records_are_no_run(tmp_path: Path) -> None:
    assert in_order(folded([], tmp_path, 64)) == []


@pytest.mark.parametrize(("common", "own"), [(0, 9_000), (9_000, 0), (3_000, 6_000)])
def test_the_part_of_different_keys_is_estimated(common: int, own: int) -> None:
    keys = [keys_of(number, common=common, own=own) for number in range(MAPS)]
    true = (common + MAPS * own) / (MAPS * (common + own))
    assert distinct_part([map_output(each, 1)[0] for each in keys]) == pytest.approx(true, abs=0.05)


def test_nothing_repeats_in_nothing() -> None:
    assert distinct_part([]) == 1
    assert distinct_part([encode_pairs([], [])]) == 1
