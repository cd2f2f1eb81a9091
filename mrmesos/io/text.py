r"""Lines of text files as record batches: key = byte offset of the line, value = the line.

Hadoop's LineRecordReader without an object per line: a chunk is read, numpy finds the newlines,
and their positions become an Arrow array's offsets. A line belongs to the slice that its first
byte lies in, so a slice skips the line it begins in and reads its last line to the end.
"""

from __future__ import annotations

import bz2
import codecs
import contextlib
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mrmesos.api.formats import TextInput
from mrmesos.api.split import FileSlice, Split
from mrmesos.io.filesystem import InputError, codec_of, open_input, reason
from mrmesos.io.splits import check_text_input

_NEWLINE, _RETURN = 10, 13
_VALUES_MAX = (1 << 31) - 1  # int32 offsets
_SHARING_MAX = 4096  # files
_PAST_END = 64 << 10  # bytes of a read that only looks for the end of the last line

# Encodings in which every byte is one character, whatever stands before it.
_SINGLE_BYTE = re.compile(r"ascii|iso8859-\d+|cp125\d|koi8-[rtu]")

_Bytes = npt.NDArray[np.uint8]
_Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class InputBatch:
    """Lines of one file. Columns: `key` int64 (offset of the line), `value` string or binary.

    Or of several small ones: then `further` has the first row and the URI of each but the first.
    """

    uri: str
    batch: pa.RecordBatch
    further: tuple[tuple[int, str], ...] = ()


def read_text(
    split: Split, fmt: TextInput, *, batch_bytes: int = 1 << 20, share: bool = False
) -> Iterator[InputBatch]:
    """The lines of the split in order, in batches of about `batch_bytes` bytes (at most 512 MiB).

    A batch grows beyond that only for a single longer line. With `share` it may hold the lines of
    several small files: thousands of them then cost little more than one. Offsets in a compressed
    file count decompressed bytes. Raises InputError naming the file and, where there is one, the
    offset: for files that cannot be read, that became shorter since the splits were planned,
    damaged compression, too long lines, and with `errors="strict"` text that does not decode.
    """
    if not 1 <= batch_bytes <= 1 << 29:
        raise ValueError(f"batch_bytes={batch_bytes}: must be between 1 and {1 << 29}")
    check_text_input(fmt)
    for pieces in _gathered(split.slices, batch_bytes) if share else zip(split.slices):
        together = _together(pieces, fmt) if len(pieces) > 1 else None
        if together is not None:
            yield together
            continue
        for piece in pieces:
            for block in _blocks(piece, batch_bytes, fmt.max_line_bytes):
                yield InputBatch(piece.uri, _batch(block, fmt))


def _gathered(slices: Sequence[FileSlice], batch_bytes: int) -> Iterator[Sequence[FileSlice]]:
    """Neighbours that may share a batch: small, from their files' beginnings, not compressed."""
    small: list[FileSlice] = []
    size = 0
    for piece in slices:
        if piece.start or not 0 <= piece.length <= batch_bytes // 4 or codec_of(piece.uri):
            yield small
            yield (piece,)
            small, size = [], 0
            continue
        small.append(piece)
        size += piece.length
        if size >= batch_bytes // 2 or len(small) >= _SHARING_MAX:
            yield small
            small, size = [], 0
    yield small


def _together(pieces: Sequence[FileSlice], fmt: TextInput) -> InputBatch | None:
    """One batch of whole small files; None where that is not the way.

    That is so for anything out of the ordinary. Reading them one by one, slower, then says what.
    """
    parts = []
    for piece in pieces:
        with open_input(piece.uri) as file:
            try:
                data = file.read(piece.length + 1)
            except Exception:  # noqa: BLE001 -- remote drivers raise what they like; read again
                return None
        if not data or len(data) != piece.length or data.endswith(b"\r"):
            return None
        parts.append(data if data.endswith(b"\n") else data + b"\n")
    text = np.frombuffer(b"".join(parts), np.uint8)
    ends = np.flatnonzero(text == _NEWLINE)
    try:
        batch = _batch(_Block(pieces[0].uri, 0, text, ends, fmt.max_line_bytes), fmt)
    except InputError:
        return None
    begins = np.cumsum([0, *map(len, parts)])
    rows = np.searchsorted(ends, begins)
    keys = batch.column(0).to_numpy() - np.repeat(begins[:-1], np.diff(rows))
    batch = pa.RecordBatch.from_arrays([pa.array(keys), batch.column(1)], names=["key", "value"])
    further = zip(rows[1:-1].tolist(), (piece.uri for piece in pieces[1:]), strict=True)
    return InputBatch(pieces[0].uri, batch, tuple(further))


@dataclass(frozen=True, slots=True)
class _Block:
    """Whole lines: their bytes, where the newlines are in it, and where it begins in the file.

    Only the last line of a file may lack its newline.
    """

    uri: str
    offset: int
    data: _Bytes
    newlines: _Positions
    max_line: int


class _Source:
    """A file's bytes in order, decompressed. `position` is the offset of the next byte."""

    def __init__(self, uri: str, start: int) -> None:
        self.uri = uri
        self.position = start
        self.ended = False
        codec = codec_of(uri)
        if codec is not None and start:
            raise ValueError(f"{uri}: a compressed file cannot be read from offset {start}")
        with contextlib.ExitStack() as closing:
            file: Any = closing.enter_context(open_input(uri))
            try:
                if codec is None:
                    file.seek(start)
                elif codec == "bz2":
                    # Arrow's stumbles over an empty stream among several ("wrong sequence").
                    file = closing.enter_context(bz2.BZ2File(file))
                else:
                    # Goes on with the next member or frame, and fails on a truncated one.
                    file = pa.CompressedInputStream(pa.PythonFile(file, mode="r"), codec)
                    closing.enter_context(file)
            except Exception as exc:
                raise InputError(f"{uri}: cannot be read: {reason(exc)}") from exc
            self._file = file
            self._closing = closing.pop_all()

    def __enter__(self) -> _Source:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def read_behind(self, tail: _Bytes, want: int) -> _Bytes:
        """`tail` and the next `want` bytes in one new array; fewer where the file has `ended`."""
        data = np.empty(len(tail) + want, np.uint8)
        data[: len(tail)] = tail
        filled = len(tail)
        while filled < len(data):
            try:
                count = self._read_into(data[filled:])
            except Exception as exc:  # decompressors and remote drivers raise what they like
                raise InputError(
                    f"{self.uri}: cannot be read at offset {self.position}: {reason(exc)}"
                ) from exc
            if not count:
                self.ended = True
                break
            filled += count
            self.position += count
        return data[:filled]

    def _read_into(self, space: _Bytes) -> int:
        if hasattr(self._file, "readinto"):
            return int(self._file.readinto(space.data))
        data = self._file.read(len(space))
        space[: len(data)] = np.frombuffer(data, np.uint8)
        return len(data)


def _blocks(piece: FileSlice, batch_bytes: int, max_line: int) -> Iterator[_Block]:
    end = sys.maxsize if piece.length < 0 else piece.start + piece.length
    # The byte before the slice tells whether a line begins at its first byte.
    skipping = piece.start > 0
    with _Source(piece.uri, piece.start - skipping) as source:
        first = source.position  # of the first byte not yielded yet
        held = bytearray()  # one long line so far, without a newline; it grows without copying
        tail = np.empty(0, np.uint8)  # what stood behind the last newline of the last chunk
        done = False
        while not done:
            left = end - source.position
            if left <= 0 and (skipping or not (held or len(tail))):
                return
            want = batch_bytes
            if left <= batch_bytes:  # the last chunk; it brings the end of its last line along
                want = max(left, 0) + min(_PAST_END, batch_bytes)
            data = source.read_behind(tail, want)
            newlines = np.flatnonzero(data[len(tail) :] == _NEWLINE) + len(tail)
            if source.ended and piece.length >= 0 and source.position < end:
                raise InputError(
                    f"{piece.uri}: ends at byte {source.position} but had at least {end} when the "
                    "job was planned; do not change inputs while a job runs"
                )
            if skipping:
                drop = int(newlines[0]) + 1 if len(newlines) else len(data)
                data, first, skipping = data[drop:], first + drop, not len(newlines)
                newlines = newlines[1:] - drop
                if first >= end or (skipping and source.ended):
                    return
                if skipping:
                    continue
            # The first newline at or behind the slice's last byte ends its last line.
            last = int(np.searchsorted(newlines, end - 1 - (source.position - len(data))))
            newlines = newlines[: last + 1]
            done = source.ended or last < len(newlines)
            if not done and not len(newlines):
                held += data.data
                tail = data[:0]
                _check_begun(piece.uri, first, held, max_line)
                continue
            cut = int(newlines[-1]) + 1 if last < len(newlines) or not done else len(data)
            if held:  # the long line by itself: a block of one line is not copied again
                drop = int(newlines[0]) + 1 if len(newlines) else cut
                held += data[:drop].data
                line, held = np.frombuffer(held, np.uint8), bytearray()
                yield _Block(piece.uri, first, line, newlines[:1] + (len(line) - drop), max_line)
                first += len(line)
                data, newlines, cut = data[drop:], newlines[1:] - drop, cut - drop
                del line
            if cut:
                yield _Block(piece.uri, first, data[:cut], newlines, max_line)
                first += cut
            tail = data[cut:]


def _check_begun(uri: str, offset: int, held: bytearray, max_line: int) -> None:
    """Refuse a line before it is read whole; its last byte so far may be part of its end."""
    if len(held) > max_line + 1:
        raise _too_long(uri, offset, max_line)


def _too_long(uri: str, offset: int, max_line: int) -> InputError:
    return InputError(
        f"{uri}: the line at offset {offset} is longer than {max_line} bytes, the most that "
        "TextInput(max_line_bytes=...) of the job allows"
    )


def _batch(block: _Block, fmt: TextInput) -> pa.RecordBatch:
    data, newlines = block.data, block.newlines
    closed = len(newlines) > 0 and int(newlines[-1]) == len(data) - 1
    ends = newlines if closed else np.append(newlines, len(data))
    starts = np.zeros(len(ends), np.int64)
    starts[1:] = newlines[: len(ends) - 1] + 1
    returns = data[newlines - 1] == _RETURN
    if len(newlines) and newlines[0] == 0:
        returns[0] = False  # nothing stands before it; index -1 was the last byte
    lengths = ends - starts
    lengths[: len(newlines)] -= returns
    if int(lengths.max()) > block.max_line:
        line = int(np.flatnonzero(lengths > block.max_line)[0])
        raise _too_long(block.uri, block.offset + int(starts[line]), block.max_line)
    keys = pa.array(starts + block.offset)
    values = _values(block, fmt, starts, lengths, returns)
    return pa.RecordBatch.from_arrays([keys, values], names=["key", "value"])


def _values(
    block: _Block, fmt: TextInput, starts: _Positions, lengths: _Positions, returns: Any
) -> pa.Array:
    if not fmt.encoding and (rows := _rows_of_one_length(block.data, lengths)) is not None:
        return _array(lengths, rows, pa.binary())
    if len(lengths) == 1:  # perhaps a very long one: no copy
        raw = b""
        array = _array(lengths, block.data[: int(lengths[0])], pa.binary())
    else:
        raw = block.data.tobytes()
        array = _array(lengths, _without_ends(raw, int(returns.sum())), pa.binary())
    if not fmt.encoding:
        return array
    codec = codecs.lookup(fmt.encoding).name
    if codec == "utf-8":
        # Line by line: bytes that are invalid apart may be valid together.
        with contextlib.suppress(pa.ArrowInvalid):  # rare, and treated below
            return array.view(pa.string()) if raw and raw.isascii() else array.cast(pa.string())
    if codec == "utf-8" or _SINGLE_BYTE.fullmatch(codec):
        return _decoded_whole(block, fmt, starts, raw or block.data.tobytes())
    return _decoded_each(block, fmt, starts, array)


def _decoded_whole(block: _Block, fmt: TextInput, starts: _Positions, raw: bytes) -> pa.Array:
    """All lines decoded at once: none of these decoders lets a newline be part of a character."""
    try:
        text = raw.decode(fmt.encoding, fmt.errors).encode()
    except UnicodeDecodeError as exc:
        line = int(np.searchsorted(starts, exc.start, "right")) - 1
        raise _undecodable(block, int(starts[line]), exc) from exc
    data = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(data == _NEWLINE)
    returns = data[ends - 1] == _RETURN
    if len(ends) and ends[0] == 0:
        returns[0] = False
    if len(ends) < len(starts):
        ends, returns = np.append(ends, len(data)), np.append(returns, False)
    lengths = np.diff(ends, prepend=-1) - 1 - returns
    values = _without_ends(text, int(returns.sum()))
    if len(values) > _VALUES_MAX:
        raise InputError(
            f"{block.uri}: the line at offset {block.offset} is longer than 2 GiB as UTF-8; "
            'read it as bytes: TextInput(encoding="")'
        )
    return _array(lengths, values, pa.string())


def _decoded_each(block: _Block, fmt: TextInput, starts: _Positions, array: pa.Array) -> pa.Array:
    lines: list[str] = []
    try:
        for line in array:
            lines.append(line.as_py().decode(fmt.encoding, fmt.errors))  # noqa: PERF401 (count)
    except UnicodeDecodeError as exc:
        raise _undecodable(block, int(starts[len(lines)]), exc) from exc
    return pa.array(lines, pa.string())


def _undecodable(block: _Block, start: int, exc: UnicodeDecodeError) -> InputError:
    return InputError(
        f"{block.uri}: the line at offset {block.offset + start} is not {exc.encoding}: "
        f'{exc.reason}; use errors="replace" or another encoding in TextInput'
    )


def _rows_of_one_length(data: _Bytes, lengths: _Positions) -> npt.NDArray[np.void] | None:
    """The lines without their ends, at one copy; None where they are of several lengths."""
    width = int(lengths[0])
    if width == 0 or data[-1] != _NEWLINE or len(data) != len(lengths) * (width + 1):
        return None
    if int(lengths.min()) != width:
        return None
    # All have an end, and none is shorter: so many bytes are enough only for ends of one byte.
    return np.ndarray((len(lengths),), f"V{width}", data, strides=(width + 1,)).copy()


def _without_ends(raw: bytes, returns: int) -> bytes:
    r"""`raw` without its line ends, `returns` of which are ``\r\n`` and the others ``\n``.

    Replacing in C is 4 times as fast as a numpy mask, and single bytes faster than pairs.
    """
    if returns:
        plain = returns == raw.count(b"\r")
        raw = raw.replace(b"\r", b"") if plain else raw.replace(b"\r\n", b"\n")
    return raw.replace(b"\n", b"")


def _array(lengths: _Positions, values: Any, kind: pa.DataType) -> pa.Array:
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(values)]
    return pa.Array.from_buffers(kind, len(lengths), buffers)
