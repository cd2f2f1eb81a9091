"""Map output without an order within a partition: it is written as it arrives, never merged.

The data file and its index have the format of `segments` and are served the same way. If memory
filled up before the map's end, there are several runs. A segment is then the concatenation of its
parts in all runs, because a segment may contain several streams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from isal import isal_zlib

from mrmesos.conf import Conf
from mrmesos.io.columns.batches import take
from mrmesos.io.shuffle.index import MapOutputIndex, Segment
from mrmesos.io.shuffle.segments import (
    codec_of,
    codec_within,
    stored_bytes,
    write_segment,
)
from mrmesos.io.shuffle.sortbuffer import (
    DATA_NAME,
    INDEX_NAME,
    WRITE_BYTES,
    MapOutputFiles,
    named,
)

Partitions = npt.NDArray[np.int32]


class UnsortedWriter:
    """Writes one map's output into `directory`, which must exist. For one thread."""

    def __init__(
        self, directory: Path, num_partitions: int, *, conf: Conf, raw_bytes: int = 0
    ) -> None:
        """With `auto` as codec, up to `raw_bytes` of output are not compressed."""
        self._directory = directory
        self._num_partitions = num_partitions
        self._codec, self._raw_bytes = codec_of(conf), raw_bytes
        self._runs: list[tuple[Path, list[Segment]]] = []
        self._spilled = self._bytes = 0

    def write_run(self, parts: Sequence[tuple[pa.RecordBatch, Partitions]]) -> None:
        """Write batches of records to their partitions. Raises OSError.

        This is fastest if the records are already in the order of partitions.
        """
        self._bytes += sum(batch.nbytes for batch, _ in parts)
        codec = codec_within(self._codec, self._bytes, self._raw_bytes)
        bounded = [self._by_partition(batch, partitions) for batch, partitions in parts]

        def segment(file: BinaryIO, number: int) -> Segment:
            pieces = (
                batch.slice(bounds[number], bounds[number + 1] - bounds[number])
                for batch, bounds in bounded
            )
            return write_segment(file, pieces, codec=codec)

        self._spilled += sum(batch.num_rows for batch, _ in bounded)
        self._write(segment)

    def _by_partition(
        self, batch: pa.RecordBatch, partitions: Partitions
    ) -> tuple[pa.RecordBatch, list[int]]:
        """The batch in the order of partitions, and where each begins and the last ends."""
        if bool((partitions[1:] < partitions[:-1]).any()):
            # numpy sorts 16-bit integers by radix, several times faster than others.
            narrow = np.uint16 if self._num_partitions <= 1 << 16 else np.int32
            order = np.argsort(partitions.astype(narrow), kind="stable")
            batch, partitions = take(batch, order), partitions[order]
        bounds = np.searchsorted(partitions, np.arange(self._num_partitions + 1))
        return batch, bounds.tolist()

    def _write(self, segment: Callable[[BinaryIO, int], Segment]) -> None:
        path = self._directory / f"run-{len(self._runs)}.data"
        segments: list[Segment] = []
        # before the file exists, so that abort() always removes it
        self._runs.append((path, segments))
        with named(path), path.open("wb", buffering=WRITE_BYTES) as file:
            segments.extend(segment(file, number) for number in range(self._num_partitions))

    def finish(self) -> MapOutputFiles:
        """Join the runs, and leave the data file and its index.

        Raises OSError, CorruptSegmentError.
        """
        try:
            if len(self._runs) != 1:
                self._join()
            path, segments = self._runs.pop()
            data, index_path = self._directory / DATA_NAME, self._directory / INDEX_NAME
            path.replace(data)
            index = MapOutputIndex(segments)
            with named(index_path):
                index.write(index_path)
        except BaseException:
            self.abort()
            raise
        return MapOutputFiles(data, index_path, index, {"SPILLED_RECORDS": self._spilled})

    def _join(self) -> None:
        runs = list(self._runs)

        def segment(target: BinaryIO, number: int) -> Segment:
            offset = target.tell()
            crc32 = rows = 0
            for path, segments in runs:
                part = segments[number]
                rows += part.rows
                for chunk in _chunks(path, part):
                    crc32 = isal_zlib.crc32(chunk, crc32)
                    target.write(chunk)
            return Segment(offset, target.tell() - offset, rows, crc32)

        self._write(segment)
        for path, _ in runs:
            path.unlink()
        del self._runs[:-1]

    def abort(self) -> None:
        """Remove every file of this map's output; may be called at any time."""
        for path, _ in self._runs:
            path.unlink(missing_ok=True)
        self._runs = []
        for name in (DATA_NAME, INDEX_NAME):
            (self._directory / name).unlink(missing_ok=True)


def _chunks(path: Path, segment: Segment) -> Iterator[memoryview]:
    if segment.length:
        with named(path):
            yield from stored_bytes(path, segment, str(path))
