"""Drivers for user code whose bad records may be skipped.

Each is the ordinary driver with another loop around the user's calls:

- `one_by_one` for a Mapper or Reducer. It may keep state between records, so it never gets a record
  twice. The pairs of a record are taken only after the call for this record has ended.
- `by_halves` for a vectorised class. If it fails at a batch, it gets the batch again in halves,
  until the bad records are found. The output of a call is taken after the call has ended.

In a reduce, a record is a key with all its values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, count, islice
from typing import Any, Protocol

import msgspec
import pyarrow as pa

from mrmesos.api.context import Context
from mrmesos.api.tasks import BatchMapper, BatchReducer, Mapper, Reducer
from mrmesos.io.columns.decode import decode_column
from mrmesos.io.columns.encode import ColumnEncoder
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.shuffle.merge import group_spans, grouped_batches, whole_groups
from mrmesos.task.drivers.bad_records import KEPT_VALUES, BadRecords, copied, put_back
from mrmesos.task.drivers.map_driver import (
    BatchDriver,
    MapDriver,
    RecordDriver,
    make_driver,
    place_of,
)
from mrmesos.task.drivers.record_feed import MAX_PAIRS, ChunkSize, NotAPair, RecordContext, drain
from mrmesos.task.drivers.reduce_driver import (
    WHOLE_GROUPS_BYTES,
    BatchGroupReducer,
    Folder,
    GroupReducer,
    Guard,
)
from mrmesos.task.drivers.sink import MapSink
from mrmesos.task.drivers.user_code import TaskError, shorten


class Caller(Protocol):
    """The driver whose user code `one_by_one` calls."""

    chunk: ChunkSize

    def where(self) -> str:
        """The place of the current record."""

    def error(self, exc: BaseException) -> TaskError:
        """The error to report for an exception of user code. Raises an error of reading its
        input.
        """


def one_by_one(
    caller: Caller,
    function: Callable[[Any, Any], Any],
    records: Iterable[tuple[int, Any, Any, Any]],
    bad: BadRecords,
) -> Iterator[tuple[list[Any], list[Any]]]:
    """Call `function` for each record. Yields keys and values of pairs, many at once.

    A record has a number, a key, a value, and a form of the value to keep if the record is bad. A
    record with MAX_PAIRS pairs or more is an exception: its first pairs are yielded before its call
    has ended. If such a record fails later, the attempt fails, and starts again without it.
    """
    skip, note = bad.skip, bad.note.words
    keys: list[Any] = []
    values: list[Any] = []
    for number, key, value, kept in records:
        if number in skip:
            record = shorten(key if kept is None else kept)
            bad.skip_known(number, caller.where(), record, key=key, value=kept)
            continue
        note[0], note[1] = number, 1
        try:
            result = function(key, value)
            if result is None:
                continue
            items = iter(result)
            some, more = drain(items, MAX_PAIRS)
        except BaseException as exc:  # noqa: BLE001 -- all that user code raises
            bad.skip_record(_blamed(caller, bad, exc).error, key=key, value=kept)
            continue
        keys += some
        values += more
        while len(some) == MAX_PAIRS:
            bad.note.clear()
            yield keys, values
            bad.note.begin(number)
            try:
                some, more = keys, values = drain(items, MAX_PAIRS)
            except NotAPair as exc:
                raise _blamed(caller, bad, exc) from None
            except BaseException as exc:
                raise _blamed(caller, bad, exc) from exc
        if len(keys) >= caller.chunk.pairs:
            bad.note.clear()
            yield keys, values
            keys, values = [], []
    bad.note.clear()
    if keys:
        yield keys, values


def _blamed(caller: Caller, bad: BadRecords, exc: BaseException) -> TaskError:
    """The error of the current record. If something else is to blame, raises the error of that."""
    try:
        error = caller.error(exc)
        if not bad.is_users(exc):
            raise error from exc
    except BaseException:
        bad.note.clear()
        raise
    return error


def by_halves(
    call: Callable[[int, int], Iterator[pa.RecordBatch]],
    record: Callable[[int], tuple[str, str, Any, Any]],
    first: int,
    rows: int,
    bad: BadRecords,
    context: Context,
) -> Iterator[tuple[int, int, list[pa.RecordBatch]]]:
    """Call `call(start, end)` for pieces of a batch of `rows` records. Yields start, end, output.

    `first` is the number of the batch's first record. `record` returns a record's place, its text
    for an error, its key and its value. The counts of a failed call are undone.
    """
    pieces = [(start, end) for start, end in bad.spans(first, rows) if end > start][::-1]
    while pieces:
        start, end = pieces.pop()
        number, alone = first + start, end - start == 1
        if alone and number in bad.skip:
            where, text, key, value = record(start)
            bad.skip_known(number, where, text, key=key, value=value)
            continue
        counted = copied(context.counters)
        bad.note.begin(number, end - start)
        try:
            made = list(call(start, end))
        except TaskError as exc:
            if not bad.is_users(exc.__cause__ or exc):
                bad.note.clear()
                raise
            if alone:
                where, text, key, value = record(start)
                error = msgspec.structs.replace(exc.error, where=where, record=text)
                bad.skip_record(error, key=key, value=value)
            else:
                put_back(context.counters, counted)
                middle = (start + end) // 2
                pieces += [(middle, end), (start, middle)]
            continue
        bad.note.clear()
        yield start, end, made


# --- Maps ----------------------------------------------------------------------------------------


def make_skipping_driver(
    mapper: Mapper | BatchMapper, context: RecordContext, sink: MapSink, bad: BadRecords | None
) -> MapDriver:
    """The driver for this kind of mapper. A plain one if `bad` is None."""
    if bad is None:
        return make_driver(mapper, context, sink)
    if isinstance(mapper, Mapper):
        return SkippingRecordDriver(mapper, context, sink, bad)
    return SkippingBatchDriver(mapper, context, sink, bad)


class SkippingRecordDriver(RecordDriver):
    """Drives a Mapper, record by record."""

    def __init__(
        self, mapper: Mapper, context: RecordContext, sink: MapSink, bad: BadRecords
    ) -> None:
        super().__init__(mapper, context, sink)
        self._bad = bad
        self._next = 0  # number of the next record of the split

    def map(self, given: InputBatch) -> None:
        keys, values = self._feed(given)
        records = zip(count(self._next), keys, values, values)
        for made in one_by_one(self, self._mapper.map, records, self._bad):
            self._write(*made)
        self._next += len(values)


class SkippingBatchDriver(BatchDriver):
    """Drives a BatchMapper, and halves the batches at which it fails."""

    def __init__(
        self, mapper: BatchMapper, context: RecordContext, sink: MapSink, bad: BadRecords
    ) -> None:
        super().__init__(mapper, context, sink)
        self._bad = bad
        self._next = 0

    def map(self, given: InputBatch) -> None:
        def call(start: int, end: int) -> Iterator[pa.RecordBatch]:
            return self._mapped(given, start, end)

        def record(row: int) -> tuple[str, str, Any, Any]:
            key, value = _record(given, row)
            return place_of(given, row, row + 1), shorten(value), key, value

        rows = given.batch.num_rows
        pieces = by_halves(call, record, self._next, rows, self._bad, self._context)
        for start, end, made in pieces:
            for batch in made:
                self._write(batch, place_of(given, start, end))
        self._next += rows


def _record(given: InputBatch, row: int) -> tuple[Any, Any]:
    keys = decode_column(given.places.slice(row, 1)) if given.table else given.key_objects(row, 1)
    return keys[0], given.value_objects(row, 1)[0]


# --- Reduces -------------------------------------------------------------------------------------


def make_skipping_folder(
    reducer: Reducer | BatchReducer, context: Context, bad: BadRecords
) -> Folder:
    """The folder for this kind of reducer."""
    if isinstance(reducer, Reducer):
        return SkippingGroupReducer(reducer, bad)
    return SkippingBatchReducer(reducer, context, bad)


class SkippingGroupReducer(GroupReducer):
    """Drives a Reducer, key by key."""

    def __init__(self, reducer: Reducer, bad: BadRecords) -> None:
        super().__init__(reducer, ColumnEncoder(), "reducer", "reduce")
        self._bad = bad

    def over_sorted(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        self._guard = Guard(batches)
        numbers = count()
        for keys, groups in grouped_batches(iter(self._guard)):
            records = self._records(numbers, keys, groups)
            for made in one_by_one(self, self._reducer.reduce, records, self._bad):
                self._guard.check()
                yield from self._encoded(*made)

    def _records(
        self, numbers: Iterator[int], keys: list[Any], groups: Iterable[Iterator[Any]]
    ) -> Iterator[tuple[int, Any, Iterator[Any], list[Any]]]:
        # This order matters: a key counts as begun only when there are values for it.
        for values, key in zip(groups, self._begun(keys), strict=True):
            first = list(islice(values, KEPT_VALUES))
            yield next(numbers), key, chain(first, values), first
            self._guard.check()


class SkippingBatchReducer(BatchGroupReducer):
    """Drives a BatchReducer, and halves the batches at which it fails."""

    def __init__(self, reducer: BatchReducer, context: Context, bad: BadRecords) -> None:
        super().__init__(reducer, "reducer", "reduce")
        self._context = context
        self._bad = bad

    def over_sorted(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for whole in whole_groups(batches, WHOLE_GROUPS_BYTES):
            bounds = group_spans(whole).tolist()
            first, self.groups = self.groups, self.groups + len(bounds) - 1
            yield from self._reduced_by_halves(self._plain(whole), bounds, first)

    def _reduced_by_halves(
        self, whole: pa.RecordBatch, bounds: list[int], first: int
    ) -> Iterator[pa.RecordBatch]:
        """Reduce the groups between these rows. The first group has the number `first`."""

        def piece(start: int, end: int) -> pa.RecordBatch:
            return whole.slice(bounds[start], bounds[end] - bounds[start])

        def call(start: int, end: int) -> Iterator[pa.RecordBatch]:
            return self._reduced(piece(start, end))

        def record(group: int) -> tuple[str, str, Any, Any]:
            key, values = (
                decode_column(column.slice(0, KEPT_VALUES), field)
                for column, field in zip(piece(group, group + 1).columns, whole.schema, strict=True)
            )
            return f"{self._where}, key {shorten(key[0])}", shorten(key[0]), key[0], values

        made = by_halves(call, record, first, len(bounds) - 1, self._bad, self._context)
        for _, _, batches in made:
            yield from batches
