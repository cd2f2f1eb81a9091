"""What every reader of input yields: records of one file as a batch, and what it is worth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from mrmesos.io.columns.schema import KEY, VALUE, is_pickled


@dataclass(frozen=True, slots=True)
class InputBatch:
    """Records of one file. Columns: `key` and `value`, as the mapper sees them.

    Or of several small ones: then `further` has the first row and the URI of each but the first.
    `positions` (int64) say where in the file each record is, where the keys do not.
    """

    uri: str
    batch: pa.RecordBatch
    further: tuple[tuple[int, str], ...] = ()
    positions: pa.Array | None = None
    objects: list[Any] | None = None
    """The values as Python objects, where no column holds them: `value` is then their source."""
    table: bool = False
    """Whether a BatchMapper is given the fields of the struct `value` as columns."""
    stored: int = -1
    """Bytes of the input that these records are; -1: those of the lines `value`."""
    unit: str = "offset"
    """What places count: bytes ("offset") or rows ("row"), for messages."""
    skipped: int = 0
    """Bad records that were left out beside these."""

    @property
    def places(self) -> pa.Array:
        """Where in its file each record is."""
        return self.batch.column(KEY) if self.positions is None else self.positions

    @property
    def columns(self) -> pa.RecordBatch:
        """The batch that a BatchMapper is given.

        Where a file says that a column is pickled, it is one of bytes all the same: nothing is
        unpickled that this job's own attempts have not made.
        """
        given = self.batch
        if self.table:
            given = pa.RecordBatch.from_struct_array(given.column(VALUE))
        if not any(is_pickled(field) for field in given.schema):
            return given
        plain = [
            field.with_metadata(None) if is_pickled(field) else field for field in given.schema
        ]
        return pa.RecordBatch.from_arrays(given.columns, schema=pa.schema(plain))

    def head(self, rows: int) -> InputBatch:
        """The first records, at most so many, of a batch of one file."""
        return replace(
            self,
            batch=self.batch.slice(0, rows),
            positions=None if self.positions is None else self.positions.slice(0, rows),
            objects=None if self.objects is None else self.objects[:rows],
        )
