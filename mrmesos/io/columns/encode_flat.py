"""Numbers, decimals and datetimes of one column as an Arrow array: a part of `encode`."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa

from mrmesos.io.columns.exact import decimal_type, mixed, scaled
from mrmesos.io.columns.schema import RecordTypeError
from mrmesos.io.columns.zones import zone_name, zoned


class NoColumn(Exception):
    """These objects do not fit one Arrow type. The message says why."""


class TooLarge(RecordTypeError):
    """The objects need more bytes than one batch may have. ColumnEncoder then makes several."""

    def __init__(self) -> None:
        super().__init__("the records are larger than the limit of one batch; pass fewer at once")


def array_of(objects: list[Any], kind: pa.DataType) -> pa.Array:
    """The objects as a column of `kind`. Raises NoColumn, TooLarge."""
    try:
        array = pa.array(objects, kind)
    except UnicodeEncodeError:
        raise NoColumn("text with lone surrogates is not Unicode") from None
    except (OverflowError, pa.ArrowInvalid) as error:
        raise NoColumn(str(error)) from None
    if isinstance(array, pa.ChunkedArray):  # Arrow returns chunks when 32-bit offsets overflow
        raise TooLarge
    return array


def encode_numbers(objects: list[Any], kind: type, *, is_key: bool) -> pa.Array:
    """All `int` or all `float`, without None. Raises NoColumn for integers above 64 bits."""
    try:
        return pa.array(np.fromiter(objects, np.int64 if kind is int else np.float64, len(objects)))
    except OverflowError:
        if not is_key:
            return encode_integers(objects)
        raise NoColumn("integers of more than 64 bits") from None


def encode_integers(objects: list[Any]) -> pa.Array:
    """Integers and None as int64, or as uint64 if they need it. Raises NoColumn."""
    try:
        return pa.array(objects, pa.int64())
    except (OverflowError, pa.ArrowInvalid):
        return array_of(objects, pa.uint64())


def encode_mixed(objects: list[Any]) -> pa.Array:
    """Integers, floats and None in a column of `exact`. Raises NoColumn."""
    ints = array_of([each if type(each) is int else None for each in objects], pa.int64())
    floats = [each if type(each) is float else None for each in objects]
    return mixed(ints, array_of(floats, pa.float64()))


def encode_decimals(objects: list[Any]) -> pa.Array:
    """Decimals with one scale as a plain column, others with their scales."""
    scales: list[int | None] = []
    digits = places = 0
    for each in objects:
        if each is None:
            scales.append(None)
            continue
        sign, figures, exponent = each.as_tuple()
        if not isinstance(exponent, int) or exponent > 0 or (sign and not any(figures)):
            raise NoColumn(f"the Decimal {each}")  # NaN, infinity, 1E+3 and -0
        scales.append(-exponent)
        digits, places = max(digits, len(figures) + exponent), max(places, -exponent)
    kind = decimal_type(digits + places, places)
    if kind is None:
        raise NoColumn("Decimals of more than 76 digits")
    array = array_of(objects, kind)
    if len(set(scales) - {None}) == 1:
        return array
    return scaled(array, pa.array(scales, pa.int8()))


def encode_datetimes(objects: list[Any], *, is_key: bool) -> pa.Array:
    """Datetimes and None, all without a zone or all of one zone. Raises NoColumn."""
    zones = {each.tzinfo for each in objects if each is not None}
    if zones == {None}:
        return array_of(objects, pa.timestamp("us"))
    if zones == {dt.UTC} or (is_key and None not in zones):
        return array_of(objects, pa.timestamp("us", "UTC"))
    names = {None if zone is None else zone_name(zone) for zone in zones}
    if len(names) == 1 and None not in names and not is_key:
        try:
            array = zoned(objects, names.pop() or "")
        except (OverflowError, pa.ArrowInvalid) as error:
            raise NoColumn(str(error)) from None
        if array is not None:
            return array
    raise NoColumn("datetimes with and without zones" if None in zones else "zoned datetimes")
