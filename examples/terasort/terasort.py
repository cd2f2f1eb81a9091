"""Lines in order, over all part files: the TeraSort of Hadoop's examples, on Arrow batches."""

from collections.abc import Iterator

import pyarrow as pa

from mrmesos.api import BatchMapper, BatchReducer, Job, TextInput, TextOutput, TotalOrder, pairs


class Lines(BatchMapper):
    """The line is the key, and there is no value, so the shuffle sends each line only once."""

    def map_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        yield pairs(batch.column("value"), pa.nulls(batch.num_rows))


class TeraSort(Job):
    mapper, reducer = Lines, BatchReducer
    partitioner = TotalOrder
    input_format = TextInput(encoding="")
    output_format = TextOutput()
    num_reducers = 4
