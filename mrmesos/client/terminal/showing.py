"""Shows outputs of any format as lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.client.terminal.csv_header import common_header, is_csv
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.columns.schema import KEY, VALUE
from mrmesos.io.input.read_back import columns_of, output_files, read_file
from mrmesos.io.input.text.lines import NEWLINE
from mrmesos.io.input.text.source import LineSource
from mrmesos.io.output.render import text_lines
from mrmesos.io.output.render_rows import json_lines

_READ_BYTES = 1 << 20


def shown(
    uris: Sequence[str], limit: int | None = None, *, all_headers: bool = False
) -> Iterator[bytes]:
    """Read the records at `uris` as lines, at most `limit`. Raises InputError.

    Text is decompressed, whatever the name of the file, and shown unchanged. Without `all_headers`,
    the header of CSV files is shown only once. Columns `key` and `value` are shown as TextOutput
    writes them, other columns as JSON. Unpickling would run code, so pickled objects stay packed.
    """
    left = limit
    if left == 0:
        return
    files = [info for uri in uris for info in output_files(uri)]
    texts, header = 0, b""
    for info in files:
        fmt = columns_of(info.uri) if info.size else None
        if fmt is None:
            chunks = _plain(info.uri)
            if info.size and is_csv(info.uri) and not all_headers:
                texts += 1
                if texts == 2:
                    header = common_header(files)
                if header:
                    chunks = _without(header, chunks)
        else:
            chunks = (_lines(given) for given in read_file(info, fmt, records=True))
        for chunk in chunks:
            if left is None:
                yield chunk
                continue
            some, left = _first_lines(chunk, left)
            yield some
            if not left:
                return


def _without(header: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks of a file without its header, which is in the first chunk."""
    for first in chunks:
        yield first.removeprefix(header)
        break
    yield from chunks


def _plain(uri: str) -> Iterator[bytes]:
    """The decompressed bytes of a file. A missing last newline is added."""
    nothing = np.empty(0, np.uint8)
    last = NEWLINE
    # BytesOutput writes any bytes, also the first bytes of compressed files.
    with LineSource(uri, 0, by_content=not uri.endswith(".bin")) as source:
        while not source.ended:
            data = source.read_behind(nothing, _READ_BYTES)
            if len(data):
                last = int(data[-1])
                yield data.tobytes()
    if last != NEWLINE:
        yield b"\n"


def _lines(given: InputBatch) -> bytes:
    if given.table:
        return json_lines(given.batch, records=True)
    return bytes(text_lines(_unpickled(given), "\t"))


def _unpickled(given: InputBatch) -> pa.RecordBatch:
    """Replace pickled objects by a short text."""
    columns: list[Any] = []
    for name in (KEY, VALUE):
        column = given.batch.column(name)
        if name in given.marked:
            sizes = pc.binary_length(column).cast(pa.string())
            column = pc.binary_join_element_wise("<a pickled object of ", sizes, " bytes>", "")
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, names=[KEY, VALUE])


def _first_lines(chunk: bytes, count: int) -> tuple[bytes, int]:
    """The first `count` lines of the chunk, and how many are still to come."""
    ends = np.flatnonzero(np.frombuffer(chunk, np.uint8) == NEWLINE)
    if len(ends) < count:
        return chunk, count - len(ends)
    return chunk[: int(ends[count - 1]) + 1], 0
