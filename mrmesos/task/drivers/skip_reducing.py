"""Folders for reducers whose bad keys may be skipped. `reduce_driver` has the ones without."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

import msgspec
import pyarrow as pa

from mrmesos.api.context import Context
from mrmesos.api.tasks import BatchReducer, Reducer
from mrmesos.io.columns.decode import decode_column
from mrmesos.io.columns.encode import ColumnEncoder
from mrmesos.io.columns.schema import KEY, VALUE, RecordTypeError
from mrmesos.io.columns.tabular import plain_batch
from mrmesos.io.shuffle.merge import group_spans, grouped_batches, whole_groups
from mrmesos.task.drivers.bad_records import KEPT_VALUES, BadRecords, copied, put_back
from mrmesos.task.drivers.record_feed import MAX_PAIRS, NotAPair, drain
from mrmesos.task.drivers.reduce_driver import (
    WHOLE_GROUPS_BYTES,
    BatchGroupReducer,
    GroupReducer,
    Guard,
    not_a_pair,
    user_batches,
)
from mrmesos.task.drivers.user_code import TaskError, describe, shorten, wrong_use


class SkippingGroupReducer(GroupReducer):
    """Takes a key's output only after the Reducer is done with the key.

    A key with more than MAX_PAIRS pairs is the exception, as in SkippingRecordDriver.
    """

    def __init__(self, reducer: Reducer, bad: BadRecords) -> None:
        super().__init__(reducer, ColumnEncoder(), "reducer", "reduce")
        self._bad = bad
        self._ready: tuple[list[Any], list[Any]] = ([], [])

    def over_sorted(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        guard = Guard(batches)
        number = 0
        for keys, groups in grouped_batches(iter(guard)):
            # This order matters: a key counts as begun only when there are values for it.
            for values, key in zip(groups, self._begun(keys), strict=True):
                yield from self._reduced(number, key, values, guard)
                number += 1
            yield from self._flushed()

    def _reduced(
        self, number: int, key: Any, values: Iterator[Any], guard: Guard
    ) -> Iterator[pa.RecordBatch]:
        first = list(islice(values, KEPT_VALUES))
        if number in self._bad.skip:
            self._bad.leave_out_known(number, self._where(), key=key, value=first)
            return
        self._bad.note.begin(number)
        try:
            result = self._reducer.reduce(key, chain(first, values))
            if result is None:
                guard.check()
                return
            items = iter(result)
            some, more = drain(items, MAX_PAIRS)
        except BaseException as exc:  # noqa: BLE001 -- all that user code raises
            error = self._error(exc, guard)
            self._bad.leave_out(error.error, key=key, value=first)
            return
        guard.check()
        self._ready[0].extend(some)
        self._ready[1].extend(more)
        while len(some) == MAX_PAIRS:
            yield from self._flushed()
            self._bad.note.begin(number)
            try:
                some, more = drain(items, MAX_PAIRS)
            except BaseException as exc:
                raise self._error(exc, guard) from exc
            guard.check()
            self._ready[0].extend(some)
            self._ready[1].extend(more)
        if len(self._ready[0]) >= self._chunk.pairs:
            yield from self._flushed()

    def _error(self, exc: BaseException, guard: Guard) -> TaskError:
        """The error for which the record is to blame. Raises an error with another cause."""
        if guard.fault is not None or not self._bad.is_users(exc):
            self._bad.note.clear()
            guard.check()
            raise TaskError(describe(exc, where=self._where(), kind="reduce")) from exc
        if isinstance(exc, NotAPair):
            return not_a_pair(self._reducer, exc.item, where=self._where())
        return TaskError(describe(exc, where=self._where(), kind="reduce", usage=self._usage))

    def _flushed(self) -> Iterator[pa.RecordBatch]:
        self._bad.note.clear()
        keys, values = self._ready
        if not keys:
            return
        self._ready = ([], [])
        try:
            yield from self._encoder.encode(keys, values)
        except RecordTypeError as exc:
            raise wrong_use(str(exc), where=self._where()) from exc
        self._chunk.learn(keys, values)


class SkippingBatchReducer(BatchGroupReducer):
    """When a BatchReducer fails at a batch, halves the batch until it finds the bad keys."""

    def __init__(self, reducer: BatchReducer, context: Context, bad: BadRecords) -> None:
        super().__init__(reducer, "reducer", "reduce")
        self._context = context
        self._bad = bad

    def over_sorted(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for whole in whole_groups(batches, WHOLE_GROUPS_BYTES):
            bounds = group_spans(whole).tolist()
            first, count = self.groups, len(bounds) - 1
            self.groups += count
            try:
                plain = plain_batch(whole.select([KEY, VALUE]))
            except RecordTypeError as exc:
                raise wrong_use(str(exc), where=self._where) from exc
            for start, end in self._bad.spans(first, count):
                if end > start:
                    yield from self._reduced(plain, bounds[start : end + 1], first + start)

    def _reduced(
        self, batch: pa.RecordBatch, bounds: list[int], number: int
    ) -> Iterator[pa.RecordBatch]:
        """Reduce the groups between these rows. The first group has the number `number`."""
        count = len(bounds) - 1
        piece = batch.slice(bounds[0], bounds[-1] - bounds[0])
        where = self._where
        if count == 1:
            where = f"{where}, key {shorten(_first_key(piece))}"
            if number in self._bad.skip:
                self._bad.leave_out_known(number, where, key=_first_key(piece), value=_some(piece))
                return
        counted = copied(self._context.counters)
        self._bad.note.begin(number, count)
        reducer = self._reducer
        try:
            made = list(user_batches(reducer, reducer.reduce_batch, (piece,), where, "reduce"))
        except TaskError as exc:
            if not self._bad.is_users(exc.__cause__ or exc):
                self._bad.note.clear()
                raise
            if count == 1:
                error = msgspec.structs.replace(exc.error, record=shorten(_first_key(piece)))
                self._bad.leave_out(error, key=_first_key(piece), value=_some(piece))
                return
            put_back(self._context.counters, counted)
            middle = count // 2
            yield from self._reduced(batch, bounds[: middle + 1], number)
            yield from self._reduced(batch, bounds[middle:], number + middle)
            return
        self._bad.note.clear()
        yield from made


def _first_key(batch: pa.RecordBatch) -> Any:
    return decode_column(batch.column(KEY).slice(0, 1), batch.schema.field(KEY))[0]


def _some(batch: pa.RecordBatch) -> list[Any]:
    return decode_column(batch.column(VALUE).slice(0, KEPT_VALUES), batch.schema.field(VALUE))
