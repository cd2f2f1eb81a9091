"""Receives segments: counts and checks their bytes, and keeps them in memory or in a file.

Comes in: the answer of a TaskTracker (docs/protocol.md). Goes out: a `Fetched` for each segment,
for the merge. Threads: all fetching threads of a reduce.
"""

from __future__ import annotations

import http.client
import io
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa

from mrmesos.io.shuffle.segments import Segment, read_segment
from mrmesos.task.collect.sorted_runs import SortedRun
from mrmesos.task.shuffle.peers import FetchError
from mrmesos.wire.shuffle import FrameHeader
from mrmesos.wire.task import MapOutput

_CHUNK = 1 << 20
_HEADER_MAX = 64 << 10
_WAITS_MAX = 4
"""Each MiB (or the rest of a segment) may take this many times the longest allowed silence."""


class Closed(Exception):
    """The fetch was closed while it waited."""


class DamagedSegment(Exception):
    """A segment arrived whole, but its checksum is wrong. The next segment can be read."""


class NotServed(Exception):
    """The tracker answered that the output is missing or its index is damaged."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """One map's segment: its bytes, or the file that holds them."""

    attempt_id: str
    source: bytes | Path
    segment: Segment

    def run(self) -> SortedRun:
        """The segment as a run for the merge."""
        return SortedRun(self.segment.rows, self.segment.length, self._read)

    def _read(self) -> Iterator[pa.RecordBatch]:
        return read_segment(self.source, self.segment, name=f"map output of {self.attempt_id}")


class Receiver:
    """Keeps up to `budget` bytes in memory. Several threads may use it at once."""

    def __init__(self, budget: int, silence: float, closed: threading.Event) -> None:
        """`silence` is the longest allowed silence of a tracker, in seconds. `closed` ends all
        waits.
        """
        self._budget = budget
        self._silence = silence
        self._closed = closed
        self._lock = threading.Lock()
        self.bytes = 0
        """Bytes that have arrived. The number never falls."""

    def receive(self, response: http.client.HTTPResponse, output: MapOutput, path: Path) -> Fetched:
        """Read the next frame of an answer, into memory or to the end of the file `path`.

        Raises DamagedSegment and NotServed: then the next frame can still be read. Raises
        FetchError, ValueError, HTTPException and OSError: then the answer is over. An OSError with
        a file name means that our own disk failed. Raises Closed.
        """
        line = response.readline(_HEADER_MAX)
        header = msgspec.json.decode(line, type=FrameHeader)
        if header.attempt_id != output.attempt_id:
            raise FetchError(f"{header.attempt_id} was sent out of order")
        if header.status != "ok":
            raise NotServed(header.status)
        if header.length < 0 or (header.length > 0) != (header.rows > 0):
            raise FetchError(f"{header.rows} rows in {header.length} bytes")
        in_memory = self._reserve(header.length)
        source: bytes | Path
        try:
            chunks = self._chunks(response, header.length, header.crc32)
            offset = 0
            if in_memory:
                source = b"".join(chunks)
            else:
                source, offset = path, _append(path, chunks)
        except BaseException:
            if in_memory:
                self._give_back(header.length)
            raise
        segment = Segment(offset, header.length, header.rows, header.crc32)
        return Fetched(output.attempt_id, source, segment)

    def drop(self, fetched: Fetched) -> None:
        """Free a segment that is no longer wanted."""
        if isinstance(fetched.source, bytes):
            self._give_back(fetched.segment.length)

    def _reserve(self, length: int) -> bool:
        with self._lock:
            if length > self._budget:
                return False
            self._budget -= length
            return True

    def _give_back(self, length: int) -> None:
        with self._lock:
            self._budget += length

    def _chunks(
        self, response: http.client.HTTPResponse, length: int, crc32: int
    ) -> Iterator[bytes]:
        found = 0
        left = due = length
        deadline = 0.0
        while left:
            if self._closed.is_set():
                raise Closed("the fetch of map output was given up")
            if left <= due:  # the next MiB begins
                due, deadline = left - _CHUNK, time.monotonic() + _WAITS_MAX * self._silence
            elif time.monotonic() > deadline:
                raise FetchError(f"less than 1 MiB in {_WAITS_MAX * self._silence:g} s")
            chunk = response.read1(min(left, _CHUNK))
            if not chunk:
                raise FetchError(f"the answer ended {left:,} bytes early")
            found = zlib.crc32(chunk, found)
            left -= len(chunk)
            with self._lock:
                self.bytes += len(chunk)
            yield chunk
        if found != crc32:
            raise DamagedSegment("its checksum does not match")


def _append(path: Path, chunks: Iterator[bytes]) -> int:
    """Append the segment to a thread's file. Returns its offset there.

    If the segment does not arrive whole, the file is cut back, because it may be tried many times.
    Raises OSError that names the file.
    """
    with path.open("ab", buffering=0) as file:
        offset = file.seek(0, io.SEEK_END)
        try:
            for chunk in chunks:
                _write(file, chunk, path)
        except BaseException:
            file.truncate(offset)
            raise
    return offset


def _write(file: io.FileIO, chunk: bytes, path: Path) -> None:
    try:
        view = memoryview(chunk)
        while view:
            view = view[file.write(view) :]
    except OSError as exc:
        raise OSError(exc.errno, exc.strerror, str(path)) from exc
