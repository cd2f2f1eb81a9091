"""CSV files of records: every file of an output has the same columns, in one header.

A column that first appears in a later row is empty in the rows before. If rows are already in the
file, the file becomes a segment, and a new file with more columns begins. At the end the segments
are joined: their rows are read and written again.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from mrmesos.api.formats import CsvOutput
from mrmesos.io.columns.schema import RecordTypeError
from mrmesos.io.columns.table_schema import MisfitColumn
from mrmesos.io.output.culprit import record_fault
from mrmesos.io.output.declared import declared_schema, fitted
from mrmesos.io.output.output_file import close_quietly, compressed, create, unwritable
from mrmesos.io.output.render_rows import NotRows, csv_header, csv_lines, rows_of

_ROWS_AT_ONCE = 1 << 16
_READ_BYTES = 1 << 20
_FAILURES = (RecordTypeError, NotRows, MisfitColumn, pa.ArrowException, ValueError, OverflowError)


class CsvRecordsWriter:
    """A Writer of CsvOutput(records=True)."""

    pickled = 0

    def __init__(self, fs: Any, path: str, fmt: CsvOutput) -> None:
        self._fs, self._path, self._fmt = fs, path, fmt
        self._declared = declared_schema(fmt)
        self._names = [] if self._declared is None else self._declared.names
        self._segments: list[tuple[str, list[str]]] = []
        self._records = 0
        self._begun: list[str] | None = None
        self._create()

    def _create(self) -> None:
        self._uri, self._counted = create(self._fs, self._path)
        self._file = compressed(self._counted, self._fmt.compression)

    @property
    def schema(self) -> pa.Schema:
        """The columns of all records so far. In CSV they have no types."""
        return pa.schema([pa.field(name, pa.null()) for name in self._names])

    def write(self, batch: pa.RecordBatch) -> None:
        for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
            piece = batch.slice(start, _ROWS_AT_ONCE)
            try:
                rows = self._rows(piece)
                names = list(dict.fromkeys([*self._names, *rows.schema.names]))
                lines: Any = b"\n" * piece.num_rows
                if names:
                    lines = csv_lines(_in_order(rows, names), self._fmt.separator)
            except _FAILURES as exc:
                raise record_fault(
                    self._uri, piece, self._records, self._lines, _FAILURES, exc
                ) from exc
            try:
                self._begin(names)
                self._file.write(lines)
            except OSError as exc:
                raise unwritable(self._uri, exc) from exc
            self._records += piece.num_rows

    def _rows(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        rows = rows_of(batch)
        return rows if self._declared is None else fitted(rows, self._declared, complete=True)

    def _lines(self, batch: pa.RecordBatch) -> object:
        rows = self._rows(batch)
        return csv_lines(rows, self._fmt.separator) if rows.num_columns else None

    def _begin(self, names: list[str]) -> None:
        """Begin the file, or one with more columns."""
        self._names = names
        if names == self._begun:
            return
        if self._begun is not None:
            self._set_aside(self._begun)
        self._file.write(_header(self._fmt, names))
        self._begun = names

    def _set_aside(self, names: list[str]) -> None:
        self._file.close()
        segment = f"{self._path}.{len(self._segments)}"
        self._fs.mv(self._path, segment)
        self._segments.append((segment, names))
        self._create()

    def close(self) -> tuple[int, int]:
        try:
            self._begin(self._names)
            if self._segments:
                self._set_aside(self._names)
                self._file.write(_header(self._fmt, self._names))
                for segment, names in self._segments:
                    with self._fs.open(segment, "rb") as file:
                        for data in copied(self._fmt, file, names, self._names):
                            self._file.write(data)
                    self._fs.rm(segment)
            self._file.close()
        except OSError as exc:
            raise unwritable(self._uri, exc) from exc
        return self._records, self._counted.bytes

    def abort(self) -> None:
        self._counted.given_up = True
        close_quietly(self._file)


def rewritten(
    fmt: CsvOutput, file: Any, known: Sequence[str], written: Any, names: Sequence[str]
) -> None:
    """Write a file with the columns `known` again, with the columns `names`. Raises OSError."""
    into = compressed(written, fmt.compression)
    into.write(_header(fmt, names))
    for data in copied(fmt, file, known, names):
        into.write(data)
    into.close()


def _header(fmt: CsvOutput, names: Sequence[str]) -> bytes:
    """The header. It is empty while no record has a column."""
    return bytes(csv_header(names, fmt.separator)) if fmt.header and names else b""


def has_columns(fmt: CsvOutput, file: Any, names: Sequence[str]) -> bool:
    """Whether the header of a file is the one for these columns."""
    row = next(_rows_in(_decompressed(file, fmt.compression)), None)
    if row is None:
        return False
    if fmt.header:
        return row + b"\n" == _header(fmt, names)
    return len(_fields(row, fmt.separator.encode())) == len(names)


def copied(
    fmt: CsvOutput, file: Any, known: Sequence[str], names: Sequence[str]
) -> Iterator[bytes]:
    """The rows of a file without its header, brought to the columns `names`."""
    separator = fmt.separator.encode()
    places = [known.index(name) if name in known else len(known) for name in names]
    rows = _rows_in(_decompressed(file, fmt.compression))
    if fmt.header and known:
        next(rows, None)
    for row in rows:
        fields = [*_fields(row, separator), b""]
        yield separator.join([fields[place] for place in places]) + b"\n"


def _decompressed(file: Any, compression: str) -> Any:
    if compression == "none":
        return file
    if compression == "xz":
        return lzma.LZMAFile(file)
    return pa.CompressedInputStream(pa.PythonFile(file, mode="r"), compression)


def _rows_in(file: Any) -> Iterator[bytes]:
    """The rows without their ends. A newline between quotes belongs to its row."""
    rest, row, quoted = b"", [], 0
    while chunk := file.read(_READ_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            row.append(line)
            quoted ^= line.count(b'"') & 1
            if not quoted:
                yield b"\n".join(row)
                row = []


def _fields(row: bytes, separator: bytes) -> list[bytes]:
    """The fields as they are, quotes included."""
    parts = row.split(separator)
    if b'"' not in row:
        return parts
    fields: list[list[bytes]] = []
    quoted = 0
    for part in parts:
        if quoted:
            fields[-1].append(part)
        else:
            fields.append([part])
        quoted ^= part.count(b'"') & 1
    return [separator.join(field) for field in fields]


def _in_order(rows: pa.RecordBatch, names: list[str]) -> pa.RecordBatch:
    """The columns in this order. Missing ones are null."""
    if rows.schema.names == names:
        return rows
    fields, columns = [], []
    for name in names:
        index = rows.schema.get_field_index(name)
        fields.append(rows.schema.field(index) if index >= 0 else pa.field(name, pa.null()))
        columns.append(rows.column(index) if index >= 0 else pa.nulls(rows.num_rows))
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))
