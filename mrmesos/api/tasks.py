"""The classes an author derives from: Mapper, Reducer, their vectorised twins, Partitioner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from mrmesos.api.context import Context

if TYPE_CHECKING:  # authors of per-record jobs, and the JobTracker, need not pay for pyarrow
    import pyarrow as pa


class _Task:
    """What all of them share: a context, and a moment before and after the records."""

    context: Context

    def setup(self) -> None:
        """Called once per attempt before the first record."""


class Mapper(_Task):
    """Turns each input record into any number of `(key, value)` pairs."""

    def map(self, key: Any, value: Any) -> Iterable[tuple[Any, Any]] | None:
        """Yield the pairs for one record. By default the record itself (Hadoop's Mapper)."""
        return ((key, value),)

    def close(self) -> Iterable[tuple[Any, Any]] | None:
        """Called once after the last record; may yield last pairs (Hadoop's `cleanup`)."""
        return None


class Reducer(_Task):
    """Turns each key and all of its values into any number of `(key, value)` pairs.

    `values` is an iterator to be read once; it may be longer than memory. Keys come in order
    (text and bytes by bytes, numbers by size). The same class may serve as the combiner when it
    yields what it takes.
    """

    def reduce(self, key: Any, values: Iterator[Any]) -> Iterable[tuple[Any, Any]] | None:
        """Yield the pairs for one key. By default every pair as it is (Hadoop's Reducer)."""
        return ((key, value) for value in values)

    def close(self) -> Iterable[tuple[Any, Any]] | None:
        """Called once after the last key; may yield last pairs."""
        return None


class BatchMapper(_Task):
    """A Mapper over whole `pyarrow.RecordBatch`es: columns `key` and `value` in and out."""

    def map_batch(self, batch: pa.RecordBatch) -> Iterable[pa.RecordBatch] | None:
        """Yield batches with the columns `key` and `value` (see `pairs`)."""
        return (batch,)

    def close(self) -> Iterable[pa.RecordBatch] | None:
        """Called once after the last batch; may yield last batches."""
        return None


class BatchReducer(_Task):
    """A Reducer over whole batches.

    Every call sees all the records of each of its keys, sorted by key, in the columns `key` and
    `value`; a batch holds many keys. One key's records must fit in memory: use a Reducer or an
    aggregate where they may not.
    """

    def reduce_batch(self, batch: pa.RecordBatch) -> Iterable[pa.RecordBatch] | None:
        """Yield batches with the columns `key` and `value`."""
        return (batch,)

    def close(self) -> Iterable[pa.RecordBatch] | None:
        """Called once after the last batch; may yield last batches."""
        return None


class Partitioner(_Task):
    """Says which reduce a key goes to. The default, HashPartitioner, is vectorised and stable."""

    def partition(self, key: Any, num_partitions: int) -> int:
        """A number in `[0, num_partitions)`, the same for equal keys in every process."""
        raise NotImplementedError


class HashPartitioner(Partitioner):
    """By a hash of the key's bytes that is the same on every machine and Python version.

    The engine computes it over whole columns (`mrmesos.io`); `partition` is never called.
    """


class TotalOrder(Partitioner):
    """By ranges of keys: every key of reduce i comes before every key of reduce i + 1.

    So the part files, one after another, are one sorted whole (Hadoop's TotalOrderPartitioner with
    its InputSampler). Where the ranges are cut is found by `mrmesos submit`, which runs the mapper
    over `samples` records from all over the input, the same ones for the same `seed`; reading ends
    after `sample_bytes`, and mapping after `sample_seconds`. A class derived from this one may set
    these, or name the cut points itself: the first key of each reduce but the first, ascending.
    The engine assigns whole columns (`mrmesos.io`); `partition` is never called.
    """

    samples: ClassVar[int] = 100_000
    sample_bytes: ClassVar[int] = 32 << 20
    sample_seconds: ClassVar[float] = 30.0
    seed: ClassVar[int] = 0
    cut_points: ClassVar[Sequence[Any] | None] = None


def pairs(key: pa.Array, value: pa.Array) -> pa.RecordBatch:
    """A record batch of the two columns `key` and `value`, as batch mappers and reducers yield."""
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([key, value], names=["key", "value"])
