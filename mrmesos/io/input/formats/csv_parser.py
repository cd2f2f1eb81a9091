"""Parsing rows of CSV with Arrow, and saying in our words what is wrong with one.

Input: the lines of a block. Output: a batch of columns, or BadRows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from mrmesos.api.formats import CsvInput
from mrmesos.io.input.formats.rows import BadRows, ParsedLines, arrow_says
from mrmesos.io.input.text.csv_rows import Signs
from mrmesos.io.input.text.lines import NEWLINE

_SHOWN_CHARS = 60


@dataclass(slots=True)
class _Counts:
    """The rows of one call of Arrow whose number of fields is not the number of columns."""

    skips: bool
    found: dict[int, int] = field(default_factory=dict)

    def __call__(self, row: Any) -> str:
        self.found[row.number - 1] = row.actual_columns
        return "skip" if self.skips and row.actual_columns < row.expected_columns else "error"


class CsvParser(msgspec.Struct, frozen=True):
    """Parses rows of a file with these columns; reads `columns` of them."""

    fmt: CsvInput
    names: Sequence[str]
    columns: Sequence[str]
    types: dict[str, pa.DataType]

    def parse(self, lines: ParsedLines, first: int, last: int) -> pa.RecordBatch:
        """The rows `[first, last)`. Raises BadRows. For a single row, the message says what is
        wrong.
        """
        data, bounds = lines.data(first, last), lines.bounds(first, last)
        self._check_signs(data, bounds)
        counts = _Counts(skips=self.fmt.short_rows == "null")
        try:
            table = self._read(data, counts)
            if counts.found:
                table = self._read(_padded(data, bounds, counts.found, self), _Counts(False))
                table = self._with_nulls(table, counts.found)
        except pa.ArrowException as exc:
            if last - first > 1:
                raise BadRows("") from None  # each half is tried
            raise BadRows(self._wrong_with(data, counts, exc)) from None
        if table.num_rows != last - first:
            raise BadRows(f"its quotes make it one row, but Arrow finds {table.num_rows} rows")
        return table.combine_chunks().to_batches()[0]

    def _check_signs(self, data: memoryview, bounds: np.ndarray) -> None:
        """A row has no open quote and no open escape: Arrow would read two such rows as one."""
        row = np.frombuffer(data, np.uint8)
        signs = Signs.of(self.fmt.quote, self.fmt.escape, "")
        quotes = signs.quotes(row)
        if len(quotes) and (np.diff(np.searchsorted(quotes, bounds)) % 2).any():
            raise BadRows('it has an unclosed quote; set quote="" if quotes have no meaning')
        ends = bounds[1:] - 1
        if self.fmt.escape and signs.escapes(row, ends[row[ends] == NEWLINE]):
            raise BadRows(
                f"its end is escaped by {self.fmt.escape!r}; if fields contain newlines, set "
                "newlines_in_fields=True"
            )

    def _read(
        self,
        data: Any,
        counts: Callable[[Any], str],
        types: dict[str, pa.DataType] | None = None,
    ) -> pa.Table:
        read = pacsv.ReadOptions(
            use_threads=False, block_size=len(data) + 1, column_names=self.names
        )
        parse = pacsv.ParseOptions(
            delimiter=self.fmt.separator,
            quote_char=self.fmt.quote or False,
            escape_char=self.fmt.escape or False,
            newlines_in_values=self.fmt.newlines_in_fields,
            invalid_row_handler=counts,
        )
        kinds = {name: pa.string() for name in self.names} | self.types if types is None else types
        convert = pacsv.ConvertOptions(
            column_types=kinds,
            include_columns=list(self.columns),
            null_values=[""],
            strings_can_be_null=False,
        )
        return pacsv.read_csv(pa.BufferReader(data), read, parse, convert)

    def _with_nulls(self, table: pa.Table, short: dict[int, int]) -> pa.Table:
        """Replace by null the values that come from the padding of short rows."""
        fields = np.full(table.num_rows, len(self.names))
        fields[list(short)] = list(short.values())
        columns = []
        for name, column in zip(table.column_names, table.columns, strict=True):
            missing = pa.array(fields <= self.names.index(name))
            columns.append(pc.if_else(missing, pa.scalar(None, column.type), column))
        return pa.table(columns, names=table.column_names)

    def _wrong_with(self, data: memoryview, counts: _Counts, exc: Exception) -> str:
        """The mistake in one row."""
        for actual in counts.found.values():
            few = actual < len(self.names)
            hint = '; for null in their place set short_rows="null"' if few else ""
            return f"it has {actual} fields, but there are {len(self.names)} columns{hint}"
        try:
            row = self._read(data, _Counts(False), dict.fromkeys(self.names, pa.binary()))
        except pa.ArrowException:
            return arrow_says(exc)
        for name, [value] in row.to_pydict().items():
            kind = self.types.get(name, pa.string())
            kinds = dict.fromkeys(self.names, pa.binary()) | {name: kind}
            try:
                self._read(data, _Counts(False), kinds)
            except pa.ArrowException:
                if pa.types.is_string(kind):
                    return (
                        f"column {name!r}: {_shown(value)} is not UTF-8; set encoding=... if the "
                        "file has another encoding"
                    )
                return f"column {name!r}: {_shown(value)} is not {kind}"
        return arrow_says(exc)


def _shown(value: bytes | None) -> str:
    try:
        text = repr((value or b"").decode())
    except UnicodeDecodeError:
        text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def _padded(
    data: memoryview, bounds: np.ndarray, short: dict[int, int], parser: CsvParser
) -> bytes:
    """The rows with separators for the fields that short rows lack."""
    pieces, at = [], 0
    for row, fields in sorted(short.items()):
        end = int(bounds[row + 1])
        line = bytes(data[int(bounds[row]) : end])
        text = line.rstrip(b"\r\n")
        lacking = parser.fmt.separator.encode() * (len(parser.names) - fields)
        pieces += [bytes(data[at : int(bounds[row])]), text, lacking, line[len(text) :]]
        at = end
    return b"".join([*pieces, bytes(data[at:])])
