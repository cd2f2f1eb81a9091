"""InputBatch: the records that every input reader yields, with their file and positions."""

from __future__ import annotations

from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace

from mrmesos.io.columns.decode import decode_column, decode_rows
from mrmesos.io.columns.schema import KEY, PICKLE, VALUE, is_pickled


class InputBatch(msgspec.Struct, frozen=True):
    """Records of one file, or of several small files. Columns: `key` and `value`.

    With several files, `further` has the first row and the URI of each file after the first.
    `positions` (int64) has the place of each record in its file, if the keys do not have it.
    """

    uri: str
    batch: pa.RecordBatch
    further: tuple[tuple[int, str], ...] = ()
    positions: pa.Array | None = None
    keys: list[Any] | None = None
    """The keys as Python objects, if the column `key` has them pickled."""
    objects: list[Any] | None = None
    """The values as Python objects, if no column can hold them. Then `value` has their source."""
    table: bool = False
    """Whether a BatchMapper gets the fields of the struct `value` as columns."""
    stored: int = -1
    """Bytes of the input that these records take. -1 means the bytes of the lines in `value`."""
    unit: str = "offset"
    """The unit of `places`, for messages: bytes ("offset") or rows ("row")."""
    skipped: int = 0
    """Number of bad records that the reader skipped since the last batch."""
    pickled: tuple[str, ...] = ()
    """Columns of pickled objects that our key has signed (see `signed`)."""
    foreign: int = 0
    """Number of pickled values that stay bytes, because our key has not signed them."""
    marked: tuple[str, ...] = ()
    """Columns that the file marks as pickled objects. They may be shown even if we do not trust
    them.
    """

    @property
    def places(self) -> pa.Array:
        """The position of each record in its file."""
        return self.batch.column(KEY) if self.positions is None else self.positions

    def stored_bytes(self) -> int:
        r"""Bytes of the input that the records take. Of lines, it counts one newline each, and no
        ``\r`` before it.
        """
        if self.stored >= 0:
            return self.stored
        text = pc.sum(pc.binary_length(self.batch.column(VALUE))).as_py()
        return int(text or 0) + int(self.batch.num_rows)

    @property
    def columns(self) -> pa.RecordBatch:
        """The batch for a BatchMapper. Only the columns in `pickled` are marked."""
        given = self.batch
        if self.table:
            given = pa.RecordBatch.from_struct_array(given.column(VALUE))
        if not self.pickled and not any(is_pickled(field) for field in given.schema):
            return given
        fields = [self._field(field) for field in given.schema]
        return pa.RecordBatch.from_arrays(given.columns, schema=pa.schema(fields))

    def key_objects(self, start: int = 0, rows: int | None = None) -> list[Any]:
        """The keys of some rows as Python objects. By default, of all rows."""
        if self.keys is not None:
            return self.keys[start:] if rows is None else self.keys[start : start + rows]
        column = self.batch.column(KEY).slice(start, rows)
        return decode_column(column, self._field(self.batch.schema.field(KEY)))

    def value_objects(self, start: int = 0, rows: int | None = None) -> list[Any]:
        """The values of some rows as Python objects. By default, of all rows."""
        if self.objects is not None:
            return self.objects[start:] if rows is None else self.objects[start : start + rows]
        column, field = self.batch.column(VALUE).slice(start, rows), self.batch.schema.field(VALUE)
        if self.table and self.pickled:
            return decode_rows(column, list(map(self._field, field.type)))
        return decode_column(column, field if self.table else self._field(field))

    def _field(self, field: pa.Field) -> pa.Field:
        return pa.field(
            field.name, field.type, metadata=PICKLE if field.name in self.pickled else None
        )

    def head(self, rows: int) -> InputBatch:
        """The first `rows` records, or fewer. Only for a batch of one file."""
        return replace(
            self,
            batch=self.batch.slice(0, rows),
            positions=None if self.positions is None else self.positions.slice(0, rows),
            keys=None if self.keys is None else self.keys[:rows],
            objects=None if self.objects is None else self.objects[:rows],
        )
