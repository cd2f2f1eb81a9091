"""Part files of lines and of plain bytes. Each batch is rendered and appended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from mrmesos.api.formats import (
    BytesOutput,
    CsvOutput,
    JsonLinesOutput,
    OutputFormat,
    TextOutput,
)
from mrmesos.io.columns.schema import KEY, VALUE, RecordTypeError
from mrmesos.io.columns.table_schema import MisfitColumn
from mrmesos.io.columns.tabular import plain_batch
from mrmesos.io.output.culprit import record_fault
from mrmesos.io.output.declared import declared_schema, fitted
from mrmesos.io.output.output_file import CountedFile, close_quietly, compressed, unwritable
from mrmesos.io.output.render import text_lines
from mrmesos.io.output.render_rows import (
    NotRows,
    csv_header,
    csv_lines,
    json_lines,
    plain_bytes,
    rows_of,
)

Render = Callable[[pa.RecordBatch], Iterator[Any]]
"""Renders a batch to bytes for the file. The first batch may add a header."""

_ROWS_AT_ONCE = 1 << 16


def render_of(fmt: OutputFormat) -> Render:
    """The render function of a format of lines or bytes."""
    return _RENDERS[type(fmt)](fmt)


class _Csv:
    """Rows of key and value; CsvRecordsWriter writes records."""

    def __init__(self, fmt: CsvOutput) -> None:
        self._separator, self._schema = fmt.separator, declared_schema(fmt)
        self._header = fmt.header

    def __call__(self, batch: pa.RecordBatch) -> Iterator[Any]:
        if self._header:
            self._header = False
            yield csv_header([KEY, VALUE], self._separator)
        yield csv_lines(_pairs(batch, self._schema), self._separator)


class _JsonLines:
    def __init__(self, fmt: JsonLinesOutput) -> None:
        self._records, self._schema = fmt.records, declared_schema(fmt)

    def __call__(self, batch: pa.RecordBatch) -> Iterator[Any]:
        if self._schema is None or not self._records:
            yield json_lines(_pairs(batch, self._schema), records=self._records)
            return
        rows = fitted(rows_of(batch), self._schema, complete=True).to_struct_array()
        keys = pa.nulls(batch.num_rows)
        yield json_lines(pa.RecordBatch.from_arrays([keys, rows], [KEY, VALUE]), records=True)


def _pairs(batch: pa.RecordBatch, schema: pa.Schema | None) -> pa.RecordBatch:
    batch = batch.select([KEY, VALUE])
    return batch if schema is None else fitted(plain_batch(batch), schema, complete=False)


_RENDERS: dict[type, Callable[[Any], Render]] = {
    TextOutput: lambda fmt: lambda batch: iter((text_lines(batch, fmt.separator),)),
    JsonLinesOutput: _JsonLines,
    CsvOutput: _Csv,
    BytesOutput: lambda _: lambda batch: iter((plain_bytes(batch),)),
}
_FAILURES = (NotRows, RecordTypeError, MisfitColumn, pa.ArrowException, ValueError, OverflowError)


class LineWriter:
    """A Writer of lines or bytes. `name` is the format's name; `footer` makes the file's end."""

    pickled = 0

    def __init__(
        self,
        uri: str,
        file: CountedFile,
        name: str,
        render: Render,
        compression: str,
        footer: Callable[[], bytes] = bytes,
    ) -> None:
        self._uri, self._file = uri, compressed(file, compression)
        self._counted, self._records = file, 0
        self._render, self._footer = render, footer
        self._as = name

    def write(self, batch: pa.RecordBatch) -> None:
        for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
            piece = batch.slice(start, _ROWS_AT_ONCE)
            try:
                for data in self._render(piece):
                    self._file.write(data)
            except OSError as exc:
                raise unwritable(self._uri, exc) from exc
            except _FAILURES as exc:  # years past 9999 ...
                raise record_fault(
                    f"{self._uri}: {self._as}",
                    piece,
                    self._records,
                    lambda piece: list(self._render(piece)),
                    _FAILURES,
                    exc,
                ) from exc
            self._records += piece.num_rows

    def close(self) -> tuple[int, int]:
        try:
            self._file.write(self._footer())
            self._file.close()
        except OSError as exc:
            raise unwritable(self._uri, exc) from exc
        return self._records, self._counted.bytes

    def abort(self) -> None:
        self._counted.given_up = True
        close_quietly(self._file)
