"""Secondary sort: records are sorted by more fields than they are grouped by.

If a job sorts values, the shuffle gets each record as the key `(key, value)` without a value. It
sorts and merges such keys like any tuple, and stores the value once. The reduce splits them again.

If a job groups by the first fields of keys, the reduce replaces the sort column of the whole key by
the code of these fields. All code that iterates over groups then uses it.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mrmesos.api.aggregates import Aggregate
from mrmesos.api.job import Job
from mrmesos.io.columns.decode import decode_batch, decode_column
from mrmesos.io.columns.encode import encode_pairs
from mrmesos.io.columns.exact import is_exact
from mrmesos.io.columns.key_code import code_of, shown
from mrmesos.io.columns.schema import KEY, SORT, VALUE, RecordTypeError, is_coded, is_pickled
from mrmesos.io.columns.sorting import changes
from mrmesos.io.columns.sortkey import (
    coded,
    drop_sort_column,
    is_direct,
    plain,
    sort_code,
    sort_column,
    with_sort_column,
)
from mrmesos.io.shuffle.merge import same_key

_PAIR = ("_0", "_1")


class Grouping(msgspec.Struct, frozen=True):
    """How a job sorts and groups its records: by the whole key, or by more or fewer fields."""

    sort_values: bool = False
    fields: int | None = None
    distinct: bool = False

    @classmethod
    def of(cls, job: Job) -> Grouping:
        """The grouping of a job. Distinct values are found by sorting them."""
        reducer = job.reducer
        distinct = reducer is not None and issubclass(reducer, Aggregate) and reducer.distinct
        return cls(job.sort_values or distinct, job.grouping_fields, distinct)

    def partition_column(self, batch: pa.RecordBatch) -> pa.Array:
        """The sort column that decides the reduce of each record; `batch` is not composed yet.

        Codes are marked by `sortkey.coded`, so that they are not taken for bytes.
        """
        if self.fields is not None:
            return coded(first_fields(batch.column(KEY), batch.schema.field(KEY), self.fields))
        field = batch.schema.field(KEY)
        if not is_direct(field.type) or is_coded(field):
            batch = with_sort_column(batch)
        return coded(batch.column(SORT)) if SORT in batch.schema.names else batch.column(KEY)

    def composed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch in the form in which it is sorted, with its sort column."""
        return composed(batch) if self.sort_values else with_sort_column(batch)

    def regrouped(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Keys and values from sorted, composed batches, with the column to group by."""
        for batch in without_repeats(batches) if self.distinct else batches:
            if self.sort_values:
                batch = taken_apart(batch)
            if self.fields is not None:
                field = batch.schema.field(KEY)
                batch = _sorted_by(batch, first_fields(batch.column(KEY), field, self.fields))
            yield batch


def composed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Records with `(key, value)` as their key. Raises RecordTypeError for values without order."""
    ready = with_sort_column(batch)
    field = ready.schema.field(VALUE)
    if is_pickled(field):
        raise RecordTypeError(
            "the values are of several types, or of one that has no order, so they cannot be "
            "sorted; yield values of one type: numbers, text, dates, or tuples of these"
        )
    columns = [ready.column(KEY), ready.column(VALUE)]
    code = _code_of_pair(sort_column(ready), columns, coded=SORT in ready.schema.names)
    key = ready.schema.field(KEY)
    if is_coded(key):
        pairs = zip(*decode_batch(drop_sort_column(ready)), strict=True)
        pair = pa.array(map(pickle.dumps, pairs), pa.binary())
    else:
        pair = pa.StructArray.from_arrays(columns, names=list(_PAIR))
    key = pa.field(KEY, pair.type, metadata=key.metadata)
    schema = pa.schema([key, pa.field(VALUE, pa.null()), pa.field(SORT, pa.binary())])
    return pa.RecordBatch.from_arrays([pair, pa.nulls(len(pair)), code], schema=schema)


def _code_of_pair(column: pa.Array, columns: list[pa.Array], *, coded: bool) -> pa.Array:
    """The code of the pair. `column` sorts the keys; if it is a code, that marks its own end."""
    key, value = columns
    first = column if coded else sort_code(key)
    return pc.binary_join_element_wise(first, sort_code(value), b"")


def taken_apart(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The inverse of `composed`, with the sort column of only the key."""
    if is_coded(batch.schema.field(KEY)):
        pairs = decode_column(batch.column(KEY), batch.schema.field(KEY))
        keys, values = map(list, zip(*pairs, strict=True))
        return with_sort_column(encode_pairs(keys, values))
    key, value = batch.column(KEY).flatten()
    fields = [
        pa.field(KEY, key.type, metadata=batch.schema.field(KEY).metadata),
        pa.field(VALUE, value.type),
    ]
    return with_sort_column(pa.RecordBatch.from_arrays([key, value], schema=pa.schema(fields)))


def first_fields(key: pa.Array, field: pa.Field, count: int) -> pa.Array:
    """The codes of the first `count` fields of keys that are tuples."""
    if is_coded(field):
        codes = [code_of(_first(each, count)) for each in decode_column(key, field)]
        return pa.array(codes, pa.binary())
    if pa.types.is_null(key.type):
        columns = [key] * count
    elif pa.types.is_struct(key.type) and not is_exact(key.type) and key.type.num_fields >= count:
        columns = [plain(column) for column in key.flatten()[:count]]
    else:
        raise RecordTypeError(
            f"keys of the type {key.type} have fewer than {count} fields; with "
            f"grouping_fields = {count} keys are tuples of at least {count}"
        )
    names = [f"_{index}" for index in range(count)]
    return sort_code(pa.StructArray.from_arrays(columns, names=names))


def _first(key: Any, count: int) -> tuple[Any, ...]:
    if key is None:
        return (None,) * count
    if not isinstance(key, tuple) or len(key) < count:
        raise RecordTypeError(
            f"the key {shown(key)} has fewer than {count} fields; with grouping_fields = {count} "
            f"keys are tuples of at least {count}"
        )
    return key[:count]


def _sorted_by(batch: pa.RecordBatch, column: pa.Array) -> pa.RecordBatch:
    schema = pa.schema([batch.schema.field(KEY), batch.schema.field(VALUE), (SORT, column.type)])
    columns = [batch.column(KEY), batch.column(VALUE), column]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def without_repeats(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The first record of each run of equal keys in sorted batches."""
    last: pa.RecordBatch | None = None
    for batch in batches:
        if not batch.num_rows:
            continue
        firsts = np.concatenate([[0], changes(sort_column(batch))])
        if last is not None and same_key(last, batch):
            firsts = firsts[1:]
        last = batch.slice(batch.num_rows - 1)
        if len(firsts) == batch.num_rows:
            yield batch
        elif len(firsts):
            yield batch.take(pa.array(firsts))
