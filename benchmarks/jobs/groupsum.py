"""Sums of integers by key, three ways: from plain Python classes to kernels alone."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.api import BatchMapper, Job, KeyValueTextInput, Mapper, Reducer, Sum, pairs


class Parse(Mapper):
    """Key and integer of a line `key TAB integer`."""

    def map(self, key: int, line: str) -> Iterator[tuple[str, int]]:
        name, _, number = line.partition("\t")
        yield name, int(number)


class Total(Reducer):
    """A key and the sum of its integers."""

    def reduce(self, key: str, values: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield key, sum(values)


class Numbers(BatchMapper):
    """The values of a batch as integers."""

    def map_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        yield pairs(batch.column("key"), pc.cast(batch.column("value"), pa.int64()))


class GroupSum(Job):
    """Python for every record, without a combiner: the reduce sees every value of a key."""

    mapper, reducer = Parse, Total


class GroupSumAggregate(Job):
    """A Python mapper, and an aggregate that folds its output as kernels do."""

    mapper, reducer = Parse, Sum


class GroupSumVectorised(Job):
    """No Python for a record."""

    mapper, reducer = Numbers, Sum
    input_format = KeyValueTextInput()
