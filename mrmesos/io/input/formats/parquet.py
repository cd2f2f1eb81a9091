"""Parquet, read by row groups in small batches. Statistics exclude row groups for filters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mrmesos.api.formats import Filter, ParquetInput
from mrmesos.api.split import FileSlice, InputTable, Split
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.input.formats.damage import in_unit, opened
from mrmesos.io.input.formats.file_columns import FileColumns, JobColumns
from mrmesos.io.input.formats.rows import arrow_says
from mrmesos.io.input.formats.tables import BATCH_ROWS, as_input, holds

_PLACE = "__place"
_BUFFER = 1 << 20
_LOOK_ROWS = 256
_BATCH_BYTES = 8 << 20


def read_parquet(
    split: Split, fmt: ParquetInput, *, table: InputTable | None = None
) -> Iterator[InputBatch]:
    """The rows of the split's row groups in order. Raises InputError.

    Pages are read when they are needed. Batches have about 8 MiB, even of large row groups.
    """
    job = JobColumns.of(fmt.columns, table)
    # Planning has left out the files whose directory names do not pass.
    filters = [each for each in fmt.filters if each[0] not in job.partitions]
    return _row_groups(split, job, filters)


def parquet_schema(uri: str) -> pa.Schema:
    """The schema of a Parquet file. Raises InputError."""
    with opened(uri, "Parquet") as file:
        return pq.ParquetFile(file).schema_arrow


def _row_groups(split: Split, job: JobColumns, filters: Sequence[Filter]) -> Iterator[InputBatch]:
    for piece in split.slices:
        with opened(piece.uri, "Parquet") as file:
            # A buffer size without pre-buffering keeps Arrow from reading whole column chunks.
            reader = pq.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False)
            columns = job.in_file(piece.uri, reader.schema_arrow, [name for name, _, _ in filters])
            if not columns.own.names and reader.metadata.num_rows:
                raise InputError(f"{piece.uri}: has no columns, so there is nothing to read")
            yield from _rows(piece, file, reader, columns, filters)


def _rows(
    piece: FileSlice, file: Any, reader: Any, columns: FileColumns, filters: Sequence[Filter]
) -> Iterator[InputBatch]:
    uri = piece.uri
    condition = _condition(uri, columns.schema, filters)
    sizes = _group_sizes(reader.metadata, file.size())
    ends = np.cumsum(sizes)
    groups = [
        index
        for index, (end, size) in enumerate(zip(ends, sizes, strict=True))
        if holds(piece, float(end - size / 2))
    ]
    if groups:
        groups = _not_ruled_out(file, groups, columns, filters)
    counts = [reader.metadata.row_group(index).num_rows for index in range(reader.num_row_groups)]
    firsts = np.cumsum([0, *counts])

    def probe(name: str) -> None:
        for batch in reader.iter_batches(row_groups=[index], columns=[name], use_threads=False):
            batch.validate(full=True)

    for index in groups:
        place, nbytes = int(firsts[index]), int(sizes[index])
        where = f"row group {index + 1} of {len(counts)}"
        with in_unit(where, columns.read, probe):
            for read in _batches(reader, index, columns.read):
                rows = read.num_rows
                with in_unit(f"rows from {place:,} on"):
                    batch = columns.conformed(read)
                places = pa.array(np.arange(place, place + rows))
                place += rows
                if condition is not None:
                    batch, places = _passing(batch, places, condition)
                named = batch.select(columns.names)
                yield as_input(uri, named, places, nbytes * rows // counts[index])


def _group_sizes(metadata: Any, file_size: int) -> npt.NDArray[np.float64]:
    """Estimated bytes of each row group in the file, from its size before compression.

    The offsets of column chunks would give exact sizes. But a wide file has many of them, and
    pyarrow aborts the process at a damaged one.
    """
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    sizes = np.array([max(1, group.total_byte_size) for group in groups], np.float64)
    scaled: npt.NDArray[np.float64] = sizes * (file_size / max(1.0, float(sizes.sum())))
    return scaled


def _batches(reader: Any, group: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """The rows of a row group in batches of about _BATCH_BYTES, estimated from the first rows."""

    def batches(rows: int) -> Iterator[pa.RecordBatch]:
        given: Iterator[pa.RecordBatch] = reader.iter_batches(
            batch_size=rows, row_groups=[group], columns=columns, use_threads=False
        )
        return given

    look = next(batches(_LOOK_ROWS), None)
    if look is not None and look.num_rows:
        each = max(1, look.nbytes // look.num_rows)
        yield from batches(max(1, min(BATCH_ROWS, _BATCH_BYTES // each)))


def _condition(uri: str, schema: pa.Schema, filters: Sequence[Filter]) -> Any:
    """All filters as one Arrow expression; None without filters."""
    condition = None
    for name, operator, value in filters:
        kind = schema.field(name).type
        try:
            one = _compared(pc.field(name), operator, value, kind)
        except (pa.ArrowException, TypeError, ValueError) as exc:
            raise InputError(
                f"{uri}: the column {name!r} is {kind} and cannot be compared with {value!r:.80}: "
                f"{arrow_says(exc)}; correct ParquetInput(filters=...)"
            ) from exc
        condition = one if condition is None else condition & one
    return condition


def _compared(field: Any, operator: str, value: Any, kind: pa.DataType) -> Any:
    if operator in ("in", "not in"):
        among = field.isin(pa.array([_scalar(each, kind) for each in value], kind))
        return among if operator == "in" else ~among
    operand = pc.scalar(_scalar(value, kind))
    match operator:
        case "==":
            return field == operand
        case "!=":
            return field != operand
        case "<":
            return field < operand
        case "<=":
            return field <= operand
        case ">":
            return field > operand
    return field >= operand


def _scalar(value: Any, kind: pa.DataType) -> pa.Scalar:
    """`value` cast to the column's type: users may write dates, times and decimals as text."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.scalar(value).cast(kind)


def _not_ruled_out(
    file: Any, groups: list[int], columns: FileColumns, filters: Sequence[Filter]
) -> list[int]:
    """The row groups that statistics do not exclude, by filters whose column has its own type."""
    own = [each for each in filters if _has_own_type(columns, each[0])]
    condition = _condition(columns.uri, columns.own, own)
    if condition is None:
        return groups
    import pyarrow.dataset as ds

    file.seek(0)
    whole = ds.ParquetFileFormat().make_fragment(file, row_groups=groups)
    return [group.id for group in whole.subset(condition, schema=columns.own).row_groups]


def _has_own_type(columns: FileColumns, name: str) -> bool:
    there = name in columns.own.names
    return there and bool(columns.own.field(name).type.equals(columns.schema.field(name).type))


def _passing(
    batch: pa.RecordBatch, places: pa.Array, condition: Any
) -> tuple[pa.RecordBatch, pa.Array]:
    """The rows that pass the filter, and their positions."""
    numbered = batch.append_column(_PLACE, places)
    passing = numbered.filter(condition)
    return passing, passing.column(_PLACE)
