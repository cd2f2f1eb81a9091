"""Arrow IPC and ORC readers, and the code they share with Parquet.

A unit (row group, record batch, stripe) belongs to the slice that contains its middle, as in
parquet-mr. So cuts at equal distances give each slice about the same number of units. The middle is
an estimate. It uses the sizes of row groups before compression. Arrow does not tell the sizes of
record batches and stripes, so all of a file count as equal.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import orc

from mrmesos.api.formats import ArrowInput, OrcInput
from mrmesos.api.split import FileSlice, Split
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.columns.schema import KEY, VALUE
from mrmesos.io.fs.filesystem import InputError, open_input
from mrmesos.io.input.formats.rows import arrow_says

BATCH_ROWS = 1 << 16
_UNIT_BITS = 32


@contextlib.contextmanager
def opened(uri: str, kind: str) -> Iterator[Any]:
    """Open a file for Arrow. Exceptions in the body become InputError."""
    with open_input(uri) as raw:
        try:
            with pa.PythonFile(raw, mode="r") as file:
                yield file
        except InputError:
            raise
        except Exception as exc:  # remote drivers raise any type
            raise InputError(
                f"{uri}: cannot be read as {kind}: {arrow_says(exc)}; the file is damaged, "
                "truncated or of another format: replace it, or use another input format"
            ) from exc


def holds(piece: FileSlice, position: float) -> bool:
    """Whether a unit with its middle at `position` belongs to the slice."""
    if piece.length < 0:
        return True
    return piece.start <= position < piece.start + piece.length


@contextlib.contextmanager
def _unit(name: str, index: int, count: int) -> Iterator[None]:
    """Add the number of the unit to exceptions of the body; `opened` makes them InputErrors."""
    try:
        yield
    except InputError:
        raise
    except Exception as exc:
        where = f"{name} {index + 1}" + (f" of {count}" if count else "")
        raise ValueError(f"{where}: {arrow_says(exc)}") from exc


def check_columns(uri: str, schema: pa.Schema, wanted: Sequence[str]) -> None:
    """Raise InputError if the file lacks a wanted column, ValueError if a column name is not text.

    Names of nested fields are checked too: otherwise they would fail later, when rows are decoded.
    """
    try:
        _check_names(schema)
    except UnicodeDecodeError as exc:
        raise ValueError(f"a column name is not UTF-8 ({exc.object[:50]!r})") from exc
    for name in wanted:
        if name not in schema.names:
            raise InputError(f"{uri}: has no column {name!r}, but {', '.join(schema.names)}")


def _check_names(fields: Iterable[pa.Field]) -> None:
    for field in fields:
        _ = field.name  # this decodes the name, and raises if it is not UTF-8
        kind = field.type
        _check_names(kind.field(index) for index in range(kind.num_fields))


def for_records(batches: Iterator[InputBatch]) -> Iterator[InputBatch]:
    """The batches with nanosecond times cut to microseconds, which Python's datetime can hold."""
    for given in batches:
        if not any(_is_fine(kind) for kind in _kinds(given.batch.schema)):
            yield given
            continue
        columns = given.columns
        coarse = [
            column.cast(pa.timestamp("us", column.type.tz), safe=False)
            if _is_fine(column.type)
            else column
            for column in columns.columns
        ]
        fields = [
            field.with_type(column.type)
            for field, column in zip(columns.schema, coarse, strict=True)
        ]
        batch = pa.RecordBatch.from_arrays(coarse, schema=pa.schema(fields))
        yield as_input(given.uri, batch, given.places, given.stored)


def _kinds(schema: pa.Schema) -> Iterator[pa.DataType]:
    for field in schema:
        yield field.type
        if pa.types.is_struct(field.type):
            yield from (child.type for child in field.type)


def _is_fine(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) and kind.unit == "ns")


def as_input(uri: str, columns: pa.RecordBatch, places: pa.Array, stored: int) -> InputBatch:
    """The columns of a file as the mapper sees them.

    If the columns are just `key` and `value`, the mapper gets them; else the value is a struct of
    all columns. This validates the columns, because invalid UTF-8 or wrong offsets crash later.
    """
    columns.validate(full=True)
    if columns.schema.names == [KEY, VALUE]:
        return InputBatch(uri, columns, positions=places, stored=stored, unit="row")
    batch = pa.RecordBatch.from_arrays([places, columns.to_struct_array()], [KEY, VALUE])
    return InputBatch(uri, batch, table=True, stored=stored, unit="row")


def read_arrow(split: Split, fmt: ArrowInput, *, records: bool = False) -> Iterator[InputBatch]:
    """The record batches of the split in order, in slices of at most BATCH_ROWS rows."""
    batches = _record_batches(split, fmt)
    return for_records(batches) if records else batches


def _record_batches(split: Split, fmt: ArrowInput) -> Iterator[InputBatch]:
    for piece in split.slices:
        with opened(piece.uri, "Arrow IPC") as file:
            size = file.size()
            if file.read(6) == b"ARROW1":
                yield from _ipc_file(piece, file, size, fmt)
            elif holds(piece, 0):
                file.seek(0)
                yield from _ipc_stream(piece, file, fmt)


def _ipc_file(piece: FileSlice, file: Any, size: int, fmt: ArrowInput) -> Iterator[InputBatch]:
    reader = pa.ipc.open_file(file)
    check_columns(piece.uri, reader.schema, fmt.columns)
    if fmt.columns:
        fields = [reader.schema.names.index(name) for name in fmt.columns]
        options = pa.ipc.IpcReadOptions(included_fields=fields)
        reader = pa.ipc.open_file(file, options=options)
    count = reader.num_record_batches
    for index in range(count):
        if holds(piece, size * (index + 0.5) / count):
            with _unit("record batch", index, count):
                batch = _picked(reader.get_batch(index), fmt.columns)
                yield from _sliced(piece.uri, index, batch, size // count)


def _ipc_stream(piece: FileSlice, file: Any, fmt: ArrowInput) -> Iterator[InputBatch]:
    reader = pa.ipc.open_stream(file)
    check_columns(piece.uri, reader.schema, fmt.columns)
    before = 0
    for index, batch in enumerate(reader):
        read = file.tell() - before
        before += read
        yield from _sliced(piece.uri, index, _picked(batch, fmt.columns), read)


def _picked(batch: pa.RecordBatch, columns: Sequence[str]) -> pa.RecordBatch:
    return batch.select(list(columns)) if columns else batch


def read_orc(split: Split, fmt: OrcInput, *, records: bool = False) -> Iterator[InputBatch]:
    """The stripes of the split in order, in slices of at most BATCH_ROWS rows."""
    batches = _stripes(split, fmt)
    return for_records(batches) if records else batches


def _stripes(split: Split, fmt: OrcInput) -> Iterator[InputBatch]:
    for piece in split.slices:
        with opened(piece.uri, "ORC") as file:
            size = file.size()
            reader = orc.ORCFile(file)
            check_columns(piece.uri, reader.schema, fmt.columns)
            count = reader.nstripes
            for index in range(count):
                if not holds(piece, size * (index + 0.5) / count):
                    continue
                with _unit("stripe", index, count):
                    batch = reader.read_stripe(index, columns=list(fmt.columns) or None)
                    yield from _sliced(piece.uri, index, _picked(batch, fmt.columns), size // count)


def _sliced(uri: str, unit: int, batch: pa.RecordBatch, stored: int) -> Iterator[InputBatch]:
    rows = batch.num_rows
    for start in range(0, rows, BATCH_ROWS):
        some = batch.slice(start, BATCH_ROWS)
        first = (unit << _UNIT_BITS) + start
        places = pa.array(np.arange(first, first + some.num_rows))
        yield as_input(uri, some, places, stored * some.num_rows // rows)
