"""Receives segments: counts and checks their bytes, and keeps them in memory or in a file.

Comes in: the answer of a TaskTracker (docs/protocol.md). Goes out: a `Fetched` for each segment,
for the merge. Threads: all fetching threads of a reduce.
"""

from __future__ import annotations

import http.client
import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
import pyarrow as pa
from isal import isal_zlib

from mrmesos.io.shuffle.segments import Segment, read_segment
from mrmesos.task.collect.sorted_runs import SortedRun
from mrmesos.task.shuffle.peers import FetchError
from mrmesos.wire.shuffle import FrameHeader
from mrmesos.wire.task import MapOutput

_Chunk = bytes | memoryview
_CHUNK = 1 << 20
_HEADER_MAX = 64 << 10
_WAITS_MAX = 4
"""Each MiB (or the rest of a segment) may take this many times the longest allowed silence."""


class Closed(Exception):
    """The fetch was closed while it waited."""


class DamagedSegment(Exception):
    """A segment arrived whole, but its checksum is wrong. The next segment can be read."""


class NotServed(Exception):
    """The tracker answered that the output is missing or its index is damaged, or its file cannot
    be read.
    """


class Fetched(msgspec.Struct, frozen=True):
    """One map's segment: its bytes, or the file that holds them."""

    attempt_id: str
    source: bytearray | Path
    segment: Segment

    def run(self) -> SortedRun:
        """The segment as a run for the merge."""
        return SortedRun(self.segment.rows, self.segment.length, self._read)

    def _read(self) -> Iterator[pa.RecordBatch]:
        name = f"map output of {self.attempt_id}"
        in_memory = isinstance(self.source, bytearray)
        return read_segment(self.source, self.segment, name=name, checked=in_memory)


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

        A segment in a file of this agent is not copied: a link beside `path` keeps the file.

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
        if header.path:
            return self._from_file(header, path)
        chunks = self._chunks(response.read1, header)
        source = self._in_memory(chunks, header.length)
        if source is not None:
            return _fetched(header, source, 0)
        return _fetched(header, path, _append(path, chunks))

    def _from_file(self, header: FrameHeader, path: Path) -> Fetched:
        """Check a segment in a file of this agent. Keep it in memory, or keep the file by a link.

        The link outlives the map's directory. If a link is impossible, the segment is copied.
        """
        try:
            file = open(header.path, "rb", buffering=0)  # noqa: SIM115, PTH123 -- closed below
        except OSError as exc:
            raise NotServed(f"its file cannot be opened: {exc}") from exc
        with file:
            file.seek(header.offset)
            if self._reserve(header.length):
                return _fetched(header, self._read_in_place(file, header), 0)
            chunks = self._chunks(partial(_fill, file, memoryview(bytearray(_CHUNK))), header)
            link = path.with_name(f"{header.attempt_id}.linked")
            if not _linked(header.path, link):
                return _fetched(header, path, _append(path, chunks))
            for _ in chunks:
                pass  # only to check them
            return _fetched(header, link, header.offset)

    def _in_memory(self, chunks: Iterator[_Chunk], length: int) -> bytearray | None:
        """The chunks together; None if there is no memory for them, and then none is read."""
        if not self._reserve(length):
            return None
        try:
            joined, at = bytearray(length), 0
            for chunk in chunks:
                joined[at : at + len(chunk)] = chunk
                at += len(chunk)
        except BaseException:
            self._give_back(length)
            raise
        return joined

    def _read_in_place(self, file: io.FileIO, header: FrameHeader) -> bytearray:
        """Read and check a segment. `header.length` bytes are reserved for it."""
        try:
            whole = bytearray(header.length)
            space = memoryview(whole)

            def fill(size: int) -> memoryview:
                return _fill(file, space[file.tell() - header.offset :], size)

            for _ in self._chunks(fill, header):
                pass  # they are in place
        except BaseException:
            self._give_back(header.length)
            raise
        return whole

    def drop(self, fetched: Fetched) -> None:
        """Free a segment that is no longer wanted."""
        if isinstance(fetched.source, bytearray):
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

    def _chunks(self, read: Callable[[int], _Chunk], header: FrameHeader) -> Iterator[_Chunk]:
        found = 0
        left = due = header.length
        deadline = 0.0
        while left:
            if self._closed.is_set():
                raise Closed("the fetch of map output was given up")
            if left <= due:  # the next MiB begins
                due, deadline = left - _CHUNK, time.monotonic() + _WAITS_MAX * self._silence
            elif time.monotonic() > deadline:
                raise FetchError(f"less than 1 MiB in {_WAITS_MAX * self._silence:g} s")
            chunk = read(min(left, _CHUNK))
            if not chunk:
                raise FetchError(f"the answer ended {left:,} bytes early")
            found = isal_zlib.crc32(chunk, found)
            left -= len(chunk)
            with self._lock:
                self.bytes += len(chunk)
            yield chunk
        if found != header.crc32:
            raise DamagedSegment("its checksum does not match")


def _fetched(header: FrameHeader, source: bytearray | Path, offset: int) -> Fetched:
    segment = Segment(offset, header.length, header.rows, header.crc32)
    return Fetched(header.attempt_id, source, segment)


def _fill(file: io.FileIO, space: memoryview, size: int) -> memoryview:
    """The next bytes of a file in which there must be more, at the start of `space`.

    Raises NotServed.
    """
    try:
        count = file.readinto(space[:size])
    except OSError as exc:
        raise NotServed(f"its file cannot be read: {exc}") from exc
    if not count:
        raise NotServed("its file has become shorter")
    return space[:count]


def _linked(path: str, link: Path) -> bool:
    """Give a file another name, unless it has it from an earlier try. False if that fails."""
    try:
        os.link(path, link)
    except FileExistsError:
        return True
    except OSError:
        return False
    return True


def _append(path: Path, chunks: Iterator[_Chunk]) -> int:
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


def _write(file: io.FileIO, chunk: _Chunk, path: Path) -> None:
    try:
        view = memoryview(chunk)
        while view:
            view = view[file.write(view) :]
    except OSError as exc:
        raise OSError(exc.errno, exc.strerror, str(path)) from exc
