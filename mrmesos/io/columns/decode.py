"""Arrow columns to Python objects, a whole column at a time: the inverse of `encode`."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from itertools import pairwise, starmap
from typing import Any

import numpy as np
import pyarrow as pa

from mrmesos.io.columns.exact import as_lists, is_any_list, is_exact, objects_of, spans
from mrmesos.io.columns.schema import KEY, VALUE, RecordTypeError, is_pickled
from mrmesos.io.columns.zones import datetimes


def decode_batch(batch: pa.RecordBatch) -> tuple[list[Any], list[Any]]:
    """The keys and the values of a batch as Python objects."""
    schema = batch.schema
    return (
        decode_column(batch.column(KEY), schema.field(KEY)),
        decode_column(batch.column(VALUE), schema.field(VALUE)),
    )


def decode_column(array: pa.Array, field: pa.Field | None = None) -> list[Any]:
    """Python objects of an array. `field` says whether a bytes column holds pickled objects.

    A struct with the fields `_0`, `_1`, … becomes a tuple, any other struct a dict. A map becomes a
    dict, or a list of pairs if a key repeats. Nanoseconds are cut to microseconds. A month interval
    becomes the tuple (months, days, nanoseconds). Unpickling runs code, so pickled columns may come
    only from attempts of the same job, or from a file whose signatures were verified (see
    `signed`).

    Raises RecordTypeError for a time that Python cannot hold, or a zone that this machine lacks.
    """
    if field is not None and is_pickled(field):
        # Attempts of our own jobs pickled this. Such code runs in this process anyway.
        return [
            None if each is None else pickle.loads(each)  # noqa: S301
            for each in array.to_pylist()
        ]
    kind = array.type
    if array.null_count == 0 and (pa.types.is_integer(kind) or pa.types.is_float64(kind)):
        plain: list[Any] = array.to_numpy().tolist()
        return plain
    if pa.types.is_nested(kind):
        return _decode_nested(array)
    if pa.types.is_temporal(kind):
        return _decode_times(array)
    if pa.types.is_dictionary(kind):
        return decode_column(array.dictionary_decode())
    objects: list[Any] = array.to_pylist()
    return objects


def _decode_nested(array: pa.Array) -> list[Any]:
    kind = array.type
    if pa.types.is_struct(kind):
        return objects_of(array) if is_exact(kind) else _decode_struct(array)
    if is_any_list(kind):
        return _decode_list(as_lists(array))
    if pa.types.is_map(kind):
        return _decode_map(array)
    objects: list[Any] = array.to_pylist()
    return objects


def _decode_times(array: pa.Array) -> list[Any]:
    kind = array.type
    if pa.types.is_interval(kind):  # pyarrow's own class for these cannot be pickled
        return [None if each is None else tuple(each) for each in array.to_pylist()]
    if getattr(kind, "unit", None) == "ns":
        array = microseconds(array)
    try:
        return _as_datetimes(array)
    except (OverflowError, ValueError) as exc:
        raise RecordTypeError(_out_of_range(array)) from exc


def _as_datetimes(array: pa.Array) -> list[Any]:
    kind = array.type
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return list(datetimes(array))
    objects: list[Any] = array.to_pylist()
    return objects


def _out_of_range(array: pa.Array) -> str:
    """The first time that Python cannot hold, and the range that it can hold."""
    kind = array.type
    unit = "days" if pa.types.is_date32(kind) else getattr(kind, "unit", "ms")
    number = None
    for row in range(len(array)):
        one = array.slice(row, 1)
        try:
            _as_datetimes(one)
        except (OverflowError, ValueError):
            number = one.cast(pa.int32() if pa.types.is_date32(kind) else pa.int64())[0]
            break
    most = "999,999,999 days" if pa.types.is_duration(kind) else "the years 1 to 9999"
    return f"{number} {unit} as {kind} is outside {most}, the range of Python's datetime"


def microseconds(array: pa.Array) -> pa.Array:
    """Times in nanoseconds cut down to microseconds, as in Python's `datetime`."""
    kind = array.type
    counts = array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    mask = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    if pa.types.is_timestamp(kind):
        coarse = pa.timestamp("us", kind.tz)
    else:
        coarse = pa.time64("us") if pa.types.is_time(kind) else pa.duration("us")
    return pa.array(counts // 1000, pa.int64(), mask=mask).view(coarse)


def _decode_struct(array: pa.Array) -> list[Any]:
    return decode_rows(array, [None] * array.type.num_fields)


def decode_rows(array: pa.Array, fields: Sequence[pa.Field | None]) -> list[Any]:
    """The rows of a struct column. `fields` say which of its columns hold pickled objects."""
    names = [field.name for field in array.type]
    columns = list(map(decode_column, array.flatten(), fields))
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
    offsets, first, last = spans(array)
    items = decode_column(array.values.slice(first, last - first))
    bounds = offsets.tolist()
    return _with_nulls([items[span] for span in starmap(slice, pairwise(bounds))], array)


def _decode_map(array: pa.Array) -> list[Any]:
    offsets, first, last = spans(array)
    keys = decode_column(array.keys.slice(first, last - first))
    items = decode_column(array.items.slice(first, last - first))
    rows: list[Any] = []
    for start, end in pairwise(offsets.tolist()):
        pairs = list(zip(keys[start:end], items[start:end], strict=True))
        rows.append(_dict_or_pairs(pairs))
    return _with_nulls(rows, array)


def _dict_or_pairs(pairs: list[tuple[Any, Any]]) -> Any:
    try:
        row = dict(pairs)
    except TypeError:  # a list or a dict cannot be a key of a Python dict
        return pairs
    return row if len(row) == len(pairs) else pairs


def _with_nulls(rows: list[Any], array: pa.Array) -> list[Any]:
    if array.null_count:
        for index in np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False)).tolist():
            rows[index] = None
    return rows
