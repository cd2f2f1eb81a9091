"""How often each word occurs: the vectorised way, on whole Arrow batches, without a Python loop."""

from collections.abc import Iterator
from typing import ClassVar

import pyarrow as pa

from mrmesos.api import BatchMapper, Count, Job, pairs, words


class Tokenize(BatchMapper):
    """The words of a batch of lines; nothing with each, as they are only counted."""

    def map_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        found = words(batch.column("value"))
        yield pairs(found, pa.nulls(len(found)))


class WordCountVectorised(Job):
    mapper, reducer = Tokenize, Count
    # Half of each holds the counts of a split's words, and of a partition's of a gigabyte.
    conf: ClassVar = {"io.sort.mb": 128, "reduce.shuffle.buffer.mb": 160}
