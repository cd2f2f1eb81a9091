"""How often each word occurs: the vectorised way, on whole Arrow batches, without a Python loop."""

from collections.abc import Iterator
from typing import ClassVar

import pyarrow as pa

from mrmesos.api import BatchMapper, Count, Job, pairs, words


class Tokenize(BatchMapper):
    """The words of a batch of lines. They have no values, because they are only counted."""

    def map_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        found = words(batch.column("value"))
        yield pairs(found, pa.nulls(len(found)))


class WordCountVectorised(Job):
    mapper, reducer = Tokenize, Count
    # Half of the first setting holds the counts of a split's words. Half of the second holds the
    # counts of a partition of a gigabyte.
    conf: ClassVar = {"io.sort.mb": 128, "reduce.shuffle.buffer.mb": 160}
