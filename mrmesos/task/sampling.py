"""Cut points for TotalOrder: runs the job's mapper over samples from the whole input.

Comes in: a job and its inputs. Goes out: the keys that separate the partitions.
Thread: the submitting client's, as with Hadoop's InputSampler. The client has loaded the job's code
anyway, and a JobTracker never runs user code. The cut points travel inside the pickled job, so
every attempt of every map has the same ones.

The input is divided into equal parts. In each part, one stretch of records is read at a place that
a seed chooses. So the sample is fair for sorted input, and for files with different kinds of
records.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from mrmesos.api.context import TaskFacts
from mrmesos.api.formats import Source
from mrmesos.api.job import Job, JobError, input_format_of, mapper_of
from mrmesos.api.split import FileSlice, Split
from mrmesos.api.tasks import Mapper, TotalOrder
from mrmesos.conf import Conf
from mrmesos.io.columns.encode import ColumnEncoder
from mrmesos.io.columns.schema import RecordTypeError
from mrmesos.io.input.footers import footers_here
from mrmesos.io.input.formats.registry import in_container, splits_files
from mrmesos.io.input.splits import FileInfo, planned_inputs
from mrmesos.io.shuffle.grouping import Grouping
from mrmesos.io.shuffle.range_partition import check_cuts, choose_cuts
from mrmesos.task.drivers.map_driver import MapDriver, make_driver
from mrmesos.task.drivers.record_feed import Groups, Pair, RecordContext
from mrmesos.task.drivers.user_code import make_task
from mrmesos.task.map_task import read_input

STRETCHES = 32
_BATCH_BYTES = 64 << 10


def needs_cut_points(job: Job, num_reducers: int) -> bool:
    """Whether the client must call `find_cut_points` before it submits the job."""
    return num_reducers > 1 and issubclass(job.partitioner, TotalOrder)


def find_cut_points(
    job: Job,
    sources: Sequence[Source],
    conf: Conf,
    num_reducers: int,
    files: Mapping[str, Path] | None = None,
    *,
    pickle_key: str = "",
) -> pa.Array | None:
    """The value for `job.cut_points`. None if the mapper yields nothing for the samples.

    The mapper sees `files` as `context.cached`. For `pickle_key`, see read_split.

    Raises JobError if the job itself names wrong cut points, TaskError if the mapper fails, and
    InputError.
    """
    partitioner = job.partitioner
    assert issubclass(partitioner, TotalOrder)
    grouping = Grouping.of(job)
    if partitioner.cut_points is not None:
        return _named_by(job, list(partitioner.cut_points), grouping, num_reducers)
    facts = TaskFacts("job_sample", "", "", "map", 0, 1, num_reducers, "localhost", files or {})
    context = RecordContext(facts, conf, job.args)
    sample = _Sample(ColumnEncoder(job.map_output_types), grouping)
    drivers: dict[str, tuple[MapDriver, bool]] = {}
    for each in sources:
        mapper = make_task(mapper_of(job, each.name), context)
        drivers[each.name] = make_driver(mapper, context, sample), isinstance(mapper, Mapper)
    deadline = time.monotonic() + partitioner.sample_seconds
    inputs, tables = planned_inputs(sources, footers_here)
    stretches, length = _stretches(inputs, partitioner.sample_bytes, partitioner.seed)
    share = -(-partitioner.samples // max(1, len(stretches)))
    rows = taken = 0
    for done, (source, stretch) in enumerate(stretches, 1):
        context.input_name = source.name
        driver, records = drivers[source.name]
        split = Split((stretch,), stretch.length, source=source.name)
        declared = input_format_of(job, source.name)
        for given in read_input(
            split,
            source.format,
            declared,
            batch_bytes=_BATCH_BYTES,
            records=records,
            table=tables.get(source.name),
            pickle_key=pickle_key,
        ):
            some = given.head(share * done - rows)  # earlier stretches may have left some over
            driver.map(some)
            rows += some.batch.num_rows
            taken += some.batch.nbytes
            if rows >= share * done or taken >= length * done:
                break
        if time.monotonic() > deadline:
            break
    for driver, _ in drivers.values():
        driver.close()
    return choose_cuts(sample.columns, num_reducers)


def _named_by(job: Job, keys: list[Any], grouping: Grouping, num_reducers: int) -> pa.Array:
    name = job.partitioner.__name__
    types = job.map_output_types
    declared = None if types is None else (types[0], pa.null())
    try:
        batches = list(ColumnEncoder(declared).encode(keys, [None] * len(keys)))
        column = grouping.partition_column(batches[0]) if batches else pa.nulls(0)
        check_cuts(column, num_reducers)
    except (ValueError, RecordTypeError) as problem:
        raise JobError(f"{name}.cut_points: {problem}") from None
    return column


def _stretches(
    inputs: Sequence[tuple[Source, Sequence[FileInfo]]], nbytes: int, seed: int
) -> tuple[list[tuple[Source, FileSlice]], int]:
    """Places to read, in the order of the input, and how many bytes to read at each.

    Some formats can be read only in whole units (row groups). Then a place is its whole part.
    """
    files = [(source, info) for source, infos in inputs for info in infos if info.size]
    known = [max(info.size, 1) for _, info in files]
    total = sum(known)
    count = max(1, min(STRETCHES, total // _BATCH_BYTES)) if files else 0
    length = max(1, min(nbytes // count, -(-total // count))) if files else 0
    rng = random.Random(seed)
    places: list[tuple[Source, FileSlice]] = []
    whole: set[str] = set()
    for part in range(count):
        begin, end = total * part // count, total * (part + 1) // count
        at = begin + (rng.randint(0, end - begin - length) if end - begin > length else 0)
        index = 0
        while index < len(files) - 1 and at >= known[index]:
            at, begin, end = at - known[index], begin - known[index], end - known[index]
            index += 1
        source, info = files[index]
        if info.splittable and info.size > 0 and splits_files(source.format):
            if in_container(source.format):
                at = max(0, begin)
                piece = FileSlice(info.uri, at, min(end, info.size) - at)
            else:
                piece = FileSlice(info.uri, at, min(length, info.size - at))
            places.append((source, piece))
        elif info.uri not in whole:  # this file can be read only from its beginning
            whole.add(info.uri)
            places.append((source, FileSlice(info.uri, 0, -1)))
    return places, length


class _Sample:
    """A MapSink that keeps only the columns that decide the partition of each pair."""

    def __init__(self, encoder: ColumnEncoder, grouping: Grouping) -> None:
        self._encoder = encoder
        self._grouping = grouping
        self.columns: list[pa.Array] = []

    def write_pairs(self, keys: list[Any], values: list[Any]) -> None:
        for batch in self._encoder.encode(keys, values):
            self.write_batch(batch)

    def write_batch(self, batch: pa.RecordBatch) -> None:
        self.columns.append(self._grouping.partition_column(batch))

    def groups(self) -> Groups | None:
        return None

    def grouped(self, rows: int, odd: Pair | None) -> int:
        raise NotImplementedError("samples are not grouped")

    def finish(self) -> dict[str, int]:
        return {}

    def abort(self) -> None:
        """See MapSink."""
