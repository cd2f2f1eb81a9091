"""The interface to which drivers of mappers write. The sink decides where the pairs go."""

from __future__ import annotations

from typing import Any, Protocol

import pyarrow as pa

from mrmesos.task.drivers.record_feed import Counts, Groups, Pair


class MapSink(Protocol):
    """Takes the output of a mapper."""

    def write_pairs(self, keys: list[Any], values: list[Any]) -> None:
        """Take pairs of Python objects. Raises RecordTypeError."""

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Take a batch with the columns `key` and `value`. Raises RecordTypeError."""

    def groups(self) -> Groups | Counts | None:
        """A dict or counts for the next pairs, by key; None if they should come by `write_pairs`.

        After filling it, the driver must call `grouped`.
        """

    def grouped(self, rows: int, odd: Pair | None) -> int:
        """Tell the sink that `rows` pairs were put into `groups()`. Returns its growth in bytes.

        `odd` is a pair that could not be put there. Raises RecordTypeError.
        """

    def finish(self) -> dict[str, int]:
        """Sort, merge and close the output. Returns counters of the group `task`."""

    def abort(self) -> None:
        """Remove everything that was written."""
