"""Merging sorted runs, and iterating over groups of equal keys.

Runs are merged by ranges of keys, not row by row. Each run has two batches in memory. Of the last
keys of the runs, take the smallest, or a smaller last key of a batch if that is enough for a step.
All rows up to this key, in any run, come next. Kernels join and sort these rows. The sort is fast,
because the rows are a few sorted runs.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, pairwise, starmap
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa

from mrmesos.io.columns.batches import concat, cut, take
from mrmesos.io.columns.decode import decode_column
from mrmesos.io.columns.schema import KEY, MAX_KERNEL_BYTES, VALUE
from mrmesos.io.columns.sorting import Ranks, argsort, changes
from mrmesos.io.columns.sortkey import drop_sort_column, sort_column, with_sort_column
from mrmesos.io.columns.unify import unify_batches

MERGE_BATCH_ROWS = 1 << 16
MERGE_BATCH_BYTES = 4 << 20
WHOLE_GROUP_BYTES = 256 << 20
"""Most bytes of one key's records in a call of a BatchReducer."""
_NEAR_ROWS = 64


_Rank = tuple[int, Any]
"""A key as `Ranks` compares it."""


class GroupTooLargeError(Exception):
    """The records of one key are too large; the message has the key and what to do."""


class _Run:
    """One run of a merge, and up to two batches of it. After `fill` there are none at its end."""

    __slots__ = ("_source", "batches", "ended")

    def __init__(self, source: Iterator[pa.RecordBatch]) -> None:
        self._source = source
        self.batches: list[pa.RecordBatch] = []
        self.ended = False

    def fill(self) -> bool:
        """Read batches until there are two, or none are left. False if the run is at its end."""
        while len(self.batches) < 2 and not self.ended:
            more = next((with_sort_column(each) for each in self._source if each.num_rows), None)
            if more is None:
                self.ended = True
            else:
                self.batches.append(more)
        return bool(self.batches)


def merge_runs(
    runs: Sequence[Iterator[pa.RecordBatch]],
    *,
    batch_rows: int = MERGE_BATCH_ROWS,
    batch_bytes: int = MERGE_BATCH_BYTES,
    max_bytes: int = MAX_KERNEL_BYTES,
) -> Iterator[pa.RecordBatch]:
    """The rows of all runs in order. Equal keys keep the order of runs, then their order in a run.

    Each run must have the order of `sorting.argsort`. Memory is bounded by two batches of each run
    and their merged rows. Runs of different types are unified (RecordTypeError if that is
    impossible); batches of the result may then also differ in type.
    """
    live = list(map(_Run, runs))
    while len(live := [run for run in live if run.fill()]) > 1:
        for piece in _in_order(_next_range(live, batch_bytes), max_bytes):
            yield from cut(piece, batch_rows, batch_bytes)
    while live and live[0].fill():
        yield from cut(live[0].batches.pop(0), batch_rows, batch_bytes)


def _next_range(live: list[_Run], wanted: int) -> list[list[pa.RecordBatch]]:
    """Take from each run the rows that come before all unread rows, in the order of runs.

    They are about `wanted` bytes. The batches that end within the range count, and no others.
    """
    held = iter(unify_batches([batch for run in live for batch in run.batches]))
    for run in live:
        run.batches = [next(held) for _ in run.batches]
    ranks = [[Ranks(sort_column(batch)) for batch in run.batches] for run in live]
    ends = [[rank[len(rank) - 1] for rank in each] for each in ranks]
    bound = _bound(live, ends, wanted)
    # More rows equal to the bound may follow in this run, so those of later runs must wait.
    waits = (not run.ended and each[-1] == bound for run, each in zip(live, ends, strict=True))
    last = next((index for index, each in enumerate(waits) if each), len(live))
    pieces = []
    for index, run in enumerate(live):
        search = bisect_right if index <= last else bisect_left
        whole = search(ends[index], bound)  # this many batches lie within the range
        taken, run.batches = run.batches[:whole], run.batches[whole:]
        if run.batches and (rows := search(ranks[index][whole], bound)):
            taken.append(run.batches[0].slice(0, rows))
            run.batches[0] = run.batches[0].slice(rows)
        pieces.append(taken)
    return [taken for taken in pieces if taken]


def _bound(live: list[_Run], ends: list[list[_Rank]], wanted: int) -> _Rank:
    """The last key of the next range. It is the last key of one of the batches in memory."""
    known = [each[-1] for run, each in zip(live, ends, strict=True) if not run.ended]
    limit = min(known, default=None)
    sized = zip(chain.from_iterable(ends), (b for run in live for b in run.batches), strict=True)
    ascending = sorted(((end, batch.nbytes) for end, batch in sized), key=itemgetter(0))
    bound, size = ascending[0]
    for end, more in ascending[1:]:
        size += more
        if size > wanted or (limit is not None and end > limit):
            break
        bound = end
    return bound


def _in_order(pieces: list[list[pa.RecordBatch]], max_bytes: int) -> Iterator[pa.RecordBatch]:
    """The rows of each run's pieces, in the order of their keys."""
    if len(pieces) == 1:
        yield from pieces[0]
        return
    every = list(chain.from_iterable(pieces))
    if sum(piece.nbytes for piece in every) <= max_bytes:
        joined = concat(every)
        order = argsort(sort_column(joined))
        yield take(joined, order)
    else:
        yield from _row_by_row(every)


def _row_by_row(pieces: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Slices in order, for records of hundreds of megabytes that are too large for one kernel."""
    ranks = [Ranks(sort_column(piece)) for piece in pieces]
    heap = [(rank[0], index, 0) for index, rank in enumerate(ranks)]
    heapq.heapify(heap)
    while heap:
        _, index, row = heap[0]
        yield pieces[index].slice(row, 1)
        if row + 1 < pieces[index].num_rows:
            heapq.heapreplace(heap, (ranks[index][row + 1], index, row + 1))
        else:
            heapq.heappop(heap)


_Groups = Iterable[Iterator[Any]]
Decode = Callable[[pa.Array, pa.Field], list[Any]]
"""Makes objects of a column of keys or of values."""


# --- Groups --------------------------------------------------------------------------------------
def group_spans(batch: pa.RecordBatch) -> np.ndarray:
    """The start of each group of equal keys in a sorted batch, and then the number of rows.

    `[0, 2, 5]` are the groups of rows 0-1 and 2-4; an empty batch gives `[0]`.
    """
    rows = batch.num_rows
    ends = [0, rows] if rows else [0]
    return np.insert(np.array(ends, np.int64), 1, changes(sort_column(batch)))


def _last_start(batch: pa.RecordBatch) -> int:
    """The start of the last group of a sorted batch. For most, a few rows at the end decide it."""
    column, rows, near = sort_column(batch), int(batch.num_rows), _NEAR_ROWS
    while near < rows:
        found = changes(column.slice(rows - near))
        if len(found):
            return rows - near + int(found[-1])
        near *= _NEAR_ROWS
    found = changes(column)
    return int(found[-1]) if len(found) else 0


def same_key(last: pa.RecordBatch, first: pa.RecordBatch) -> bool:
    """Whether the last row of one batch and the first row of the next have equal keys."""
    one, other = last.slice(last.num_rows - 1, 1), first.slice(0, 1)
    if not one.schema.equals(other.schema, check_metadata=True):
        one, other = unify_batches([one, other])
    return Ranks(sort_column(one))[0] == Ranks(sort_column(other))[0]


class _Tail:
    """The last group of a batch, which may continue in the next batches."""

    __slots__ = ("_decode", "_ended", "_last", "_next", "_stream")

    def __init__(
        self, last: pa.RecordBatch, stream: Iterator[pa.RecordBatch], decode: Decode
    ) -> None:
        self._last = last
        self._decode = decode
        self._stream = stream
        self._next: pa.RecordBatch | None = None
        self._ended = False

    def values(self, first: list[Any]) -> Iterator[Any]:
        return chain(first, chain.from_iterable(self._more()))

    def _more(self) -> Iterator[list[Any]]:
        while (part := self._part()) is not None:
            yield self._decode(part.column(VALUE), part.schema.field(VALUE))

    def _part(self) -> pa.RecordBatch | None:
        """The next rows of the group, or None at its end; `_next` then begins with another key."""
        if self._ended:
            return None
        batch = next(self._stream, None)
        if batch is None or not same_key(self._last, batch):
            self._ended, self._next = True, batch
            return None
        rows = int(group_spans(batch)[1])
        if rows < batch.num_rows:
            self._ended, self._next = True, batch.slice(rows)
        return batch.slice(0, rows)

    def finish(self) -> pa.RecordBatch | None:
        """Skip unread values. Returns the batch with the next group, or None at the end."""
        while self._part() is not None:
            pass
        return self._next


def _filled(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    return (with_sort_column(batch) for batch in batches if batch.num_rows)


def grouped(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[Any, Iterator[Any]]]:
    """Each key with an iterator over its values, from sorted batches.

    A key may have more values than fit in memory, because they are decoded batch by batch. Asking
    for the next key skips unread values. Read an iterator before that; afterwards its results are
    undefined.
    """
    # `chain` and `starmap` avoid Python code per group; there may be as many groups as rows.
    return chain.from_iterable(starmap(zip, grouped_batches(batches)))


def grouped_batches(
    batches: Iterable[pa.RecordBatch], decode: Decode = decode_column
) -> Iterator[tuple[list[Any], _Groups]]:
    """Like `grouped`, but many groups together: a list of keys, and an iterator for each.

    Use all of them before you ask for the next groups.
    """
    stream = _filled(batches)
    batch = next(stream, None)
    while batch is not None:
        spans = group_spans(batch)
        starts = pa.array(spans[:-1])
        keys = decode(batch.column(KEY).take(starts), batch.schema.field(KEY))
        values = decode(batch.column(VALUE), batch.schema.field(VALUE))
        key = keys.pop()
        yield keys, map(iter, _parts(values, spans[:-1]))
        tail = _Tail(batch.slice(batch.num_rows - 1), stream, decode)
        first = values[int(spans[-2]) :]
        del batch, keys, values
        yield [key], iter((tail.values(first),))
        batch = tail.finish()


def _parts(values: list[Any], bounds: np.ndarray) -> Iterable[Sequence[Any]]:
    """The values of each group, by the cheapest method for the sizes of the groups."""
    larger = np.flatnonzero(np.diff(bounds) > 1).tolist()
    starts = bounds.tolist()
    if len(larger) * 4 > len(starts):
        return map(values.__getitem__, starmap(slice, pairwise(starts)))
    return chain.from_iterable(_stretches(values, starts, larger))


def _stretches(
    values: list[Any], starts: list[int], larger: list[int]
) -> Iterator[Iterable[Sequence[Any]]]:
    """Groups of one value, many at once, and the larger groups between them."""
    done = 0
    for index in larger:
        yield zip(values[starts[done] : starts[index]], strict=True)
        yield (values[starts[index] : starts[index + 1]],)
        done = index + 1
    yield zip(values[starts[done] : starts[-1]], strict=True)


def whole_groups(
    batches: Iterable[pa.RecordBatch],
    max_bytes: int = WHOLE_GROUP_BYTES,
    *,
    batch_bytes: int = MERGE_BATCH_BYTES,
) -> Iterator[pa.RecordBatch]:
    """Cut sorted batches so that each key is in only one, with the columns `key` and `value`.

    Raises GroupTooLargeError if the records of one key are larger than `max_bytes`.
    """
    ready: list[pa.RecordBatch] = []  # complete groups
    tail: list[pa.RecordBatch] = []  # the last group, which may continue
    ready_bytes = tail_bytes = 0
    for batch in _filled(batches):
        last_start = _last_start(batch)
        if tail and not same_key(tail[-1], batch):
            ready, ready_bytes = ready + tail, ready_bytes + tail_bytes
            tail, tail_bytes = [], 0
        if last_start > 0:
            ended = batch.slice(0, last_start)
            ready, ready_bytes = [*ready, *tail, ended], ready_bytes + tail_bytes + ended.nbytes
            tail, tail_bytes = [], 0
            batch = batch.slice(last_start)
        tail.append(batch)
        tail_bytes += batch.nbytes
        if ready_bytes >= batch_bytes:
            yield drop_sort_column(concat(unify_batches(ready)))
            ready, ready_bytes = [], 0
        if tail_bytes > max_bytes:
            key = decode_column(batch.column(KEY).slice(0, 1), batch.schema.field(KEY))[0]
            raise GroupTooLargeError(
                f"the records of the key {ascii(key)[:60]} take more than {max_bytes} bytes, and a "
                "BatchReducer gets all records of a key at once; use a Reducer or an aggregate"
            )
    for whole in (ready, tail):
        if whole:
            yield drop_sort_column(concat(unify_batches(whole)))
