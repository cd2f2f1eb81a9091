"""Folds a map's pairs with an aggregate and writes them unsorted. The reduces also fold by hash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mrmesos.api.aggregates import Aggregate
from mrmesos.api.job import Job
from mrmesos.conf import Conf, sort_buffer_bytes
from mrmesos.io.columns.encode import ColumnEncoder
from mrmesos.io.columns.schema import MAX_KERNEL_BYTES
from mrmesos.io.shuffle.aggregate import each_repeated
from mrmesos.io.shuffle.grouping import Grouping
from mrmesos.io.shuffle.hash_fold import Hashed, HashFold
from mrmesos.io.shuffle.hash_partition import partition_of
from mrmesos.io.shuffle.unsorted import UnsortedWriter
from mrmesos.task.collect.counted_pairs import CountedPairs
from mrmesos.task.collect.map_output import Partition, in_place, remove_output
from mrmesos.task.drivers.record_feed import Counts, Pair


def hashed_aggregate(job: Job) -> type[Aggregate] | None:
    """The job's aggregate if hashing is enough, because its keys need no order before the reduce.

    None for distinct values, and for keys that are grouped by their first fields. These must be
    sorted.
    """
    reducer = job.reducer
    if reducer is None or not issubclass(reducer, Aggregate) or Grouping.of(job) != Grouping():
        return None
    return reducer


class AggregateSink:
    """Folds pairs by key in at most `io.sort.mb` of memory. Writes a run whenever that is full."""

    def __init__(
        self,
        num_partitions: int,
        conf: Conf,
        work_dir: Path,
        encoder: ColumnEncoder,
        aggregate: type[Aggregate],
        partition: Partition | None,
        raw_bytes: int = 0,
    ) -> None:
        """If `partition` is None, the hash of a key chooses its partition. `raw_bytes` is as in
        `UnsortedWriter`.
        """
        self._num_partitions = num_partitions
        self._partition = partition
        self._encoder = encoder
        self._work_dir = work_dir
        most = min(sort_buffer_bytes(conf), MAX_KERNEL_BYTES)
        self._aggregate = aggregate
        self._fold = HashFold(aggregate, aggregate.initial, most)
        self._writer = UnsortedWriter(work_dir, num_partitions, conf=conf, raw_bytes=raw_bytes)
        self._counted = CountedPairs(encoder, self._hold, self.write_batch)
        self._taken = self._taken_bytes = self._given = 0

    def write_pairs(self, keys: list[Any], values: list[Any]) -> None:
        for batch in self._encoder.encode(keys, values):
            self.write_batch(batch)

    def write_batch(self, batch: pa.RecordBatch) -> None:
        self._add(batch, batch.num_rows, partial=False)

    def _add(self, batch: pa.RecordBatch, pairs: int, *, partial: bool) -> None:
        if not self._fold.has_room(batch):
            self._write_run()
        self._fold.add(batch, partial=partial)
        self._taken += pairs
        self._taken_bytes += batch.nbytes

    def groups(self) -> Counts | None:
        return self._counted.counts()

    def grouped(self, rows: int, odd: Pair | None) -> int:
        del rows  # the counts know them
        return self._counted.counted(odd)

    def _hold(self, batch: pa.RecordBatch, numbers: np.ndarray, _: object) -> bool:
        partial = each_repeated(batch, numbers, self._aggregate.initial)
        if partial is None:
            return False
        self._add(partial, int(numbers.sum()), partial=True)
        return True

    def _write_run(self) -> None:
        parts = [(each.batch, self._partitions(each)) for each in self._fold.take()]
        if parts:
            self._given += sum(batch.num_rows for batch, _ in parts)
            self._writer.write_run(parts)

    def _partitions(self, folded: Hashed) -> Any:
        if self._partition is None:
            return partition_of(folded.hashes, self._num_partitions)
        return self._partition(folded.batch)

    def finish(self) -> dict[str, int]:
        self._counted.finish()
        self._write_run()
        return in_place(self._writer.finish(), self._work_dir) | {
            "MAP_OUTPUT_BYTES": self._taken_bytes,
            "COMBINE_INPUT_RECORDS": self._taken,
            "COMBINE_OUTPUT_RECORDS": self._given,
        }

    def abort(self) -> None:
        self._writer.abort()
        remove_output(self._work_dir)
