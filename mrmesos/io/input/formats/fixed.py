"""Binary records of a fixed length, and whole files as one record each."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from mrmesos.api.formats import FixedWidthInput, WholeFileInput
from mrmesos.api.split import FileSlice, Split
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.columns.schema import KEY, VALUE
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.input.text.lines import shorter
from mrmesos.io.input.text.source import AsText, Bytes, LineSource

_NOTHING = np.empty(0, np.uint8)


def read_fixed_width(
    split: Split, fmt: FixedWidthInput, *, batch_bytes: int = 1 << 20
) -> Iterator[InputBatch]:
    """The records whose first byte is in the split, in order. Raises InputError."""
    for piece in split.slices:
        yield from _records(piece, fmt, max(1, batch_bytes // fmt.record_bytes))


def _records(piece: FileSlice, fmt: FixedWidthInput, at_once: int) -> Iterator[InputBatch]:
    width = fmt.record_bytes
    end = sys.maxsize if piece.length < 0 else piece.start + piece.length
    position = -(-piece.start // width) * width
    if position >= end:
        return
    with LineSource(piece.uri, position, compression=fmt.compression, by_content=True) as source:
        if source.whole:
            end = sys.maxsize
        while position < end and not source.ended:
            count = min(at_once, -(-(end - position) // width))
            data = source.read_behind(_NOTHING, count * width)
            if end < sys.maxsize and source.position < end and source.ended:
                raise shorter(piece.uri, source.position, end)
            whole, rest = divmod(len(data), width)
            if rest and fmt.on_error == "fail":
                raise InputError(
                    f"{piece.uri}: the record at offset {position + whole * width} has {rest} "
                    f"bytes, not {width}; fix the file, set another "
                    'FixedWidthInput(record_bytes=...), or skip the record with on_error="skip"'
                )
            if whole or rest:
                batch, positions = _batch(data[: whole * width], position, fmt)
                yield InputBatch(
                    piece.uri, batch, positions=positions, stored=len(data), skipped=int(rest > 0)
                )
            position += len(data)


def _batch(data: Bytes, position: int, fmt: FixedWidthInput) -> tuple[pa.RecordBatch, pa.Array]:
    width, key = fmt.record_bytes, fmt.key_bytes
    rows = data.reshape(-1, width)
    places = pa.array(position + width * np.arange(len(rows), dtype=np.int64))
    keys = _binary(rows[:, :key]) if key else places
    return pa.RecordBatch.from_arrays([keys, _binary(rows[:, key:])], [KEY, VALUE]), places


def _binary(rows: np.ndarray) -> pa.Array:
    count, width = rows.shape
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int32) if width else None
    if offsets is None:
        offsets = np.zeros(count + 1, np.int32)
    data = pa.py_buffer(np.ascontiguousarray(rows))
    return pa.Array.from_buffers(pa.binary(), count, [None, pa.py_buffer(offsets), data])


def read_whole_files(split: Split, fmt: WholeFileInput) -> Iterator[InputBatch]:
    """Every file of the split as one record. Raises InputError."""
    for piece in split.slices:
        text = AsText(fmt.compression, fmt.encoding) if fmt.encoding else None
        with LineSource(piece.uri, 0, text=text, compression=fmt.compression) as source:
            data = _NOTHING
            while not source.ended:
                data = source.read_behind(data, max(1 << 16, len(data)))
                if len(data) > fmt.max_bytes:
                    raise InputError(
                        f"{piece.uri}: is larger than {fmt.max_bytes} bytes, the limit that "
                        "WholeFileInput(max_bytes=...) of the job sets"
                    )
        yield InputBatch(
            piece.uri,
            pa.RecordBatch.from_arrays(
                [pa.array([piece.uri]), _content(piece.uri, data, fmt)], [KEY, VALUE]
            ),
            positions=pa.array([0]),
            stored=max(piece.length, 0) or len(data),
        )


def _content(uri: str, data: Bytes, fmt: WholeFileInput) -> pa.Array:
    if not fmt.encoding:
        offsets = np.array([0, len(data)], np.int32)
        return pa.Array.from_buffers(
            pa.binary(), 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)]
        )
    try:
        return pa.array([data.tobytes().decode(fmt.encoding)], pa.string())
    except UnicodeDecodeError as exc:
        raise InputError(
            f"{uri}: is not {exc.encoding} at offset {exc.start}: {exc.reason}; use another "
            'WholeFileInput(encoding=...), or encoding="" for bytes'
        ) from exc
