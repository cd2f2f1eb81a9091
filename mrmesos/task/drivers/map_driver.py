"""Drives a mapper, per-record or vectorised, over batches. Errors name the record that failed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import pyarrow as pa

from mrmesos.api.tasks import BatchMapper, Mapper
from mrmesos.io.columns.encode import decode_column
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.columns.schema import KEY, VALUE, RecordTypeError
from mrmesos.task.drivers.input_values import decoded
from mrmesos.task.drivers.record_feed import (
    ChunkSize,
    Counts,
    NotAPair,
    Pair,
    RecordContext,
    drain,
    drain_counted,
    drain_grouped,
    flatten,
)
from mrmesos.task.drivers.reduce_driver import not_a_pair, user_batches
from mrmesos.task.drivers.sink import MapSink
from mrmesos.task.drivers.user_code import TaskError, describe, shorten, wrong_use


class MapDriver(Protocol):
    """Runs one mapper. `pairs` counts the pairs it has yielded."""

    pairs: int

    def map(self, given: InputBatch) -> None:
        """Map one batch of records into the sink. Raises TaskError."""

    def close(self) -> None:
        """Close the mapper. Pairs that it yields then also go into the sink. Raises TaskError."""


def make_driver(mapper: Mapper | BatchMapper, context: RecordContext, sink: MapSink) -> MapDriver:
    """The driver for this kind of mapper."""
    if isinstance(mapper, Mapper):
        return RecordDriver(mapper, context, sink)
    return BatchDriver(mapper, context, sink)


class RecordDriver:
    """Drives a Mapper: chains its generators of a batch into one stream, and reads it in chunks."""

    def __init__(self, mapper: Mapper, context: RecordContext, sink: MapSink) -> None:
        self._mapper = mapper
        self._context = context
        self._sink = sink
        self.chunk = ChunkSize()
        self._usage = (
            f"{type(mapper).__name__}.map() takes a key and a value and yields (key, value) pairs"
        )
        self._given: InputBatch | None = None
        self.pairs = 0

    def map(self, given: InputBatch) -> None:
        keys, values = self._feed(given)
        function = self._mapper.map
        self._drain(flatten(function, map(function, keys, values)))

    def _feed(self, given: InputBatch) -> tuple[Iterator[Any], list[Any]]:
        """Begin a batch. Returns an iterator over its keys, which tells the record, and the
        values.
        """
        self._given = given
        offsets = decode_column(given.places)
        plain = given.keys is None and given.positions is None
        keys = offsets if plain else decoded(given, KEY)
        return self._context.feed(given.uri, offsets, given.further, keys), decoded(given, VALUE)

    def close(self) -> None:
        self._given = None
        self._drain(_closing(self._mapper))

    def _drain(self, items: Iterator[Any]) -> None:
        while True:
            groups = self._sink.groups()
            keys: list[Any] = []
            values: list[Any] = []
            count, odd = 0, None
            try:
                if groups is None:
                    keys, values = drain(items, self.chunk.pairs)
                elif isinstance(groups, Counts):
                    count, odd = drain_counted(items, self.chunk.pairs, groups)
                else:
                    count, odd = drain_grouped(items, self.chunk.pairs, groups)
            except NotAPair as exc:
                raise self.error(exc) from None
            except BaseException as exc:
                raise self.error(exc) from exc
            if keys:
                self._write(keys, values)
            elif count or odd is not None:
                self._write_grouped(count, odd)
            else:
                return

    def _write(self, keys: list[Any], values: list[Any]) -> None:
        try:
            self._sink.write_pairs(keys, values)
        except RecordTypeError as exc:
            raise wrong_use(str(exc), where=f"{self.where()} or before") from exc
        self.chunk.learn(keys, values)
        self.pairs += len(keys)

    def _write_grouped(self, count: int, odd: Pair | None) -> None:
        try:
            grown = self._sink.grouped(count, odd)
        except RecordTypeError as exc:
            raise wrong_use(str(exc), where=f"{self.where()} or before") from exc
        if count:
            self.chunk.learn_size(count, grown)
        self.pairs += count + (odd is not None)

    def where(self) -> str:
        """The place of the current record."""
        if self._given is None:
            return f"{type(self._mapper).__name__}.close()"
        if not self._context.consumed():
            return self._given.uri
        return f"{self._context.input_uri} {self._given.unit} {self._context.input_offset}"

    def error(self, exc: BaseException) -> TaskError:
        """The error to report for the mapper's exception, or for a value that it yielded."""
        record, index = "", self._context.consumed() - 1
        if self._given is not None and index >= 0:
            record = shorten(self._given.value_objects(index, 1)[0])
        if isinstance(exc, NotAPair):
            return not_a_pair(self._mapper, exc.item, where=self.where(), record=record)
        return TaskError(
            describe(exc, where=self.where(), record=record, kind="map", usage=self._usage)
        )


def _closing(mapper: Mapper) -> Iterator[Any]:
    yield from mapper.close() or ()


class BatchDriver:
    """Drives a BatchMapper. The mapper sees each batch as it was read."""

    def __init__(self, mapper: BatchMapper, context: RecordContext, sink: MapSink) -> None:
        self._mapper = mapper
        self._context = context
        self._sink = sink
        self.pairs = 0

    def map(self, given: InputBatch) -> None:
        rows = given.batch.num_rows
        if rows:
            for batch in self._mapped(given, 0, rows):
                self._write(batch, place_of(given, 0, rows))

    def _mapped(self, given: InputBatch, start: int, end: int) -> Iterator[pa.RecordBatch]:
        """Call the mapper for these rows."""
        self._context.stand_at(given.uri, given.places[start].as_py())
        self._context.given_pickles |= bool(given.pickled)
        mapper, columns = self._mapper, given.columns.slice(start, end - start)
        place = place_of(given, start, end)
        return user_batches(mapper, mapper.map_batch, (columns,), place, "map")

    def close(self) -> None:
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


def place_of(given: InputBatch, start: int, end: int) -> str:
    """The place of these rows."""
    first = given.places[start].as_py()
    if end - start == 1:
        return f"{given.uri} {given.unit} {first}"
    return f"{given.uri}, the {end - start:,} records from {given.unit} {first} on"
