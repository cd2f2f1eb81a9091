"""Arrow columns to Python objects, a whole column at a time: the inverse of `encode`."""

from __future__ import annotations

import datetime as dt
import pickle
from itertools import pairwise, starmap
from typing import Any

import numpy as np
import pyarrow as pa

from mrmesos.io.columns.schema import KEY, VALUE, is_list, is_pickled


def decode_batch(batch: pa.RecordBatch) -> tuple[list[Any], list[Any]]:
    """The keys and the values of a batch as Python objects."""
    schema = batch.schema
    return (
        decode_column(batch.column(KEY), schema.field(KEY)),
        decode_column(batch.column(VALUE), schema.field(VALUE)),
    )


def decode_column(array: pa.Array, field: pa.Field | None = None) -> list[Any]:
    """Python objects of an array. `field` says whether a bytes column holds pickled objects.

    A struct with the fields `_0`, `_1`, … becomes a tuple, any other struct a dict. Unpickling runs
    code, so pickled columns may come only from attempts of the same job.
    """
    if field is not None and is_pickled(field):
        # An attempt of the same job pickled this. The job's code runs in this process anyway.
        return [
            None if each is None else pickle.loads(each)  # noqa: S301
            for each in array.to_pylist()
        ]
    kind = array.type
    if pa.types.is_struct(kind):
        return _decode_struct(array)
    if is_list(kind):
        return _decode_list(array)
    if pa.types.is_timestamp(kind) and kind.tz == "UTC" and kind.unit == "us":
        naive = array.cast(pa.timestamp("us")).to_pylist()
        return [None if each is None else each.replace(tzinfo=dt.UTC) for each in naive]
    if array.null_count == 0 and (pa.types.is_integer(kind) or pa.types.is_float64(kind)):
        plain: list[Any] = array.to_numpy().tolist()
        return plain
    objects: list[Any] = array.to_pylist()
    return objects


def _decode_struct(array: pa.Array) -> list[Any]:
    names = [field.name for field in array.type]
    columns = [decode_column(column) for column in array.flatten()]
    if not names:
        rows: list[Any] = [{}] * len(array)
    elif names == [f"_{index}" for index in range(len(names))]:
        rows = list(zip(*columns, strict=True))
    else:
        # Copying a dict with all keys takes a third of the time of building each dict with zip.
        template = dict.fromkeys(names)
        rows = [template.copy() for _ in range(len(array))]
        for name, column in zip(names, columns, strict=True):
            for row, value in zip(rows, column, strict=True):
                row[name] = value
    return _with_nulls(rows, array)


def _decode_list(array: pa.Array) -> list[Any]:
    if not pa.types.is_list(array.type):
        array = array.cast(pa.list_(array.type.value_type))
    offsets = np.frombuffer(array.buffers()[1], np.int32, len(array) + 1, array.offset * 4)
    first, last = int(offsets[0]), int(offsets[-1])
    items = decode_column(array.values.slice(first, last - first))
    bounds = (offsets - first).tolist()
    return _with_nulls([items[span] for span in starmap(slice, pairwise(bounds))], array)


def _with_nulls(rows: list[Any], array: pa.Array) -> list[Any]:
    if array.null_count:
        for index in np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False)).tolist():
            rows[index] = None
    return rows
