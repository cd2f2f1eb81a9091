"""Finds the record that cannot be written, for the error.

Whole batches are written at once. If that fails, halves are tried, then quarters, and so on: about
twenty calls for a batch.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from mrmesos.io.columns.decode import decode_column
from mrmesos.io.columns.key_code import shown
from mrmesos.io.columns.schema import KEY, VALUE, RecordTypeError
from mrmesos.io.columns.table_schema import MisfitColumn
from mrmesos.io.fs.filesystem import OutputError, reason
from mrmesos.io.output.render_rows import NotRows

Try = Callable[[pa.RecordBatch], object]
"""Does to a batch the thing that failed, but writes nothing."""


def culprit(batch: pa.RecordBatch, attempt: Try, failures: tuple[type[Exception], ...]) -> int:
    """The first row that fails alone; -1 if rows fail only together."""

    def fails(start: int, end: int) -> bool:
        try:
            attempt(batch.slice(start, end - start))
        except failures:
            return True
        return False

    start, end = 0, batch.num_rows
    while end - start > 1:
        middle = (start + end) // 2
        if fails(start, middle):
            end = middle
        elif fails(middle, end):
            start = middle
        else:
            return -1
    return start


def record(batch: pa.RecordBatch, row: int, before: int) -> str:
    """A record for an error: its number in the file, its key and its value.

    `before` is the number of records before the batch. Row -1 means the whole batch.
    """
    if row < 0:
        return f"records {before + 1:,} to {before + batch.num_rows:,}"
    key, value = (
        _shown(batch.column(name).slice(row, 1), batch.schema.field(name)) for name in (KEY, VALUE)
    )
    return f"record {before + row + 1:,}, with the key {key} and the value {value}"


def _shown(one: pa.Array, field: pa.Field) -> str:
    try:
        return shown(decode_column(one, field)[0])
    except (RecordTypeError, OverflowError, ValueError):  # a time beyond Python's years
        return f"{one.view(pa.int64())[0]} as {field.type}"


def record_fault(
    uri: str,
    batch: pa.RecordBatch,
    before: int,
    attempt: Try,
    failures: tuple[type[Exception], ...],
    exc: Exception,
) -> OutputError:
    """The error for a batch that fails, with its first bad record. For `before` see `record`."""
    row = culprit(batch, attempt, failures)
    if row >= 0:
        try:  # the message of this record alone
            attempt(batch.slice(row, 1))
        except failures as alone:
            exc = alone
    if isinstance(exc, MisfitColumn):
        why = f"the column {exc.column}: {exc.why}"
    else:
        why = str(exc) if isinstance(exc, RecordTypeError | NotRows) else reason(exc)
    return OutputError(f"{uri}: {record(batch, row, before)}: {why}")
