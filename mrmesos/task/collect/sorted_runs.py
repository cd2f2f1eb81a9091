"""Turns the segments of a reduce into few enough sorted runs for one merge."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, count, islice
from pathlib import Path

import msgspec
import pyarrow as pa

from mrmesos.api.aggregates import Aggregate
from mrmesos.conf import IO_SORT_FACTOR, Conf, reduce_buffer_bytes
from mrmesos.io.columns.batches import Taker, concat
from mrmesos.io.columns.schema import MAX_KERNEL_BYTES
from mrmesos.io.columns.sorting import argsort
from mrmesos.io.columns.sortkey import sort_column, with_sort_column
from mrmesos.io.columns.unify import unify_batches
from mrmesos.io.shuffle.hash_fold import HashFold, distinct_part
from mrmesos.io.shuffle.merge import merge_runs
from mrmesos.io.shuffle.segments import SEGMENT_BATCH_BYTES, codec_of, read_segment, write_segment

_SELDOM_REPEATED = 0.85
"""Keys for each record. If there are more, to sort all records costs less than to fold them."""


class SortedRun(msgspec.Struct, frozen=True):
    """Sorted records of one partition: `length` bytes as stored. `open` may be called once.

    Only the runs that `folded_runs` takes may be unsorted.
    """

    rows: int
    length: int
    open: Callable[[], Iterator[pa.RecordBatch]]


def folded_runs(
    aggregate: type[Aggregate],
    runs: Sequence[SortedRun],
    conf: Conf,
    work_dir: Path,
    progress: Callable[[int], None],
) -> list[SortedRun]:
    """Turn unsorted runs, in their order, into sorted runs of partial results.

    Each run has one row for each key. If the rows of all keys fit `reduce.shuffle.buffer.mb`, it is
    one run in memory. If all records fit and few keys repeat, they are one run that is only sorted.
    """
    most = min(reduce_buffer_bytes(conf), MAX_KERNEL_BYTES)
    firsts: list[pa.RecordBatch] = []
    batches = _opened(runs, firsts, progress)
    held, fit = _held(batches, most)
    if fit and distinct_part(firsts) >= _SELDOM_REPEATED:
        return [SortedRun(sum(each.num_rows for each in held), 0, partial(_sorted, held))]
    firsts.clear()
    fold = HashFold(aggregate, aggregate.merge, most)
    sorted_runs: list[SortedRun] = []
    for batch in chain(_drained(held), batches):
        if not fold.has_room(batch) and (full := _taken(fold)) is not None:
            path = work_dir / f"fold-{len(sorted_runs):05d}.data"
            sorted_runs.append(_written(_in_order(full), path, codec_of(conf)))
            del full
        fold.add(batch)
    if (rest := _taken(fold)) is not None:
        sorted_runs.append(SortedRun(rest.num_rows, 0, partial(_in_order, rest)))
    return sorted_runs


def _opened(
    runs: Sequence[SortedRun], firsts: list[pa.RecordBatch], progress: Callable[[int], None]
) -> Iterator[pa.RecordBatch]:
    """The batches of all runs. The first of each run is also appended to `firsts`."""
    for run in runs:
        for index, batch in enumerate(run.open()):
            if not index:
                firsts.append(batch)
            yield batch
            progress(batch.num_rows)


def _held(batches: Iterator[pa.RecordBatch], max_bytes: int) -> tuple[deque[pa.RecordBatch], bool]:
    """The batches until they exceed `max_bytes`, and whether that are all."""
    held: deque[pa.RecordBatch] = deque()
    size = 0
    for batch in batches:
        held.append(batch)
        size += batch.nbytes
        if size > max_bytes:
            return held, False
    return held, True


def _drained(held: deque[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches. Memory never has a batch both here and with the caller."""
    while held:
        yield held.popleft()


def _sorted(held: deque[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The records of unsorted batches sorted by key; records with equal keys keep their order."""
    if not held:
        return
    joined = concat(unify_batches([with_sort_column(each) for each in held]))
    held.clear()
    yield from _in_order(joined)


def _taken(fold: HashFold) -> pa.RecordBatch | None:
    """Empty the fold into one batch. The fold's parts are not kept, or memory would hold both."""
    folded = fold.take()
    return concat(unify_batches([each.batch for each in folded])) if folded else None


def _in_order(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch's records sorted by key. Each piece is copied just before it is used."""
    order = argsort(sort_column(batch))
    taker = Taker(batch)
    rows = max(1, SEGMENT_BATCH_BYTES * batch.num_rows // max(1, batch.nbytes))
    for first in range(0, len(order), rows):
        yield taker(order[first : first + rows])


def merge_to_factor(
    runs: Sequence[SortedRun], conf: Conf, work_dir: Path, progress: Callable[[int], None]
) -> list[SortedRun]:
    """Merge runs until at most `io.sort.factor` are left.

    Only neighbours are merged, so that records with equal keys stay in the order of the maps.
    """
    factor = conf.get_as(IO_SORT_FACTOR)
    codec = codec_of(conf)
    left = list(runs)
    files = count(1)
    while len(left) > factor:
        excess = len(left) - factor
        waiting = iter(left)
        left = []
        while group := list(islice(waiting, min(factor, excess + 1))):
            excess -= len(group) - 1
            if len(group) > 1:
                path = work_dir / f"merge-{next(files):05d}.data"
                left.append(_merged(group, path, codec, progress))
            else:
                left += group
    return left


def _merged(
    runs: Sequence[SortedRun], path: Path, codec: str | None, progress: Callable[[int], None]
) -> SortedRun:
    def told() -> Iterator[pa.RecordBatch]:
        for batch in merge_runs([each.open() for each in runs]):
            progress(batch.num_rows)
            yield batch

    return _written(told(), path, codec)


def _written(batches: Iterator[pa.RecordBatch], path: Path, codec: str | None) -> SortedRun:
    with path.open("wb") as file:
        segment = write_segment(file, batches, codec=codec)
    return SortedRun(segment.rows, segment.length, lambda: read_segment(path, segment))
