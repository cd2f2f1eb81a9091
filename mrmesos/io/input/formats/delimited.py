"""CSV and similar formats: the header of each file, and the batches of its rows."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import pyarrow as pa
from msgspec.structs import replace

from mrmesos.api.formats import CsvInput
from mrmesos.api.split import FileSlice, InputTable, Split
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.input.formats.csv_parser import CsvParser
from mrmesos.io.input.formats.file_columns import (
    check_given,
    check_names,
    partition_values,
    with_partitions,
)
from mrmesos.io.input.formats.planning import newlines_in_fields
from mrmesos.io.input.formats.rows import Parsing, tables
from mrmesos.io.input.formats.types import types_of
from mrmesos.io.input.text.csv_rows import Signs, csv_blocks
from mrmesos.io.input.text.lines import LineBlock, Positions, line_spans
from mrmesos.io.input.text.source import AsText

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
        check_given(piece.uri, [name for name in names if name in (fmt.columns or names)], values)
        parse = _parser(piece.uri, fmt, names, types, values).parse
        parsing = Parsing(parse, fmt.on_error, _as_text(fmt))

        def shown(
            columns: pa.RecordBatch,
            uri: str = piece.uri,
            values: dict[str, int | str | None] = values,
        ) -> pa.RecordBatch:
            whole = with_partitions(uri, columns, table, values)
            if fmt.missing_columns == "null":
                whole = _with_missing(whole, fmt, types)
            return whole.select(list(fmt.columns)) if fmt.columns else whole

        yield from tables(piece.uri, blocks, parsing, shown=shown)


def _headed(
    piece: FileSlice, fmt: CsvInput, batch_bytes: int
) -> tuple[list[str], Iterator[LineBlock]]:
    """The names of the columns, and the slice's blocks of rows without the header."""
    blocks = _blocks(piece, fmt, batch_bytes)
    if not fmt.header:
        return list(fmt.names), blocks
    if not piece.start:
        top = next(blocks, None)
        if top is None:
            return [], blocks
        return _names(top, fmt), chain(_without_first_row(top), blocks)
    # Comments may come before the header, so it may lie in any slice.
    top = next(_blocks(FileSlice(piece.uri, 0, -1), fmt, _HEADER_BYTES), None)
    if top is None:
        return [], blocks
    return _names(top, fmt), _behind(blocks, _places(top)[0])


def _blocks(piece: FileSlice, fmt: CsvInput, batch_bytes: int) -> Iterator[LineBlock]:
    return csv_blocks(
        piece,
        _as_text(fmt),
        Signs.of(fmt.quote, fmt.escape, fmt.comment),
        batch_bytes=batch_bytes,
        max_row=fmt.max_line_bytes,
        newlines_in_fields=newlines_in_fields(fmt),
    )


def _as_text(fmt: CsvInput) -> AsText:
    return AsText(fmt.compression, fmt.encoding, parsed=True)


def _places(block: LineBlock) -> Positions:
    """The offsets in the file at which the rows of a block begin."""
    if block.starts is not None:
        return block.starts
    starts, _, _ = line_spans(block)
    return starts + block.offset


def _behind(blocks: Iterator[LineBlock], header: int) -> Iterator[LineBlock]:
    """The blocks without the header, if one of them contains it."""
    for block in blocks:
        if block.offset <= header < block.offset + len(block.data) and header in _places(block):
            yield from _without_first_row(block)
        else:
            yield block


def _names(block: LineBlock, fmt: CsvInput) -> list[str]:
    """The column names in the header, which is the first row of the block."""
    if fmt.names:
        return list(fmt.names)
    _, lengths, _ = line_spans(block)
    row = block.data[: int(lengths[0])].tobytes()
    try:
        signs: dict[str, Any] = {"quotechar": fmt.quote} if fmt.quote else {"quoting": 3}
        signs["escapechar"] = fmt.escape or None
        names = next(csv.reader([row.decode()], delimiter=fmt.separator, **signs), [])
    except (UnicodeDecodeError, csv.Error) as exc:
        words = str(exc)
        if isinstance(exc, csv.Error) and b"\r" in row.removesuffix(b"\n").removesuffix(b"\r"):
            words = "rows end in \\r alone, but must end in \\n; convert the file (tr '\\r' '\\n')"
        raise InputError(f"{block.uri}: its header cannot be read: {words}") from exc
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


def _with_missing(
    whole: pa.RecordBatch, fmt: CsvInput, types: dict[str, pa.DataType]
) -> pa.RecordBatch:
    for name in dict.fromkeys((*fmt.columns, *types)):
        if name not in whole.schema.names:
            whole = whole.append_column(
                name, pa.nulls(whole.num_rows, types.get(name, pa.string()))
            )
    return whole


def _parser(
    uri: str,
    fmt: CsvInput,
    names: list[str],
    types: dict[str, pa.DataType],
    others: Iterable[str],
) -> CsvParser:
    """`others` are columns that are not in the file."""
    known, read = {*names, *others}, [name for name in fmt.columns if name not in set(others)]
    if names and fmt.missing_columns == "null":
        read = [name for name in read if name in known]
        types = {name: kind for name, kind in types.items() if name in known}
    elif names:
        try:
            check_names(f"{uri}: has no", fmt.columns, [*names, *others])
            check_names(f"{uri}: has no", types, names)
        except InputError as exc:
            hint = 'missing_columns="null" in CsvInput gives None for columns that a file lacks'
            raise InputError(f"{exc}; {hint}") from None
    if fmt.columns and not read:
        read = names[:1]  # which tells how many rows there are
    return CsvParser(fmt, names, read, types)
