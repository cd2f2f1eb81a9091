"""Each map sends one small record to each reduce: the shuffle of many tasks, and nothing else."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mrmesos.api import BatchMapper, BatchPartitioner, Job, Sum, pairs


class Cross(BatchMapper):
    """For each batch (a map's split is one line): the numbers of all reduces, with value 1."""

    def map_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        reduces = int(self.context.params["reduces"])
        keys = np.arange(reduces, dtype=np.int64)
        yield pairs(pa.array(keys), pa.array(np.full(reduces, batch.num_rows, dtype=np.int64)))


class ByNumber(BatchPartitioner):
    """A key is the number of its reduce."""

    def partition_batch(self, keys: pa.Array, num_partitions: int) -> npt.ArrayLike:
        numbers: npt.NDArray[Any] = keys.to_numpy(zero_copy_only=False)
        return numbers % num_partitions


class Crossing(Job):
    """Each reduce gets one record of each map, and yields their number."""

    mapper, reducer, partitioner = Cross, Sum, ByNumber
