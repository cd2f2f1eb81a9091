"""Part files: text as Hadoop's TextOutputFormat writes it, Arrow IPC files, Parquet files."""

from __future__ import annotations

import contextlib
import io
import posixpath
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from mrmesos.api.formats import ArrowOutput, OutputFormat, ParquetOutput, TextOutput
from mrmesos.io.filesystem import OutputError, reason, uri_of
from mrmesos.io.render import text_lines
from mrmesos.io.schema import RecordTypeError, UnfaithfulCast, is_pickled
from mrmesos.io.unify import conform, unify

_BUFFER = 1 << 20
_ROW_GROUP_BYTES = 64 << 20
_PENDING_BYTES = 8 << 20
_ROWS_AT_ONCE = 1 << 16
_EXTENSIONS: dict[type, str] = {TextOutput: "", ArrowOutput: ".arrow", ParquetOutput: ".parquet"}


class Writer(Protocol):
    """One part file being written. Batches have the columns `key` and `value`; others are left."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Append the records. Raises OutputError naming the file."""

    def close(self) -> tuple[int, int]:
        """Finish the file; the numbers of its records and bytes. Raises OutputError."""

    def abort(self) -> None:
        """Close without finishing; what the file holds then is of no use. Never raises."""


def file_name(fmt: OutputFormat, kind_letter: str, index: int) -> str:
    """`part-r-00000` of reduce 0, `part-m-00012.parquet` of map 12."""
    return f"part-{kind_letter}-{index:05d}{_EXTENSIONS[type(fmt)]}"


def open_writer(
    fmt: OutputFormat, fs: Any, path: str, *, schema: pa.Schema | None = None
) -> Writer:
    """Create the file, and the directory that it is in, but none above.

    So an attempt that starts after its job ended, and `_temporary` is gone, leaves nothing behind.
    `schema` fixes the types of Arrow and Parquet files; without it those of the first batches
    are taken, and an empty file has columns of type null. Raises OutputError naming the file.
    """
    uri = uri_of(fs, path)
    try:
        with contextlib.suppress(FileExistsError):
            fs.mkdir(posixpath.dirname(path), create_parents=False)
        file = _Counted(fs.open(path, "wb"))
    except Exception as exc:  # remote drivers raise what they like
        raise OutputError(f"{uri}: cannot be created: {reason(exc)}") from exc
    if isinstance(fmt, TextOutput):
        return _TextWriter(uri, file, fmt)
    return _TableWriter(uri, file, fmt, schema)


class _Counted(io.RawIOBase):
    """A file that counts the bytes written to it, and may be closed twice."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.bytes = 0
        self.given_up = False

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        if self.given_up:
            return len(view)  # ParquetWriter finishes its file even as it is destroyed
        self.file.write(view)
        self.bytes += len(view)
        return len(view)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self.file.close()


class _TextWriter:
    def __init__(self, uri: str, file: _Counted, fmt: TextOutput) -> None:
        self._uri, self._file = uri, io.BufferedWriter(file, _BUFFER)
        self._counted, self._fmt, self._records = file, fmt, 0

    def write(self, batch: pa.RecordBatch) -> None:
        for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
            piece = batch.slice(start, _ROWS_AT_ONCE)
            try:
                self._file.write(text_lines(piece, self._fmt.separator))
            except OSError as exc:
                raise _unwritable(self._uri, exc) from exc
            except (pa.ArrowException, ValueError, OverflowError) as exc:  # years past 9999 ...
                raise OutputError(
                    f"{self._uri}: {_types(batch.schema)} cannot be written as text: {reason(exc)}"
                ) from exc
        self._records += batch.num_rows

    def close(self) -> tuple[int, int]:
        try:
            self._file.close()
        except OSError as exc:
            raise _unwritable(self._uri, exc) from exc
        return self._records, self._counted.bytes

    def abort(self) -> None:
        self._counted.given_up = True
        _close_quietly(self._file)


class _TableWriter:
    """Arrow IPC and Parquet: one schema a file, which the first batches tell."""

    def __init__(
        self, uri: str, file: _Counted, fmt: ArrowOutput | ParquetOutput, schema: pa.Schema | None
    ) -> None:
        self._uri, self._file, self._fmt = uri, file, fmt
        self._schema = schema
        self._writer: Any = None
        self._pending: list[pa.RecordBatch] = []
        self._pending_bytes = 0
        self._records = 0

    def write(self, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        self._records += batch.num_rows
        self._pending.append(batch.select(["key", "value"]))
        self._pending_bytes += batch.nbytes
        if isinstance(self._fmt, ParquetOutput):
            full = self._pending_bytes >= _ROW_GROUP_BYTES
        else:  # nothing but nulls so far: wait for a type
            untyped = any(pa.types.is_null(field.type) for field in self._pending[-1].schema)
            full = self._writer is not None or not untyped
            full = full or self._pending_bytes >= _PENDING_BYTES
        if full:
            self._flush()

    def _flush(self) -> None:
        try:
            if self._writer is None:
                self._open()
            table = self._table()
            if table.num_rows:
                self._writer.write_table(table)
        except OSError as exc:
            raise _unwritable(self._uri, exc) from exc
        except pa.ArrowException as exc:
            raise OutputError(f"{self._uri}: cannot be written: {reason(exc)}") from exc
        self._pending, self._pending_bytes = [], 0

    def _open(self) -> None:
        if self._schema is None:
            self._schema = self._unified()
        compression = None if self._fmt.compression == "none" else self._fmt.compression
        try:
            if isinstance(self._fmt, ParquetOutput):
                self._writer = pq.ParquetWriter(
                    self._file, self._schema, compression=compression or "none"
                )
            else:
                options = pa.ipc.IpcWriteOptions(compression=compression)
                self._writer = pa.ipc.new_file(self._file, self._schema, options=options)
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
                wider = unify(schema, batch.schema)
            except RecordTypeError as exc:
                raise self._mixed(schema, batch.schema) from exc
            if _pickled(wider) != _pickled(schema):  # pickles do not belong among readable values
                raise self._mixed(schema, batch.schema)
            schema = wider
        return schema

    def _table(self) -> pa.Table:
        """What is pending, as the file's types."""
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
            f"{self._uri}: holds {_types(schema)} but now {_types(other)} comes; yield keys and "
            "values of one type, or write text"
        )

    def close(self) -> tuple[int, int]:
        self._flush()
        try:
            self._writer.close()
            self._file.close()
        except OSError as exc:
            raise _unwritable(self._uri, exc) from exc
        return self._records, self._file.bytes

    def abort(self) -> None:
        self._file.given_up = True
        _close_quietly(self._file)


def _types(schema: pa.Schema) -> str:
    return ", ".join(
        f"{field.name} {'(pickled)' if is_pickled(field) else field.type}" for field in schema
    )


def _pickled(schema: pa.Schema) -> list[bool]:
    return [is_pickled(field) for field in schema]


def _unwritable(uri: str, exc: OSError) -> OutputError:
    return OutputError(f"{uri}: cannot be written: {reason(exc)}")


def _close_quietly(file: io.IOBase) -> None:
    try:
        file.close()
    except (OSError, ValueError):  # the attempt failed already, and its error is the one to show
        return
