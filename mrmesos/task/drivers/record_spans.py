"""Records by their numbers: which are to be left out, and which user code has in hand.

Imports no pyarrow: the TaskTracker's own process reads notes, too.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Annotated

import msgspec

from mrmesos.bounds import LIST_MAX, Count, Text

NOTE_FILE = "running.record"
"""Where a worker notes what user code has in hand, inside its `work_dir`."""

_NOTE = struct.Struct("<qq")


class Span(msgspec.Struct, frozen=True):
    """`count` records from number `first` on."""

    first: Count
    count: Count


class Redo(msgspec.Struct, frozen=True):
    """What an attempt that starts again is to do otherwise.

    `skip`: records to leave out, and why. `cuts`: records that a batch has to begin with.
    """

    skip: Annotated[dict[Count, Text], msgspec.Meta(max_length=LIST_MAX)] = {}
    cuts: Annotated[list[Count], msgspec.Meta(max_length=LIST_MAX)] = []


class Note:
    """The records that user code has in hand, where they can be read once the process is gone."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        path.write_bytes(bytes(_NOTE.size))  # written, not just sized: a full disk shows here
        with path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), _NOTE.size)
        self.words = memoryview(self._page).cast("q")
        """The first record and how many; written one after the other, as user code runs later."""

    def begin(self, first: int, count: int = 1) -> None:
        """User code is given these next."""
        self.words[0] = first
        self.words[1] = count

    def clear(self) -> None:
        """User code has none."""
        self.words[1] = 0

    def span(self) -> Span | None:
        """What it says now."""
        return Span(*self.words) if self.words[1] > 0 else None

    def close(self) -> None:
        """Nothing more is written; what was stays readable."""
        self.words.release()
        self._page.close()

    @staticmethod
    def read(path: Path) -> Span | None:
        """What a process that is gone had in hand; None where it had nothing, or told nothing."""
        try:
            data = path.read_bytes()
        except OSError:
            return None
        if len(data) != _NOTE.size:
            return None
        first, count = _NOTE.unpack(data)
        return Span(first, count) if first >= 0 and count > 0 else None
