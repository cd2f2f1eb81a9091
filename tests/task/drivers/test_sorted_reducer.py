"""SortedReducer and BatchPartitioner: classes that see whole columns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from mrmesos.api import (
    BatchPartitioner,
    Job,
    JobError,
    Mapper,
    Reducer,
    SortedReducer,
    pairs,
)
from mrmesos.local.run_job import run_job


class Letters(Mapper):
    def map(self, key, line):  # type: ignore[no-untyped-def]
        for letter in line:
            yield letter, 1


class Counted(SortedReducer):
    """Counts runs of equal keys across batches."""

    def reduce_sorted(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        last, total = "", 0
        for batch in batches:
            for letter, count in zip(*(c.to_pylist() for c in batch.columns), strict=True):
                if letter != last and last:
                    yield pairs(pa.array([last]), pa.array([total]))
                    total = 0
                last, total = letter, total + count
        if last:
            yield pairs(pa.array([last]), pa.array([total]))


class Vowels(BatchPartitioner):
    def partition_batch(self, keys: pa.Array, num_partitions: int) -> npt.ArrayLike:
        return np.array([letter in "aeiou" for letter in keys.to_pylist()], np.int64)


class Count(Job):
    mapper, combiner, reducer, partitioner = Letters, Counted, Counted, Vowels


LINES = ["banana", "ice", "abc"]
WANTED = {"a": 4, "b": 2, "n": 2, "i": 1, "c": 2, "e": 1}


@pytest.mark.parametrize("batch_mb", [1, 64])
def test_one_stream_for_each_partition(batch_mb: int) -> None:
    result = run_job(Count, LINES, conf={"io.sort.mb": batch_mb}, splits=2, num_reducers=2)
    assert dict(result.records) == WANTED
    assert result.files["part-r-00000"] == b"b\t2\nc\t2\nn\t2\n"
    assert result.files["part-r-00001"] == b"a\t4\ne\t1\ni\t1\n"
    assert result.counters["task"]["REDUCE_INPUT_GROUPS"] == 6


def test_the_base_class_passes_its_records_on() -> None:
    class Same(Job):
        mapper, reducer = Letters, SortedReducer

    assert [key for key, _ in run_job(Same, LINES, num_reducers=1).records] == sorted(
        "".join(LINES)
    )


def test_an_error_of_the_class_is_the_users() -> None:
    class Broken(SortedReducer):
        def reduce_sorted(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            next(batches)
            raise ValueError("mine")

    class Fails(Job):
        mapper, reducer = Letters, Broken

    with pytest.raises(ValueError, match="mine"):
        run_job(Fails, LINES)


def test_records_cannot_be_skipped() -> None:
    class Skips(Job):
        mapper, reducer = Letters, Counted

    with pytest.raises(JobError, match=r"skip\.records\.max"):
        run_job(Skips, LINES, conf={"skip.records.max": 1})


@pytest.mark.parametrize(
    ("made", "say"),
    [
        (lambda keys, _: np.zeros(len(keys) + 1, np.int32), "one integer for each"),
        (lambda keys, _: np.zeros(len(keys)), "float64"),
        (lambda keys, n: np.full(len(keys), n), "expected 0 to 1"),
        (lambda keys, _: np.full(len(keys), -1), "expected 0 to 1"),
    ],
)
def test_wrong_partitions_are_named(made, say: str) -> None:  # type: ignore[no-untyped-def]
    class Wrong(BatchPartitioner):
        def partition_batch(self, keys: pa.Array, num_partitions: int) -> npt.ArrayLike:
            found: npt.ArrayLike = made(keys, num_partitions)
            return found

    class Job2(Job):
        mapper, reducer, partitioner = Letters, Reducer, Wrong

    with pytest.raises(JobError, match=say):
        run_job(Job2, LINES, num_reducers=2)
