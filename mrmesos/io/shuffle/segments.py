"""The map-output file: ONE data file and ONE index for all partitions of a map (2N files, not NxM).

A segment is one partition of one sorted run: an Arrow IPC stream, or no bytes if it has no rows. If
the type of its records changes (integers, then doubles), another stream follows within the segment.
The segments follow each other in the data file. So a range read serves a segment without
decompressing it. Its CRC-32 in the index covers all of its bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
from isal import isal_zlib

from mrmesos.conf import AUTO, MAP_OUTPUT_CODEC, Conf, ConfError
from mrmesos.io.columns.batches import cut
from mrmesos.io.shuffle.index import MapOutputIndex, Segment

__all__ = [
    "CorruptSegmentError",
    "MapOutputIndex",
    "Segment",
    "codec_of",
    "read_segment",
    "stored_bytes",
    "write_segment",
]

SEGMENT_BATCH_BYTES = 1 << 20
"""Uncompressed size of a segment's batches; a merge holds two batches of each run."""
SEGMENT_BATCH_ROWS = 1 << 16

_SAMPLE_BYTES = 64 << 10
_SAMPLE_LEAST = 4 << 10
_COMPRESSIBLE = 0.67
"""Compression pays between machines if a sample takes at most this part of its bytes."""
_CHUNK = 1 << 20
_BUFFER = 8 << 10
_AT_ONCE = 64 << 10


class CorruptSegmentError(Exception):
    """Map output is damaged; the message has the file or source, and the position."""


def codec_of(conf: Conf) -> str | None:
    """The codec of map output for `write_segment`. Raises ConfError."""
    name = conf.get_as(MAP_OUTPUT_CODEC)
    if name not in (AUTO, "lz4", "zstd", "none"):
        raise ConfError(f"{MAP_OUTPUT_CODEC.name}={name!r}: expected auto, lz4, zstd or none")
    return None if name == "none" else name


def codec_within(codec: str | None, nbytes: int, raw_bytes: int) -> str | None:
    """The codec of a map's output of this size. AUTO leaves up to `raw_bytes` as they are."""
    return None if codec == AUTO and nbytes <= raw_bytes else codec


class _ChecksummedFile(io.RawIOBase):
    """The file to which Arrow writes a segment; it counts bytes and computes their CRC-32."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.length = 0
        self.crc32 = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | memoryview) -> int:  # type: ignore[override]  # what Arrow gives
        self.crc32 = isal_zlib.crc32(data, self.crc32)
        written = memoryview(data).nbytes
        self.length += written
        self._file.write(data)
        return written


def write_segment(
    file: BinaryIO,
    batches: Iterable[pa.RecordBatch],
    *,
    codec: str | None = AUTO,
    batch_bytes: int = SEGMENT_BATCH_BYTES,
) -> Segment:
    """Append the batches at the file's position as one segment. Raises OSError.

    With AUTO as codec, the first batch of each stream decides whether the stream is compressed.
    """
    offset = file.tell()
    sink = _ChecksummedFile(file)
    # Arrow writes a small batch in 13 pieces, and each piece that reaches Python costs half a
    # microsecond. Longer pieces pass through the buffer without a copy.
    stream = pa.BufferedOutputStream(pa.PythonFile(sink, mode="w"), _BUFFER)
    writer: pa.RecordBatchStreamWriter | None = None
    schema: pa.Schema | None = None
    rows = 0
    try:
        for batch in batches:
            for piece in cut(batch, SEGMENT_BATCH_ROWS, batch_bytes):
                if writer is None or not piece.schema.equals(schema, check_metadata=True):
                    if writer is not None:
                        writer.close()
                    schema = piece.schema
                    chosen = _chosen(piece) if codec == AUTO else codec
                    writer = pa.ipc.new_stream(stream, schema, options=_options(chosen))
                writer.write_batch(piece)
                rows += piece.num_rows
    finally:
        if writer is not None:
            writer.close()
            stream.flush()
    return Segment(offset, sink.length, rows, sink.crc32)


def _options(codec: str | None) -> pa.ipc.IpcWriteOptions:
    # Threads would take cores from other tasks, and cost more than they save.
    return pa.ipc.IpcWriteOptions(compression=codec, use_threads=False)


def _chosen(batch: pa.RecordBatch) -> str | None:
    """lz4, if the rows in the middle of the batch become enough smaller by it."""
    if batch.get_total_buffer_size() < _SAMPLE_LEAST or batch.nbytes < _SAMPLE_LEAST:
        return None
    rows = max(1, batch.num_rows * _SAMPLE_BYTES // max(_SAMPLE_BYTES, batch.nbytes))
    sample = batch.slice((batch.num_rows - rows) // 2, rows)
    counted = pa.MockOutputStream()
    with pa.ipc.new_stream(counted, batch.schema, options=_options("lz4")) as writer:
        writer.write_batch(sample)
    return "lz4" if counted.size() <= _COMPRESSIBLE * sample.nbytes else None


def read_segment(
    source: Path | pa.Buffer | bytes | bytearray | memoryview,
    segment: Segment,
    *,
    name: str = "",
    checked: bool = False,
) -> Iterator[pa.RecordBatch]:
    """The batches of a segment. `source` is the data file, or the segment's bytes.

    The checksum is verified before the first batch is decoded, because decoding damaged bytes is
    not safe. It is not verified again for bytes that the caller has `checked` in memory.
    CorruptSegmentError has `name` (by default the file). A large segment in a file is therefore
    read twice: once for the checksum, then batch by batch. A small segment is read at once, because
    a job with thousands of partitions has many small segments.
    """
    name = name or f"{source if isinstance(source, Path) else 'map output'} at {segment.offset}"
    if isinstance(source, Path):
        if segment.length == 0:
            return
        if segment.length > _AT_ONCE:
            for _ in stored_bytes(source, segment, name):
                pass  # only to check them
            with pa.OSFile(str(source), "rb") as file:
                file.seek(segment.offset)
                yield from _streams(file, segment, segment.offset + segment.length, name)
            return
        source = _read(source, segment, name)
    buffer = source if isinstance(source, pa.Buffer) else pa.py_buffer(source)
    if buffer.size != segment.length:
        raise CorruptSegmentError(f"{name}: {buffer.size} bytes instead of {segment.length}")
    if not checked and isal_zlib.crc32(buffer) != segment.crc32:
        raise CorruptSegmentError(f"{name}: checksum does not match")
    yield from _streams(pa.BufferReader(buffer), segment, segment.length, name)


def _read(path: Path, segment: Segment, name: str) -> bytes:
    with path.open("rb", buffering=0) as file:
        file.seek(segment.offset)
        data = file.read(segment.length)
    if left := segment.length - len(data):
        raise CorruptSegmentError(f"{name}: cut short by {left} bytes")
    return data


def stored_bytes(path: Path, segment: Segment, name: str) -> Iterator[memoryview]:
    """The bytes of a segment in a file. A piece is valid until the next one is read.

    They are checked after the last of them. Raises OSError, and CorruptSegmentError with `name`.
    """
    crc32, left = 0, segment.length
    space = memoryview(bytearray(min(left, _CHUNK)))
    with path.open("rb", buffering=0) as file:
        file.seek(segment.offset)
        while left:
            count = file.readinto(space[:left])
            if not count:
                raise CorruptSegmentError(f"{name}: cut short by {left} bytes")
            crc32 = isal_zlib.crc32(space[:count], crc32)
            left -= count
            yield space[:count]
    if crc32 != segment.crc32:
        raise CorruptSegmentError(f"{name}: checksum does not match")


def _streams(
    file: pa.NativeFile, segment: Segment, end: int, name: str
) -> Iterator[pa.RecordBatch]:
    rows = 0
    options = pa.ipc.IpcReadOptions(use_threads=False)
    while file.tell() < end:
        try:
            with pa.ipc.open_stream(file, options=options) as stream:
                for batch in stream:
                    rows += batch.num_rows
                    yield batch
        except pa.ArrowException as error:
            raise CorruptSegmentError(f"{name}: {error}") from error
    if rows != segment.rows:
        raise CorruptSegmentError(f"{name}: {rows} rows instead of {segment.rows}")
