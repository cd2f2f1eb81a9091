"""Prints the logs of attempts, once or while they grow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import BinaryIO

from mrmesos.client.attempt_logs import LogGone, LogSource
from mrmesos.client.terminal.printable import printable
from mrmesos.wire.job import AttemptRow
from mrmesos.wire.task import AttemptState

POLL_SECONDS = 1.0
TAIL_BYTES = 256
"""A log may lose its beginning. We then find our place by the last bytes that we printed."""
FOLLOWED_MAX = 50
"""At most this many running attempts are followed at a time, because each poll asks for every
one.
"""


class LogPrinter:
    """Prints to `out`. A line with the attempt and the stream comes before each log.

    Without `heads` there is no such line, because only one log is shown.
    """

    def __init__(
        self,
        attempts: LogSource,
        out: BinaryIO,
        *,
        streams: Sequence[str],
        heads: bool,
        tell: Callable[[str], None],
    ) -> None:
        """`tell` gets the reasons why logs cannot be shown."""
        self._attempts, self._out, self._tell = attempts, out, tell
        self._streams, self._heads = streams, heads
        self._terminal = out.isatty()
        self._last = ("", "")
        self._shown: set[str] = set()
        self._noted: set[str] = set()
        self._tails: dict[tuple[str, str], bytes] = {}
        self._ends: dict[tuple[str, str], int] = {}
        self._done: set[str] = set()
        self._newline = True
        self.missing = 0
        """Number of logs that could not be shown."""

    def show(self, rows: Iterable[AttemptRow]) -> None:
        """Print the ends of the logs as they are now."""
        for row in rows:
            for stream in self._streams:
                self._print(row, stream, None)
        self._end_line()

    def follow(self, selected: Callable[[AttemptRow], bool]) -> None:
        """Print all that the selected attempts print, until the job has ended."""
        ended = False
        while not ended:
            rows, ended = self._attempts.look()
            left = [row for row in rows if selected(row) and row.id not in self._done]
            # Attempts that have ended come first: they are read once and then left alone.
            left.sort(key=lambda row: row.state == AttemptState.RUNNING)
            for row in left if ended else left[:FOLLOWED_MAX]:
                for stream in self._streams:
                    self._catch_up(row, stream)
                if ended or row.state != AttemptState.RUNNING:
                    self._done.add(row.id)
            self._out.flush()
            if not ended:
                time.sleep(POLL_SECONDS)
        self._end_line()

    def _catch_up(self, row: AttemptRow, stream: str) -> None:
        while self._print(row, stream, self._ends.get((row.id, stream), 0)):
            pass

    def _print(self, row: AttemptRow, stream: str, offset: int | None) -> bool:
        """Print a part of a log. Returns whether there may be more to print."""
        key = (row.id, stream)
        try:
            data, start, kept, note = self._attempts.read(row.id, stream, offset)
        except LogGone as problem:
            # An attempt that has just begun may have no log yet.
            began = offset is not None and row.state == AttemptState.RUNNING
            if key not in self._ends and not began:
                self._tell(f"{row.id} {stream}: {problem}")
                self.missing += 1
            return False
        if kept:
            if note and row.id not in self._noted:
                self._noted.add(row.id)
                self._tell(f"{row.id}: only its last lines: {note}")
            self._print_kept(row, stream, data)
            return False
        new = self._new(key, data) if offset and start != offset else data
        self._ends[key] = start + len(data)
        if new:
            self._head(row, stream)
            self._write(new)
            self._tails[key] = (self._tails.get(key, b"") + new)[-TAIL_BYTES:]
        return bool(data)

    def _print_kept(self, row: AttemptRow, stream: str, data: bytes) -> None:
        """Print the last lines of both streams, or the part of them that we have not printed
        yet.
        """
        if row.id not in self._shown:
            self._head(row, "last lines of both streams")
            self._write(data)
            return
        tail = self._tails.get((row.id, stream), b"")
        last = section(data, stream)
        if tail and tail in last:
            self._head(row, stream)
            self._write(self._new((row.id, stream), last))

    def _new(self, key: tuple[str, str], data: bytes) -> bytes:
        """The new part of a log that has lost its beginning. It begins where our printed text
        ends.
        """
        tail = self._tails.get(key, b"")
        at = data.rfind(tail) if tail else -1
        return data[at + len(tail) :] if at >= 0 else data

    def _head(self, row: AttemptRow, stream: str) -> None:
        if self._heads and self._last != (row.id, stream):
            self._end_line()
            on = f" on {row.hostname}" if row.hostname else ""
            self._write(f"==> {row.id} {stream} ({row.state}{on}) <==\n".encode())
        self._last = (row.id, stream)
        self._shown.add(row.id)

    def _write(self, data: bytes) -> None:
        if self._terminal:
            data = printable(data.decode("utf-8", "replace")).encode()
        self._out.write(data)
        self._newline = data.endswith(b"\n")

    def _end_line(self) -> None:
        if not self._newline:
            self._out.write(b"\n")
            self._newline = True
        self._out.flush()


def section(kept: bytes, stream: str) -> bytes:
    """The part of one stream in the last lines that a TaskTracker reports: stderr, then stdout."""
    error, mark, out = kept.rpartition(b"[stdout]\n")
    if stream == "stdout":
        return out if mark else b""
    return (error if mark else out).removeprefix(b"[stderr]\n")
