"""Drivers for mappers whose bad records may be skipped. `map_driver` has the ones without."""

from __future__ import annotations

from typing import Any

import msgspec
import pyarrow as pa

from mrmesos.api.tasks import BatchMapper, Mapper
from mrmesos.io.columns.decode import decode_column
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.columns.schema import KEY, VALUE, RecordTypeError
from mrmesos.task.drivers.bad_records import BadRecords, copied, put_back
from mrmesos.task.drivers.map_driver import BatchDriver, MapDriver, RecordDriver, make_driver
from mrmesos.task.drivers.record_feed import MAX_PAIRS, NotAPair, RecordContext, drain
from mrmesos.task.drivers.reduce_driver import not_a_pair, user_batches
from mrmesos.task.drivers.sink import MapSink
from mrmesos.task.drivers.user_code import TaskError, describe, shorten, wrong_use
from mrmesos.wire.task import AttemptError


def make_skipping_driver(
    mapper: Mapper | BatchMapper, context: RecordContext, sink: MapSink, bad: BadRecords | None
) -> MapDriver:
    """The driver for this kind of mapper; a plain one if `bad` is None."""
    if bad is None:
        return make_driver(mapper, context, sink)
    if isinstance(mapper, Mapper):
        return SkippingRecordDriver(mapper, context, sink, bad)
    return SkippingBatchDriver(mapper, context, sink, bad)


class SkippingRecordDriver(RecordDriver):
    """Takes a record's pairs only after the Mapper is done with the record.

    A record with more than MAX_PAIRS pairs is the exception: its first pairs are passed on earlier.
    If such a record fails later, the attempt fails, and starts again without this record.
    """

    def __init__(
        self, mapper: Mapper, context: RecordContext, sink: MapSink, bad: BadRecords
    ) -> None:
        super().__init__(mapper, context, sink)
        self._bad = bad
        self._next = 0  # number of the next record of the split
        self._keys: list[Any] = []
        self._values: list[Any] = []

    def map(self, given: InputBatch) -> None:
        keys, values = self._feed(given)
        skip, note, function = self._bad.skip, self._bad.note.words, self._mapper.map
        for number, key, value in zip(
            range(self._next, self._next + len(values)), keys, values, strict=False
        ):
            if number in skip:
                self._bad.leave_out_known(number, self._where()[0], key=key, value=value)
                continue
            note[0], note[1] = number, 1
            try:
                result = function(key, value)
                if result is None:
                    continue
                items = iter(result)
                some, more = drain(items, MAX_PAIRS)
            except BaseException as exc:  # noqa: BLE001 -- all that user code raises
                self._leave_out(exc, key, value)
                continue
            self._keys += some
            self._values += more
            if len(some) == MAX_PAIRS:
                self._rest(items)
            elif len(self._keys) >= self._chunk.pairs:
                self._flush()
        self._next += len(values)
        self._flush()

    def _leave_out(self, exc: BaseException, key: Any, value: Any) -> None:
        error = self._error(exc)
        if not self._bad.is_users(exc):
            self._bad.note.clear()
            raise error from exc
        self._bad.leave_out(error.error, key=key, value=value)

    def _error(self, exc: BaseException) -> TaskError:
        where, record = self._where()
        if isinstance(exc, NotAPair):
            return not_a_pair(self._mapper, exc.item, where=where, record=record)
        return TaskError(describe(exc, where=where, record=record, kind="map", usage=self._usage))

    def _rest(self, items: Any) -> None:
        """Take the other pairs of a record that yields many. It can no longer be undone."""
        number, full = self._bad.note.words[0], True
        while full:
            self._flush()
            self._bad.note.begin(number)
            try:
                self._keys, self._values = drain(items, MAX_PAIRS)
            except BaseException as exc:
                if not self._bad.is_users(exc):
                    self._bad.note.clear()
                raise self._error(exc) from exc
            full = len(self._keys) == MAX_PAIRS

    def _flush(self) -> None:
        self._bad.note.clear()
        keys, values = self._keys, self._values
        if not keys:
            return
        self._keys, self._values = [], []
        try:
            self._sink.write_pairs(keys, values)
        except RecordTypeError as exc:
            raise wrong_use(str(exc), where=f"{self._where()[0]} or before") from exc
        self._chunk.learn(keys, values)
        self.pairs += len(keys)


class SkippingBatchDriver(BatchDriver):
    """When a BatchMapper fails at a batch, halves the batch until it finds the bad records.

    It takes the output of a call after the call has ended. Counts of a failed call are undone.
    """

    def __init__(
        self, mapper: BatchMapper, context: RecordContext, sink: MapSink, bad: BadRecords
    ) -> None:
        super().__init__(mapper, context, sink)
        self._bad = bad
        self._next = 0

    def map(self, given: InputBatch) -> None:
        for start, end in self._bad.spans(self._next, given.batch.num_rows):
            if end > start:
                self._map(given, start, end)
        self._next += given.batch.num_rows

    def _map(self, given: InputBatch, start: int, end: int) -> None:
        first, rows = given.places[start].as_py(), end - start
        number = self._next + start
        where = f"{given.uri}, the {rows:,} records from {given.unit} {first} on"
        if rows == 1:
            where = f"{given.uri} {given.unit} {first}"
            if number in self._bad.skip:
                key, value = _record(given, start)
                self._bad.leave_out_known(number, where, key=key, value=value)
                return
        self._context.stand_at(given.uri, first)
        mapper, counted = self._mapper, copied(self._context.counters)
        self._bad.note.begin(number, rows)
        try:
            piece = given.columns.slice(start, rows)
            made: list[pa.RecordBatch] = list(
                user_batches(mapper, mapper.map_batch, (piece,), where, "map")
            )
        except TaskError as exc:
            if not self._bad.is_users(exc.__cause__ or exc):
                self._bad.note.clear()
                raise
            if rows == 1:
                key, value = _record(given, start)
                self._bad.leave_out(_with_record(exc, value), key=key, value=value)
                return
            put_back(self._context.counters, counted)
            middle = (start + end) // 2
            self._map(given, start, middle)
            self._map(given, middle, end)
            return
        self._bad.note.clear()
        for batch in made:
            self._write(batch, where)


def _record(given: InputBatch, row: int) -> tuple[Any, Any]:
    keys = given.places if given.table else given.batch.column(KEY)
    values = given.batch.column(VALUE)
    return decode_column(keys.slice(row, 1))[0], decode_column(values.slice(row, 1))[0]


def _with_record(exc: TaskError, value: Any) -> AttemptError:
    return msgspec.structs.replace(exc.error, record=shorten(value))
