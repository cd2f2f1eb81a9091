"""CSV and similar formats: Arrow parses blocks of whole rows.

If a field may contain newlines, the quotes decide where a row ends.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from mrmesos.api.formats import CsvInput
from mrmesos.api.split import FileSlice, InputTable, Split
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.input.formats.file_columns import (
    check_names,
    partition_values,
    with_partitions,
)
from mrmesos.io.input.formats.line_source import AsText, LineSource
from mrmesos.io.input.formats.lines import (
    NEWLINE,
    LineBlock,
    Positions,
    line_blocks,
    line_spans,
    parsed_blocks,
    too_long,
)
from mrmesos.io.input.formats.rows import BadRows, ParsedLines, Parsing, arrow_says, tables
from mrmesos.io.input.formats.types import types_of

_HEADER_BYTES = 1 << 16


def read_csv(
    split: Split,
    fmt: CsvInput,
    *,
    batch_bytes: int = 1 << 20,
    table: InputTable | None = None,
) -> Iterator[InputBatch]:
    """The rows of the split in order, as a struct column. Raises InputError."""
    types = types_of("CsvInput", fmt.types)
    for piece in split.slices:
        names, blocks = _headed(piece, fmt, batch_bytes)
        values = partition_values(piece.uri, table)
        parsing = Parsing(_Parser.of(piece.uri, fmt, names, types, values).parse, fmt.on_error)

        def shown(
            columns: pa.RecordBatch, values: dict[str, int | str | None] = values
        ) -> pa.RecordBatch:
            whole = with_partitions(columns, table, values)
            return whole.select(list(fmt.columns)) if fmt.columns else whole

        yield from tables(piece.uri, blocks, parsing, shown=shown)


def _headed(
    piece: FileSlice, fmt: CsvInput, batch_bytes: int
) -> tuple[list[str], Iterator[LineBlock]]:
    """The names of the columns, and the slice's blocks of rows without the header."""
    blocks = _blocks(piece, fmt, batch_bytes)
    if not fmt.header:
        return list(fmt.names), blocks
    if piece.start > 0:
        top = next(_blocks(FileSlice(piece.uri, 0, 1), fmt, _HEADER_BYTES), None)
        return ([] if top is None else _names(top, fmt)), blocks
    top = next(blocks, None)
    if top is None:
        return [], blocks
    return _names(top, fmt), chain(_without_first_row(top), blocks)


def _blocks(piece: FileSlice, fmt: CsvInput, batch_bytes: int) -> Iterator[LineBlock]:
    text = AsText(fmt.compression, fmt.encoding, parsed=True)
    blocks = (
        _quoted_blocks(piece.uri, fmt, batch_bytes, text)
        if _newlines_in_fields(fmt)
        else line_blocks(piece, batch_bytes, fmt.max_line_bytes, text)
    )
    return parsed_blocks(blocks, fmt.encoding)


def _newlines_in_fields(fmt: CsvInput) -> bool:
    return bool(fmt.quote and fmt.newlines_in_fields)


def _quoted_blocks(uri: str, fmt: CsvInput, batch_bytes: int, text: AsText) -> Iterator[LineBlock]:
    """Blocks of whole rows. A newline ends a row if the number of quotes before it is even."""
    quote, max_row = ord(fmt.quote), fmt.max_line_bytes
    with LineSource(uri, 0, text=text) as source:
        tail, first = np.empty(0, np.uint8), 0
        while not source.ended:
            data = source.read_behind(tail, max(batch_bytes, len(tail)))
            newlines = np.flatnonzero(data == NEWLINE)
            quotes = np.flatnonzero(data == quote)
            ends = newlines[np.searchsorted(quotes, newlines) % 2 == 0]
            cut = len(data) if source.ended else int(ends[-1]) + 1 if len(ends) else 0
            if cut:
                yield LineBlock(uri, first, data[:cut], ends, max_row)
            tail, first = data[cut:], first + cut
            if len(tail) > max_row:
                raise too_long(uri, first, max_row)


def _names(block: LineBlock, fmt: CsvInput) -> list[str]:
    """The column names in the header, which is the first row of the block."""
    if fmt.names:
        return list(fmt.names)
    _, lengths, _ = line_spans(block)
    row = block.data[: int(lengths[0])].tobytes()
    try:
        quoting: dict[str, Any] = {"quotechar": fmt.quote} if fmt.quote else {"quoting": 3}
        names = next(csv.reader([row.decode()], delimiter=fmt.separator, **quoting), [])
    except (UnicodeDecodeError, csv.Error) as exc:
        raise InputError(f"{block.uri}: its header cannot be read: {exc}") from exc
    if not names or len(set(names)) < len(names):
        wrong = "is empty" if not names else "names a column twice"
        raise InputError(
            f"{block.uri}: its header {wrong}; name the columns with CsvInput(names=...), and set "
            "header=False if the first row is not a header"
        )
    return names


def _without_first_row(block: LineBlock) -> Iterator[LineBlock]:
    cut = int(block.newlines[0]) + 1 if len(block.newlines) else len(block.data)
    if cut < len(block.data):
        yield replace(
            block,
            offset=block.offset + cut,
            data=block.data[cut:],
            newlines=block.newlines[1:] - cut,
            starts=None if block.starts is None else block.starts[1:],
        )


@dataclass(frozen=True, slots=True)
class _Parser:
    names: list[str]
    quote: str
    options: pacsv.ParseOptions
    convert: pacsv.ConvertOptions

    @classmethod
    def of(
        cls,
        uri: str,
        fmt: CsvInput,
        names: list[str],
        types: dict[str, pa.DataType],
        others: Iterable[str],
    ) -> _Parser:
        """`others` are columns that do not stand in the file."""
        if names:
            check_names(f"{uri}: has no", fmt.columns, [*names, *others])
            check_names(f"{uri}: has no", types, names)
        read = [name for name in fmt.columns if name not in set(others)]
        if fmt.columns and not read:
            read = names[:1]  # which tells how many rows there are
        return cls(
            names,
            fmt.quote,
            pacsv.ParseOptions(
                delimiter=fmt.separator,
                quote_char=fmt.quote or False,
                newlines_in_values=fmt.newlines_in_fields,
            ),
            pacsv.ConvertOptions(
                column_types={name: pa.string() for name in names} | types,
                include_columns=read,
                null_values=[""],
                strings_can_be_null=False,
            ),
        )

    def parse(self, lines: ParsedLines, first: int, last: int) -> pa.RecordBatch:
        data = lines.data(first, last)
        if self.quote and _some_open(data, lines.bounds(first, last), ord(self.quote)):
            raise BadRows('it has an unclosed quote; set quote="" if quotes have no meaning')
        read = pacsv.ReadOptions(
            use_threads=False, block_size=len(data) + 1, column_names=self.names
        )
        try:
            table = pacsv.read_csv(pa.BufferReader(data), read, self.options, self.convert)
        except pa.ArrowException as exc:
            raise BadRows(arrow_says(exc)) from None
        if table.num_rows != last - first:
            raise BadRows(f"its quotes make it one row, but Arrow finds {table.num_rows} rows")
        return table.combine_chunks().to_batches()[0]


def _some_open(data: memoryview, bounds: Positions, quote: int) -> bool:
    """Whether a row has an odd number of quotes. Arrow could read two such rows as one."""
    quotes = np.flatnonzero(np.frombuffer(data, np.uint8) == quote)
    return bool(len(quotes)) and bool((np.diff(np.searchsorted(quotes, bounds)) % 2).any())
