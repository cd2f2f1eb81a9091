r"""Lines of text files as record batches: key = byte offset of the line, value = the line.

Like Hadoop's LineRecordReader, but without an object per line: numpy finds the newlines of a chunk,
and their positions become the offsets of an Arrow array. `lines` says which slice reads a line.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from msgspec.structs import replace

from mrmesos.api.formats import KeyValueTextInput, TextInput
from mrmesos.api.split import FileSlice, Split
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.compression.first_bytes import (
    HEAD_BYTES,
    codec_of,
    not_text,
    unreadable_name,
    wide_encoding,
)
from mrmesos.io.fs.filesystem import InputError, open_input
from mrmesos.io.input.formats.planning import check_text
from mrmesos.io.input.text.encodings import is_single_byte, is_utf8, read_as_utf8
from mrmesos.io.input.text.lines import (
    BYTE_ORDER_MARK,
    NEWLINE,
    RETURN,
    LineBlock,
    Positions,
    line_blocks,
    line_spans,
    unmarked,
)
from mrmesos.io.input.text.records import record_blocks, record_spans
from mrmesos.io.input.text.source import AsText, Bytes

F = TypeVar("F", TextInput, KeyValueTextInput)

_VALUES_MAX = (1 << 31) - 1  # int32 offsets
_SHARING_MAX = 4096  # files


def read_text(
    split: Split, fmt: TextInput, *, batch_bytes: int = 1 << 20, records: bool = False
) -> Iterator[InputBatch]:
    """The lines of the split in order, in batches of about `batch_bytes` bytes (at most 512 MiB).

    A batch is larger only for a single longer line. With `blocks` of the format, a batch is one
    record with its lines. With `records`, a batch may contain the lines of several small files, so
    thousands of files cost little more than one. Offsets in a compressed file count decompressed
    bytes.

    Raises InputError with the file and, if known, the offset: if the file cannot be read, became
    shorter after planning, is damaged, or has a line that is too long. With `errors="strict"` also
    if text does not decode.
    """
    if not 1 <= batch_bytes <= 1 << 29:
        raise ValueError(f"batch_bytes={batch_bytes}: must be between 1 and {1 << 29}")
    check_text(fmt)
    decoded = as_read(fmt)
    shares = decoded is fmt and not fmt.delimiter
    for pieces in _gathered(split.slices, batch_bytes) if records else zip(split.slices):
        together = _together(pieces, fmt) if len(pieces) > 1 and shares else None
        if together is not None:
            yield together
            continue
        for piece in pieces:
            for block in text_blocks(piece, fmt, batch_bytes):
                size = len(block.data) if fmt.blocks else -1
                yield InputBatch(piece.uri, text_batch(block, decoded), stored=size)


def text_blocks(
    piece: FileSlice, fmt: TextInput | KeyValueTextInput, batch_bytes: int
) -> Iterator[LineBlock]:
    """The lines of a slice in the encoding of `as_read(fmt)`.

    Text in UTF-8 has no byte order mark; bytes keep it.
    """
    text = AsText(fmt.compression, fmt.encoding, fmt.errors)
    if isinstance(fmt, TextInput) and fmt.delimiter:
        blocks = record_blocks(piece, fmt.delimiter, batch_bytes, fmt.max_line_bytes, text)
    else:
        whole = isinstance(fmt, TextInput) and fmt.blocks
        blocks = line_blocks(piece, batch_bytes, fmt.max_line_bytes, text, all_newlines=not whole)
    as_utf8 = is_utf8(fmt.encoding) or read_as_utf8(fmt.encoding, parsed=False)
    return unmarked(blocks) if as_utf8 else blocks


def as_read(fmt: F) -> F:
    """The format with the encoding in which `text_blocks` gives the lines."""
    if not read_as_utf8(fmt.encoding, parsed=False):
        return fmt
    return msgspec.structs.replace(fmt, encoding="utf-8")


def _gathered(slices: Sequence[FileSlice], batch_bytes: int) -> Iterator[Sequence[FileSlice]]:
    """Group adjacent slices that may share a batch: small, uncompressed, from offset 0."""
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
    """One batch of several small files; None if anything is unusual.

    The caller then reads the files one by one, which is slower but reports the error.
    """
    parts = []
    for piece in pieces:
        with open_input(piece.uri) as file:
            try:
                data = file.read(piece.length + 1)
            except Exception:  # noqa: BLE001 -- remote drivers raise any type; read again
                return None
        if not data or len(data) != piece.length or data.endswith(b"\r"):
            return None
        if not_text(data[:HEAD_BYTES]) or unreadable_name(piece.uri):
            return None
        if data.startswith(BYTE_ORDER_MARK) or wide_encoding(data):
            return None
        parts.append(data if fmt.blocks or data.endswith(b"\n") else data + b"\n")
    if fmt.blocks:
        return _files(pieces, parts, fmt)
    text = np.frombuffer(b"".join(parts), np.uint8)
    ends = np.flatnonzero(text == NEWLINE)
    try:
        batch = text_batch(LineBlock(pieces[0].uri, 0, text, ends, fmt.max_line_bytes), fmt)
    except InputError:
        return None
    begins = np.cumsum([0, *map(len, parts)])
    rows = np.searchsorted(ends, begins)
    keys = batch.column(0).to_numpy() - np.repeat(begins[:-1], np.diff(rows))
    batch = pa.RecordBatch.from_arrays([pa.array(keys), batch.column(1)], names=["key", "value"])
    further = zip(rows[1:-1].tolist(), (piece.uri for piece in pieces[1:]), strict=True)
    return InputBatch(pieces[0].uri, batch, tuple(further))


def _files(pieces: Sequence[FileSlice], parts: list[bytes], fmt: TextInput) -> InputBatch | None:
    """One record for each file; None as for `_together`."""
    lengths = np.array([len(part) for part in parts])
    values = _array(lengths, b"".join(parts), pa.binary())
    plain = not fmt.encoding or is_utf8(fmt.encoding)
    if not plain or int(lengths.max()) > fmt.max_line_bytes:
        return None
    if fmt.encoding:
        try:
            values = values.cast(pa.string())
        except pa.ArrowInvalid:
            return None
    batch = pa.RecordBatch.from_arrays([pa.array(np.zeros_like(lengths)), values], ["key", "value"])
    further = tuple((row, piece.uri) for row, piece in enumerate(pieces) if row)
    return InputBatch(pieces[0].uri, batch, further, stored=int(lengths.sum()))


def text_batch(block: LineBlock, fmt: TextInput) -> pa.RecordBatch:
    """The lines of a block and their offsets. Raises InputError."""
    if fmt.delimiter:
        return _records(block, fmt)
    if fmt.blocks:
        return _whole(block, fmt)
    starts, lengths, returns = line_spans(block)
    keys = pa.array(starts + block.offset)
    values = _values(block, fmt, starts, lengths, returns)
    return pa.RecordBatch.from_arrays([keys, values], names=["key", "value"])


def _records(block: LineBlock, fmt: TextInput) -> pa.RecordBatch:
    """The same for records with a delimiter of their own."""
    starts, lengths = record_spans(block, len(fmt.delimiter))
    values = _array(lengths, block.data.tobytes().replace(fmt.delimiter, b""), pa.binary())
    if is_utf8(fmt.encoding):
        with contextlib.suppress(pa.ArrowInvalid):  # rare; each is decoded below
            values = values.cast(pa.string())
    if fmt.encoding and pa.types.is_binary(values.type):
        values = _decoded_each(block, fmt, starts, values)
    return pa.RecordBatch.from_arrays([pa.array(starts + block.offset), values], ["key", "value"])


def _whole(block: LineBlock, fmt: TextInput) -> pa.RecordBatch:
    """The block as one record."""
    if len(block.data) > block.max_line:  # then check the lengths of lines
        line_spans(replace(block, newlines=np.flatnonzero(block.data == NEWLINE)))
    value = _array(np.array([len(block.data)]), block.data, pa.binary())
    if is_utf8(fmt.encoding):
        with contextlib.suppress(pa.ArrowInvalid):  # rare; decoded below
            value = value.cast(pa.string())
    if fmt.encoding and pa.types.is_binary(value.type):
        raw = block.data.tobytes()
        try:
            value = pa.array([raw.decode(fmt.encoding, fmt.errors)], pa.string())
        except UnicodeDecodeError as exc:
            raise _undecodable(block, raw.rfind(b"\n", 0, exc.start) + 1, exc) from exc
    return pa.RecordBatch.from_arrays([pa.array([block.offset]), value], names=["key", "value"])


def _values(
    block: LineBlock, fmt: TextInput, starts: Positions, lengths: Positions, returns: Any
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
    if is_utf8(fmt.encoding):
        # Cast per line: two invalid lines may be valid UTF-8 when joined.
        with contextlib.suppress(pa.ArrowInvalid):  # rare; handled below
            return array.view(pa.string()) if raw and raw.isascii() else array.cast(pa.string())
    if is_utf8(fmt.encoding) or is_single_byte(fmt.encoding):
        return _decoded_whole(block, fmt, starts, raw or block.data.tobytes())
    return _decoded_each(block, fmt, starts, array)


def _decoded_whole(block: LineBlock, fmt: TextInput, starts: Positions, raw: bytes) -> pa.Array:
    """Decode all lines at once. In these encodings a newline byte is never part of a character."""
    try:
        text = raw.decode(fmt.encoding, fmt.errors).encode()
    except UnicodeDecodeError as exc:
        line = int(np.searchsorted(starts, exc.start, "right")) - 1
        raise _undecodable(block, int(starts[line]), exc) from exc
    data = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(data == NEWLINE)
    returns = data[ends - 1] == RETURN
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


def _decoded_each(block: LineBlock, fmt: TextInput, starts: Positions, array: pa.Array) -> pa.Array:
    lines: list[str] = []
    try:
        for line in array:
            lines.append(line.as_py().decode(fmt.encoding, fmt.errors))  # noqa: PERF401 (count)
    except UnicodeDecodeError as exc:
        raise _undecodable(block, int(starts[len(lines)]), exc) from exc
    return pa.array(lines, pa.string())


def _undecodable(block: LineBlock, start: int, exc: UnicodeDecodeError) -> InputError:
    return InputError(
        f"{block.uri}: the line at offset {block.offset + start} is not {exc.encoding}: "
        f'{exc.reason}; use errors="replace" or another encoding in TextInput'
    )


def _rows_of_one_length(data: Bytes, lengths: Positions) -> npt.NDArray[np.void] | None:
    """The lines without line ends, in one copy; None if the lengths differ."""
    width = int(lengths[0])
    if width == 0 or data[-1] != NEWLINE or len(data) != len(lengths) * (width + 1):
        return None
    if int(np.min(lengths)) != width:
        return None
    # Every line has a line end, and none is shorter. So the size leaves one byte per line end.
    return np.ndarray((len(lengths),), f"V{width}", data, strides=(width + 1,)).copy()


def _without_ends(raw: bytes, returns: int) -> bytes:
    r"""`raw` without its line ends: `returns` of them are ``\r\n``, the others ``\n``.

    `bytes.replace` is 4 times as fast as a numpy mask, and single bytes are faster than pairs.
    """
    if returns:
        plain = returns == raw.count(b"\r")
        raw = raw.replace(b"\r", b"") if plain else raw.replace(b"\r\n", b"\n")
    return raw.replace(b"\n", b"")


def _array(lengths: Positions, values: Any, kind: pa.DataType) -> pa.Array:
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(values)]
    return pa.Array.from_buffers(kind, len(lengths), buffers)
