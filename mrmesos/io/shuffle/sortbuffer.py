"""The sort buffer of a map: batches in, one sorted and partitioned map-output file out.

Like Hadoop's MapTask.MapOutputBuffer: when `io.sort.mb` is full, the buffer sorts its records by
(partition, key), combines them and writes them as a run. At the end it merges all runs, at most
`io.sort.factor` at a time. It only renames a single run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from mrmesos.conf import IO_SORT_FACTOR, SORT_ROW_BYTES, Conf, sort_buffer_bytes
from mrmesos.io.columns.batches import Taker, concat, cut
from mrmesos.io.columns.schema import MAX_KERNEL_BYTES
from mrmesos.io.columns.sorting import argsort, is_sorted
from mrmesos.io.columns.sortkey import sort_column, with_sort_column
from mrmesos.io.columns.unify import unify_batches
from mrmesos.io.shuffle.index import MapOutputIndex, Segment
from mrmesos.io.shuffle.merge import merge_runs
from mrmesos.io.shuffle.segments import (
    SEGMENT_BATCH_BYTES,
    codec_of,
    codec_within,
    read_segment,
    write_segment,
)

Combine = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]

WRITE_BYTES = 64 << 10
"""Small pieces are written together. Longer ones, as most columns of a batch, are not copied."""

DATA_NAME, INDEX_NAME = "output.data", "output.index"


class CombinerError(Exception):
    """A combiner yielded keys out of order; it must yield the keys that it gets."""


class MapOutputFiles(msgspec.Struct, frozen=True):
    """The result of a map: two files, and counters by Hadoop's names."""

    data_path: Path
    index_path: Path
    index: MapOutputIndex
    counters: dict[str, int]


@dataclass(slots=True)
class _Run:
    path: Path
    segments: list[Segment]


@dataclass(slots=True)
class _Buffered:
    batches: list[pa.RecordBatch] = field(default_factory=list)
    partitions: list[np.ndarray] = field(default_factory=list)
    size: int = 0


class MapOutputWriter:
    """Sorts one map's output into `directory`, which must exist. For one thread."""

    def __init__(
        self,
        directory: Path,
        num_partitions: int,
        *,
        conf: Conf,
        combine: Combine | None = None,
        combine_merged: Combine | None = None,
        raw_bytes: int = 0,
        sort_bytes: int | None = None,
        max_bytes: int = MAX_KERNEL_BYTES,
    ) -> None:
        """`combine` gets the sorted batches of one partition and yields sorted batches.

        The batches have `__sort` if the keys need it. `combine_merged` combines merged runs, if
        that differs (counts are then added, not counted again). With `auto` as codec, up to
        `raw_bytes` of output are not compressed. `sort_bytes` overrides `io.sort.mb`. No
        kernel gets more than `max_bytes` unless a single record is larger. Raises ConfError.
        """
        self._directory = directory
        self._num_partitions = num_partitions
        self._combine = combine
        self._combine_merged = combine_merged or combine
        self._codec, self._raw_bytes = codec_of(conf), raw_bytes
        self._factor = conf.get_as(IO_SORT_FACTOR)
        wanted = sort_buffer_bytes(conf) if sort_bytes is None else sort_bytes
        self._sort_bytes = min(wanted, max_bytes)
        self._max_bytes = max_bytes
        self._buffered = _Buffered()
        self._runs: list[_Run] = []
        self._run_number = 0
        self._counters = dict.fromkeys(
            (
                "MAP_OUTPUT_RECORDS",
                "MAP_OUTPUT_BYTES",
                "COMBINE_INPUT_RECORDS",
                "COMBINE_OUTPUT_RECORDS",
                "SPILLED_RECORDS",
            ),
            0,
        )

    def write(self, batch: pa.RecordBatch, partitions: np.ndarray) -> None:
        """Add records (columns `key` and `value`) and the partition of each.

        Spills when the buffer is full. Raises RecordTypeError, and OSError with the path.
        """
        if len(partitions) != batch.num_rows:
            raise ValueError(f"{len(partitions)} partitions for {batch.num_rows} records")
        if not batch.num_rows:
            return
        low, high = int(partitions.min()), int(partitions.max())
        if low < 0 or high >= self._num_partitions:
            wrong = low if low < 0 else high
            raise ValueError(f"partition {wrong} is not in [0, {self._num_partitions})")
        done = 0
        for raw in cut(batch, max(1, self._sort_bytes // SORT_ROW_BYTES), self._sort_bytes):
            piece = with_sort_column(raw)
            size = piece.nbytes + SORT_ROW_BYTES * piece.num_rows
            if self._buffered.batches and self._buffered.size + size > self._sort_bytes:
                self._spill()
            self._buffered.batches.append(piece)
            self._buffered.partitions.append(partitions[done : done + piece.num_rows])
            self._buffered.size += size
            done += piece.num_rows
            self._counters["MAP_OUTPUT_BYTES"] += piece.nbytes
        self._counters["MAP_OUTPUT_RECORDS"] += batch.num_rows

    def finish(self) -> MapOutputFiles:
        """Sort the remaining records, merge the runs, and write the data file and its index."""
        try:
            if self._buffered.batches or not self._runs:
                self._spill()
            while len(self._runs) > 1:
                for first in range(-(-len(self._runs) // self._factor)):
                    self._merge(first)
            data, index_path = self._directory / DATA_NAME, self._directory / INDEX_NAME
            (run,) = self._runs
            run.path.replace(data)
            run.path = data
            index = MapOutputIndex(run.segments)
            with named(index_path):
                index.write(index_path)
        except BaseException:
            self.abort()
            raise
        return MapOutputFiles(data, index_path, index, dict(self._counters))

    def abort(self) -> None:
        """Remove every file of this map's output; may be called at any time."""
        self._buffered = _Buffered()
        for run in self._runs:
            run.path.unlink(missing_ok=True)
        self._runs = []
        for name in (DATA_NAME, INDEX_NAME):
            (self._directory / name).unlink(missing_ok=True)

    def _spill(self) -> None:
        buffered, self._buffered = self._buffered, _Buffered()
        if not buffered.batches:
            self._write_run(lambda _: iter(()), self._combine)
            return
        batch, order, starts = _in_order(buffered, self._num_partitions)
        taker = Taker(batch)
        # Records are gathered just before they are written. So they are in the processor's caches
        # for the compression, and memory holds no second copy of the buffer.
        rows = max(1, SEGMENT_BATCH_BYTES * batch.num_rows // max(1, batch.nbytes))

        def partition(number: int) -> Iterator[pa.RecordBatch]:
            end = starts[number + 1]
            for first in range(starts[number], end, rows):
                yield taker(order[first : min(first + rows, end)])

        self._write_run(partition, self._combine)

    def _merge(self, first: int) -> None:
        """Replace up to `io.sort.factor` runs from index `first` on by one merged run.

        The runs are adjacent, so equal keys keep their order.
        """
        runs = self._runs[first : first + self._factor]
        if len(runs) == 1:
            return

        def partition(number: int) -> Iterator[pa.RecordBatch]:
            parts = [
                read_segment(run.path, run.segments[number])
                for run in runs
                if run.segments[number].length
            ]
            return merge_runs(parts, max_bytes=self._max_bytes)

        self._write_run(partition, self._combine_merged)
        self._runs[first : first + len(runs)] = [self._runs.pop()]
        for run in runs:
            run.path.unlink()

    def _write_run(
        self, partition: Callable[[int], Iterator[pa.RecordBatch]], combine: Combine | None
    ) -> None:
        run = _Run(self._directory / f"spill-{self._run_number}.data", [])
        self._run_number += 1
        self._runs.append(run)  # before the file exists, so that abort() always removes it
        codec = codec_within(self._codec, self._counters["MAP_OUTPUT_BYTES"], self._raw_bytes)
        with named(run.path), run.path.open("wb", buffering=WRITE_BYTES) as file:
            for number in range(self._num_partitions):
                batches = partition(number)
                if combine is not None:
                    batches = self._combined(combine, batches)
                segment = write_segment(file, batches, codec=codec)
                run.segments.append(segment)
                self._counters["SPILLED_RECORDS"] += segment.rows

    def _combined(
        self, combine: Combine, batches: Iterator[pa.RecordBatch]
    ) -> Iterator[pa.RecordBatch]:
        last: pa.RecordBatch | None = None
        for raw in combine(self._counted(batches)):
            if not raw.num_rows:
                continue
            batch = with_sort_column(raw)
            if not is_sorted(sort_column(batch)) or (
                last is not None and not _follows(last, batch)
            ):
                raise CombinerError("the combiner yields keys out of order; it must keep its keys")
            self._counters["COMBINE_OUTPUT_RECORDS"] += batch.num_rows
            last = batch.slice(batch.num_rows - 1)
            yield batch

    def _counted(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self._counters["COMBINE_INPUT_RECORDS"] += batch.num_rows
            yield batch


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Add the path to errors of failed writes, which do not have one."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _in_order(
    buffered: _Buffered, num_partitions: int
) -> tuple[pa.RecordBatch, np.ndarray, list[int]]:
    """The records, their order by (partition, key), and the bounds of the partitions in it.

    Empties the buffer.
    """
    batch = concat(unify_batches(buffered.batches))
    buffered.batches.clear()  # they were copied; memory holds the buffer at most twice
    narrow = np.uint16 if num_partitions <= 1 << 16 else np.int32
    partitions: np.ndarray = np.concatenate(buffered.partitions).astype(narrow)
    order = argsort(sort_column(batch))
    if num_partitions > 1:
        by_key = partitions[order]
        if bool((by_key[1:] < by_key[:-1]).any()):  # never if partitions are ranges of keys
            # numpy sorts 16-bit integers by radix, so this stable pass is cheap.
            order = order[np.argsort(by_key, kind="stable")]
    counts = np.bincount(partitions, minlength=num_partitions)
    return batch, order, [0, *np.cumsum(counts).tolist()]


def _follows(last: pa.RecordBatch, batch: pa.RecordBatch) -> bool:
    """Whether the first key of `batch` is not before the one of `last`."""
    one, other = unify_batches([last, batch.slice(0, 1)])
    return is_sorted(sort_column(concat([one, other])))
