"""Lines that a parser takes many of at once: which of them it refuses, and what is done then.

Parsers for whole blocks say that something is wrong, not where. So a block that is refused is
parsed in halves, these in halves, and so on: a bad line costs some twenty calls.
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
from mrmesos.io.input.formats.lines import LineBlock, Positions, line_spans

T = TypeVar("T")

_MESSAGE_CHARS = 200
_SPACES = np.frombuffer(b" \t", np.uint8)


class BadRows(Exception):
    """These lines hold something that cannot be read; the message says what."""


class ParsedLines:
    """The lines of a block, without those that are empty, or with `strip` hold only spaces."""

    def __init__(self, block: LineBlock, *, strip: bool = False) -> None:
        starts, lengths, _ = line_spans(block)
        some = lengths > 0
        if strip:
            spaces = np.isin(block.data[np.where(some, starts, 0)], _SPACES) & some
            for line in np.flatnonzero(spaces).tolist():  # indented, or blank
                text = block.data[int(starts[line]) : int(starts[line] + lengths[line])]
                some[line] = bool(text.tobytes().strip(b" \t"))
        if not some.all():
            starts = starts[some]
        self._data = block.data
        self._bounds = np.append(starts, len(block.data))
        self.uri = block.uri
        self.offset = block.offset

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def places(self, first: int, last: int) -> Positions:
        """Offsets in the file of the lines from `first` to before `last`."""
        return self._bounds[first:last] + self.offset

    def bounds(self, first: int, last: int) -> Positions:
        """Where in `data` each line begins, and the last one ends."""
        bounds: Positions = self._bounds[first : last + 1] - self._bounds[first]
        return bounds

    def data(self, first: int, last: int) -> memoryview:
        """The bytes of these lines with their ends (and of empty lines behind them)."""
        return self._data[int(self._bounds[first]) : int(self._bounds[last])].data

    def stored(self, first: int, last: int) -> int:
        """How many bytes these are."""
        return int(self._bounds[last] - self._bounds[first])

    def all_begin_with(self, character: bytes, first: int, last: int) -> bool:
        """Whether this is the first byte of each."""
        return bool((self._data[self._bounds[first:last]] == ord(character)).all())


@dataclass(slots=True)
class Parsing(Generic[T]):
    """A parser over blocks of lines. `skipped` counts the lines left out and not yet told of.

    `parse` takes lines, the first to parse and the one after the last, and raises BadRows.
    """

    parse: Callable[[ParsedLines, int, int], T]
    on_error: str
    skipped: int = field(default=0, init=False)

    def over(self, lines: ParsedLines) -> Iterator[tuple[int, int, T]]:
        """What `parse` gives for runs of good lines, each with its first line and the one after.

        Raises InputError with file and offset at the first bad line, unless these are skipped.
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
        """How many lines were left out since the last call."""
        taken, self.skipped = self.skipped, 0
        return taken

    def _bad(self, lines: ParsedLines, line: int, exc: BadRows) -> None:
        if self.on_error == "skip":
            self.skipped += 1
            return
        place = int(lines.places(line, line + 1)[0])
        raise InputError(
            f"{lines.uri}: the row at offset {place} cannot be read: {exc}; mend it, or leave such "
            'rows out with on_error="skip" of the input format'
        )


def tables(
    uri: str, blocks: Iterable[LineBlock], parsing: Parsing[pa.RecordBatch], *, strip: bool = False
) -> Iterator[InputBatch]:
    """The good rows of a file's blocks as a struct column. Raises InputError, as `Parsing.over`."""
    for block in blocks:
        lines = ParsedLines(block, strip=strip)
        for first, last, columns in parsing.over(lines):
            keys = pa.array(lines.places(first, last))
            yield InputBatch(
                uri,
                pa.RecordBatch.from_arrays([keys, columns.to_struct_array()], [KEY, VALUE]),
                table=True,
                stored=lines.stored(first, last),
                skipped=parsing.take_skipped(),
            )
        yield from left_out(uri, parsing)


def left_out(uri: str, parsing: Parsing[Any]) -> Iterator[InputBatch]:
    """An empty batch that tells of bad rows after the last good one, if there are any."""
    if skipped := parsing.take_skipped():
        nothing = pa.RecordBatch.from_arrays([pa.array([], pa.int64()), pa.nulls(0)], [KEY, VALUE])
        yield InputBatch(uri, nothing, stored=0, skipped=skipped)


def arrow_says(exc: Exception) -> str:
    """What Arrow complains of, in one line."""
    text = " ".join(str(exc).split())
    return text if len(text) <= _MESSAGE_CHARS else text[: _MESSAGE_CHARS - 1] + "…"
