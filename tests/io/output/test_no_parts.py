"""Outputs without part files: NullOutput, and `output.lazy` for tasks without records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mrmesos.api import Job, Mapper, Partitioner, Reducer
from mrmesos.api.formats import CsvOutput, NullOutput, OutputFormat, ParquetOutput, TextOutput
from mrmesos.local.run_job import run_job


class _ToTheLast(Partitioner):
    def partition(self, key: Any, num_partitions: int) -> int:
        return num_partitions - 1


class _Keep(Reducer):
    def reduce(self, key: Any, values: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
        for value in values:
            yield value, None


def _job(fmt: OutputFormat) -> type[Job]:
    class Lines(Job):
        mapper, reducer, partitioner = Mapper, _Keep, _ToTheLast
        output_format = fmt

    return Lines


@pytest.mark.parametrize(
    ("fmt", "name"),
    [
        (TextOutput(), "part-r-00002"),
        (TextOutput(compression="gzip"), "part-r-00002.gz"),
        (CsvOutput(), "part-r-00002.csv"),
        (ParquetOutput(), "part-r-00002.parquet"),
    ],
)
def test_a_lazy_output_has_no_empty_parts(fmt: OutputFormat, name: str) -> None:
    lazy = run_job(_job(fmt), ["a", "b"], conf={"output.lazy": "true"}, num_reducers=3)
    assert list(lazy.files) == [name]
    assert sorted(key for key, _ in lazy.records) == ["a", "b"]
    assert len(run_job(_job(fmt), ["a", "b"], num_reducers=3).files) == 3


def test_a_lazy_job_without_records_is_committed() -> None:
    assert run_job(_job(TextOutput()), [], conf={"output.lazy": "true"}).files == {}


def test_no_output_at_all() -> None:
    result = run_job(_job(NullOutput()), ["a", "b"], num_reducers=2)
    assert result.files == {}
    assert result.counters["task"]["REDUCE_OUTPUT_RECORDS"] == 2
