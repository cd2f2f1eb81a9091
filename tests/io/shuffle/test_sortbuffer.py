from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mrmesos.api.aggregates import Count, Sum
from mrmesos.conf import Conf
from mrmesos.io.columns.encode import decode_batch, encode_pairs
from mrmesos.io.columns.sortkey import sort_column, with_sort_column
from mrmesos.io.shuffle.aggregate import combine_with
from mrmesos.io.shuffle.hash_partition import hash_partition
from mrmesos.io.shuffle.segments import CorruptSegmentError, MapOutputIndex, read_segment
from mrmesos.io.shuffle.sortbuffer import CombinerError, MapOutputFiles, MapOutputWriter
from tests.io.keys import canonical, key_lists, order

Combine = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


def sort_map(
    directory: Path,
    keys: list[Any],
    values: list[Any],
    partitions: int,
    *,
    rows: int = 1000,
    sort_bytes: int | None = None,
    factor: int = 64,
    combine: Combine | None = None,
    combine_merged: Combine | None = None,
    max_bytes: int = 1 << 30,
) -> MapOutputFiles:
    writer = MapOutputWriter(
        directory,
        partitions,
        conf=Conf({"io.sort.factor": str(factor)}),
        combine=combine,
        combine_merged=combine_merged,
        sort_bytes=sort_bytes,
        max_bytes=max_bytes,
    )
    for start in range(0, len(keys), rows):
        batch = encode_pairs(keys[start : start + rows], values[start : start + rows])
        batch = with_sort_column(batch)
        writer.write(batch, hash_partition(sort_column(batch), partitions))
    return writer.finish()


def read_all(output: MapOutputFiles) -> list[list[tuple[Any, Any]]]:
    index = MapOutputIndex.read(output.index_path)
    assert index == output.index
    return [
        [
            pair
            for batch in read_segment(output.data_path, segment)
            for pair in zip(*decode_batch(batch), strict=True)
        ]
        for segment in index.segments
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key_lists(),
    st.integers(1, 7),
    st.integers(1, 20),
    st.integers(1, 600) | st.none(),
    st.integers(2, 4),
)
def test_output_is_the_sorted_input(
    tmp_path: Path,
    keys: list[Any],
    partitions: int,
    rows: int,
    sort_bytes: int | None,
    factor: int,
) -> None:
    values = list(range(len(keys)))
    output = sort_map(
        tmp_path, keys, values, partitions, rows=rows, sort_bytes=sort_bytes, factor=factor
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["output.data", "output.index"]
    found = read_all(output)
    assert len(found) == partitions
    home: dict[str, int] = {}
    for partition, pairs in enumerate(found):
        rows_here = [value for _, value in pairs]
        assert rows_here == sorted(rows_here, key=lambda row: (order(keys[row]), row))
        for key, row in pairs:
            assert canonical(key) == canonical(keys[row])
            assert home.setdefault(canonical(key), partition) == partition
    assert sorted(value for pairs in found for _, value in pairs) == values
    assert output.counters["MAP_OUTPUT_RECORDS"] == len(keys)
    assert output.counters["SPILLED_RECORDS"] >= len(keys)
    assert output.counters["COMBINE_INPUT_RECORDS"] == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(-(2**40), 2**40)), max_size=60),
    st.integers(1, 20),
    st.integers(1, 600),
)
def test_combining_does_not_change_sums(
    tmp_path: Path, pairs: list[tuple[int, int]], rows: int, sort_bytes: int
) -> None:
    keys, values = [key for key, _ in pairs], [value for _, value in pairs]
    sums: dict[int, int] = {}
    for key, value in pairs:
        sums[key] = sums.get(key, 0) + value
    combine = combine_with(Sum, "initial")
    output = sort_map(
        tmp_path, keys, values, 3, rows=rows, sort_bytes=sort_bytes, factor=3, combine=combine
    )
    found = read_all(output)
    assert sorted(pair for part in found for pair in part) == sorted(sums.items())
    assert output.counters["COMBINE_INPUT_RECORDS"] >= len(pairs)


@pytest.mark.parametrize("sort_bytes", [None, 160, 1000])
def test_partial_counts_are_added_where_runs_are_merged(
    tmp_path: Path, sort_bytes: int | None
) -> None:
    keys = [number % 10 for number in range(1000)]
    output = sort_map(
        tmp_path,
        keys,
        ["any"] * 1000,
        2,
        rows=10,
        sort_bytes=sort_bytes,
        factor=3,
        combine=combine_with(Count, "initial"),
        combine_merged=combine_with(Count, "merge"),
    )
    assert sorted(pair for part in read_all(output) for pair in part) == [
        (key, 100) for key in range(10)
    ]


def test_batches_as_batch_mappers_give_them(tmp_path: Path) -> None:
    writer = MapOutputWriter(tmp_path, 1, conf=Conf())
    for kind in (pa.large_string(), pa.string(), pa.dictionary(pa.int8(), pa.string())):
        batch = pa.record_batch({"key": pa.array(["b", "a"], kind), "value": [1, 2]})
        writer.write(batch, hash_partition(sort_column(batch), 1))
    assert read_all(writer.finish()) == [[("a", 2)] * 3 + [("b", 1)] * 3]


def test_counters_and_runs(tmp_path: Path) -> None:
    keys = [number % 10 for number in range(1000)]
    output = sort_map(tmp_path, keys, [1] * 1000, 2, rows=100, combine=combine_with(Sum, "initial"))
    assert output.counters == {
        "MAP_OUTPUT_RECORDS": 1000,
        "MAP_OUTPUT_BYTES": 16_000,
        "COMBINE_INPUT_RECORDS": 1000,
        "COMBINE_OUTPUT_RECORDS": 10,
        "SPILLED_RECORDS": 10,
    }
    output = sort_map(tmp_path, keys, [1] * 1000, 2, rows=100, sort_bytes=1600)
    assert output.counters["SPILLED_RECORDS"] == 2000


def test_no_output_at_all(tmp_path: Path) -> None:
    output = sort_map(tmp_path, [], [], 3)
    assert read_all(output) == [[], [], []]
    assert output.data_path.stat().st_size == 0


def test_types_that_change_between_spills(tmp_path: Path) -> None:
    values: list[Any] = [1, 2, 0.5, "x", None, {1}]
    output = sort_map(tmp_path, [1, 1, 1.0, 1, None, 1.5], values, 1, rows=1, sort_bytes=1)
    assert read_all(output) == [
        [(None, None), (1.0, 1), (1.0, 2), (1.0, 0.5), (1.0, "x"), (1.5, {1})]
    ]


_SMALL = st.integers(-2, 2)
_HALVES = st.integers(-4, 4).map(lambda number: number / 2)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.booleans(),
    st.lists(
        st.lists(_SMALL, max_size=4) | st.lists(_HALVES, max_size=4) | st.lists(st.none()),
        max_size=8,
    ),
    st.integers(1, 5),
    st.sampled_from([1, 60, 10_000]),
)
def test_batches_of_differing_key_types(
    tmp_path: Path,
    nested: bool,
    batches: list[list[Any]],
    partitions: int,
    sort_bytes: int,
) -> None:
    """Batches of integers, doubles or only None: one order, and one partition for each key."""
    writer = MapOutputWriter(
        tmp_path,
        partitions,
        conf=Conf({"io.sort.factor": "2"}),
        sort_bytes=sort_bytes,
    )
    keys: list[Any] = []
    for numbers in batches:
        here = [(number, "t") if nested and number is not None else number for number in numbers]
        rows = list(range(len(keys), len(keys) + len(here)))
        keys += here
        batch = with_sort_column(encode_pairs(here, rows))
        writer.write(batch, hash_partition(sort_column(batch), partitions))
    found = read_all(writer.finish())
    home: dict[Any, int] = {}
    for partition, pairs in enumerate(found):
        rows = [row for _, row in pairs]
        assert rows == sorted(rows, key=lambda row: (order(keys[row]), row))
        assert [key for key, _ in pairs] == [keys[row] for row in rows]
        assert all(home.setdefault(key, partition) == partition for key, _ in pairs)
    assert sum(map(len, found)) == len(keys)


def test_many_partitions(tmp_path: Path) -> None:
    keys = list(range(3000))
    output = sort_map(tmp_path, keys, keys, 700, sort_bytes=16_000)
    assert sorted(key for part in read_all(output) for key, _ in part) == keys


def test_no_kernel_gets_more_than_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the limit lowered to 4 kB: what 2 GiB are to the kernels' 32-bit offsets."""
    import mrmesos.io.shuffle.merge as merge
    import mrmesos.io.shuffle.sortbuffer as sortbuffer

    seen: list[int] = []

    def concat(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
        seen.append(sum(batch.nbytes for batch in batches))
        return pa.concat_batches(batches)

    monkeypatch.setattr(merge, "concat", concat)
    monkeypatch.setattr(sortbuffer, "concat", concat)
    keys = [f"{number * 7919 % 1000:0500d}" for number in range(1000)]
    output = sort_map(tmp_path, keys, list(range(1000)), 2, max_bytes=4096)
    assert max(seen) <= 4096
    found = read_all(output)
    assert all(part == sorted(part) for part in found)
    assert sum(map(len, found)) == 1000


def test_a_record_larger_than_the_buffer(tmp_path: Path) -> None:
    keys = ["b" * 5000, "a" * 9000, "c"]
    assert read_all(sort_map(tmp_path, keys, [1, 2, 3], 1, sort_bytes=100))[0] == sorted(
        zip(keys, [1, 2, 3], strict=True)
    )


def test_wrong_partitions(tmp_path: Path) -> None:
    writer = MapOutputWriter(tmp_path, 2, conf=Conf())
    batch = encode_pairs([1, 2], [1, 2])
    for partitions, message in (([0, 2], "partition 2"), ([-1, 0], "partition -1"), ([0], "1 par")):
        with pytest.raises(ValueError, match=message):
            writer.write(batch, np.array(partitions, np.int32))
    writer.abort()


def test_a_combiner_that_reorders_is_found(tmp_path: Path) -> None:
    def backwards(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for row in reversed(range(batch.num_rows)):
                yield batch.slice(row, 1)

    with pytest.raises(CombinerError, match="out of order"):
        sort_map(tmp_path, [1, 2], [1, 1], 1, combine=backwards)
    assert list(tmp_path.iterdir()) == []


def test_a_combiner_that_fails_leaves_no_files(tmp_path: Path) -> None:
    calls = 0

    def failing(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise ZeroDivisionError
        yield from batches

    with pytest.raises(ZeroDivisionError):
        sort_map(tmp_path, list(range(100)), [1] * 100, 1, rows=10, sort_bytes=160, combine=failing)
    # write() leaves the cleaning up to abort(); finish() does it itself.
    writer = MapOutputWriter(tmp_path, 1, conf=Conf())
    writer.abort()


def test_abort_removes_runs(tmp_path: Path) -> None:
    writer = MapOutputWriter(tmp_path, 1, conf=Conf(), sort_bytes=10)
    for number in range(3):
        writer.write(encode_pairs([number], [number]), np.zeros(1, np.int32))
    assert len(list(tmp_path.iterdir())) == 2
    writer.abort()
    writer.abort()
    assert list(tmp_path.iterdir()) == []


def test_no_damage_of_a_spill_gets_past_the_merge(tmp_path: Path) -> None:
    def spilled() -> tuple[MapOutputWriter, Path]:
        writer = MapOutputWriter(tmp_path, 2, conf=Conf(), sort_bytes=200)
        for number in range(3):
            keys = [f"key {number} {each}" for each in range(10)]
            writer.write(encode_pairs(keys, list(range(10))), np.repeat(np.array([0, 1]), 5))
        return writer, min(tmp_path.iterdir())

    writer, path = spilled()
    whole = path.read_bytes()
    writer.abort()
    flips = [whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in range(0, len(whole), 11)]
    for damaged in flips + [whole[:i] for i in range(0, len(whole), 11)]:
        writer, path = spilled()
        path.write_bytes(damaged)
        with pytest.raises(CorruptSegmentError, match=path.name):
            writer.finish()
        assert list(tmp_path.iterdir()) == []


def test_directories_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(FileNotFoundError, match="missing"):
        sort_map(missing, [1], [1], 1)


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:  # the limit on file sizes cannot be raised again: in a process of its own
        code = 1
        try:
            import signal

            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
            try:
                sort_map(tmp_path, [f"{n * n:x}" for n in range(5000)], [1] * 5000, 1)
            except OSError as error:
                full = error.errno == errno.EFBIG and str(tmp_path) in str(error)
                code = 0 if full and not list(tmp_path.iterdir()) else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
