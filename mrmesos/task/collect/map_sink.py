"""Sinks for a map's pairs: one sorts and partitions for the reduces, one writes the job's output.

Comes in: pairs and batches from a driver. Goes out: the map-output file, or a part file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mrmesos.api.custom_formats import RecordWriter
from mrmesos.api.formats import StepOutput
from mrmesos.api.job import Job
from mrmesos.api.tasks import BatchPartitioner, HashPartitioner, Partitioner, TotalOrder
from mrmesos.conf import OUTPUT_LAZY, Conf, sort_buffer_bytes
from mrmesos.io.columns.batches import concat
from mrmesos.io.columns.decode import decode_column
from mrmesos.io.columns.encode import ColumnEncoder
from mrmesos.io.columns.schema import KEY, MAX_KERNEL_BYTES
from mrmesos.io.columns.sortkey import with_sort_column
from mrmesos.io.output.commit import OutputCommitter
from mrmesos.io.output.writer import LazyWriter, Writer
from mrmesos.io.shuffle.grouping import Grouping
from mrmesos.io.shuffle.hash_partition import hash_partition
from mrmesos.io.shuffle.range_partition import range_partition
from mrmesos.io.shuffle.sortbuffer import MapOutputWriter
from mrmesos.task.collect.combine import Combiner, ReducerCombiner, make_combiner
from mrmesos.task.collect.counted_combine import CountedCombine
from mrmesos.task.collect.hash_aggregate import AggregateSink, hashed_aggregate
from mrmesos.task.collect.map_output import Partition, in_place, remove_output
from mrmesos.task.drivers.part_files import open_part_file, part_name
from mrmesos.task.drivers.progress import resident_bytes
from mrmesos.task.drivers.record_feed import (
    MAX_PAIRS,
    Counts,
    Groups,
    Pair,
    RecordContext,
    told_apart_by_value,
)
from mrmesos.task.drivers.sink import MapSink
from mrmesos.task.drivers.user_code import TaskError, describe, make_task, shorten, wrong_use
from mrmesos.wire.ids import parse_attempt
from mrmesos.wire.job import PICKLED_RECORDS, JobFacts
from mrmesos.wire.task import Attempt

OpenOutput = Callable[[Attempt, JobFacts, Job], Writer]
"""Opens an attempt's part file, as `open_part` does."""

_FOLD_ROWS = 1 << 20
_FOLD_BYTES = 32 << 20
# Without a combiner, batches of this size go on as they are: joining them would only copy.
_LARGE_BYTES = 256 << 10
_GROUPS_ROWS = 1 << 20
_GROUPS_BYTES = 64 << 20
# After this many pairs we check once whether keys repeat enough for groups to pay.
_LOOK_ROWS = 1 << 13
_LOOK_DISTINCT = 0.2


def make_sink(
    attempt: Attempt,
    facts: JobFacts,
    job: Job,
    conf: Conf,
    work_dir: Path,
    context: RecordContext,
    encoder: ColumnEncoder,
    open_output: OpenOutput,
    raw_bytes: int = 0,
) -> MapSink:
    """The sink for this job: a map-only job, an aggregate, or any other job with reduces.

    `raw_bytes` is as in `MapOutputWriter`.
    """
    if facts.spec.num_reducers == 0:
        return OutputSink(open_output(attempt, facts, job), encoder)
    grouping = Grouping.of(job)
    partition = make_partition(job, context, grouping, facts.spec.num_reducers)
    aggregate = hashed_aggregate(job)
    if aggregate is not None:
        hashed = job.partitioner is HashPartitioner
        return AggregateSink(
            facts.spec.num_reducers,
            conf,
            work_dir,
            encoder,
            aggregate,
            None if hashed else partition,
            raw_bytes,
        )
    combiner = make_combiner(job, context, ColumnEncoder())
    return ShuffleSink(
        facts.spec.num_reducers, conf, work_dir, encoder, combiner, partition, grouping, raw_bytes
    )


def make_partition(job: Job, context: RecordContext, grouping: Grouping, count: int) -> Partition:
    """The job's partitioner as a function of whole batches."""
    if job.partitioner is HashPartitioner:
        return lambda batch: hash_partition(grouping.partition_column(batch), count)
    if issubclass(job.partitioner, TotalOrder):
        cuts = job.cut_points
        return lambda batch: range_partition(grouping.partition_column(batch), cuts)
    partitioner = make_task(job.partitioner, context)

    def by_user(batch: pa.RecordBatch) -> npt.NDArray[np.int32]:
        if isinstance(partitioner, BatchPartitioner):
            return _batch_partitions(partitioner, batch.column(KEY), count)
        keys = decode_column(batch.column(KEY), batch.schema.field(KEY))
        return _user_partitions(partitioner, keys, count)

    return by_user


class ShuffleSink:
    """Combines, partitions and sorts. Small batches wait until there are enough to fold at once."""

    def __init__(
        self,
        num_partitions: int,
        conf: Conf,
        work_dir: Path,
        encoder: ColumnEncoder,
        combiner: Combiner | None,
        partition: Partition,
        grouping: Grouping,
        raw_bytes: int = 0,
    ) -> None:
        self._encoder = encoder
        self._combiner = combiner
        self._partition = partition
        self._grouping = grouping
        self._work_dir = work_dir
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = self._waiting_bytes = 0
        self._groups: Groups = defaultdict(list)
        self._grouped_rows = 0
        self._resident = self._groups_bytes = 0
        self._by_value = True
        self._looked = False
        self._counted: CountedCombine | None = None
        self._counting = False
        if isinstance(combiner, ReducerCombiner):
            # The sort buffer begins to fill while the counts are still in memory.
            most = min(sort_buffer_bytes(conf) // 2, MAX_KERNEL_BYTES)
            self._counted = CountedCombine(
                combiner, encoder, most, self._put_counted, self.write_batch
            )
        self._writer = MapOutputWriter(
            work_dir,
            num_partitions,
            conf=conf,
            combine=None if combiner is None else combiner.fold_sorted,
            raw_bytes=raw_bytes,
        )

    def groups(self) -> Groups | Counts | None:
        if self._combiner is None or not self._by_value:
            return None
        if self._counted is not None and not self._groups:
            counts = self._counted.pairs.counts()
            self._counting = counts is not None
            if counts is not None:
                return counts
            self._counted.write()
        if not self._combiner.wants_groups():
            return None
        if not self._groups:
            self._flush()
            self._resident, self._groups_bytes = resident_bytes(), 0
            self._looked = False
        return self._groups

    def grouped(self, rows: int, odd: Pair | None) -> int:
        if self._counting:
            assert self._counted is not None
            return self._counted.pairs.counted(odd)
        first = not self._grouped_rows
        self._grouped_rows += rows
        resident = resident_bytes()
        grown = resident - self._resident
        self._resident = resident
        self._groups_bytes += grown
        if odd is not None or (first and not told_apart_by_value(self._groups)):
            self._by_value = False
            self._flush_groups()
        elif self._grouped_rows >= _GROUPS_ROWS or self._groups_bytes >= _GROUPS_BYTES:
            self._flush_groups()
        elif self._grouped_rows >= _LOOK_ROWS and not self._looked:
            self._looked = True
            if len(self._groups) > _LOOK_DISTINCT * self._grouped_rows:
                self._flush_groups()
        if odd is not None:
            self.write_pairs([odd[0]], [odd[1]])
        return grown

    def _flush_groups(self) -> None:
        """Fold the groups. If that does not pay, turn them back into pairs."""
        if not self._groups:
            return
        groups, rows = self._groups, self._grouped_rows
        self._groups, self._grouped_rows = defaultdict(list), 0
        folded = None
        if self._combiner is not None and told_apart_by_value(groups):
            folded = self._combiner.fold_groups(groups, rows)
        if folded is not None:
            self._put(folded)
            return
        keys = chain.from_iterable(repeat(key, len(group)) for key, group in groups.items())
        values = chain.from_iterable(groups.values())
        while some := list(islice(keys, MAX_PAIRS)):
            for batch in self._encoder.encode(some, list(islice(values, MAX_PAIRS))):
                self.write_batch(batch)

    def write_pairs(self, keys: list[Any], values: list[Any]) -> None:
        for batch in self._encoder.encode(keys, values):
            self.write_batch(batch)

    def write_batch(self, batch: pa.RecordBatch) -> None:
        self._flush_groups()
        if self._combiner is None and batch.nbytes >= _LARGE_BYTES:
            self._flush()
            self._put((batch,))
            return
        waiting = self._waiting
        if waiting and not waiting[-1].schema.equals(batch.schema, check_metadata=True):
            self._flush()
        waiting.append(batch)
        self._waiting_rows += batch.num_rows
        self._waiting_bytes += batch.nbytes
        if self._waiting_rows >= _FOLD_ROWS or self._waiting_bytes >= _FOLD_BYTES:
            self._flush()

    def _flush(self) -> None:
        """Fold the waiting batches and hand them to the sort buffer with their partitions."""
        if not self._waiting:
            return
        if self._waiting_bytes < MAX_KERNEL_BYTES:
            batches = [concat(self._waiting)]
        else:
            batches = list(self._waiting)
        self._waiting.clear()
        self._waiting_rows = self._waiting_bytes = 0
        for batch in batches:
            self._put((batch,) if self._combiner is None else self._combiner.fold_batch(batch))

    def _put_counted(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._flush()  # these pairs came before
        self._put(batches)

    def _put(self, batches: Iterable[pa.RecordBatch]) -> None:
        for batch in batches:
            prepared = with_sort_column(batch)
            self._writer.write(self._grouping.composed(prepared), self._partition(prepared))

    def finish(self) -> dict[str, int]:
        if self._counted is not None:
            self._counted.finish()
        self._flush_groups()
        self._flush()
        counters = in_place(self._writer.finish(), self._work_dir)
        if self._combiner is not None:
            self._combiner.close()
            taken, given = self._combiner.records
            for name, more in (("INPUT", taken), ("OUTPUT", given)):
                name = f"COMBINE_{name}_RECORDS"
                counters[name] = counters.get(name, 0) + more
        return counters

    def abort(self) -> None:
        self._writer.abort()
        remove_output(self._work_dir)


def _user_partitions(
    partitioner: Partitioner, keys: list[Any], num_partitions: int
) -> npt.NDArray[np.int32]:
    """The partition of each key, from the user's partitioner, checked. Raises TaskError."""
    name = type(partitioner).__name__
    found: list[Any] = []
    try:
        found.extend(map(partitioner.partition, keys, repeat(num_partitions)))
    except BaseException as exc:
        where = f"partitioner {name}, key {shorten(keys[len(found)])}"
        raise TaskError(describe(exc, where=where, kind="map")) from exc
    if set(map(type, found)) <= {int, bool} and (
        not found or (min(found) >= 0 and max(found) < num_partitions)
    ):
        return np.array(found, np.int32)
    for index, partition in enumerate(found):
        if isinstance(partition, np.integer):
            found[index] = partition = int(partition)
        if not isinstance(partition, int) or not 0 <= partition < num_partitions:
            raise wrong_use(
                f"{name}.partition() returned {shorten(partition)}; it must return an int from 0 "
                f"to {num_partitions - 1} ({num_partitions} partitions)",
                where=f"partitioner {name}, key {shorten(keys[index])}",
            )
    return np.array(found, np.int32)


def _batch_partitions(
    partitioner: BatchPartitioner, keys: pa.Array, num_partitions: int
) -> npt.NDArray[np.int32]:
    """The same for a partitioner of whole columns. Raises TaskError."""
    name = type(partitioner).__name__
    try:
        found = np.asarray(partitioner.partition_batch(keys, num_partitions))
    except BaseException as exc:
        raise TaskError(describe(exc, where=f"partitioner {name}", kind="map")) from exc
    if found.shape != (len(keys),) or found.dtype.kind not in "iu":
        raise wrong_use(
            f"{name}.partition_batch() returned {found.dtype} of the shape {found.shape}; it must "
            f"return one integer for each of the {len(keys)} keys",
            where=f"partitioner {name}",
        )
    if len(found) and not 0 <= int(found.min()) <= int(found.max()) < num_partitions:
        raise wrong_use(
            f"{name}.partition_batch() returned {int(found.min())} to {int(found.max())}; expected "
            f"0 to {num_partitions - 1} ({num_partitions} partitions)",
            where=f"partitioner {name}",
        )
    return found.astype(np.int32)


class OutputSink:
    """Writes the part file of a map of a map-only job."""

    def __init__(self, writer: Writer, encoder: ColumnEncoder) -> None:
        self._encoder = encoder
        self._writer = writer

    def write_pairs(self, keys: list[Any], values: list[Any]) -> None:
        for batch in self._encoder.encode(keys, values):
            self._writer.write(batch)

    def write_batch(self, batch: pa.RecordBatch) -> None:
        self._writer.write(batch)

    def groups(self) -> Groups | None:
        return None

    def grouped(self, rows: int, odd: Pair | None) -> int:
        raise NotImplementedError("a map-only job does not group")

    def finish(self) -> dict[str, int]:
        _, nbytes = self._writer.close()
        pickled = self._writer.pickled
        return {"BYTES_WRITTEN": nbytes} | ({PICKLED_RECORDS: pickled} if pickled else {})

    def abort(self) -> None:
        self._writer.abort()


def open_part(attempt: Attempt, facts: JobFacts, job: Job) -> Writer:
    """The attempt's own part file, where the committer looks for it. Raises OutputError."""
    name = parse_attempt(attempt.attempt_id)
    committer = OutputCommitter(facts.spec.output)
    own = job.output_format
    fmt = own if isinstance(own, RecordWriter) else facts.spec.output_format
    path = f"{committer.attempt_dir(attempt.attempt_id)}/{part_name(fmt, name)}"

    def create() -> Writer:
        return open_part_file(fmt, committer.writing, path, name, facts.pickle_key)

    lazy = Conf(facts.spec.conf).get_as(OUTPUT_LAZY) and not isinstance(fmt, StepOutput)
    return LazyWriter(create, committer.writing, path) if lazy else create()
