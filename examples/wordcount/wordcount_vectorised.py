"""How often each word occurs: the vectorised way, on whole Arrow batches, without a Python loop."""

from collections.abc import Iterator

import pyarrow as pa

from mrmesos.api import BatchMapper, Count, Job, TextInput, pairs, words


class Tokenize(BatchMapper):
    """The words of blocks of lines. They have no values, because they are only counted."""

    def map_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        found = words(batch.column("value"))
        yield pairs(found, pa.nulls(len(found)))


class WordCountVectorised(Job):
    mapper, reducer = Tokenize, Count
    input_format = TextInput(blocks=True)  # words need no lines
