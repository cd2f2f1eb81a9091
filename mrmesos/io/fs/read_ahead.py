"""Remote files as seekable Python files: large requests, one read ahead, with retries.

fsspec's own buffered files fetch only when the reader already waits, copy the data once more, and
fail at the first lost connection.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from mrmesos.io.fs.retry import retrying

FIRST_PIECE = 256 << 10
"""Bytes of the first request after a seek; enough for footers and small files."""
PIECE = 4 << 20
"""Bytes of one request while a file is read in order."""
PAST_END = 64 << 10
"""Bytes requested past the planned end, for the rest of the last record."""

Fetch = Callable[[int, int], bytes]
"""`fetch(start, end)`: bytes `[start, end)` of a file that has at least `end` bytes."""


class RemoteFile(io.RawIOBase):
    """A file of `size` bytes, read through `fetch`.

    The reader plans to stop at `until` (-1: at the end), so read-ahead stops there. If `ahead` is
    set, `fetch` may be called in another thread.
    """

    def __init__(self, fetch: Fetch, size: int, *, until: int = -1, ahead: bool = False) -> None:
        super().__init__()
        self._fetch, self.size, self._ahead = fetch, size, ahead
        self._until = size if until < 0 else min(size, until + PAST_END)
        self._position = 0
        self._start, self._piece = 0, b""  # the bytes in memory, and their offset
        self._length = FIRST_PIECE
        self._thread: ThreadPoolExecutor | None = None
        self._next: tuple[int, Future[bytes]] | None = None

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
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._thread = None
        self._next, self._piece = None, b""
        super().close()

    def _load(self, wanted: int) -> None:
        """Load the piece at the position into memory, and request the next one."""
        start = self._position
        in_order = bool(self._piece) and start == self._start + len(self._piece)
        self._length = min(PIECE, 4 * self._length) if in_order else FIRST_PIECE
        self._start = start
        if self._next is not None and self._next[0] == start:
            self._piece = self._next[1].result()
        else:
            self._piece = b""  # free the memory before the next fetch
            self._piece = self._get(start, self._end(start, wanted))
        self._next = None
        following = start + len(self._piece)
        if self._ahead and in_order and following < self._until:
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
            end = self._end(following, 0)
            self._next = (following, self._thread.submit(self._get, following, end))

    def _end(self, start: int, wanted: int) -> int:
        """The end of the piece at `start`: covers `wanted` bytes, else stops at `until`."""
        stop = self._until if start < self._until else self.size
        return min(self.size, max(start + wanted, min(start + self._length, stop)))

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
        return RemoteFile(fetch, size, until=until, ahead=True)
    size = retrying()(fs.info, path).get("size")
    if size is None:  # some web servers send no size
        return fs.open(path, "rb", block_size=PIECE)
    if getattr(fs, "async_impl", False):

        def ranged(start: int, end: int) -> bytes:
            return bytes(fs.cat_file(path, start=start, end=end))

        return RemoteFile(ranged, int(size), until=until, ahead=True)
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
