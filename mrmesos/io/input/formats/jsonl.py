"""JSON lines: exact Python objects for a Mapper, Arrow columns for a BatchMapper."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.json as pajson

from mrmesos.api.formats import JsonLinesInput
from mrmesos.api.split import FileSlice, InputTable, Split
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.input.formats.file_columns import check_given, partition_values, with_partitions
from mrmesos.io.input.formats.rows import (
    BadRows,
    ParsedLines,
    Parsing,
    arrow_says,
    left_out,
    tables,
)
from mrmesos.io.input.formats.types import types_of
from mrmesos.io.input.text.lines import BYTE_ORDER_MARK, LineBlock, line_blocks, parsed_blocks
from mrmesos.io.input.text.source import AsText

_decoder = msgspec.json.Decoder()


def read_json_lines(
    split: Split,
    fmt: JsonLinesInput,
    *,
    batch_bytes: int = 1 << 20,
    records: bool = True,
    table: InputTable | None = None,
) -> Iterator[InputBatch]:
    """The rows of the split in order. Raises InputError.

    With `records` and without types, the values are the objects that `msgspec.json` decodes from
    the lines, and the column `value` holds the lines.
    """
    if records and not fmt.types:
        yield from _objects(split, fmt, batch_bytes, table)
        return
    schema = pa.schema(list(types_of("JsonLinesInput", fmt.types).items())) if fmt.types else None

    def parse(lines: ParsedLines, first: int, last: int) -> pa.RecordBatch:
        return _columns(lines, first, last, schema)

    parsing = Parsing(parse, fmt.on_error, _as_text(fmt))
    for piece in split.slices:
        blocks = _blocks(piece, fmt, batch_bytes)
        values = partition_values(piece.uri, table)
        shown = partial(with_partitions, piece.uri, table=table, values=values)
        yield from tables(piece.uri, blocks, parsing, strip=True, shown=shown)


def _objects(
    split: Split, fmt: JsonLinesInput, batch_bytes: int, table: InputTable | None
) -> Iterator[InputBatch]:
    parsing = Parsing(_decoded, fmt.on_error, _as_text(fmt))
    for piece in split.slices:
        values = partition_values(piece.uri, table)
        for block in _blocks(piece, fmt, batch_bytes):
            lines = ParsedLines(block, strip=True)
            for first, last, objects in parsing.over(lines):
                if values:
                    _update(piece.uri, objects, values)
                keys = pa.array(lines.places(first, last))
                text = _line_column(lines, first, last)
                yield InputBatch(
                    piece.uri,
                    pa.RecordBatch.from_arrays([keys, text], ["key", "value"]),
                    objects=objects,
                    stored=lines.stored(first, last),
                    skipped=parsing.take_skipped(),
                )
            yield from left_out(piece.uri, parsing)


def _update(uri: str, objects: list[Any], values: dict[str, int | str | None]) -> None:
    """Add columns to the objects. JSON values of other kinds stay as they are."""
    for each in objects:
        if isinstance(each, dict):
            check_given(uri, values.keys() & each.keys(), values)
            each.update(values)


def _blocks(piece: FileSlice, fmt: JsonLinesInput, batch_bytes: int) -> Iterator[LineBlock]:
    blocks = line_blocks(piece, batch_bytes, fmt.max_line_bytes, _as_text(fmt))
    return parsed_blocks(blocks, fmt.encoding)


def _as_text(fmt: JsonLinesInput) -> AsText:
    return AsText(fmt.compression, fmt.encoding, parsed=True)


def _line_column(lines: ParsedLines, first: int, last: int) -> pa.Array:
    """The lines with their line ends. The error message of a failed mapper shows the line."""
    offsets = pa.py_buffer(lines.bounds(first, last).astype("int32"))
    return pa.Array.from_buffers(
        pa.binary(), last - first, [None, offsets, pa.py_buffer(lines.data(first, last))]
    )


def _decoded(lines: ParsedLines, first: int, last: int) -> list[Any]:
    data = lines.data(first, last)
    try:
        objects = _decoder.decode_lines(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        found = _as_python_writes(data.tobytes())
        if found is None:
            raise BadRows(_wrong_with(lines, first, last, str(exc))) from None
        objects = found
    if len(objects) != last - first:
        raise BadRows("it is not one JSON value")
    return objects


def _as_python_writes(data: bytes) -> list[Any] | None:
    """The lines as `json.loads` reads them: it also takes NaN, Infinity and lone surrogates."""
    try:
        return [json.loads(line) for line in data.split(b"\n") if line.strip()]
    except (ValueError, RecursionError):
        return None


def _wrong_with(lines: ParsedLines, first: int, last: int, problem: str) -> str:
    """The mistake in one line that is not JSON, and the remedy if the file is other JSON."""
    if last - first > 1:
        return problem  # each half is tried
    try:
        text = lines.data(first, last).tobytes().decode().strip()
        json.loads(text)
    except UnicodeDecodeError as exc:
        return f"it is not UTF-8 ({exc.reason}); set encoding=... if the file has another encoding"
    except json.JSONDecodeError as exc:
        found = f"{exc.msg} at character {exc.pos + 1}"
        rest = text[exc.pos :]
        if exc.msg == "Extra data" and (rest in (",", "]", ",]") or rest.startswith(":")):
            return f"{found}: {_OVER_LINES}"  # an item of an array or an object
        if text in ("]", "}", "],", "},"):
            return f"{found}: {_OVER_LINES}"
        if not rest or exc.msg.startswith("Unterminated"):
            at_start = int(lines.places(first, last)[0]) <= len(BYTE_ORDER_MARK)
            return f"{found}: {_OVER_LINES if at_start else _CUT_OFF}"
        return found
    except (ValueError, RecursionError):
        return problem
    return problem


_OVER_LINES = (
    "JSON lines have one value a line, but here an array or an object seems to go over "
    "several lines; make lines of it (jq -c '.[]' FILE for an array, jq -c . FILE for objects)"
)
_CUT_OFF = "the line ends before its value does, so it may have been cut off"


def _wrong_column(
    lines: ParsedLines, first: int, last: int, schema: pa.Schema | None, problem: str
) -> str:
    """The reason why Arrow cannot turn one line into columns."""
    if last - first > 1:
        return problem
    found = _wrong_with(lines, first, last, "")
    if found:
        return found
    row = json.loads(lines.data(first, last).tobytes())
    if not isinstance(row, dict):
        array = "; make lines of an array: jq -c '.[]' FILE" if isinstance(row, list) else ""
        return f"it is not a JSON object, and has no columns{array}"
    for field in schema or ():
        value = row.get(field.name)
        alone = json.dumps({field.name: value}).encode()
        try:
            _parsed(memoryview(alone), pa.schema([field]))
        except pa.ArrowException:
            return f"column {field.name!r}: {json.dumps(value):.60} is not {field.type}"
    return problem


def _columns(lines: ParsedLines, first: int, last: int, schema: pa.Schema | None) -> pa.RecordBatch:
    data = lines.data(first, last)
    if last - first == 1:
        data = memoryview(data.tobytes().lstrip(b" \t"))
    # Arrow reads a `null` between objects as an object, and crashes if the first line is `null`.
    if not (
        bytes(data[:1]) == b"{" and (last - first == 1 or lines.all_begin_with(b"{", first, last))
    ):
        raise BadRows(_wrong_column(lines, first, last, schema, "it is not a JSON object"))
    try:
        table = _parsed(data, schema)
        table.validate(full=True)  # finds text that is not UTF-8
    except (pa.ArrowException, UnicodeDecodeError) as exc:  # the latter comes from column names
        raise BadRows(_wrong_column(lines, first, last, schema, arrow_says(exc))) from None
    if table.num_rows != last - first:
        raise BadRows("it is not one JSON object")
    return table.combine_chunks().to_batches()[0]


def _parsed(data: memoryview, schema: pa.Schema | None) -> pa.Table:
    read = pajson.ReadOptions(use_threads=False, block_size=len(data) + 1)
    parse = pajson.ParseOptions(
        explicit_schema=schema,
        unexpected_field_behavior="infer" if schema is None else "ignore",
    )
    return pajson.read_json(pa.BufferReader(data), read, parse)
