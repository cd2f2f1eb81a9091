"""Reading files in order: as decompressed bytes, and as blocks of whole lines.

A line belongs to the slice that contains its first byte. So a slice that begins inside a line skips
the rest of that line, and reads its last line to the end.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mrmesos.api.split import FileSlice
from mrmesos.io.fs.compression import (
    CODECS,
    HEAD_BYTES,
    codec_in,
    decompressed,
    not_text,
    unreadable_name,
)
from mrmesos.io.fs.filesystem import InputError, codec_of, open_input, reason

NEWLINE, RETURN = 10, 13
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PAST_END = 64 << 10  # bytes of a read that only looks for the end of the last line

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LineBlock:
    """Whole lines: their bytes, the positions of the newlines, and the block's file offset.

    Only the last line of a file may lack its newline.
    """

    uri: str
    offset: int
    data: Bytes
    newlines: Positions
    max_line: int


class LineSource:
    """A file's bytes in order, decompressed. `position` is the offset of the next byte.

    The caller plans to stop at `until` (-1: at the end), so read-ahead stops there. A `text` file
    is decompressed if its content says so, whatever its name; one that surely is no text is an
    InputError. `compression` names the codec, or is "none"; empty means to find out.
    """

    def __init__(
        self, uri: str, start: int, until: int = -1, *, text: bool = False, compression: str = ""
    ) -> None:
        self.uri = uri
        self.position = start
        self.ended = False
        self._unchecked = text and compression != "none" and not start
        codec = compression or codec_of(uri)
        codec = codec if codec in CODECS else None
        with contextlib.ExitStack() as closing:
            file: Any = closing.enter_context(open_input(uri, until))
            try:
                if codec is None and self._unchecked:
                    file.seek(0)  # a pipe cannot, and a read of it might wait for ever
                    codec = codec_in(file.read(HEAD_BYTES))
                    file.seek(0)
                if codec is not None and start:
                    raise ValueError(f"a compressed file cannot be read from offset {start}")
                if codec is None:
                    file.seek(start)
                else:
                    file = closing.enter_context(decompressed(file, codec))
            except Exception as exc:
                raise InputError(f"{uri}: cannot be read: {reason(exc)}") from exc
            self.codec = codec
            self._file = file
            self._closing = closing.pop_all()

    def __enter__(self) -> LineSource:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def read_behind(self, tail: Bytes, want: int) -> Bytes:
        """A new array with `tail` and the next `want` bytes; fewer at the end of the file."""
        data = np.empty(len(tail) + want, np.uint8)
        data[: len(tail)] = tail
        filled = len(tail)
        while filled < len(data):
            try:
                count = self._read_into(data[filled:])
            except Exception as exc:  # decompressors and remote drivers raise any type
                raise InputError(
                    f"{self.uri}: cannot be read at offset {self.position}: {reason(exc)}"
                ) from exc
            if not count:
                self.ended = True
                break
            filled += count
            self.position += count
        if self._unchecked:
            self._check(data[len(tail) : filled][:HEAD_BYTES].tobytes())
        return data[:filled]

    def _check(self, head: bytes) -> None:
        """Refuse what surely is no text: nobody wants its bytes as records."""
        self._unchecked = False
        end = unreadable_name(self.uri) if self.codec is None else None
        if end is not None:
            raise InputError(
                f"{self.uri}: files that end in {end} are not read as text; unpack it, or set "
                'compression="none" in the input format if it is text'
            )
        if (found := not_text(head)) is not None:
            raise InputError(
                f"{self.uri}: holds {found}, not text{' inside' if self.codec else ''}; "
                'unpack it, or set compression="none" in the input format if these bytes are wanted'
            )

    def _read_into(self, space: Bytes) -> int:
        if hasattr(self._file, "readinto"):
            return int(self._file.readinto(space.data))
        data = self._file.read(len(space))
        space[: len(data)] = np.frombuffer(data, np.uint8)
        return len(data)


def compressed_inside(uri: str, compression: str = "") -> bool:
    """Whether a file is compressed though its name does not say so. Raises InputError."""
    if compression:
        return False
    with open_input(uri, HEAD_BYTES) as file:
        try:
            return codec_in(file.read(HEAD_BYTES)) is not None
        except Exception as exc:  # remote drivers raise any type
            raise InputError(f"{uri}: cannot be read: {reason(exc)}") from exc


def line_blocks(
    piece: FileSlice, batch_bytes: int, max_line: int, compression: str = ""
) -> Iterator[LineBlock]:
    """The lines of the slice in blocks of about `batch_bytes`. A longer line is a larger block.

    A file that was cut and turns out to be compressed is read whole by the slice at its start; the
    other slices are then empty.

    Raises InputError with the file and, if known, the offset.
    """
    if piece.start > 0 and compressed_inside(piece.uri, compression):
        return
    # The byte before the slice tells whether a line begins at its first byte.
    skipping = piece.start > 0
    start, until = piece.start - skipping, -1 if piece.length < 0 else piece.start + piece.length
    with LineSource(piece.uri, start, until, text=True, compression=compression) as source:
        cut_off = piece.length >= 0 and source.codec is None
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
            newlines = np.flatnonzero(data[len(tail) :] == NEWLINE) + len(tail)
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


def unmarked(blocks: Iterator[LineBlock]) -> Iterator[LineBlock]:
    """The blocks without UTF-8's byte order mark at the start of the file (as Hadoop drops it)."""
    for block in blocks:
        if block.offset == 0 and block.data[:3].tobytes() == BYTE_ORDER_MARK:
            rest, newlines = block.data[3:], block.newlines - 3
            if len(rest):
                yield LineBlock(block.uri, 3, rest, newlines, block.max_line)
            continue
        yield block


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
