"""Part files with columns: Arrow IPC, Parquet, ORC.

A file's schema is that of all its records. If a later record needs a wider schema, the rows so far
are set aside as a segment, and a file with the wider schema begins. At the end the segments are
joined, a piece at a time. A file whose first records have all columns costs nothing more.
"""

from __future__ import annotations

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
from mrmesos.io.output.output_file import close_quietly, create, unwritable
from mrmesos.io.output.render_rows import NotRows, rows_of
from mrmesos.io.output.table_files import TableFormat, copy_into, for_format, open_sink

_ROW_GROUP_BYTES = 64 << 20
_PENDING_BYTES = 8 << 20


class TableWriter:
    """A Writer of columns: `key` and `value`, or with `records` the items of the value dicts."""

    def __init__(
        self, fs: Any, path: str, fmt: TableFormat, declared: pa.Schema | None, key: str = ""
    ) -> None:
        """`key` signs pickled values."""
        self._fs, self._path, self._fmt, self._key = fs, path, fmt, key
        self._uri, self._file = create(fs, path)
        self._schema = declared
        self._sink: Any = None
        self._begun: pa.Schema | None = None
        self._segments: list[tuple[str, pa.Schema]] = []
        self._pending: list[pa.RecordBatch] = []
        self._pending_bytes = 0
        self._records = 0

    @property
    def schema(self) -> pa.Schema:
        """The columns of all records so far."""
        if self._schema is not None:
            return self._schema
        return EMPTY if self._fmt.records else pa.schema([(KEY, pa.null()), (VALUE, pa.null())])

    @property
    def pickled(self) -> int:
        """The number of records, if one of their columns is pickled."""
        return self._records if any(map(is_pickled, self.schema)) else 0

    def write(self, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        self._records += batch.num_rows
        columns = self._columns(batch)
        self._widen(columns.schema)
        self._pending.append(columns)
        self._pending_bytes += columns.nbytes
        if isinstance(self._fmt, ParquetOutput):
            full = self._pending_bytes >= _ROW_GROUP_BYTES
        else:  # a column with only nulls so far has no type yet: wait
            untyped = any(_has_null(field.type) for field in self.schema)
            full = self._sink is not None or not untyped
            full = full or self._pending_bytes >= _PENDING_BYTES
        if full:
            self._flush()

    def _columns(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        batch = batch.select([KEY, VALUE])
        if self._fmt.records:  # keys are not written, so they may have any types
            columns = [pa.nulls(batch.num_rows), batch.column(VALUE)]
            fields = [pa.field(KEY, pa.null()), batch.schema.field(VALUE)]
            batch = pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))
        try:
            batch = table_batch(batch, rows=self._fmt.records)
            columns_of = rows_of(batch) if self._fmt.records else batch
            return for_format(self._fmt, signed_batch(columns_of, self._key))
        except (RecordTypeError, NotRows) as exc:
            raise OutputError(f"{self._uri}: {exc}") from exc

    def _widen(self, schema: pa.Schema) -> None:
        if self._schema is None:
            self._schema = schema
            return
        try:
            self._schema = wider(self._schema, schema)
        except MixedColumn as exc:
            raise OutputError(
                f"{self._uri}: the column {exc.column} holds {exc.one} but now {exc.other} comes; "
                "yield one type, or write text"
            ) from None

    def _flush(self) -> None:
        schema = self.schema
        try:
            if self._begun is not None and not self._begun.equals(schema, check_metadata=True):
                self._set_aside(self._begun)
            if self._sink is None:
                self._open(schema)
            if self._pending:
                batches = [conform_table(batch, schema, self._key) for batch in self._pending]
                self._sink.write_table(pa.Table.from_batches(batches, schema))
        except MisfitColumn as exc:
            raise self._misfit(exc) from None
        except OSError as exc:
            raise unwritable(self._uri, exc) from exc
        except pa.ArrowException as exc:
            raise OutputError(f"{self._uri}: cannot be written: {reason(exc)}") from exc
        self._pending, self._pending_bytes = [], 0

    def _open(self, schema: pa.Schema) -> None:
        try:
            self._sink = open_sink(self._fmt, self._file, file_schema(schema, self._key))
        except (ValueError, TypeError) as exc:
            raise OutputError(
                f"{self._uri}: cannot be written as {self._fmt}: {reason(exc)}"
            ) from exc
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

    def _misfit(self, exc: MisfitColumn) -> OutputError:
        kind = self.schema.field(exc.column).type
        return OutputError(
            f"{self._uri}: values of the column {exc.column} do not fit its type {kind} without a "
            f"change: {exc.why}; yield one type, or write text"
        )

    def abort(self) -> None:
        self._file.given_up = True
        close_quietly(self._file)


def _has_null(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_null(kind)
        or (is_list(kind) and _has_null(kind.value_type))
        or (pa.types.is_struct(kind) and any(_has_null(field.type) for field in kind))
    )
