"""Reading files in order, as blocks of whole lines.

A line belongs to the slice that contains its first byte. So a slice that begins inside a line skips
the rest of that line, and reads its last line to the end.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from mrmesos.api.split import FileSlice
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.input.text.encodings import is_single_byte, is_utf8, utf8_lengths
from mrmesos.io.input.text.source import AsText, Bytes, LineSource

NEWLINE, RETURN = 10, 13
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_COUNTED_MAX, _COUNTED_AT_ONCE = 1 << 28, 1 << 20  # to number the line of a bad row
_NEAR = 4 << 10
_PAST_END = 64 << 10  # bytes of a read that only looks for the end of the last line

Positions = npt.NDArray[np.int64]


class LineBlock(msgspec.Struct, frozen=True):
    """Whole lines: their bytes, the positions of the newlines, and the block's file offset.

    Only the last line of a file may lack its newline. A caller that needs no lines may get only
    some of the newlines.
    """

    uri: str
    offset: int
    data: Bytes
    newlines: Positions
    max_line: int
    starts: Positions | None = None
    """The offsets in the file at which the lines begin, if `data` is not as the file has it."""


def line_blocks(
    piece: FileSlice, batch_bytes: int, max_line: int, text: AsText, *, all_newlines: bool = True
) -> Iterator[LineBlock]:
    """The lines of the slice in blocks of about `batch_bytes`. A longer line is a larger block.

    Without `all_newlines`, most blocks have only their first and last newline.

    A file that was cut and turns out to be compressed, or in UTF-16, is read whole by the slice at
    its start; the other slices are then empty.

    Raises InputError with the file and, if known, the offset.
    """
    # The byte before the slice tells whether a line begins at its first byte.
    skipping = piece.start > 0
    start, until = piece.start - skipping, -1 if piece.length < 0 else piece.start + piece.length
    with LineSource(piece.uri, start, until, text=text) as source:
        if source.whole and piece.start:
            return
        cut_off = piece.length >= 0 and not source.whole
        end = until if cut_off else sys.maxsize
        first = source.position  # of the first byte not yielded yet
        held = bytearray()  # the beginning of a long line without its newline; grows in place
        tail = np.empty(0, np.uint8)  # the bytes after the last newline of the last chunk
        done = False
        while not done:
            left = end - source.position
            if left <= 0 and (skipping or not (held or len(tail))):
                return
            want = batch_bytes
            if left <= batch_bytes:  # the last chunk; read on for the end of its last line
                want = max(left, 0) + min(_PAST_END, batch_bytes)
            data = source.read_behind(tail, want)
            # Only in the last chunk, a newline in the middle may be the one that ends the slice.
            some = left > batch_bytes and not all_newlines
            newlines = _newlines(data[len(tail) :], some) + len(tail)
            if source.ended and cut_off and source.position < end:
                raise shorter(piece.uri, source.position, end)
            if skipping:
                drop = int(newlines[0]) + 1 if len(newlines) else len(data)
                data, first, skipping = data[drop:], first + drop, not len(newlines)
                newlines = newlines[1:] - drop
                if first >= end or (skipping and source.ended):
                    return
                if skipping:
                    continue
            # The last line of the slice ends at the first newline at or after its last byte.
            last = int(np.searchsorted(newlines, end - 1 - (source.position - len(data))))
            newlines = newlines[: last + 1]
            done = source.ended or last < len(newlines)
            if not done and not len(newlines):
                held += data.data
                tail = data[:0]
                _check_begun(piece.uri, first, held, max_line)
                continue
            cut = int(newlines[-1]) + 1 if last < len(newlines) or not done else len(data)
            if held:  # the long line gets its own block, because that needs no further copy
                drop = int(newlines[0]) + 1 if len(newlines) else cut
                held += data[:drop].data
                line, held = np.frombuffer(held, np.uint8), bytearray()
                yield LineBlock(piece.uri, first, line, newlines[:1] + (len(line) - drop), max_line)
                first += len(line)
                data, newlines, cut = data[drop:], newlines[1:] - drop, cut - drop
                del line
            if cut:
                yield LineBlock(piece.uri, first, data[:cut], newlines, max_line)
                first += cut
            tail = data[cut:]


def _newlines(data: Bytes, only_ends: bool) -> Positions:
    """The positions of all newlines, or of the first and the last."""
    if only_ends and len(data) > 2 * _NEAR:
        ends = [np.flatnonzero(part == NEWLINE) for part in (data[:_NEAR], data[-_NEAR:])]
        if len(ends[0]) and len(ends[1]):
            return np.array([ends[0][0], ends[1][-1] + len(data) - _NEAR], np.int64)
    return np.flatnonzero(data == NEWLINE)


def unmarked(blocks: Iterator[LineBlock]) -> Iterator[LineBlock]:
    """The blocks without UTF-8's byte order mark at the start of the file (as Hadoop drops it)."""
    for block in blocks:
        if block.offset == 0 and block.data[:3].tobytes() == BYTE_ORDER_MARK:
            rest, newlines = block.data[3:], block.newlines - 3
            if len(rest):
                yield LineBlock(block.uri, 3, rest, newlines, block.max_line)
            continue
        yield block


def recoded(blocks: Iterator[LineBlock], encoding: str) -> Iterator[LineBlock]:
    """The blocks of a single-byte encoding in UTF-8; bytes that do not decode stay as they are."""
    lengths = np.array(utf8_lengths(encoding), np.int64)
    for block in blocks:
        if int(block.data.max(initial=0)) < 128:
            yield block
            continue
        starts, _, _ = line_spans(block)
        text = block.data.tobytes().decode(encoding, "surrogateescape")
        data = np.frombuffer(text.encode("utf-8", "surrogateescape"), np.uint8)
        newlines = np.cumsum(lengths[block.data])[block.newlines] - 1
        places = starts + block.offset
        yield LineBlock(block.uri, block.offset, data, newlines, block.max_line, places)


def parsed_blocks(blocks: Iterator[LineBlock], encoding: str) -> Iterator[LineBlock]:
    """The blocks in UTF-8 without byte order mark, from a source that reads for a parser."""
    single = not is_utf8(encoding) and is_single_byte(encoding)
    return recoded(blocks, encoding) if single else unmarked(blocks)


def line_number(uri: str, offset: int, text: AsText) -> int | None:
    """The number of the line at an offset, counted from 1; None if that would take long."""
    if offset > _COUNTED_MAX:
        return None
    try:
        with LineSource(uri, 0, text=text) as source:
            count, nothing = 1, np.empty(0, np.uint8)
            while source.position < offset and not source.ended:
                data = source.read_behind(nothing, min(_COUNTED_AT_ONCE, offset - source.position))
                count += int(np.count_nonzero(data == NEWLINE))
    except InputError:
        return None  # the error that is being reported matters more
    return count


def line_spans(block: LineBlock) -> tuple[Positions, Positions, Any]:
    r"""The start of each line, its length without line end, and whether it ends in ``\r\n``.

    Raises InputError if a line is longer than `max_line`.
    """
    data, newlines = block.data, block.newlines
    closed = len(newlines) > 0 and int(newlines[-1]) == len(data) - 1
    ends = newlines if closed else np.append(newlines, len(data))
    starts = np.zeros(len(ends), np.int64)
    starts[1:] = newlines[: len(ends) - 1] + 1
    returns = data[newlines - 1] == RETURN
    if len(newlines) and newlines[0] == 0:
        returns[0] = False  # no byte precedes this newline; index -1 read the block's last byte
    lengths = ends - starts
    lengths[: len(newlines)] -= returns
    if int(np.max(lengths)) > block.max_line:
        line = int(np.flatnonzero(lengths > block.max_line)[0])
        raise too_long(block.uri, block.offset + int(starts[line]), block.max_line)
    return starts, lengths, returns


def _check_begun(uri: str, offset: int, held: bytearray, max_line: int) -> None:
    r"""Refuse a long line before it is read completely. Its last byte may be a ``\r``."""
    if len(held) > max_line + 1:
        raise too_long(uri, offset, max_line)


def shorter(uri: str, size: int, planned: int) -> InputError:
    """The error for a file that ends before its slice does."""
    return InputError(
        f"{uri}: ends at byte {size} but had at least {planned} when the job was planned; "
        "do not change inputs while a job runs"
    )


def too_long(uri: str, offset: int, max_line: int) -> InputError:
    """The error for a line that is longer than its format allows."""
    return InputError(
        f"{uri}: the line at offset {offset} is longer than {max_line} bytes, the limit that "
        "max_line_bytes=... of the job's input format sets"
    )
