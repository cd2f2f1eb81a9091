"""Remote files as seekable Python files: large requests, some of them ahead, with retries.

fsspec's own buffered files fetch only when the reader already waits, copy the data once more, and
fail at the first lost connection.
"""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import msgspec

from mrmesos.io.fs.retry import retrying

FIRST_PIECE = 256 << 10
"""Bytes of the first request after a seek; enough for footers and small files."""
PIECE = 4 << 20
"""Bytes of one request while a file is read in order."""
PAST_END = 64 << 10
"""Bytes requested past the planned end, for the rest of the last record."""
GROWTH = 8
"""While a file is read in order, each request is this many times as large as the one before."""

Fetch = Callable[[int, int], bytes]
"""`fetch(start, end)`: bytes `[start, end)` of a file that has at least `end` bytes."""


class Requests(msgspec.Struct, frozen=True):
    """How a store is asked: bytes of one request, and how many requests run ahead of the reader.

    If `ahead` is not 0, `fetch` is called in this many other threads at once. A file holds at most
    `ahead + 1` pieces in memory.
    """

    piece: int = PIECE
    ahead: int = 0


OF_HDFS = Requests(piece=2 << 20, ahead=1)
"""A DataNode streams as fast as one reader takes the bytes."""
OF_OBJECT_STORE = Requests(piece=8 << 20, ahead=2)
"""Each request has its price and its latency, and one connection is slower than the network."""


class _Coming(msgspec.Struct, frozen=True):
    """A piece `[start, end)` that has been requested."""

    start: int
    end: int
    data: Future[bytes]


class RemoteFile(io.RawIOBase):
    """A file of `size` bytes, read through `fetch`.

    The reader plans to stop at `until`, so read-ahead stops there. -1 means that it has no plan; it
    may seek around.
    """

    def __init__(
        self, fetch: Fetch, size: int, *, until: int = -1, requests: Requests | None = None
    ) -> None:
        super().__init__()
        self._fetch, self.size, self._requests = fetch, size, requests or Requests()
        self._planned = until >= 0
        self._until = min(size, until + PAST_END) if self._planned else size
        self._position = 0
        self._start, self._piece = 0, b""  # the bytes in memory, and their offset
        self._length = FIRST_PIECE
        self._threads: ThreadPoolExecutor | None = None
        self._coming: deque[_Coming] = deque()  # without a gap

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative seek position {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, space: Any) -> int:
        """Fill `space` and return the bytes read, fewer only at the end. Raises driver errors."""
        view = memoryview(space).cast("B")
        filled = 0
        while filled < len(view) and self._position < self.size:
            if not self._start <= self._position < self._start + len(self._piece):
                self._load(len(view) - filled)
            begin = self._position - self._start
            count = min(len(view) - filled, len(self._piece) - begin)
            view[filled : filled + count] = memoryview(self._piece)[begin : begin + count]
            filled += count
            self._position += count
        return filled

    def close(self) -> None:
        """Drop the read-ahead data."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None
        self._coming.clear()
        self._piece = b""
        super().close()

    def _load(self, wanted: int) -> None:
        """Load the piece at the position into memory, and request those after it."""
        start = self._position
        in_order = bool(self._piece) and start == self._start + len(self._piece)
        # A reader with a plan that begins in the middle goes on in order.
        in_order = in_order or (self._planned and 0 < start < self._until)
        self._length = self._longer() if in_order else FIRST_PIECE
        self._start = start
        self._piece = b""  # free the memory before the next fetch
        if self._coming and self._coming[0].start != start:
            self._forget()
        if in_order:
            self._request_from(start)
        if self._coming:
            self._piece = self._coming.popleft().data.result()
        else:
            self._piece = self._get(start, self._end(start, wanted))

    def _longer(self) -> int:
        most = self._requests.piece
        return most if self._planned else min(most, GROWTH * self._length)

    def _forget(self) -> None:
        for each in self._coming:
            each.data.cancel()
        self._coming.clear()

    def _request_from(self, start: int) -> None:
        """Request the piece at `start` and those after it, as far as the reader plans to read."""
        most = self._requests.ahead
        if not most:
            return
        if self._threads is None:
            self._threads = ThreadPoolExecutor(most, "read-ahead")
        following = self._coming[-1].end if self._coming else start
        while len(self._coming) <= most and following < self._until:
            end = self._end(following, 0)
            data = self._threads.submit(self._get, following, end)
            self._coming.append(_Coming(following, end, data))
            following = end

    def _end(self, start: int, wanted: int) -> int:
        """The end of the piece at `start`: covers `wanted` bytes, else stops at the planned end.

        A rest that is small is no request of its own.
        """
        stop = self._until if start < self._until else self.size
        end = start + self._length
        if stop - end < FIRST_PIECE:
            end = stop
        return min(self.size, max(start + wanted, end))

    def _get(self, start: int, end: int) -> bytes:
        data = retrying()(self._fetch, start, end)
        if not data:
            raise EOFError(f"the file ends at byte {start}, but it had {self.size} when opened")
        return data


def open_remote(fs: Any, path: str, until: int = -1) -> Any:
    """Open `path` on any filesystem except the local one. Raises driver errors."""
    own = getattr(fs, "open_ranges", None)  # our own hdfs://
    if own is not None:
        fetch, size = own(path)  # hdfs-native retries by itself
        return RemoteFile(fetch, size, until=until, requests=OF_HDFS)
    size = retrying()(fs.info, path).get("size")
    if size is None:  # some web servers send no size
        return fs.open(path, "rb", block_size=PIECE)
    if getattr(fs, "async_impl", False):

        def ranged(start: int, end: int) -> bytes:
            return bytes(fs.cat_file(path, start=start, end=end))

        return RemoteFile(ranged, int(size), until=until, requests=OF_OBJECT_STORE)
    return RemoteFile(_Reopened(fs, path).fetch, int(size), until=until)


class _Reopened:
    """A file of an unknown driver; it is opened again after every failure."""

    def __init__(self, fs: Any, path: str) -> None:
        self._fs, self._path = fs, path
        self._file: Any = None

    def fetch(self, start: int, end: int) -> bytes:
        try:
            if self._file is None:
                self._file = self._fs.open(self._path, "rb", block_size=PIECE)
            self._file.seek(start)
            return bytes(self._file.read(end - start))
        except BaseException:
            self._file = None
            raise
