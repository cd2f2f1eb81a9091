"""Blocks of text records that end with a delimiter of the user's own, as Hadoop's
`textinputformat.record.delimiter`.

A record belongs to the slice that contains its first byte. A delimiter such as two newlines can
overlap with itself: of three newlines, the first two count. If a slice begins within such a run,
the run is read from its start. So any cut gives the same records as the whole file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from mrmesos.api.split import FileSlice
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.input.text.lines import LineBlock, Positions, shorter, too_long
from mrmesos.io.input.text.source import AsText, Bytes, LineSource

_RUN_MAX = 1 << 26
"""A run of overlapping delimiters is followed back this far."""


def record_blocks(
    piece: FileSlice, delimiter: bytes, batch_bytes: int, max_record: int, text: AsText
) -> Iterator[LineBlock]:
    """The records of the slice. `newlines` of a block are the beginnings of its delimiters.

    Raises InputError with the file and, if known, the offset.
    """
    back = 2 * len(delimiter)
    while True:
        begin = max(0, piece.start - back)
        until = -1 if piece.length < 0 else piece.start + piece.length
        with LineSource(piece.uri, begin, until, text=text) as source:
            if source.whole and piece.start:
                return
            end = until if piece.length >= 0 and not source.whole else sys.maxsize
            reader = _Reader(source, begin, end, delimiter, batch_bytes, max_record)
            if reader.skip_to(piece.start):
                yield from reader.blocks()
                return
        if back > _RUN_MAX:
            raise InputError(
                f"{piece.uri}: more than {_RUN_MAX} bytes before offset {piece.start} are only "
                "overlapping delimiters; compress the file, so that it is not cut"
            )
        back *= 8


class _Reader:
    """Cuts the bytes of a source. `data` has the bytes that were read and are still needed."""

    def __init__(
        self,
        source: LineSource,
        begin: int,
        end: int,
        delimiter: bytes,
        batch_bytes: int,
        max_record: int,
    ) -> None:
        self._source, self._end, self._delimiter = source, end, delimiter
        self._batch_bytes, self._max_record = batch_bytes, max_record
        self._data = np.empty(0, np.uint8)
        self._offset = begin  # of the first byte of `data`

    def _more(self) -> bool:
        """Read on. Long records double the size of a read, so they are not searched too often."""
        ended = self._source.ended
        if ended:
            return False
        self._data = self._source.read_behind(
            self._data, max(self._batch_bytes, len(self._data), 2 * len(self._delimiter))
        )
        if self._source.ended and self._end < sys.maxsize and self._source.position < self._end:
            raise shorter(self._source.uri, self._source.position, self._end)
        return True

    def _drop(self, count: int) -> None:
        self._data = self._data[count:]
        self._offset += count

    def skip_to(self, start: int) -> bool:
        """Drop all bytes before the slice's first record. False if its place is not known yet."""
        if not start:
            return True
        size, first = len(self._delimiter), self._offset
        at, before, real = self._offset, -1, -1
        while True:
            raw = self._data.tobytes()
            while (found := raw.find(self._delimiter, at - self._offset)) >= 0:
                place, at = self._offset + found, self._offset + found + 1
                alone = place - first >= size - 1 or not first
                if real >= 0:
                    real = place if place >= real + size else real
                elif (before < 0 and alone) or (before >= 0 and place >= before + size):
                    real = place
                elif place + size >= start:
                    return False
                before = place
                if real == place and place + size >= start:
                    self._drop(place + size - self._offset)
                    return True
            keep = min(len(raw), size - 1)
            at = max(at, self._offset + len(raw) - keep)
            self._drop(len(raw) - keep)
            if self._offset >= self._end or not self._more():
                self._drop(len(self._data))
                return True

    def blocks(self) -> Iterator[LineBlock]:
        """The records from here to the end of the slice."""
        while self._offset < self._end:
            more = self._more()
            cuts = _occurrences(self._data.tobytes(), self._delimiter)
            nexts = cuts + len(self._delimiter)
            # The last record is the one that begins before the end of the slice.
            inside = int(np.searchsorted(nexts + self._offset, self._end)) + 1
            cuts, nexts = cuts[:inside], nexts[:inside]
            length = int(nexts[-1]) if len(nexts) else 0
            if not more and length + self._offset < self._end:
                length = len(self._data)  # the last record of the file has no delimiter
            elif not length and len(self._data) > self._max_record:
                raise too_long(self._source.uri, self._offset, self._max_record)
            if length:
                yield LineBlock(
                    self._source.uri, self._offset, self._data[:length], cuts, self._max_record
                )
            self._drop(length)
            if not more:
                return


def _occurrences(data: bytes, delimiter: bytes) -> Positions:
    """The beginnings of delimiters, without those that overlap an earlier one."""
    places, at = [], data.find(delimiter)
    while at >= 0:
        places.append(at)
        at = data.find(delimiter, at + len(delimiter))
    return np.array(places, np.int64)


def record_spans(block: LineBlock, size: int) -> tuple[Positions, Positions]:
    """The start of each record and its length without the delimiter of `size` bytes.

    Raises InputError if a record is longer than allowed.
    """
    data: Bytes = block.data
    starts = np.concatenate(([0], block.newlines + size)).astype(np.int64)
    ends = np.append(block.newlines, len(data))
    if starts[-1] == len(data):
        starts, ends = starts[:-1], ends[:-1]
    lengths = ends - starts
    if int(lengths.max(initial=0)) > block.max_line:
        record = int(np.flatnonzero(lengths > block.max_line)[0])
        raise too_long(block.uri, block.offset + int(starts[record]), block.max_line)
    return starts, lengths
