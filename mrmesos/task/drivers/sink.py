"""What drivers of mappers write to; who makes one decides where the pairs go."""

from __future__ import annotations

from typing import Any, Protocol

import pyarrow as pa

from mrmesos.task.drivers.record_feed import Groups, Pair


class MapSink(Protocol):
    """Takes what a mapper yields."""

    def write_pairs(self, keys: list[Any], values: list[Any]) -> None:
        """Take pairs of Python objects. Raises RecordTypeError."""

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Take a batch of `key` and `value`. Raises RecordTypeError."""

    def groups(self) -> Groups | None:
        """Where to put pairs by key, if that is the way now; `grouped` is to be called after."""

    def grouped(self, rows: int, odd: Pair | None) -> int:
        """So many pairs were put there, and this one could not; the bytes that memory grew by.

        Raises RecordTypeError.
        """

    def finish(self) -> dict[str, int]:
        """Sort, merge, close what is to be closed; counters of the group `task`."""

    def abort(self) -> None:
        """Remove what was written."""
