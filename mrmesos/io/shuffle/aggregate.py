"""Aggregates as kernels over sorted batches. A group is a range of rows; all are folded at once.

Sums of integers and decimals are exact. Integers use 32-bit halves if 64 bits might overflow. A
sum that fits no column goes on as a Python object; beside other columns it is an error. Nulls
(None) are ignored, except by Count. Partial results of several columns are structs, and those of
several values are lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.api.aggregates import Aggregate, Fold
from mrmesos.io.columns.batches import concat, take
from mrmesos.io.columns.decode import decode_column
from mrmesos.io.columns.exact import has_exact, is_exact
from mrmesos.io.columns.key_code import shown
from mrmesos.io.columns.schema import (
    KEY,
    SORT,
    VALUE,
    RecordTypeError,
    is_list,
    is_pickled,
    is_tuple,
)
from mrmesos.io.columns.sorting import argsort
from mrmesos.io.columns.sortkey import is_direct, plain, sort_code, with_sort_column
from mrmesos.io.columns.unify import unify_batches
from mrmesos.io.shuffle.exact_folds import (
    SUM_TOO_LARGE,
    AggregateOverflowError,
    as_int64,
    finish_by_kind,
    fold_exact,
    fold_objects,
    sum_decimals,
)
from mrmesos.io.shuffle.merge import group_spans

__all__ = [
    "AggregateOverflowError",
    "combine_with",
    "each_alone",
    "each_repeated",
    "fold",
    "fold_groups",
]

Stage = Literal["initial", "merge", "final", "whole"]
Combine = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]

_HALF = np.int64(32)
_LOW = np.int64((1 << 32) - 1)


def combine_with(aggregate: type[Aggregate], stage: Stage) -> Combine:
    """A fold of sorted batches into one row for each key, as batches in the same order.

    The stage `initial` folds a mapper's values to partial results, and `merge` folds partial
    results to partial results. `final` makes final values from partial results, and `whole` makes
    them from a mapper's values. Raises RecordTypeError if the aggregate cannot fold the values,
    AggregateOverflowError if a sum of several columns does not fit 64 bits.
    """
    first = aggregate.initial if stage in ("initial", "whole") else aggregate.merge
    finish = stage in ("final", "whole")

    def combine(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in _folded(batches, first, aggregate.merge, aggregate.n):
            yield _finished(batch, aggregate) if finish else batch

    return combine


def _folded(
    batches: Iterable[pa.RecordBatch], first: Fold, merge: Fold, n: int
) -> Iterator[pa.RecordBatch]:
    held: pa.RecordBatch | None = None  # the last group, which may continue in the next batch
    for batch in batches:
        if batch.num_rows == 0:
            continue
        partial = fold(with_sort_column(batch), first, n)
        if held is not None:
            partial = fold(concat(unify_batches([held, partial])), merge, n)
        rows = partial.num_rows
        if rows > 1:
            yield partial.slice(0, rows - 1)
        held = partial.slice(rows - 1)
    if held is not None:
        yield held


def _finished(batch: pa.RecordBatch, aggregate: type[Aggregate]) -> pa.RecordBatch:
    if aggregate.final is Aggregate.final:
        return batch
    if is_pickled(batch.schema.field(VALUE)):
        raise RecordTypeError(f"{aggregate.__name__}.final takes no Python objects as values")
    values = batch.column(VALUE)
    if has_exact(values.type):
        return _in_columns(batch, batch, finish_by_kind(values, aggregate.final))
    return _in_columns(batch, batch, aggregate.final(values))


def fold(batch: pa.RecordBatch, how: Fold, n: int = 1) -> pa.RecordBatch:
    """One row for each group of a sorted batch: its first key, its values folded as `how` says."""
    return fold_groups(batch, None, group_spans(batch), how, n)


def each_alone(batch: pa.RecordBatch, how: Fold, n: int = 1) -> pa.RecordBatch:
    """A partial result of every record."""
    return fold_groups(batch, None, np.arange(batch.num_rows + 1), how, n)


def each_repeated(batch: pa.RecordBatch, times: np.ndarray, how: Fold) -> pa.RecordBatch | None:
    """A partial result of every record. `times` says how often each record came.

    None if a product cannot tell it: for values other than integers of 32 bits, and some folds.
    """
    values = batch.column(VALUE)
    if how in ("min", "max"):
        return each_alone(batch, how)
    if how == "sum" and _are_small(values):
        folded = pa.array(values.to_numpy() * times)
    elif how == "count_all" or (how == "count" and not values.null_count):
        folded = pa.array(times)
    else:
        return None
    return _in_columns(batch, batch, folded)


def _are_small(values: pa.Array) -> bool:
    if not pa.types.is_int64(values.type) or values.null_count:
        return False
    numbers = values.to_numpy()
    return int(np.max(np.abs(numbers), initial=0)) < 1 << 31


def fold_groups(
    batch: pa.RecordBatch, order: np.ndarray | None, spans: np.ndarray, how: Fold, n: int = 1
) -> pa.RecordBatch:
    """Like `fold`, for groups that are adjacent in the given order of rows, or in the batch.

    `spans` has the start of each group in that order, and then the number of rows.
    """
    column, field = batch.column(VALUE), None
    if order is not None and how != "count_all":
        column = _reordered(column, order)
    if is_pickled(batch.schema.field(VALUE)) and how not in ("count_all", "count"):
        field, values = fold_objects(column, batch.schema.field(VALUE), spans, how)
    elif isinstance(how, str):
        try:
            values = _fold_values(column, spans, how, n)
        except AggregateOverflowError:
            field, values = fold_objects(column, pa.field(VALUE, column.type), spans, how)
    else:
        values = _fold_columns(column, spans, how, n)
    if order is None and len(spans) - 1 == batch.num_rows:
        return _in_columns(batch, batch, values, field)
    starts = spans[:-1] if order is None else order.take(spans[:-1])
    columns = [name for name in (KEY, SORT) if name in batch.schema.names]
    return _in_columns(batch, take(batch.select(columns), starts), values, field)


def _reordered(column: pa.Array, order: np.ndarray) -> pa.Array:
    if pa.types.is_int64(column.type) and not column.null_count:
        return pa.array(column.to_numpy().take(order))  # numpy is twice as fast as Arrow here
    return column.take(pa.array(order))


def _in_columns(
    like: pa.RecordBatch, keys: pa.RecordBatch, values: pa.Array, field: pa.Field | None = None
) -> pa.RecordBatch:
    """The columns of `like`: the values, and all others from `keys`. `field` is of the values."""
    names = like.schema.names
    columns = [values if name == VALUE else keys.column(name) for name in names]
    field = field or pa.field(VALUE, values.type)
    fields = [field if each.name == VALUE else each for each in like.schema]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def _fold_columns(
    values: pa.Array, spans: np.ndarray, how: Mapping[str, str], n: int
) -> pa.StructArray:
    """Several folds: each of its own column of a partial result, or all of the same values."""
    names = list(how)
    partial = pa.types.is_struct(values.type) and [field.name for field in values.type] == names
    columns = values.flatten() if partial else [values] * len(names)
    folded = [
        _fold_values(column, spans, function, n)
        for column, function in zip(columns, how.values(), strict=True)
    ]
    return pa.StructArray.from_arrays(folded, names)


def _fold_values(values: pa.Array, spans: np.ndarray, function: str, n: int = 1) -> pa.Array:
    if function == "count_all":
        return pa.array(np.diff(spans))
    if function == "count":
        if values.null_count == 0:
            return pa.array(np.diff(spans))
        return pa.array(np.add.reduceat(values.is_valid().cast(pa.int64()).to_numpy(), spans[:-1]))
    if function == "largest":
        return _largest(values, spans, n)
    if function == "largest_of":
        offsets = np.frombuffer(values.buffers()[1], np.int32, len(values) + 1, values.offset * 4)
        first, last = int(offsets[0]), int(offsets[-1])
        inner = values.values.slice(first, last - first)
        return _largest(inner, (offsets[spans] - first).astype(np.int64), n)
    kind = values.type
    if is_exact(kind):
        return fold_exact(values, spans, function, _fold_values)
    if len(spans) > len(values) and function in ("sum", "min", "max") and pa.types.is_int64(kind):
        return values  # each group has one record
    if function == "sum" and values.null_count == 0:
        if pa.types.is_uint64(kind):
            return pa.array(_sum_integers(values.to_numpy(), spans))
        if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
            return pa.array(_sum_integers(_as_int64(values), spans))
        if pa.types.is_floating(kind):
            numbers = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
            return pa.array(np.add.reduceat(numbers, spans[:-1]) + 0.0)  # no sum is -0.0
    if function == "sum" and (pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        present = np.add.reduceat(values.is_valid().cast(pa.int64()).to_numpy(), spans[:-1])
        filled = values.fill_null(0) if pa.types.is_integer(kind) else values.fill_null(False)
        unsigned = pa.types.is_uint64(kind)
        sums = _sum_integers(filled.to_numpy() if unsigned else _as_int64(filled), spans)
        return pa.array(sums, mask=present == 0)
    if function == "sum" and pa.types.is_decimal(kind):
        return sum_decimals(values, spans, _by_arrow)
    if pa.types.is_duration(kind) and function in ("sum", "min", "max"):
        return as_int64(_fold_values(values.cast(pa.int64()), spans, function)).cast(kind)
    if isinstance(kind, pa.UuidType) and function in ("min", "max"):
        folded = _by_arrow(values.storage.cast(pa.binary()), spans, function)
        return kind.wrap_array(folded.cast(kind.storage_type))
    if function in ("min", "max") and (is_list(kind) or is_tuple(kind)):
        return _extreme(values, spans, last=function == "max")
    return _by_arrow(values, spans, function)


def _extreme(values: pa.Array, spans: np.ndarray, *, last: bool) -> pa.Array:
    """The first or last value of each group in the order of keys; null if all are null."""
    group = np.repeat(np.arange(len(spans) - 1), np.diff(spans))
    rows = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))
    order = rows[_argsort(values.take(pa.array(rows)))]
    order = order[np.argsort(group[order], kind="stable")]
    found, starts = np.unique(group[order], return_index=True)
    chosen = np.full(len(spans) - 1, -1)
    chosen[found] = order[np.append(starts[1:], len(order)) - 1 if last else starts]
    return values.take(pa.array(chosen, mask=chosen < 0))


def _largest(values: pa.Array, spans: np.ndarray, n: int) -> pa.ListArray:
    """The `n` largest values of each group, largest first, without nulls."""
    if values.null_count:
        valid = values.is_valid().to_numpy(zero_copy_only=False)
        spans = np.concatenate([[0], np.cumsum(valid)])[spans]
        values = values.drop_null()
    values = plain(values)
    order = _argsort(values)
    group = np.repeat(np.arange(len(spans) - 1), np.diff(spans))
    order = order[np.argsort(group[order], kind="stable")]
    counts = np.minimum(np.diff(spans), n)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    rank = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
    chosen = values.take(pa.array(order[np.repeat(spans[1:], counts) - 1 - rank]))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), chosen)


def _argsort(values: pa.Array) -> np.ndarray:
    if pa.types.is_decimal(values.type):
        return np.asarray(pc.array_sort_indices(values)).astype(np.int64)
    return argsort(values if is_direct(values.type) else sort_code(values))


def _as_int64(values: pa.Array) -> np.ndarray:
    numbers: np.ndarray = values.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return numbers


def _sum_integers(numbers: np.ndarray, spans: np.ndarray) -> np.ndarray:
    """Exact sums of int64 or uint64, as int64 if they all fit, else as uint64."""
    starts = spans[:-1]
    most = max(abs(int(numbers.max())), abs(int(numbers.min())))
    # The sum of all numbers is a bound that costs nothing.
    if most * len(numbers) < 1 << 63 or most * int(np.diff(spans).max()) < 1 << 63:
        exact: np.ndarray = np.add.reduceat(numbers.astype(np.int64, copy=False), starts)
        return exact
    half, mask = numbers.dtype.type(32), numbers.dtype.type((1 << 32) - 1)
    low = np.add.reduceat(numbers & mask, starts).astype(np.int64)
    high = np.add.reduceat(numbers >> half, starts).astype(np.int64) + (low >> _HALF)
    least = int(high.min())
    if int(high.max()) >= 1 << (32 if least >= 0 else 31) or least < -(1 << 31):
        raise AggregateOverflowError(SUM_TOO_LARGE)
    sums: np.ndarray = (high << _HALF) | (low & _LOW)
    return sums if int(high.max()) < 1 << 31 else sums.view(np.uint64)


def _by_arrow(values: pa.Array, spans: np.ndarray, function: str) -> pa.Array:
    group = np.repeat(np.arange(len(spans) - 1), np.diff(spans))
    table = pa.table({"group": group, VALUE: values})
    try:
        folded = table.group_by("group", use_threads=False).aggregate([(VALUE, function)])
    except (pa.ArrowException, TypeError) as error:
        unknown = isinstance(error, NotImplementedError)  # Arrow then names its kernels
        example = next((each for each in decode_column(values) if each is not None), None)
        why = f"seen: {shown(example)}; a Reducer can" if unknown else error
        raise RecordTypeError(
            f"values of type {values.type} cannot be folded by {function}: {why}"
        ) from None
    column = folded.sort_by("group").column(f"{VALUE}_{function}")
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
