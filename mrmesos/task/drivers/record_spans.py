"""Numbers of records: those to skip, and those that user code works on now.

This module does not import pyarrow, because the TaskTracker's own process also reads notes.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Annotated

import msgspec

from mrmesos.bounds import LIST_MAX, Count, Text

NOTE_FILE = "running.record"
"""File in `work_dir` in which a worker notes the records that user code works on."""

_NOTE = struct.Struct("<qq")


class Span(msgspec.Struct, frozen=True):
    """`count` records from number `first` on."""

    first: Count
    count: Count


class Redo(msgspec.Struct, frozen=True):
    """Changes for an attempt that starts again.

    `skip`: records to skip, each with the reason. `cuts`: a batch must begin at these records.
    """

    skip: Annotated[dict[Count, Text], msgspec.Meta(max_length=LIST_MAX)] = {}
    cuts: Annotated[list[Count], msgspec.Meta(max_length=LIST_MAX)] = []


class Note:
    """The records that user code works on now. The note survives the end of the process."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        path.write_bytes(bytes(_NOTE.size))  # real bytes, so that a full disk shows here
        with path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), _NOTE.size)
        self.words = memoryview(self._page).cast("q")
        """The first record, and the count. No user code runs between the writes of the two
        words.
        """

    def begin(self, first: int, count: int = 1) -> None:
        """Note these records: user code gets them next."""
        self.words[0] = first
        self.words[1] = count

    def clear(self) -> None:
        """Note that user code works on no record."""
        self.words[1] = 0

    def span(self) -> Span | None:
        """The noted records; None if there are none."""
        return Span(*self.words) if self.words[1] > 0 else None

    def close(self) -> None:
        """End writing. The last note stays readable."""
        self.words.release()
        self._page.close()

    @staticmethod
    def read(path: Path) -> Span | None:
        """The last note of a process that has ended; None if it was empty or is missing."""
        try:
            data = path.read_bytes()
        except OSError:
            return None
        if len(data) != _NOTE.size:
            return None
        first, count = _NOTE.unpack(data)
        return Span(first, count) if first >= 0 and count > 0 else None
