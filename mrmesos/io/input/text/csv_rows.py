"""Where rows of CSV end: quotes, escape characters, and lines of comments."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
from msgspec.structs import replace

from mrmesos.api.split import FileSlice
from mrmesos.io.input.text.lines import (
    BYTE_ORDER_MARK,
    NEWLINE,
    LineBlock,
    Positions,
    line_blocks,
    line_spans,
    parsed_blocks,
    too_long,
)
from mrmesos.io.input.text.source import AsText, Bytes, LineSource

_NONE: Positions = np.empty(0, np.int64)


class Signs(msgspec.Struct, frozen=True):
    """The characters with a meaning, as ASCII codes; -1 for none."""

    quote: int
    escape: int
    comment: int

    @classmethod
    def of(cls, quote: str, escape: str, comment: str) -> Signs:
        """The codes of these characters; an empty text stands for none."""
        return cls(*(ord(text) if text else -1 for text in (quote, escape, comment)))

    def quotes(self, data: Bytes) -> Positions:
        """The positions of quotes that open or close a field."""
        return _without(_places(data, self.quote), _escaped(data, self.escape))

    def escapes(self, data: Bytes, places: Positions) -> bool:
        """Whether one of these places is escaped."""
        return bool(np.isin(_escaped(data, self.escape), places).any())


def csv_blocks(
    piece: FileSlice,
    text: AsText,
    signs: Signs,
    *,
    batch_bytes: int,
    max_row: int,
    newlines_in_fields: bool,
) -> Iterator[LineBlock]:
    """Blocks of whole rows in UTF-8, without comments. Raises InputError."""
    if newlines_in_fields:
        blocks = _whole_rows(piece.uri, text, signs, batch_bytes, max_row)
    else:
        blocks = line_blocks(piece, batch_bytes, max_row, text)
    blocks = parsed_blocks(blocks, text.encoding)
    return blocks if signs.comment < 0 else _without_comments(blocks, signs.comment)


def _whole_rows(
    uri: str, text: AsText, signs: Signs, batch_bytes: int, max_row: int
) -> Iterator[LineBlock]:
    """Blocks of a file that is not cut, because its fields may contain newlines."""
    with LineSource(uri, 0, text=text) as source:
        tail, first = np.empty(0, np.uint8), 0
        while not source.ended:
            data = source.read_behind(tail, max(batch_bytes, len(tail)))
            mark = 3 if not first and data[:3].tobytes() == BYTE_ORDER_MARK else 0
            ends = row_ends(data[mark:], signs) + mark
            cut = len(data) if source.ended else int(ends[-1]) + 1 if len(ends) else 0
            if cut:
                yield LineBlock(uri, first, data[:cut], ends, max_row)
            tail, first = data[cut:], first + cut
            if len(tail) > max_row:
                raise too_long(uri, first, max_row)


def row_ends(data: Bytes, signs: Signs) -> Positions:
    """The newlines that end a row: an even number of quotes is before them, and no escape.

    `data` begins with a row.
    """
    newlines, quotes = _places(data, NEWLINE), _places(data, signs.quote)
    all_newlines = newlines
    if signs.escape >= 0:
        escaped = _escaped(data, signs.escape)
        newlines, quotes = _without(newlines, escaped), _without(quotes, escaped)
    if signs.comment >= 0:
        ends, quotes = _comments(data, signs.comment, all_newlines, newlines, quotes)
        newlines = np.union1d(newlines, ends)
    if not len(quotes):
        return newlines
    closed: Positions = newlines[np.searchsorted(quotes, newlines) % 2 == 0]
    return closed


def _comments(
    data: Bytes, comment: int, all_newlines: Positions, newlines: Positions, quotes: Positions
) -> tuple[Positions, Positions]:
    """The ends of comment lines, and the quotes outside them.

    A line is a comment if a row would begin there. That depends on the quotes before it.
    """
    begins = np.concatenate(([0], all_newlines + 1)).astype(np.int64)
    begins = begins[begins < len(data)]
    closing = set(newlines.tolist())
    ends: list[int] = []
    kept = np.ones(len(quotes), bool)
    gone = behind = 0
    for begin in begins[data[begins] == comment].tolist():
        if begin < behind or (begin and begin - 1 not in closing and begin - 1 not in ends[-1:]):
            continue
        at = int(np.searchsorted(all_newlines, begin))
        end = int(all_newlines[at]) if at < len(all_newlines) else len(data)
        first, last = (int(each) for each in np.searchsorted(quotes, (begin, end)))
        if (first - gone) % 2:
            continue
        kept[first:last] = False
        gone += last - first
        behind = end
        if end < len(data):
            ends.append(end)
    return np.array(ends, np.int64), quotes[kept]


def _without_comments(blocks: Iterator[LineBlock], comment: int) -> Iterator[LineBlock]:
    for block in blocks:
        starts, _, _ = line_spans(block)
        kept = block.data[starts] != comment
        if kept.all():
            yield block
            continue
        if not kept.any():
            continue
        sizes = np.diff(np.append(starts, len(block.data)))
        places = starts + block.offset if block.starts is None else block.starts
        data = block.data[np.repeat(kept, sizes)]
        ends = np.cumsum(sizes[kept]) - 1
        newlines = ends if data[-1] == NEWLINE else ends[:-1]
        yield replace(block, data=data, newlines=newlines, starts=places[kept])


def _places(data: Bytes, sign: int) -> Positions:
    return np.flatnonzero(data == sign) if sign >= 0 else _NONE


def _without(places: Positions, others: Positions) -> Positions:
    return places[~np.isin(places, others)] if len(others) else places


def _escaped(data: Bytes, escape: int) -> Positions:
    """The positions after an odd number of escape characters."""
    places = _places(data, escape)
    if not len(places):
        return _NONE
    gaps = np.flatnonzero(np.diff(places) != 1)
    firsts = places[np.concatenate(([0], gaps + 1))]
    lasts = places[np.concatenate((gaps, [len(places) - 1]))]
    behind: Positions = lasts[(lasts - firsts) % 2 == 0] + 1
    return behind
