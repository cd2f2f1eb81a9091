"""Files between the steps of a chain. They keep every value as it was yielded, also objects.

A file has pieces of a few MiB, then a list of the pieces, then the length of the list. A piece is
one or more Arrow IPC streams: a batch of another type begins another stream. The list has a hash of
each piece. It is signed with the chain's key, because reading unpickles objects: only data from an
attempt of the same chain may be unpickled.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import struct
from collections.abc import Sequence
from typing import Annotated, BinaryIO

import msgspec
import pyarrow as pa

from mrmesos.bounds import Count, Index, Name
from mrmesos.io.columns.batches import cut
from mrmesos.io.columns.schema import KEY, VALUE

PIECE_BYTES = 4 << 20
"""Size of a piece before compression. A map reads at least one piece."""
PIECES_MAX = 10_000_000
BATCH_ROWS = 1 << 16
_MAGIC = b"mrmesos step 01\n"
_TAIL = struct.Struct("<Q32s")


class UnusableStep(Exception):
    """A file between steps is damaged, or this chain has not written it. The message says which."""


class StepPiece(msgspec.Struct, frozen=True, array_like=True):
    """A piece's place in its file, its rows, and the hash of its bytes."""

    offset: Count
    length: Count
    rows: Index
    digest: bytes


_Pieces = Annotated[list[StepPiece], msgspec.Meta(max_length=PIECES_MAX)]


class StepFile:
    """Writes one file. The caller opens and closes it. Raises OSError."""

    def __init__(self, file: io.RawIOBase, key: Name) -> None:
        self._file, self._key = file, key
        self._pieces: list[StepPiece] = []
        self._pending: list[pa.RecordBatch] = []
        self._bytes = 0
        self._end = len(_MAGIC)
        self.records = 0
        file.write(_MAGIC)

    def write(self, batch: pa.RecordBatch) -> None:
        """Append the records of a batch."""
        for part in cut(batch.select([KEY, VALUE]), BATCH_ROWS, PIECE_BYTES):
            self._pending.append(part)
            self._bytes += part.nbytes
            self.records += part.num_rows
            if self._bytes >= PIECE_BYTES:
                self._flush()

    def finish(self) -> None:
        """Write the list of the pieces."""
        self._flush()
        listed = msgspec.msgpack.encode(self._pieces)
        self._file.write(listed)
        self._file.write(_TAIL.pack(len(listed), _signed(self._key, listed)))

    def _flush(self) -> None:
        if not self._pending:
            return
        data = _encoded(self._pending)
        rows = sum(batch.num_rows for batch in self._pending)
        self._pieces.append(StepPiece(self._end, len(data), rows, _digest(data)))
        self._file.write(data)
        self._end += len(data)
        self._pending, self._bytes = [], 0


def _encoded(batches: Sequence[pa.RecordBatch]) -> memoryview:
    into = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
    writer: pa.RecordBatchStreamWriter | None = None
    schema: pa.Schema | None = None
    for batch in batches:
        if writer is None or not batch.schema.equals(schema, check_metadata=True):
            if writer is not None:
                writer.close()
            schema = batch.schema
            writer = pa.ipc.new_stream(into, schema, options=options)
        writer.write_batch(batch)
    if writer is not None:
        writer.close()
    return into.getbuffer()


def read_pieces(file: BinaryIO, size: int, key: Name) -> list[StepPiece]:
    """The list at the end of a file of `size` bytes. Raises UnusableStep, OSError."""
    if size < len(_MAGIC) + _TAIL.size:
        raise UnusableStep("the file is cut short")
    file.seek(size - _TAIL.size)
    length, signature = _TAIL.unpack(_exactly(file, _TAIL.size))
    start = size - _TAIL.size - length
    if start < len(_MAGIC):
        raise UnusableStep("the file is damaged")
    file.seek(start)
    listed = _exactly(file, length)
    if not hmac.compare_digest(_signed(key, listed), signature):
        raise UnusableStep("the file is damaged, or was not written by this chain")
    return msgspec.msgpack.decode(listed, type=_Pieces)


def read_piece(file: BinaryIO, piece: StepPiece) -> list[pa.RecordBatch]:
    """The batches of a piece. Raises UnusableStep, OSError."""
    file.seek(piece.offset)
    data = _exactly(file, piece.length)
    if _digest(data) != piece.digest:
        raise UnusableStep(f"the piece at offset {piece.offset} is damaged")
    source = pa.BufferReader(data)
    options = pa.ipc.IpcReadOptions(use_threads=False)
    batches: list[pa.RecordBatch] = []
    while source.tell() < len(data):
        with pa.ipc.open_stream(source, options=options) as stream:
            batches += stream
    return batches


def _digest(data: bytes | memoryview) -> bytes:
    return hashlib.blake2b(data, digest_size=32).digest()


def _signed(key: Name, listed: bytes) -> bytes:
    return hmac.digest(key.encode(), listed, "sha256")


def _exactly(file: BinaryIO, length: int) -> bytes:
    """Read `length` bytes. One read of a raw file may return fewer."""
    parts: list[bytes] = []
    while length:
        part = file.read(length)
        if not part:
            raise UnusableStep("the file is cut short")
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
