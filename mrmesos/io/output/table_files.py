"""Files of Arrow IPC, Parquet and ORC: open for writing, and read back a piece at a time.

pyarrow's Parquet and ORC modules are imported where they are used. They take 20 MB and some 50 ms,
and every worker imports this module.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from mrmesos.api.formats import ArrowOutput, OrcOutput, ParquetOutput
from mrmesos.io.columns.schema import is_list
from mrmesos.io.columns.table_schema import conform_table, own_metadata
from mrmesos.io.columns.tabular import without_orc_gaps

TableFormat = ArrowOutput | ParquetOutput | OrcOutput

_ORC_CODECS = {"none": "uncompressed", "gzip": "zlib"}


def open_sink(fmt: TableFormat, file: Any, schema: pa.Schema) -> Any:
    """A writer with `write_table` and `close`. Raises ValueError, TypeError, OSError."""
    match fmt:
        case ParquetOutput():
            import pyarrow.parquet as pq

            keyed = _keyed_schema(schema)
            sink = pq.ParquetWriter(file, keyed, compression=fmt.compression)
            return sink if keyed.equals(schema) else _Casting(sink, keyed)
        case ArrowOutput():
            codec = None if fmt.compression == "none" else fmt.compression
            options = pa.ipc.IpcWriteOptions(compression=codec)
            return pa.ipc.new_file(file, schema, options=options)
        case OrcOutput():
            codec = _ORC_CODECS.get(fmt.compression, fmt.compression)
            return _OrcSink(file, schema, codec)


class _Casting:
    """A sink whose schema differs in types without values."""

    def __init__(self, sink: Any, schema: pa.Schema) -> None:
        self._sink, self._schema = sink, schema

    def write_table(self, table: pa.Table) -> None:
        self._sink.write_table(table.cast(self._schema))

    def close(self) -> None:
        self._sink.close()


def _keyed_schema(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_type(_keyed(field.type)) for field in schema], schema.metadata)


def _keyed(kind: pa.DataType) -> pa.DataType:
    """The type with text as keys of maps that have no keys: Parquet needs a type for them."""
    if pa.types.is_map(kind):
        key = pa.string() if pa.types.is_null(kind.key_type) else kind.key_type
        return pa.map_(key, _keyed(kind.item_type))
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_keyed(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_keyed(field.type)) for field in kind])
    return kind


class _OrcSink:
    """ORC has no null type, and Arrow's ORC writer loses nulls of structs in slices."""

    def __init__(self, file: Any, schema: pa.Schema, codec: str) -> None:
        from pyarrow import orc

        self._schema, self._put_any = orc_schema(schema), False
        self._writer = orc.ORCWriter(file, compression=codec)

    def write_table(self, table: pa.Table) -> None:
        table = table.combine_chunks().cast(self._schema)
        self._writer.write(table.take(pa.array(range(table.num_rows), pa.int64())))
        self._put_any = True

    def close(self) -> None:
        if not self._put_any:
            self.write_table(self._schema.empty_table())
        self._writer.close()


def orc_schema(schema: pa.Schema) -> pa.Schema:
    """The schema with types that ORC has: text for columns that have no type yet."""
    return pa.schema([field.with_type(_typed(field.type)) for field in schema])


def format_schema(fmt: TableFormat, schema: pa.Schema) -> pa.Schema:
    """A declared schema with types that the format has, as `for_format` makes them."""
    if not isinstance(fmt, OrcOutput):
        return schema
    kinds = (without_orc_gaps(pa.nulls(0, field.type)).type for field in schema)
    return pa.schema([field.with_type(kind) for field, kind in zip(schema, kinds, strict=True)])


def for_format(fmt: TableFormat, batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with types that the format has."""
    if not isinstance(fmt, OrcOutput) or not batch.num_columns:
        return batch
    columns = [without_orc_gaps(column) for column in batch.columns]
    fields = [
        field.with_type(column.type) for field, column in zip(batch.schema, columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def _typed(kind: pa.DataType) -> pa.DataType:
    """The type with null types replaced by text."""
    if pa.types.is_null(kind):
        return pa.string()
    if is_list(kind):
        return pa.list_(_typed(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_typed(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_typed(kind.key_type), _typed(kind.item_type))
    return kind


def read_schema(fmt: TableFormat, file: Any) -> pa.Schema:
    """The columns of a file. Raises OSError, ArrowException."""
    match fmt:
        case ParquetOutput():
            import pyarrow.parquet as pq

            schema = pq.ParquetFile(file).schema_arrow
        case ArrowOutput():
            schema = pa.ipc.open_file(file).schema
        case OrcOutput():
            from pyarrow import orc

            schema = orc.ORCFile(file).schema
    return own_metadata(schema)


def read_tables(fmt: TableFormat, file: Any) -> Iterator[pa.Table]:
    """The pieces of a file as it was written: row groups, record batches, stripes."""
    match fmt:
        case ParquetOutput():
            import pyarrow.parquet as pq

            parquet = pq.ParquetFile(file)
            for index in range(parquet.num_row_groups):
                yield parquet.read_row_group(index)
        case ArrowOutput():
            reader = pa.ipc.open_file(file)
            for index in range(reader.num_record_batches):
                yield pa.Table.from_batches([reader.get_batch(index)])
        case OrcOutput():
            from pyarrow import orc

            stripes = orc.ORCFile(file)
            for index in range(stripes.nstripes):
                yield pa.Table.from_batches([stripes.read_stripe(index)])


def copy_into(
    fmt: TableFormat, file: Any, known: pa.Schema, sink: Any, schema: pa.Schema, key: str
) -> None:
    """Append the rows of a file to a sink that has the `schema`, a piece at a time.

    `known` is the schema of the file's rows: ORC stores columns without a type as text. `key` signs
    values that have to be pickled. Raises MisfitColumn, OSError, ArrowException.
    """
    for table in read_tables(fmt, file):
        pieces = [_as_known(each, known) for each in table.to_batches()]
        batches = [conform_table(each, schema, key) for each in pieces]
        sink.write_table(pa.Table.from_batches(batches, schema))


def _as_known(batch: pa.RecordBatch, known: pa.Schema) -> pa.RecordBatch:
    columns = [
        pa.nulls(batch.num_rows) if pa.types.is_null(field.type) else column
        for field, column in zip(known, batch.columns, strict=True)
    ]
    fields = [field.with_type(column.type) for field, column in zip(known, columns, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))
