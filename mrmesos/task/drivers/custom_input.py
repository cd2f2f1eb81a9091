"""Reads input with the job's own RecordReader, and makes batches of its records for the drivers.

If the reader raises, it is the user's error: the report has the file, the number of records read
so far, and a traceback.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO, cast

import numpy as np
import pyarrow as pa
from msgspec.structs import replace

from mrmesos.api.custom_formats import FileSplit, RecordReader
from mrmesos.api.split import FileSlice, Split
from mrmesos.io.columns.encode import ColumnEncoder
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.columns.schema import KEY, VALUE, RecordTypeError, is_pickled
from mrmesos.io.columns.signed import unmarked
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.input.text.source import LineSource
from mrmesos.task.drivers.user_code import TaskError, describe, shorten, wrong_use

_RECORDS_AT_ONCE = 4096
_BUFFER = 1 << 20
_NOTHING = np.empty(0, np.uint8)


def read_own(split: Split, reader: RecordReader, *, records: bool) -> Iterator[InputBatch]:
    """The split's records in batches, as the job's own reader yields them.

    `records` is for mappers that see one record at a time. Raises InputError, and TaskError if the
    reader fails.
    """
    for piece in split.slices:
        yield from _Reading(piece, reader, records).batches()


class _Reading:
    """One call of the reader, for one piece of a file."""

    def __init__(self, piece: FileSlice, reader: RecordReader, records: bool) -> None:
        self._piece, self._reader, self._records = piece, reader, records
        self._name = type(reader).__name__
        self._count = 0
        self._source: LineSource | None = None
        self._seen = piece.start

    def batches(self) -> Iterator[InputBatch]:
        piece = self._piece
        given = FileSplit(piece.uri, piece.start, piece.length, self._open)
        try:
            found = self._guarded(given)
            for first in found:
                if isinstance(first, pa.RecordBatch):
                    yield self._of_batch(first)
                else:
                    yield self._of_pairs([first, *islice(found, _RECORDS_AT_ONCE - 1)])
        finally:
            self._close()

    def _close(self) -> None:
        if self._source is not None:
            self._source.__exit__()
            self._source = None

    def _open(self, start: int) -> BinaryIO:
        self._close()
        self._source = LineSource(self._piece.uri, start)
        return cast(BinaryIO, io.BufferedReader(_Bytes(self._source), _BUFFER))

    def _where(self) -> str:
        return f"{self._name}.read() of {self._piece.uri}, after {self._count} records or more"

    def _guarded(self, given: FileSplit) -> Iterator[Any]:
        try:
            yield from self._reader.read(given)
        except (GeneratorExit, InputError, TaskError):
            raise
        except BaseException as problem:
            usage = f"{self._name}.read() yields (key, value) pairs"
            error = describe(problem, where=self._where(), kind="map", usage=usage)
            raise TaskError(error) from problem

    def _stored(self) -> int:
        """Bytes of the file read since the last batch. Progress counts them."""
        if self._source is None:
            return 0
        last, self._seen = self._seen, max(self._seen, self._source.position)
        return self._seen - last

    def _of_batch(self, batch: pa.RecordBatch) -> InputBatch:
        if batch.schema.names != [KEY, VALUE]:
            raise wrong_use(
                f"{self._name}.read() yields a RecordBatch of {', '.join(batch.schema.names)}; "
                "its columns must be key and value",
                where=self._where(),
            )
        table = pa.types.is_struct(batch.schema.field(VALUE).type)
        return self._numbered(InputBatch(self._piece.uri, unmarked(batch), table=table))

    def _of_pairs(self, pairs: list[Any]) -> InputBatch:
        keys, values = [], []
        for pair in pairs:
            if isinstance(pair, pa.RecordBatch) or not isinstance(pair, tuple) or len(pair) != 2:
                raise wrong_use(
                    f"{self._name}.read() yields {shorten(pair)}, not (key, value)",
                    where=self._where(),
                )
            keys.append(pair[0])
            values.append(pair[1])
        batch = self._encoded(keys, [None] * len(keys) if self._records else values)
        table = not self._records and pa.types.is_struct(batch.schema.field(VALUE).type)
        objects = values if self._records else None
        return self._numbered(InputBatch(self._piece.uri, batch, objects=objects, table=table))

    def _encoded(self, keys: list[Any], values: list[Any]) -> pa.RecordBatch:
        try:
            batches = list(ColumnEncoder().encode(keys, values))
        except RecordTypeError as problem:
            raise wrong_use(f"{self._name}.read(): {problem}", where=self._where()) from problem
        batch = batches[0]
        if len(batches) > 1 or any(is_pickled(field) for field in batch.schema):
            raise wrong_use(
                f"{self._name}.read() yields keys such as {shorten(keys[0])} and values such as "
                f"{shorten(values[0])}, which share no Arrow type; a Mapper takes values of any "
                "type, but keys must be text, bytes, numbers or None",
                where=self._where(),
            )
        return batch

    def _numbered(self, given: InputBatch) -> InputBatch:
        first, self._count = self._count, self._count + given.batch.num_rows
        places = pa.array(np.arange(first, self._count, dtype=np.int64))
        return replace(given, positions=places, stored=self._stored(), unit="record")


class _Bytes(io.RawIOBase):
    """A LineSource as a raw file."""

    def __init__(self, source: LineSource) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._source.position

    def readinto(self, space: Any) -> int:
        data = self._source.read_behind(_NOTHING, len(space))
        space[: len(data)] = data.data
        return len(data)
