"""Aggregates as kernels over sorted batches: groups are stretches of rows, folded all at once.

Integers are summed exactly: as 32-bit halves where 64 bits might overflow, and an overflow of the
result is an error rather than a wrong number. Nulls (None) are passed over, but for Count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import numpy as np
import pyarrow as pa

from mrmesos.api.aggregates import Aggregate
from mrmesos.io.batches import concat
from mrmesos.io.merge import group_spans
from mrmesos.io.schema import KEY, SORT, VALUE, RecordTypeError, is_pickled
from mrmesos.io.sortkey import with_sort_column
from mrmesos.io.unify import unify_batches

Stage = Literal["initial", "merge", "final"]
Combine = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]

_HALF = np.int64(32)
_LOW = np.int64((1 << 32) - 1)


class AggregateOverflowError(Exception):
    """A sum of integers does not fit 64 bits; the message says what to do."""


def combine_with(aggregate: type[Aggregate], stage: Stage) -> Combine:
    """A fold of sorted batches into one row for each key, as batches in the same order.

    `initial` folds a mapper's values to partial results, `merge` partial results to partial
    results, `final` partial results to the aggregate's values. Raises RecordTypeError where the
    values cannot be folded so, AggregateOverflowError where a sum does not fit 64 bits.
    """
    first = aggregate.initial if stage == "initial" else aggregate.merge

    def combine(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in _folded(batches, first, aggregate.merge):
            yield _finished(batch, aggregate) if stage == "final" else batch

    return combine


def _folded(batches: Iterable[pa.RecordBatch], first: str, merge: str) -> Iterator[pa.RecordBatch]:
    held: pa.RecordBatch | None = None  # the last group, which may go on
    for batch in batches:
        if batch.num_rows == 0:
            continue
        partial = fold(with_sort_column(batch), first)
        if held is not None:
            partial = fold(concat(unify_batches([held, partial])), merge)
        rows = partial.num_rows
        if rows > 1:
            yield partial.slice(0, rows - 1)
        held = partial.slice(rows - 1)
    if held is not None:
        yield held


def _finished(batch: pa.RecordBatch, aggregate: type[Aggregate]) -> pa.RecordBatch:
    return _in_columns(batch, batch, aggregate.final(batch.column(VALUE)))


def fold(batch: pa.RecordBatch, function: str) -> pa.RecordBatch:
    """One row for each group of a sorted batch: its first key, its values folded by `function`."""
    spans = group_spans(batch)
    if is_pickled(batch.schema.field(VALUE)) and function != "count_all":
        raise RecordTypeError(f"values that are Python objects cannot be folded by {function}")
    values = _fold_values(batch.column(VALUE), spans, function)
    starts = pa.array(spans[:-1])
    if len(spans) - 1 < batch.num_rows:
        columns = [name for name in (KEY, SORT) if name in batch.schema.names]
        keys = batch.select(columns).take(starts)
    else:
        keys = batch
    return _in_columns(batch, keys, values)


def _in_columns(like: pa.RecordBatch, keys: pa.RecordBatch, values: pa.Array) -> pa.RecordBatch:
    """The columns of `like`: the values, and all others from `keys`."""
    names = like.schema.names
    columns = [values if name == VALUE else keys.column(name) for name in names]
    field = pa.field(VALUE, values.type)
    fields = [field if each.name == VALUE else each for each in like.schema]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def _fold_values(values: pa.Array, spans: np.ndarray, function: str) -> pa.Array:
    if function == "count_all":
        return pa.array(np.diff(spans))
    kind = values.type
    if function == "sum" and values.null_count == 0:
        if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
            return pa.array(_sum_integers(_as_int64(values), spans))
        if pa.types.is_floating(kind):
            numbers = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
            return pa.array(np.add.reduceat(numbers, spans[:-1]))
    if function == "sum" and (pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        present = np.add.reduceat(values.is_valid().cast(pa.int64()).to_numpy(), spans[:-1])
        sums = _sum_integers(_as_int64(values.cast(pa.int64()).fill_null(0)), spans)
        return pa.array(sums, mask=present == 0)
    return _by_arrow(values, spans, function)


def _as_int64(values: pa.Array) -> np.ndarray:
    try:
        numbers: np.ndarray = values.cast(pa.int64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid as error:
        raise AggregateOverflowError(f"Sum adds 64-bit signed integers: {error}") from None
    return numbers


def _sum_integers(numbers: np.ndarray, spans: np.ndarray) -> np.ndarray:
    starts = spans[:-1]
    most = max(abs(int(numbers.max())), abs(int(numbers.min())))
    if most * int(np.diff(spans).max()) < 1 << 63:
        return np.add.reduceat(numbers, starts)
    low = np.add.reduceat(numbers & _LOW, starts)
    high = np.add.reduceat(numbers >> _HALF, starts) + (low >> _HALF)
    if int(high.max()) >= 1 << 31 or int(high.min()) < -(1 << 31):
        raise AggregateOverflowError(
            "a sum of integers does not fit 64 bits; yield floats, or add them in a Reducer"
        )
    sums: np.ndarray = (high << _HALF) | (low & _LOW)
    return sums


def _by_arrow(values: pa.Array, spans: np.ndarray, function: str) -> pa.Array:
    group = np.repeat(np.arange(len(spans) - 1), np.diff(spans))
    table = pa.table({"group": group, VALUE: values})
    try:
        folded = table.group_by("group", use_threads=False).aggregate([(VALUE, function)])
    except (pa.ArrowException, TypeError) as error:
        raise RecordTypeError(
            f"values of type {values.type} cannot be folded by {function}: {error}"
        ) from None
    column = folded.sort_by("group").column(f"{VALUE}_{function}")
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
