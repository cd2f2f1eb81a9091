"""Part files with columns: Arrow IPC, Parquet, ORC. The first batches decide a file's schema."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import orc

from mrmesos.api.formats import ArrowOutput, OrcOutput, ParquetOutput
from mrmesos.io.columns.schema import (
    KEY,
    VALUE,
    RecordTypeError,
    UnfaithfulCast,
    is_list,
    is_pickled,
)
from mrmesos.io.columns.tabular import table_batch, without_orc_gaps
from mrmesos.io.columns.unify import conform, unify
from mrmesos.io.fs.filesystem import OutputError, reason
from mrmesos.io.output.line_output import types_of
from mrmesos.io.output.output_file import CountedFile, close_quietly, unwritable
from mrmesos.io.output.render_rows import NotRows, row_schema, rows_of

TableFormat = ArrowOutput | ParquetOutput | OrcOutput

_ROW_GROUP_BYTES = 64 << 20
_PENDING_BYTES = 8 << 20
_ORC_CODECS = {"none": "uncompressed", "gzip": "zlib"}


class TableWriter:
    """A Writer of columns: `key` and `value`, or with `records` the items of the value dicts."""

    def __init__(
        self, uri: str, file: CountedFile, fmt: TableFormat, schema: pa.Schema | None
    ) -> None:
        self._uri, self._file, self._fmt = uri, file, fmt
        self._schema = schema
        self._writer: Any = None
        self._pending: list[pa.RecordBatch] = []
        self._pending_bytes = 0
        self._put_any = False
        self._records = 0

    def write(self, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        self._records += batch.num_rows
        batch = batch.select([KEY, VALUE])
        if self._fmt.records:  # keys are not written, so they may have any types
            columns = [pa.nulls(batch.num_rows), batch.column(VALUE)]
            fields = [pa.field(KEY, pa.null()), batch.schema.field(VALUE)]
            batch = pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))
        try:
            batch = table_batch(batch, rows=self._fmt.records)
        except RecordTypeError as exc:
            raise OutputError(f"{self._uri}: {exc}") from exc
        self._pending.append(batch)
        self._pending_bytes += batch.nbytes
        if isinstance(self._fmt, ParquetOutput):
            full = self._pending_bytes >= _ROW_GROUP_BYTES
        else:  # a column with only nulls so far has no type yet: wait
            untyped = any(_has_null(field.type) for field in self._columns(batch.schema))
            full = self._writer is not None or not untyped
            full = full or self._pending_bytes >= _PENDING_BYTES
        if full:
            self._flush()

    def _flush(self) -> None:
        try:
            if self._writer is None:
                self._open()
            table = self._table()
            if table.num_rows or not self._put_any:
                self._put(table)
                self._put_any = True
        except OSError as exc:
            raise unwritable(self._uri, exc) from exc
        except pa.ArrowException as exc:
            raise OutputError(f"{self._uri}: cannot be written: {reason(exc)}") from exc
        self._pending, self._pending_bytes = [], 0

    def _open(self) -> None:
        if self._schema is None:
            self._schema = self._unified()
        schema, compression = self._columns(self._schema), self._fmt.compression
        try:
            match self._fmt:
                case ParquetOutput():
                    self._writer = pq.ParquetWriter(self._file, schema, compression=compression)
                case ArrowOutput():
                    codec = None if compression == "none" else compression
                    options = pa.ipc.IpcWriteOptions(compression=codec)
                    self._writer = pa.ipc.new_file(self._file, schema, options=options)
                case OrcOutput():
                    self._writer = orc.ORCWriter(
                        self._file, compression=_ORC_CODECS.get(compression, compression)
                    )
        except (ValueError, TypeError) as exc:
            raise OutputError(
                f"{self._uri}: cannot be written as {self._fmt}: {reason(exc)}"
            ) from exc

    def _unified(self) -> pa.Schema:
        if not self._pending:
            return pa.schema([("key", pa.null()), ("value", pa.null())])
        schema = self._pending[0].schema
        for batch in self._pending[1:]:
            try:
                wider = unify(schema, batch.schema, exact=False)
            except RecordTypeError as exc:
                raise self._mixed(schema, batch.schema) from exc
            if _pickled(wider) != _pickled(schema):  # never mix pickled and readable
                raise self._mixed(schema, batch.schema)
            schema = wider
        return schema

    def _columns(self, schema: pa.Schema) -> pa.Schema:
        """The file's columns, from the schema of key and value; none without records."""
        if not self._fmt.records:
            return schema
        if not self._records:
            return pa.schema([])
        try:
            return row_schema(schema)
        except NotRows as exc:
            raise OutputError(f"{self._uri}: {exc}") from exc

    def _put(self, table: pa.Table) -> None:
        if self._fmt.records:
            rows = [rows_of(batch) for batch in table.to_batches() if batch.num_rows]
            table = pa.Table.from_batches(rows, self._columns(table.schema))
        if isinstance(self._fmt, OrcOutput):
            # ORC has no null type, and Arrow's ORC writer loses nulls of structs in slices.
            columns = [without_orc_gaps(each.combine_chunks()) for each in table.columns]
            fields = [
                field.with_type(column.type)
                for field, column in zip(table.schema, columns, strict=True)
            ]
            table = pa.Table.from_arrays(columns, schema=pa.schema(fields))
            schema = pa.schema([field.with_type(_typed(field.type)) for field in fields])
            table = table.cast(schema).take(pa.array(range(table.num_rows), pa.int64()))
            self._writer.write(table)
            return
        self._writer.write_table(table)

    def _table(self) -> pa.Table:
        """The pending batches in the file's schema."""
        schema = self._schema
        assert schema is not None
        batches = []
        for batch in self._pending:
            if any(
                is_pickled(batch.field(name)) and not is_pickled(schema.field(name))
                for name in schema.names
            ):
                raise self._mixed(schema, batch.schema)
            try:
                batches.append(conform(batch, schema))
            except UnfaithfulCast as exc:
                raise self._mixed(schema, batch.schema) from exc
        return pa.Table.from_batches(batches, schema)

    def _mixed(self, schema: pa.Schema, other: pa.Schema) -> OutputError:
        return OutputError(
            f"{self._uri}: holds {types_of(schema)} but now {types_of(other)} comes; yield keys "
            "and values of one type, or write text"
        )

    def close(self) -> tuple[int, int]:
        self._flush()
        try:
            self._writer.close()
            self._file.close()
        except OSError as exc:
            raise unwritable(self._uri, exc) from exc
        return self._records, self._file.bytes

    def abort(self) -> None:
        self._file.given_up = True
        close_quietly(self._file)


def _pickled(schema: pa.Schema) -> list[bool]:
    return [is_pickled(field) for field in schema]


def _has_null(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_null(kind)
        or (is_list(kind) and _has_null(kind.value_type))
        or (pa.types.is_struct(kind) and any(_has_null(field.type) for field in kind))
    )


def _typed(kind: pa.DataType) -> pa.DataType:
    """The type with null types replaced by text."""
    if pa.types.is_null(kind):
        return pa.string()
    if is_list(kind):
        return pa.list_(_typed(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_typed(field.type)) for field in kind])
    return kind
