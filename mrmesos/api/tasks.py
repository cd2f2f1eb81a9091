"""The base classes for authors: Mapper, Reducer, their vectorised versions, Partitioner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from mrmesos.api.context import Context

if TYPE_CHECKING:  # per-record jobs and the JobTracker run without importing pyarrow
    import numpy.typing as npt
    import pyarrow as pa


class _Task:
    """The common base: a context, and methods called before and after the records."""

    context: Context

    def setup(self) -> None:
        """Called once per attempt before the first record."""


class Mapper(_Task):
    """Turns each input record into any number of `(key, value)` pairs."""

    def map(self, key: Any, value: Any) -> Iterable[tuple[Any, Any]] | None:
        """Yield the pairs for one record. The default yields the record itself (like Hadoop's
        Mapper).
        """
        return ((key, value),)

    def close(self) -> Iterable[tuple[Any, Any]] | None:
        """Called once after the last record; may yield last pairs (Hadoop's `cleanup`)."""
        return None


class Reducer(_Task):
    """Turns each key and all of its values into any number of `(key, value)` pairs.

    `values` is an iterator that can be read only once; the values may exceed memory. Keys come in
    order (text and bytes by bytes, numbers by size). The same class can be the combiner if it
    yields pairs of the types that it reads.
    """

    def reduce(self, key: Any, values: Iterator[Any]) -> Iterable[tuple[Any, Any]] | None:
        """Yield the pairs for one key. The default yields every pair (like Hadoop's Reducer)."""
        return ((key, value) for value in values)

    def close(self) -> Iterable[tuple[Any, Any]] | None:
        """Called once after the last key; may yield last pairs."""
        return None


class BatchMapper(_Task):
    """A Mapper over `pyarrow.RecordBatch`es. It yields batches with columns `key` and `value`."""

    def map_batch(self, batch: pa.RecordBatch) -> Iterable[pa.RecordBatch] | None:
        """Yield batches with the columns `key` and `value` (see `pairs`)."""
        return (batch,)

    def close(self) -> Iterable[pa.RecordBatch] | None:
        """Called once after the last batch; may yield last batches."""
        return None


class BatchReducer(_Task):
    """A Reducer over whole batches.

    A batch has many keys and all records of each of them, sorted by key, in the columns `key` and
    `value`. The records of one key must fit in memory. If they may not, use a Reducer or an
    aggregate.
    """

    def reduce_batch(self, batch: pa.RecordBatch) -> Iterable[pa.RecordBatch] | None:
        """Yield batches with the columns `key` and `value`."""
        return (batch,)

    def close(self) -> Iterable[pa.RecordBatch] | None:
        """Called once after the last batch; may yield last batches."""
        return None


class SortedReducer(_Task):
    """A Reducer over all records of its partition, sorted by key, as one stream of batches.

    A batch may begin or end within the records of one key, so a key may have any number of records.
    As a combiner, it is called once for each sorted run, and keeps the order of the keys.
    """

    def reduce_sorted(self, batches: Iterator[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
        """Yield batches with the columns `key` and `value`. The default yields every batch."""
        return batches


class Partitioner(_Task):
    """Chooses the reduce of a key. The default, HashPartitioner, is vectorised and stable."""

    def partition(self, key: Any, num_partitions: int) -> int:
        """A number in `[0, num_partitions)`, the same for equal keys in every process."""
        raise NotImplementedError


class BatchPartitioner(_Task):
    """A Partitioner over whole columns of keys."""

    def partition_batch(self, keys: pa.Array, num_partitions: int) -> npt.ArrayLike:
        """Integers in `[0, num_partitions)`, one for each key, equal for equal keys everywhere."""
        raise NotImplementedError


class HashPartitioner(Partitioner):
    """Partitions by a hash of the key, which is the same on every host and Python version.

    The engine hashes whole columns (`mrmesos.io`) and never calls `partition`.
    """


class TotalOrder(Partitioner):
    """Partitions by ranges: every key of reduce i comes before every key of reduce i + 1.

    So the part files in order form one sorted output (like Hadoop's TotalOrderPartitioner with its
    InputSampler). `mrmesos submit` finds the cut points: it runs the mapper over `samples` records
    from all parts of the input. The same `seed` gives the same records. Reading stops after
    `sample_bytes`, and mapping after `sample_seconds`.

    A derived class may set these, or set `cut_points` itself: the first key of every reduce except
    the first, ascending. The engine partitions whole columns (`mrmesos.io`) and never calls
    `partition`.
    """

    samples: ClassVar[int] = 100_000
    sample_bytes: ClassVar[int] = 32 << 20
    sample_seconds: ClassVar[float] = 30.0
    seed: ClassVar[int] = 0
    cut_points: ClassVar[Sequence[Any] | None] = None


def pairs(key: pa.Array, value: pa.Array) -> pa.RecordBatch:
    """A record batch with the columns `key` and `value`, as batch mappers and reducers yield it."""
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([key, value], names=["key", "value"])
