"""Lines as mrjob's protocols write them, and the columns in which they travel.

In the shuffle, the key is the part before the first tab (or as the job's `stream.*` settings say),
and the value is the rest. In an output, the key is the whole line, and the value is None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa

from mrmesos.io.columns.schema import KEY, VALUE
from mrmesos.io.output.render import text_lines
from mrmesos.streaming.lines import cut_lines
from mrmesos.streaming.spec import Fields

Cut = Callable[[bytes], tuple[bytes, bytes | None]]


def cutter(fields: Fields) -> Cut:
    """Cuts a line into key and value. The value is None if the line has too few separators."""
    separator, count = fields.output_separator.encode(), fields.key_fields

    def first(line: bytes) -> tuple[bytes, bytes | None]:
        key, found, value = line.partition(separator)
        return key, value if found else None

    def nth(line: bytes) -> tuple[bytes, bytes | None]:
        parts = line.split(separator, count)
        if len(parts) <= count:
            return line, None
        return separator.join(parts[:count]), parts[count]

    return first if count == 1 else nth


def keyed(lines: list[bytes], fields: Fields) -> pa.RecordBatch:
    """Lines for the shuffle."""
    data = b"\n".join([*lines, b""])
    if data.count(b"\n") == len(lines):
        return cut_lines(data, fields.output_separator.encode(), fields.key_fields, final=True)
    pairs = [*map(cutter(fields), lines)]  # a protocol has written a newline
    columns = [pa.array([pair[at] for pair in pairs], pa.binary()) for at in (0, 1)]
    return pa.RecordBatch.from_arrays(columns, names=[KEY, VALUE])


def whole(lines: list[bytes]) -> pa.RecordBatch:
    """Lines for an output."""
    columns = [pa.array(lines, pa.binary()), pa.nulls(len(lines), pa.binary())]
    return pa.RecordBatch.from_arrays(columns, names=[KEY, VALUE])


def joined(batch: pa.RecordBatch, separator: bytes) -> Iterator[bytes]:
    """The lines of a batch from the shuffle, or of an output."""
    lines = bytes(memoryview(text_lines(batch, separator.decode()))).split(b"\n")
    if len(lines) == batch.num_rows + 1:
        yield from lines[:-1]
        return
    keys, values = batch.column(KEY).to_pylist(), batch.column(VALUE)
    if values.null_count == len(values):
        yield from keys
        return
    for key, value in zip(keys, values.to_pylist(), strict=True):
        yield key if value is None else key + separator + value


class LineSplitter:
    """Cuts a child's output into lines."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []

    def add(self, data: bytes) -> list[bytes]:
        """Take the next bytes. Returns the lines that end in them."""
        if b"\n" not in data:
            self._rest.append(data)
            return []
        first, *lines, rest = data.split(b"\n")
        found = [b"".join([*self._rest, first]), *lines]
        self._rest = [rest] if rest else []
        return found

    def end(self) -> list[bytes]:
        """The last line, if it does not end in a newline."""
        rest, self._rest = self._rest, []
        return [b"".join(rest)] if rest else []
