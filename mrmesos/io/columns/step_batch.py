"""Input for the mapper of a step, from a batch that an earlier step of the chain has yielded."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from mrmesos.io.columns.decode import decode_column
from mrmesos.io.columns.input_batch import InputBatch
from mrmesos.io.columns.schema import KEY, VALUE, is_pickled
from mrmesos.io.columns.tabular import table_batch


def step_batch(
    uri: str, batch: pa.RecordBatch, first: int, stored: int, records: bool
) -> InputBatch:
    """The input for a mapper of `records`, or of batches, from a batch that a step has yielded.

    `first` is the number of its first row, and `stored` its bytes in the file.
    """
    places = pa.array(np.arange(first, first + batch.num_rows, dtype=np.int64))
    if not records:
        table = table_batch(batch, rows=False)
        pickled = tuple(field.name for field in table.schema if is_pickled(field))
        return InputBatch(uri, table, positions=places, stored=stored, unit="row", pickled=pickled)
    keys, values = (_objects(batch, name) for name in (KEY, VALUE))
    return InputBatch(
        uri,
        batch,
        positions=places,
        keys=keys,
        objects=values,
        stored=stored,
        unit="row",
    )


def _objects(batch: pa.RecordBatch, name: str) -> list[object] | None:
    field = batch.schema.field(name)
    return decode_column(batch.column(name), field) if is_pickled(field) else None
