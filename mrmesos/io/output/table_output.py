"""Part files with columns: Arrow IPC, Parquet, ORC.

A file's schema is that of all its records, or the declared one. If a later record needs a wider
schema, the rows so far are set aside as a segment, and a file with the wider schema begins. At the
end the segments are joined, a piece at a time. A file whose first records have all columns costs
nothing more.
"""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa

from mrmesos.api.formats import ParquetOutput
from mrmesos.io.columns.schema import KEY, VALUE, RecordTypeError, is_list, is_pickled
from mrmesos.io.columns.signed import file_schema, signed_batch
from mrmesos.io.columns.table_schema import (
    EMPTY,
    MisfitColumn,
    MixedColumn,
    conform_table,
    wider,
)
from mrmesos.io.columns.tabular import table_batch
from mrmesos.io.fs.filesystem import OutputError, reason
from mrmesos.io.output.culprit import culprit, record, record_fault
from mrmesos.io.output.declared import declared_schema, fitted
from mrmesos.io.output.output_file import close_quietly, create, unwritable
from mrmesos.io.output.render_rows import NotRows, rows_of
from mrmesos.io.output.table_files import (
    TableFormat,
    copy_into,
    for_format,
    format_schema,
    open_sink,
)

_ROW_GROUP_BYTES = 64 << 20
_PENDING_BYTES = 8 << 20
_NO_TABLE = (RecordTypeError, NotRows, MisfitColumn)
_WRITABLE = pa.RecordBatch.from_pydict({"n": [1]})
"""Every format can hold this. If it cannot be written, the record is not at fault."""
_UNWRITABLE = (pa.ArrowException, ValueError, TypeError)


class TableWriter:
    """A Writer of columns: `key` and `value`, or with `records` the items of the value dicts."""

    def __init__(self, fs: Any, path: str, fmt: TableFormat, key: str = "") -> None:
        """`key` signs pickled values."""
        self._fs, self._path, self._fmt, self._key = fs, path, fmt, key
        declared = declared_schema(fmt)
        self._declared = None if declared is None else format_schema(fmt, declared)
        self._uri, self._file = create(fs, path)
        self._schema: pa.Schema | None = None
        self._sink: Any = None
        self._begun: pa.Schema | None = None
        self._segments: list[tuple[str, pa.Schema]] = []
        self._pending: list[pa.RecordBatch] = []
        self._given: list[pa.RecordBatch] = []  # what `_pending` was made of, for errors
        self._pending_bytes = 0
        self._records = self._written = 0

    @property
    def schema(self) -> pa.Schema:
        """The columns of all records so far."""
        if self._schema is not None:
            return self._schema
        declared = EMPTY if self._declared is None else self._declared
        if self._fmt.records:
            return declared
        fields = {KEY: pa.field(KEY, pa.null()), VALUE: pa.field(VALUE, pa.null())}
        return pa.schema(list((fields | {field.name: field for field in declared}).values()))

    @property
    def pickled(self) -> int:
        """The number of records, if one of their columns is pickled."""
        return self._records if any(map(is_pickled, self.schema)) else 0

    @property
    def bare(self) -> int:
        """The number of records, if none has a column. Then only other parts tell the columns."""
        return 0 if len(self.schema) else self._records

    def write(self, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        batch = batch.select([KEY, VALUE])
        try:
            columns = self._columns(batch)
        except _NO_TABLE as exc:
            raise record_fault(
                self._uri, batch, self._records, self._columns, _NO_TABLE, exc
            ) from exc
        self._widen(batch, columns.schema)
        self._records += batch.num_rows
        self._pending.append(columns)
        self._given.append(batch)
        self._pending_bytes += max(columns.nbytes, batch.nbytes)
        if isinstance(self._fmt, ParquetOutput):
            full = self._pending_bytes >= _ROW_GROUP_BYTES
        else:  # a column with only nulls has no type yet: wait
            untyped = not len(self.schema) or any(_has_null(field.type) for field in self.schema)
            full = self._sink is not None or not untyped
            full = full or self._pending_bytes >= _PENDING_BYTES
        if full and len(self.schema):
            self._flush()

    def _columns(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        rows = self._fmt.records
        if rows:  # keys are not written, so they may have any types
            columns = [pa.nulls(batch.num_rows), batch.column(VALUE)]
            fields = [pa.field(KEY, pa.null()), batch.schema.field(VALUE)]
            batch = pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))
        batch = table_batch(batch, rows=rows)
        batch = for_format(self._fmt, rows_of(batch) if rows else batch)
        if self._declared is not None:
            batch = fitted(batch, self._declared, complete=rows)
        return signed_batch(batch, self._key)

    def _widen(self, batch: pa.RecordBatch, schema: pa.Schema) -> None:
        before = self.schema
        try:
            self._schema = schema if self._schema is None else wider(before, schema)
        except MixedColumn as exc:
            raise self._mixed(batch, before, exc) from None

    def _flush(self) -> None:
        schema = self.schema
        try:
            if self._begun is not None and not self._begun.equals(schema, check_metadata=True):
                self._set_aside(self._begun)
            if self._sink is None:
                self._open(schema)
            if self._pending:
                batches = [self._conformed(batch, schema) for batch in self._pending]
                self._sink.write_table(pa.Table.from_batches(batches, schema))
        except MisfitColumn as exc:
            raise self._misfit(exc) from None
        except OSError as exc:
            raise unwritable(self._uri, exc) from exc
        except pa.ArrowException as exc:
            raise self._unwritable(schema, exc) from exc
        self._written = self._records
        self._pending, self._given, self._pending_bytes = [], [], 0

    def _conformed(self, batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
        return conform_table(batch, schema, self._key)

    def _open(self, schema: pa.Schema) -> None:
        try:
            self._sink = open_sink(self._fmt, self._file, file_schema(schema, self._key))
        except (ValueError, TypeError) as exc:
            raise self._unwritable(schema, exc) from exc
        self._begun = schema

    def _set_aside(self, schema: pa.Schema) -> None:
        """Finish the file as a segment, and begin a new one."""
        self._finish()
        segment = f"{self._path}.{len(self._segments)}"
        self._fs.mv(self._path, segment)
        self._segments.append((segment, schema))
        self._file = create(self._fs, self._path)[1]

    def _finish(self) -> None:
        self._sink.close()
        self._file.close()
        self._sink = None

    def close(self) -> tuple[int, int]:
        if self.bare:
            self._pending, self._given = [], []
        self._flush()
        try:
            if self._segments:
                self._set_aside(self.schema)
                self._join()
            self._finish()
        except MisfitColumn as exc:
            raise self._misfit(exc) from None
        except OSError as exc:
            raise unwritable(self._uri, exc) from exc
        return self._records, self._file.bytes

    def _join(self) -> None:
        self._open(self.schema)
        for segment, known in self._segments:
            with self._fs.open(segment, "rb") as file:
                copy_into(self._fmt, file, known, self._sink, self.schema, self._key)
            self._fs.rm(segment)

    def abort(self) -> None:
        self._file.given_up = True
        close_quietly(self._file)

    # Errors.

    def _mixed(self, batch: pa.RecordBatch, before: pa.Schema, exc: MixedColumn) -> OutputError:
        """The error for a column of two types; `before` has the earlier one."""

        def attempt(piece: pa.RecordBatch) -> None:
            made = self._columns(piece)
            if made.column(exc.column).null_count < made.num_rows:
                wider(before, made.schema)

        row = culprit(batch, attempt, (MixedColumn,))
        return OutputError(
            f"{self._uri}: the column {exc.column} was {exc.one} so far, but is {exc.other} in "
            f"{record(batch, row, self._records)}; yield one type, or write text"
        )

    def _misfit(self, exc: MisfitColumn) -> OutputError:
        """The error for pending rows, or rows on disk, that do not fit the type of all records."""
        schema, before = self.schema, self._written
        kind = schema.field(exc.column).type
        where = ""
        for batch, given in zip(self._pending, self._given, strict=True):
            row = _first_misfit(batch, schema, self._key)
            if row >= 0:
                where = f", first in {record(given, row, before)}"
                break
            before += batch.num_rows
        return OutputError(
            f"{self._uri}: values of the column {exc.column} do not fit its type {kind} without a "
            f"change{where}: {exc.why}; yield one type, or write text"
        )

    def _unwritable(self, schema: pa.Schema, exc: Exception) -> OutputError:
        """The error for columns, or for a record, that the format does not hold."""
        name = type(self._fmt).__name__

        def attempt(piece: pa.RecordBatch) -> None:
            sink = open_sink(self._fmt, io.BytesIO(), piece.schema)
            sink.write_table(pa.Table.from_batches([piece]))
            sink.close()

        try:
            attempt(_WRITABLE)
        except _UNWRITABLE as general:
            return OutputError(f"{self._uri}: cannot be written as {self._fmt}: {reason(general)}")
        before = self._written
        for batch, given in zip(self._pending, self._given, strict=True):
            for index, field in enumerate(batch.schema):
                column = batch.select([index])
                try:
                    attempt(column)
                except _UNWRITABLE as alone:
                    row = culprit(column, attempt, _UNWRITABLE)
                    return OutputError(
                        f"{self._uri}: {record(given, row, before)}: the column {field.name} of "
                        f"type {field.type} cannot be written by {name}: {reason(alone)}"
                    )
            before += batch.num_rows
        types = ", ".join(f"{field.name} {field.type}" for field in schema)
        return OutputError(f"{self._uri}: {types} cannot be written by {name}: {reason(exc)}")


def _first_misfit(batch: pa.RecordBatch, schema: pa.Schema, key: str) -> int:
    def attempt(piece: pa.RecordBatch) -> pa.RecordBatch:
        return conform_table(piece, schema, key)

    try:
        attempt(batch)
    except MisfitColumn:
        return culprit(batch, attempt, (MisfitColumn,))
    return -1


def _has_null(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_null(kind)
        or (is_list(kind) and _has_null(kind.value_type))
        or (pa.types.is_map(kind) and (_has_null(kind.key_type) or _has_null(kind.item_type)))
        or (pa.types.is_struct(kind) and any(_has_null(field.type) for field in kind))
    )
