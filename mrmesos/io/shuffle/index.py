"""The index of a map-output file: offset and length of each partition's segment. No pyarrow.

A map writes ONE data file and ONE index (Hadoop's `file.out` and `file.out.index`,
org.apache.hadoop.mapred.SpillRecord). TaskTrackers need only the index to serve segments.

On disk, little-endian: magic "MRIX", version (1 byte), 3 zero bytes, number of segments (u32),
CRC-32 of what follows (u32); then for each partition offset, length, rows (u64 each) and CRC-32
of the segment's bytes (u32).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, overload

import msgspec

OUTPUT_FILE, INDEX_FILE = "file.out", "file.out.index"
"""File names of a finished map's output in its `work_dir` (Hadoop's names)."""

_HEADER = struct.Struct("<4sB3xII")
_SEGMENT = struct.Struct("<QQQI")
_MAGIC, _VERSION = b"MRIX", 1
MAX_SEGMENTS = 1_000_000
"""An index with more partitions than this counts as damaged."""


class CorruptIndexError(Exception):
    """The file is not an index, or is incomplete; the message names it."""


class Segment(NamedTuple):
    """One partition's bytes in the data file; `length` is 0 if the partition is empty."""

    offset: int
    length: int
    rows: int
    crc32: int


class _PackedSegments(Sequence[Segment]):
    """The segments of an index file, unpacked one by one when they are asked for.

    Each reduce asks for one segment of an index. With thousands of maps and reduces, a TaskTracker
    could neither unpack all of them for each reduce nor keep them unpacked.
    """

    __slots__ = ("_body",)

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __len__(self) -> int:
        return len(self._body) // _SEGMENT.size

    @overload
    def __getitem__(self, at: int) -> Segment: ...
    @overload
    def __getitem__(self, at: slice) -> list[Segment]: ...
    def __getitem__(self, at: int | slice) -> Segment | list[Segment]:
        if isinstance(at, slice):
            return [self[number] for number in range(*at.indices(len(self)))]
        if not 0 <= at < len(self):
            raise IndexError(f"segment {at} of {len(self)}")
        return Segment(*_SEGMENT.unpack_from(self._body, at * _SEGMENT.size))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


class MapOutputIndex(msgspec.Struct, frozen=True):
    """The segments of a map-output file, one for each partition in order."""

    segments: Sequence[Segment]

    def write(self, path: str | Path) -> None:
        """Write the index file. Raises OSError."""
        body = b"".join(_SEGMENT.pack(*segment) for segment in self.segments)
        header = _HEADER.pack(_MAGIC, _VERSION, len(self.segments), zlib.crc32(body))
        Path(path).write_bytes(header + body)

    @classmethod
    def read(cls, path: str | Path) -> MapOutputIndex:
        """Read an index file. Raises CorruptIndexError, OSError."""
        with Path(path).open("rb") as file:
            header = file.read(_HEADER.size)
            if len(header) < _HEADER.size:
                raise CorruptIndexError(f"{path}: shorter than the header of an index")
            magic, version, count, crc32 = _HEADER.unpack(header)
            if magic != _MAGIC or version != _VERSION or count > MAX_SEGMENTS:
                raise CorruptIndexError(f"{path}: not an index of version {_VERSION}")
            body = file.read(count * _SEGMENT.size + 1)
        if len(body) != count * _SEGMENT.size or zlib.crc32(body) != crc32:
            raise CorruptIndexError(f"{path}: the checksum of the index does not match")
        return cls(_PackedSegments(body))
