"""Parsing blocks of lines at once, and finding the bad lines in a block.

A parser of whole blocks says that something is wrong, but not in which line. So the block is parsed
again in halves, then in quarters, and so on. A bad line costs about twenty calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa

from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.columns.schema import KEY, VALUE
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.input.text.lines import LineBlock, Positions, line_number, line_spans
from mrmesos.io.input.text.source import AsText

T = TypeVar("T")

_MESSAGE_CHARS = 200
_SPACES = np.frombuffer(b" \t", np.uint8)


class BadRows(Exception):
    """The parser cannot read these lines; the message says why."""


class ParsedLines:
    """The lines of a block without empty lines; with `strip`, also without blank lines."""

    def __init__(self, block: LineBlock, *, strip: bool = False) -> None:
        starts, lengths, _ = line_spans(block)
        some = lengths > 0
        if strip:
            spaces = np.isin(block.data[np.where(some, starts, 0)], _SPACES) & some
            for line in np.flatnonzero(spaces).tolist():  # indented, or blank
                text = block.data[int(starts[line]) : int(starts[line] + lengths[line])]
                some[line] = bool(text.tobytes().strip(b" \t"))
        places = starts + block.offset if block.starts is None else block.starts
        if not some.all():
            starts, places = starts[some], places[some]
        self._data = block.data
        self._places = places
        self._bounds = np.append(starts, len(block.data))
        self.uri = block.uri

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def places(self, first: int, last: int) -> Positions:
        """File offsets of the lines `[first, last)`."""
        places: Positions = self._places[first:last]
        return places

    def bounds(self, first: int, last: int) -> Positions:
        """The start of each line within `data`, and the end of the last line."""
        bounds: Positions = self._bounds[first : last + 1] - self._bounds[first]
        return bounds

    def data(self, first: int, last: int) -> memoryview:
        """The bytes of these lines with line ends, including empty lines between them."""
        return self._data[int(self._bounds[first]) : int(self._bounds[last])].data

    def stored(self, first: int, last: int) -> int:
        """The number of bytes of these lines."""
        return int(self._bounds[last] - self._bounds[first])

    def all_begin_with(self, character: bytes, first: int, last: int) -> bool:
        """Whether each of these lines begins with `character`."""
        return bool((self._data[self._bounds[first:last]] == ord(character)).all())


@dataclass(slots=True)
class Parsing(Generic[T]):
    """A parser over blocks of lines. `skipped` counts skipped lines that are not yet reported.

    `parse(lines, first, last)` parses the lines `[first, last)` and raises BadRows. `text` says how
    the file is read, to number the line of a bad row.
    """

    parse: Callable[[ParsedLines, int, int], T]
    on_error: str
    text: AsText
    skipped: int = field(default=0, init=False)

    def over(self, lines: ParsedLines) -> Iterator[tuple[int, int, T]]:
        """Yields `(first, last, result of parse)` for runs of good lines.

        Raises InputError with file and offset at the first bad line, unless `on_error` is "skip".
        """
        waiting = [(0, len(lines))] if len(lines) else []
        while waiting:
            first, last = waiting.pop()
            try:
                parsed = self.parse(lines, first, last)
            except BadRows as exc:
                if last - first > 1:
                    middle = (first + last) // 2
                    waiting += ((middle, last), (first, middle))
                else:
                    self._bad(lines, first, exc)
                continue
            yield first, last, parsed

    def take_skipped(self) -> int:
        """The number of lines skipped since the last call."""
        taken, self.skipped = self.skipped, 0
        return taken

    def _bad(self, lines: ParsedLines, line: int, exc: BadRows) -> None:
        if self.on_error == "skip":
            self.skipped += 1
            return
        place = int(lines.places(line, line + 1)[0])
        number = line_number(lines.uri, place, self.text)
        counted = "" if number is None else f" (line {number})"
        raise InputError(
            f"{lines.uri}: the row at offset {place}{counted} cannot be read: {exc}; fix it, or "
            'skip bad rows with on_error="skip" in the input format'
        )


def tables(
    uri: str,
    blocks: Iterable[LineBlock],
    parsing: Parsing[pa.RecordBatch],
    *,
    strip: bool = False,
    shown: Callable[[pa.RecordBatch], pa.RecordBatch] = lambda columns: columns,
) -> Iterator[InputBatch]:
    """The good rows of a file's blocks as a struct column. Raises InputError like Parsing.over.

    `shown` turns the parsed columns into the columns that the mapper gets.
    """
    for block in blocks:
        lines = ParsedLines(block, strip=strip)
        for first, last, columns in parsing.over(lines):
            keys = pa.array(lines.places(first, last))
            yield InputBatch(
                uri,
                pa.RecordBatch.from_arrays([keys, shown(columns).to_struct_array()], [KEY, VALUE]),
                table=True,
                stored=lines.stored(first, last),
                skipped=parsing.take_skipped(),
            )
        yield from left_out(uri, parsing)


def left_out(uri: str, parsing: Parsing[Any]) -> Iterator[InputBatch]:
    """An empty batch that reports bad rows after the last good row, if there are any."""
    if skipped := parsing.take_skipped():
        nothing = pa.RecordBatch.from_arrays([pa.array([], pa.int64()), pa.nulls(0)], [KEY, VALUE])
        yield InputBatch(uri, nothing, stored=0, skipped=skipped)


def arrow_says(exc: Exception) -> str:
    """Arrow's error message in one line."""
    text = " ".join(str(exc).split())
    return text if len(text) <= _MESSAGE_CHARS else text[: _MESSAGE_CHARS - 1] + "…"
