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
from mrmesos.io.columns.schema import KEY, VALUE, is_pickled
from mrmesos.io.fs.filesystem import OutputError, reason
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
"""Renders a batch to bytes for the file; the first batch may add a header."""

_ROWS_AT_ONCE = 1 << 16


def render_of(fmt: OutputFormat) -> Render:
    """The render function of a format of lines or bytes."""
    return _RENDERS[type(fmt)](fmt)


class _Csv:
    def __init__(self, fmt: CsvOutput) -> None:
        self._fmt = fmt
        self._names: list[str] = []

    def __call__(self, batch: pa.RecordBatch) -> Iterator[Any]:
        rows = rows_of(batch) if self._fmt.records else batch.select([KEY, VALUE])
        if not self._names:
            self._names = rows.schema.names
            if self._fmt.header:
                yield csv_header(self._names, self._fmt.separator)
        if rows.schema.names != self._names:
            raise NotRows(
                f"the file has the columns {', '.join(self._names)}, but now "
                f"{', '.join(rows.schema.names)} come"
            )
        yield csv_lines(rows, self._fmt.separator)


_RENDERS: dict[type, Callable[[Any], Render]] = {
    TextOutput: lambda fmt: lambda batch: iter((text_lines(batch, fmt.separator),)),
    JsonLinesOutput: lambda fmt: lambda batch: iter((json_lines(batch, records=fmt.records),)),
    CsvOutput: _Csv,
    BytesOutput: lambda _: lambda batch: iter((plain_bytes(batch),)),
}


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
            try:
                for data in self._render(batch.slice(start, _ROWS_AT_ONCE)):
                    self._file.write(data)
            except NotRows as exc:
                raise OutputError(f"{self._uri}: {exc}") from exc
            except OSError as exc:
                raise unwritable(self._uri, exc) from exc
            except (pa.ArrowException, ValueError, OverflowError) as exc:  # years past 9999 ...
                raise OutputError(
                    f"{self._uri}: {types_of(batch.schema)} cannot be written by {self._as}: "
                    f"{reason(exc)}"
                ) from exc
        self._records += batch.num_rows

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


def types_of(schema: pa.Schema) -> str:
    """The columns and their types, for messages."""
    return ", ".join(
        f"{field.name} {'(pickled)' if is_pickled(field) else field.type}" for field in schema
    )
