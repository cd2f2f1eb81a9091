"""Driving a mapper, per-record or vectorised, over batches of records; saying where it failed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Protocol

import pyarrow as pa

from mrmesos.api.tasks import BatchMapper, Mapper
from mrmesos.io.columns import decode_column
from mrmesos.io.schema import KEY, VALUE, RecordTypeError
from mrmesos.io.text import InputBatch
from mrmesos.tasktracker.map_sink import MapSink
from mrmesos.tasktracker.records import (
    MAX_PAIRS,
    ChunkSize,
    NotAPair,
    RecordContext,
    columns,
    flatten,
    take,
)
from mrmesos.tasktracker.reducing import not_a_pair, user_batches
from mrmesos.tasktracker.user_code import TaskError, describe, make_task, shorten, wrong_use


class Driver(Protocol):
    """A mapper at work. `pairs` counts what it has yielded."""

    pairs: int

    def map(self, given: InputBatch) -> None:
        """Map one batch of records into the sink. Raises TaskError."""

    def close(self) -> None:
        """Close the mapper; what it yields goes into the sink as well. Raises TaskError."""


def make_driver(mapper: Mapper | BatchMapper, context: RecordContext, sink: MapSink) -> Driver:
    """The driver for this kind of mapper."""
    if isinstance(mapper, Mapper):
        return RecordDriver(mapper, context, sink)
    return BatchDriver(mapper, context, sink)


class RecordDriver:
    """Drives a Mapper: all its generators of a batch as one stream of pairs, read in chunks."""

    def __init__(self, mapper: Mapper, context: RecordContext, sink: MapSink) -> None:
        self._mapper = mapper
        self._context = context
        self._sink = sink
        self._chunk = ChunkSize()
        self._keys: list[Any] = []
        self._values: list[Any] = []
        self._given: InputBatch | None = None
        self.pairs = 0

    def map(self, given: InputBatch) -> None:
        """See Driver."""
        self._given = given
        offsets = decode_column(given.batch.column(KEY))
        values = decode_column(given.batch.column(VALUE))
        position = self._context.feed(given.uri, offsets)
        function = self._mapper.map
        self._drain(flatten(function, map(function, position, values)))

    def close(self) -> None:
        """See Driver."""
        if self._keys:
            self._flush()
        self._given = None
        self._drain(_closing(self._mapper))
        self._flush()

    def _drain(self, items: Iterator[Any]) -> None:
        while True:
            start = self._context.consumed()
            try:
                chunk = take(items, self._chunk.pairs)
            except BaseException as exc:
                where, record = self._at(self._context.consumed() - 1)
                error = describe(exc, where=where, record=record, kind="map")
                raise TaskError(error) from exc
            if not chunk:
                return
            try:
                keys, values = columns(chunk)
            except NotAPair as wrong:
                culprit = self._culprit(start - 1, self._context.consumed())
                where, record = self._near() if culprit is None else self._at(culprit)
                raise not_a_pair(self._mapper, wrong.item, where=where, record=record) from None
            self.pairs += len(chunk)
            del chunk
            if self._keys:
                self._keys += keys
                self._values += values
            else:
                self._keys, self._values = keys, values
            if len(self._keys) >= self._chunk.pairs:
                self._flush()

    def _flush(self) -> None:
        """Hand the pairs that wait to the sink: many small files still make large batches."""
        keys, self._keys = self._keys, []
        values, self._values = self._values, []
        if not keys:
            return
        try:
            nbytes = self._sink.write_pairs(keys, values)
        except RecordTypeError as exc:
            raise wrong_use(str(exc), where=self._near()[0]) from exc
        self._chunk.learn(keys, values, nbytes)

    def _at(self, index: int) -> tuple[str, str]:
        """Where the record of that index in the batch is, and a repr of it."""
        if self._given is None:
            return f"{type(self._mapper).__name__}.close()", ""
        if index < 0:
            return self._given.uri, ""
        offset = self._given.batch.column(KEY)[index].as_py()
        record = self._given.batch.column(VALUE)[index].as_py()
        return f"{self._given.uri} offset {offset}", shorten(record)

    def _near(self) -> tuple[str, str]:
        if self._given is None:
            return self._at(0)
        return f"{self._given.uri} at or before offset {self._context.input_offset}", ""

    def _culprit(self, start: int, end: int) -> int | None:
        """The record among these of the batch whose `map` yields something else than pairs.

        Nothing is recorded per record, so they are mapped again, one by one, by a fresh mapper,
        which user code must bear anyway (the attempt will be tried again). None where none of them
        does so this time.
        """
        if self._given is None:
            return None
        context = RecordContext(self._context.facts, self._context.params, self._context.args)
        try:
            mapper = make_task(type(self._mapper), context)
            for index in range(max(0, start), end):
                offset = self._given.batch.column(KEY)[index].as_py()
                value = self._given.batch.column(VALUE)[index].as_py()
                context.stand_at(self._given.uri, offset)
                try:
                    columns(list(islice(mapper.map(offset, value) or (), MAX_PAIRS)))
                except NotAPair:
                    return index
        except BaseException:  # noqa: BLE001 -- the error to report is the one already at hand
            return None
        return None


def _closing(mapper: Mapper) -> Iterator[Any]:
    yield from mapper.close() or ()


class BatchDriver:
    """Drives a BatchMapper, which sees the batches as they were read."""

    def __init__(self, mapper: BatchMapper, context: RecordContext, sink: MapSink) -> None:
        self._mapper = mapper
        self._context = context
        self._sink = sink
        self.pairs = 0

    def map(self, given: InputBatch) -> None:
        """See Driver."""
        rows = given.batch.num_rows
        if not rows:
            return
        first = given.batch.column(KEY)[0].as_py()
        self._context.stand_at(given.uri, first)
        where = f"{given.uri}, the {rows:,} records from offset {first} on"
        mapper = self._mapper
        for batch in user_batches(mapper, mapper.map_batch, (given.batch,), where, "map"):
            self._write(batch, where)

    def close(self) -> None:
        """See Driver."""
        mapper = self._mapper
        where = f"{type(mapper).__name__}.close()"
        for batch in user_batches(mapper, mapper.close, (), where, "map"):
            self._write(batch, where)

    def _write(self, batch: pa.RecordBatch, where: str) -> None:
        self.pairs += batch.num_rows
        try:
            self._sink.write_batch(batch)
        except RecordTypeError as exc:
            raise wrong_use(str(exc), where=where) from exc
