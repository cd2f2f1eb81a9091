"""Avro files, read by fastavro (the extra `avro`) block by block.

A block belongs to the slice that contains its first byte. It follows a sync marker, 16 bytes that
the header of the file names; so a map finds the first block of its slice anywhere in a file.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from mrmesos.api.formats import AvroInput
from mrmesos.api.split import FileSlice, InputTable, Split
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.input.formats.avro_types import arrow_schema_of
from mrmesos.io.input.formats.damage import BadColumn, in_unit, opened
from mrmesos.io.input.formats.file_columns import FileColumns, JobColumns
from mrmesos.io.input.formats.tables import BATCH_ROWS, as_input

_SYNC_BYTES = 16
_BUFFER = 1 << 18
_ROW_BITS = 24
"""Keys are the offset of a block x 2^24 + row in it: files up to 512 GiB."""


def read_avro(
    split: Split, fmt: AvroInput, *, table: InputTable | None = None
) -> Iterator[InputBatch]:
    """The records of the split's blocks in order. Raises InputError."""
    return _blocks(split, JobColumns.of(fmt.columns, table))


def avro_schema(uri: str) -> pa.Schema:
    """The schema of an Avro file. Raises InputError."""
    with opened(uri, "Avro") as file:
        return _Header(uri, file).schema


class _Header:
    """The header of a file, with its schema as Arrow has it. `file` is buffered."""

    def __init__(self, uri: str, file: Any) -> None:
        self.file = io.BufferedReader(_Raw(file), _BUFFER)
        reader = _fastavro(uri).block_reader(self.file)
        length = self.file.tell()
        self.file.seek(0)
        self.data = self.file.read(length)
        self.schema = arrow_schema_of(reader.writer_schema, reader._named_schemas["writer"])


class _Raw(io.RawIOBase):
    """An Arrow file as a raw file of Python."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._file.seek(offset, whence))

    def readinto(self, space: Any) -> int:
        data = self._file.read(len(space))
        space[: len(data)] = data
        return len(data)


class _Joined:
    """The header of a file, then its bytes from a block on. fastavro reads this as a file."""

    def __init__(self, header: bytes, file: Any, start: int) -> None:
        self._header, self._file = io.BytesIO(header), file
        file.seek(start)

    def read(self, size: int = -1) -> bytes:
        return self._header.read(size) or self._file.read(size)

    def tell(self) -> int:
        return int(self._file.tell())


def _blocks(split: Split, job: JobColumns) -> Iterator[InputBatch]:
    for piece in split.slices:
        with opened(piece.uri, "Avro") as file:
            header = _Header(piece.uri, file)
            columns = job.in_file(piece.uri, header.schema)
            if not header.schema.names:
                raise InputError(f"{piece.uri}: its records have no fields, so there is no column")
            start = _first_block(header, piece.start)
            if start >= 0:
                yield from _records(piece, header, columns, start, file.size())


def _first_block(header: _Header, start: int) -> int:
    """The offset of the first block at or after `start`. -1 if there is none."""
    if start <= len(header.data):
        return len(header.data)
    sync, at, behind = header.data[-_SYNC_BYTES:], start - _SYNC_BYTES, b""
    header.file.seek(at)
    while data := header.file.read(_BUFFER):
        found = (behind + data).find(sync)
        if found >= 0:
            return at - len(behind) + found + _SYNC_BYTES
        at += len(data)
        behind = (behind + data)[1 - _SYNC_BYTES :]
    return -1


def _records(
    piece: FileSlice, header: _Header, columns: FileColumns, start: int, size: int
) -> Iterator[InputBatch]:
    end = piece.start + piece.length if piece.length >= 0 else None
    reader = _fastavro(piece.uri).block_reader(_Joined(header.data, header.file, start))
    schema = pa.schema([header.schema.field(name) for name in columns.read])
    at = start
    while end is None or at < end:
        with in_unit(f"block at offset {at:,}"):
            try:
                block = next(reader)
            except StopIteration:
                if at < size:
                    raise ValueError("the file ends within a block") from None
                return
            stored = block.size
            rows: list[Any] = []
            row = 0
            for record in block:
                rows.append(record)
                if len(rows) == BATCH_ROWS:
                    yield _batch(columns, schema, rows, at, row, stored // block.num_records)
                    row, rows = row + len(rows), []
            if rows:
                yield _batch(columns, schema, rows, at, row, stored // block.num_records)
        at += stored


def _batch(
    columns: FileColumns, schema: pa.Schema, rows: list[Any], at: int, row: int, each: int
) -> InputBatch:
    arrays = []
    for field in schema:
        try:
            arrays.append(pa.array([record[field.name] for record in rows], field.type))
        except (pa.ArrowException, TypeError, ValueError) as exc:
            raise BadColumn(field.name, f"a value is no {field.type}: {exc}") from exc
    batch = columns.conformed(pa.RecordBatch.from_arrays(arrays, schema=schema))
    first = (at << _ROW_BITS) + row
    places = pa.array(np.arange(first, first + len(rows)))
    return as_input(columns.uri, batch, places, each * len(rows))


def _fastavro(uri: str) -> Any:
    try:
        import fastavro
    except ImportError as exc:
        raise InputError(
            f"{uri}: reading Avro needs fastavro; here and on all agents: pip install "
            "'mrmesos[avro]'"
        ) from exc
    return fastavro
