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
from mrmesos.api.split import FileSlice, Split
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.input.formats.rows import arrow_says
from mrmesos.io.input.formats.tables import (
    BATCH_ROWS,
    as_input,
    check_columns,
    for_records,
    holds,
    opened,
)

_PLACE = "__place"
_BUFFER = 1 << 20
_LOOK_ROWS = 256
_BATCH_BYTES = 8 << 20


def read_parquet(split: Split, fmt: ParquetInput, *, records: bool = False) -> Iterator[InputBatch]:
    """The rows of the split's row groups in order. Raises InputError.

    Pages are read when they are needed. Batches have about 8 MiB, even of large row groups.
    """
    batches = _row_groups(split, fmt)
    return for_records(batches) if records else batches


def _row_groups(split: Split, fmt: ParquetInput) -> Iterator[InputBatch]:
    for piece in split.slices:
        with opened(piece.uri, "Parquet") as file:
            # A buffer size without pre-buffering keeps Arrow from reading whole column chunks.
            reader = pq.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False)
            yield from _rows(piece, file, reader, fmt)


def _rows(piece: FileSlice, file: Any, reader: Any, fmt: ParquetInput) -> Iterator[InputBatch]:
    uri, schema = piece.uri, reader.schema_arrow
    filtered = [name for name, _, _ in fmt.filters]
    check_columns(uri, schema, (*fmt.columns, *filtered))
    names = list(fmt.columns) or schema.names
    if not names and reader.metadata.num_rows:
        raise InputError(f"{uri}: has no columns, so there is nothing to read")
    wanted = names + [name for name in dict.fromkeys(filtered) if name not in names]
    condition = _condition(uri, schema, fmt.filters)
    sizes = _group_sizes(reader.metadata, file.size())
    ends = np.cumsum(sizes)
    groups = [
        index
        for index, (end, size) in enumerate(zip(ends, sizes, strict=True))
        if holds(piece, float(end - size / 2))
    ]
    if condition is not None and groups:
        groups = _not_ruled_out(file, groups, condition, schema)
    counts = [reader.metadata.row_group(index).num_rows for index in range(reader.num_row_groups)]
    firsts = np.cumsum([0, *counts])
    for index in groups:
        place, nbytes = int(firsts[index]), int(sizes[index])
        for batch in _batches(reader, index, wanted):
            rows = batch.num_rows
            places = pa.array(np.arange(place, place + rows))
            place += rows
            if condition is not None:
                batch, places = _passing(batch, places, condition)
            yield as_input(uri, batch.select(names), places, nbytes * rows // counts[index])


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


def _not_ruled_out(file: Any, groups: list[int], condition: Any, schema: pa.Schema) -> list[int]:
    import pyarrow.dataset as ds

    file.seek(0)
    whole = ds.ParquetFileFormat().make_fragment(file, row_groups=groups)
    return [group.id for group in whole.subset(condition, schema=schema).row_groups]


def _passing(
    batch: pa.RecordBatch, places: pa.Array, condition: Any
) -> tuple[pa.RecordBatch, pa.Array]:
    """The rows that pass the filter, and their positions."""
    numbered = batch.append_column(_PLACE, places)
    passing = numbered.filter(condition)
    return passing, passing.column(_PLACE)
