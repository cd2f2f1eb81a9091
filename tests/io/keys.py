"""Keys of every supported type for the tests of the data path, and their order in Python."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from mrmesos.io.columns.encode import encode_pairs
from mrmesos.io.columns.sortkey import with_sort_column

INTS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats() | st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ALIKE_TEXT = st.text("a\x00b", max_size=70)
BYTES = st.binary(max_size=20)
ALIKE_BYTES = st.lists(st.sampled_from([0, 1, 255]), max_size=24).map(bytes)
NAIVE = st.datetimes().map(lambda when: when.replace(fold=0))

KEYS: dict[str, st.SearchStrategy[Any]] = {
    "int": INTS,
    "small int": st.integers(0, 5),
    "float": FLOATS,
    "text": TEXT,
    "alike text": ALIKE_TEXT,
    "bytes": BYTES,
    "alike bytes": ALIKE_BYTES,
    "bool": st.booleans(),
    "timestamp": NAIVE,
    "utc": st.datetimes().map(lambda when: when.replace(fold=0, tzinfo=dt.UTC)),
    "date": st.dates(),
    "time": st.times().map(lambda when: when.replace(fold=0)),
    "duration": st.timedeltas(dt.timedelta(days=-(10**6)), dt.timedelta(days=10**6)),
    "pair": st.tuples(st.none() | ALIKE_TEXT, st.none() | INTS),
    "nested": st.tuples(FLOATS, st.tuples(st.booleans(), ALIKE_BYTES)),
    "list": st.lists(st.none() | st.integers(-3, 3), max_size=4),
    "lists": st.lists(st.lists(ALIKE_TEXT, max_size=3), max_size=3),
    "dates": st.tuples(st.dates(), NAIVE),
}

NUMBERS: st.SearchStrategy[Any] = (
    st.integers(-3, 3)
    | INTS
    | st.integers(-(2**1100), 2**1100)
    | st.integers(2**53 - 2, 2**53 + 2)
    | st.floats(allow_nan=False)
    | st.sampled_from([0.5, 1.0, 2.0, -1.0, float(2**53)])
    | st.decimals(allow_nan=False)
    | st.decimals(-3, 3, places=1)
    | st.booleans()
)
SINGLE: st.SearchStrategy[Any] = (
    st.none()
    | NUMBERS
    | ALIKE_TEXT
    | ALIKE_BYTES
    | NAIVE
    | st.dates()
    | st.timedeltas(dt.timedelta(days=-(10**6)), dt.timedelta(days=10**6))
    | st.uuids()
)
"""Keys of many types; Python compares equal ones as equal, and none of them is a NaN."""

_FEW = st.sampled_from(
    [None, 0, 1, 1.0, True, 2, 2.5, Decimal("2.50"), 2**53, 2**53 + 1, 2**70, "", "a", "b", b"a"]
)


def mixed_keys(max_size: int = 30) -> st.SearchStrategy[list[Any]]:
    """Lists of hashable keys of several types, many of them equal, also tuples of them."""
    tuples = st.lists(_FEW, max_size=3).map(tuple)
    nested = st.tuples(st.sampled_from(["a", 1]), tuples)
    return st.lists(_FEW | tuples | nested | SINGLE, max_size=max_size)


def order(key: Any) -> Any:
    """A Python sort key: None first, NaN last, -0.0 as 0.0, lists and tuples item by item."""
    if key is None:
        return (0,)
    if isinstance(key, int | float) and not isinstance(key, bool):
        return (1, math.isnan(key), 0.0 if math.isnan(key) else key)
    if isinstance(key, list | tuple):
        return (1, [order(item) for item in key])
    return (1, key)


def canonical(key: Any) -> Any:
    """A hashable value that is equal for two keys exactly if a job groups them together."""
    return repr(order(key)).replace("-0.0", "0.0")


def key_lists(max_size: int = 60) -> st.SearchStrategy[list[Any]]:
    """Lists of keys of one type, including repeated keys and None."""

    def of(keys: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
        few = st.lists(keys, min_size=1, max_size=8)
        repeated = few.flatmap(
            lambda some: st.lists(st.sampled_from(some) | st.none(), max_size=max_size)
        )
        return repeated | st.lists(keys | st.none(), max_size=max_size)

    return st.sampled_from(sorted(KEYS)).flatmap(lambda name: of(KEYS[name]))


def numbered(keys: list[Any], first: int = 0) -> pa.RecordBatch:
    """A batch of these keys with its sort column; the values number the rows."""
    return with_sort_column(encode_pairs(keys, list(range(first, first + len(keys)))))
