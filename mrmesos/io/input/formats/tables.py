"""Arrow IPC and ORC readers, and the code they share with Parquet.

A unit (row group, record batch, stripe) belongs to the slice that contains its middle, as in
parquet-mr. So cuts at equal distances give each slice about the same number of units. The middle is
an estimate. It uses the sizes of row groups before compression. Arrow does not tell the sizes of
record batches and stripes, so all of a file count as equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import orc

from mrmesos.api.formats import ArrowInput, OrcInput
from mrmesos.api.split import FileSlice, InputTable, Split
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.columns.schema import KEY, VALUE
from mrmesos.io.input.formats.damage import in_unit, opened, validate
from mrmesos.io.input.formats.file_columns import FileColumns, JobColumns

BATCH_ROWS = 1 << 16
_UNIT_BITS = 32
_ROW_BITS = (1 << _UNIT_BITS) - 1
_ARROW_FILE = b"ARROW1"


def holds(piece: FileSlice, position: float) -> bool:
    """Whether a unit with its middle at `position` belongs to the slice."""
    if piece.length < 0:
        return True
    return piece.start <= position < piece.start + piece.length


def as_input(uri: str, columns: pa.RecordBatch, places: pa.Array, stored: int) -> InputBatch:
    """The columns of a file as the mapper sees them.

    If the columns are just `key` and `value`, the mapper gets them; else the value is a struct of
    all columns. This validates the columns, because invalid UTF-8 or wrong offsets crash later.
    """
    validate(columns, int(places[0].as_py()) & _ROW_BITS if len(places) else 0)
    if columns.schema.names == [KEY, VALUE]:
        return InputBatch(uri, columns, positions=places, stored=stored, unit="row")
    batch = pa.RecordBatch.from_arrays([places, columns.to_struct_array()], [KEY, VALUE])
    return InputBatch(uri, batch, table=True, stored=stored, unit="row")


def read_arrow(
    split: Split, fmt: ArrowInput, *, table: InputTable | None = None
) -> Iterator[InputBatch]:
    """The record batches of the split in order, in slices of at most BATCH_ROWS rows."""
    return _record_batches(split, JobColumns.of(fmt.columns, table))


def arrow_schema(uri: str) -> pa.Schema:
    """The schema of an Arrow IPC file or stream. Raises InputError."""
    with opened(uri, "Arrow IPC") as file:
        is_file = file.read(6) == _ARROW_FILE
        file.seek(0)
        return (pa.ipc.open_file if is_file else pa.ipc.open_stream)(file).schema


def _record_batches(split: Split, job: JobColumns) -> Iterator[InputBatch]:
    for piece in split.slices:
        with opened(piece.uri, "Arrow IPC") as file:
            size = file.size()
            if file.read(6) == _ARROW_FILE:
                yield from _ipc_file(piece, file, size, job)
            elif holds(piece, 0):
                file.seek(0)
                yield from _ipc_stream(piece, file, job)


def _ipc_file(piece: FileSlice, file: Any, size: int, job: JobColumns) -> Iterator[InputBatch]:
    schema = pa.ipc.open_file(file).schema
    columns = job.in_file(piece.uri, schema)
    reader = _picking(file, schema, columns.read)
    count = reader.num_record_batches

    def probe(name: str) -> None:
        _picking(file, schema, [name]).get_batch(index).validate(full=True)

    for index in range(count):
        if holds(piece, size * (index + 0.5) / count):
            with in_unit(f"record batch {index + 1} of {count}", columns.read, probe):
                yield from _sliced(columns, index, reader.get_batch(index), size // count)


def _picking(file: Any, schema: pa.Schema, names: list[str]) -> Any:
    fields = [schema.names.index(name) for name in names]
    return pa.ipc.open_file(file, options=pa.ipc.IpcReadOptions(included_fields=fields))


def _ipc_stream(piece: FileSlice, file: Any, job: JobColumns) -> Iterator[InputBatch]:
    reader = pa.ipc.open_stream(file)
    columns = job.in_file(piece.uri, reader.schema)
    before = index = 0
    while True:
        with in_unit(f"record batch {index + 1}"):
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
            read = file.tell() - before
            before += read
            yield from _sliced(columns, index, batch, read)
        index += 1


def read_orc(
    split: Split, fmt: OrcInput, *, table: InputTable | None = None
) -> Iterator[InputBatch]:
    """The stripes of the split in order, in slices of at most BATCH_ROWS rows."""
    return _stripes(split, JobColumns.of(fmt.columns, table))


def orc_schema(uri: str) -> pa.Schema:
    """The schema of an ORC file. Raises InputError."""
    with opened(uri, "ORC") as file:
        return orc.ORCFile(file).schema


def _stripes(split: Split, job: JobColumns) -> Iterator[InputBatch]:
    for piece in split.slices:
        with opened(piece.uri, "ORC") as file:
            size = file.size()
            reader = orc.ORCFile(file)
            columns = job.in_file(piece.uri, reader.schema)
            count = reader.nstripes

            def probe(name: str, reader: Any = reader) -> None:
                reader.read_stripe(index, columns=[name]).validate(full=True)  # noqa: B023

            for index in range(count):
                if not holds(piece, size * (index + 0.5) / count):
                    continue
                with in_unit(f"stripe {index + 1} of {count}", columns.read, probe):
                    batch = reader.read_stripe(index, columns=columns.read)
                    yield from _sliced(columns, index, batch, size // count)


def _sliced(
    columns: FileColumns, unit: int, batch: pa.RecordBatch, stored: int
) -> Iterator[InputBatch]:
    rows = batch.num_rows
    for start in range(0, rows, BATCH_ROWS):
        some = columns.conformed(batch.slice(start, BATCH_ROWS))
        first = (unit << _UNIT_BITS) + start
        places = pa.array(np.arange(first, first + some.num_rows))
        yield as_input(columns.uri, some, places, stored * some.num_rows // rows)
