"""The keys of a streaming job in the shuffle: bytes, or pairs of a sort code and the bytes.

With Hadoop's KeyFieldBasedComparator a key is sorted by some of its fields. It then travels as the
pair of a code and the key itself, and the engine sorts pairs as it sorts tuples.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa

from mrmesos.api.tasks import BatchPartitioner
from mrmesos.io.columns.schema import KEY, VALUE
from mrmesos.io.output.render import rendered
from mrmesos.io.shuffle.hash_partition import hash_partition
from mrmesos.streaming.key_fields import part_of, sort_codes
from mrmesos.streaming.spec import StreamSpec

_CODE, _RAW = "_0", "_1"


def with_codes(batch: pa.RecordBatch, spec: StreamSpec) -> pa.RecordBatch:
    """The batch, with keys that sort in the order of the job's comparator."""
    if not spec.comparator:
        return batch
    raw = _as_bytes(batch.column(KEY), batch.field(KEY))
    codes = sort_codes(raw.to_pylist(), spec.field_separator.encode(), spec.comparator)
    pair = pa.StructArray.from_arrays([pa.array(codes, pa.binary()), raw], [_CODE, _RAW])
    return pa.RecordBatch.from_arrays([pair, batch.column(VALUE)], names=[KEY, VALUE])


def raw_keys(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with the keys alone."""
    key = batch.column(KEY)
    if not pa.types.is_struct(key.type):
        return batch
    return pa.RecordBatch.from_arrays([key.field(_RAW), batch.column(VALUE)], names=[KEY, VALUE])


def _as_bytes(column: pa.Array, field: pa.Field) -> pa.Array:
    if pa.types.is_binary(column.type):
        return column
    return rendered(column, field).cast(pa.binary())


class KeyFieldPartitioner(BatchPartitioner):
    """Hadoop's KeyFieldBasedPartitioner: keys that are equal in some ranges go to one reduce."""

    spec: ClassVar[StreamSpec]

    def partition_batch(self, keys: pa.Array, num_partitions: int) -> np.ndarray:
        """See BatchPartitioner."""
        raw = keys.field(_RAW) if pa.types.is_struct(keys.type) else keys
        separator = self.spec.field_separator.encode()
        parts = []
        for key in _as_bytes(raw, pa.field(KEY, raw.type)).to_pylist():
            fields = key.split(separator)
            # No part begins with this byte, so parts do not run into each other.
            parts.append(
                b"\0\0".join(part_of(key, fields, separator, one) for one in self.spec.partitioner)
            )
        return hash_partition(pa.array(parts, pa.binary()), num_partitions)
