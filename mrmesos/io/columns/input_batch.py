"""InputBatch: the records that every input reader yields, with their file and positions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from mrmesos.io.columns.schema import KEY, VALUE, is_pickled


@dataclass(frozen=True, slots=True)
class InputBatch:
    """Records of one file, or of several small files. Columns: `key` and `value`.

    With several files, `further` has the first row and the URI of each file after the first.
    `positions` (int64) says where each record is in its file, if the keys do not.
    """

    uri: str
    batch: pa.RecordBatch
    further: tuple[tuple[int, str], ...] = ()
    positions: pa.Array | None = None
    keys: list[Any] | None = None
    """The keys as Python objects, if the column `key` has them pickled."""
    objects: list[Any] | None = None
    """The values as Python objects, if no column can hold them; `value` then has their source."""
    table: bool = False
    """Whether a BatchMapper gets the fields of the struct `value` as columns."""
    stored: int = -1
    """Bytes of the input that these records take; -1: the bytes of the lines in `value`."""
    unit: str = "offset"
    """The unit of `places`, for messages: bytes ("offset") or rows ("row")."""
    skipped: int = 0
    """Number of bad records that the reader skipped since the last batch."""

    @property
    def places(self) -> pa.Array:
        """The position of each record in its file."""
        return self.batch.column(KEY) if self.positions is None else self.positions

    @property
    def columns(self) -> pa.RecordBatch:
        """The batch for a BatchMapper.

        A file may mark a column as pickled. This property removes the mark, so the column stays
        bytes: a job unpickles only data from its own attempts.
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
        """The first `rows` records, or fewer. Only for a batch of one file."""
        return replace(
            self,
            batch=self.batch.slice(0, rows),
            positions=None if self.positions is None else self.positions.slice(0, rows),
            keys=None if self.keys is None else self.keys[:rows],
            objects=None if self.objects is None else self.objects[:rows],
        )
