from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import zoneinfo
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.io.columns.decode import decode_column
from mrmesos.io.columns.encode import RecordTypeError, encode_pairs
from mrmesos.io.columns.schema import is_pickled
from mrmesos.io.columns.tabular import plain_batch, rows_of_objects, table_batch
from mrmesos.io.columns.unify import conform, unify


@dataclasses.dataclass
class Point:
    x: int
    at: dt.datetime | None = None


Pair = collections.namedtuple("Pair", ["a", "b"])
VIENNA = zoneinfo.ZoneInfo("Europe/Vienna")
LATER = dt.datetime(2026, 7, 1, tzinfo=VIENNA)


def in_table(values: list[Any], *, rows: bool = False) -> pa.Array:
    batch = table_batch(encode_pairs([1] * len(values), values), rows=rows)
    assert not is_pickled(batch.schema.field("value"))
    return batch.column("value")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2.5, None], pa.float64()),
        ([Decimal("1.5"), Decimal("2.25")], pa.decimal128(38, 2)),
        ([Decimal("1E+3"), Decimal("2.25")], pa.decimal128(38, 2)),
        ([2**70, -1], pa.decimal128(38, 0)),
        ([LATER, dt.datetime(2026, 7, 1, tzinfo=dt.UTC)], pa.timestamp("us", "UTC")),
        ([{"a": 1}, None, {"b": 2}], pa.map_(pa.string(), pa.int64())),
        ([{1: "x"}, {}], pa.map_(pa.int64(), pa.string())),
        ([collections.Counter("aab")], pa.map_(pa.string(), pa.int64())),
        ([[{"a": [1, 2.5]}], [{"b": []}]], pa.list_(pa.map_(pa.string(), pa.list_(pa.float64())))),
    ],
)
def test_tables_get_equal_values_of_one_plain_type(values: list[Any], kind: pa.DataType) -> None:
    array = in_table(values)
    assert array.type == kind
    assert decode_column(array) == values


@pytest.mark.parametrize(
    ("values", "rows"),
    [
        ([Point(1), Point(2, LATER)], [{"x": 1, "at": None}, {"x": 2, "at": LATER}]),
        ([Pair(1, "x"), Pair(2.5, "y")], [{"a": 1.0, "b": "x"}, {"a": 2.5, "b": "y"}]),
        ([collections.OrderedDict(a=1, b="x")], [{"a": 1, "b": "x"}]),
    ],
)
def test_records_become_structs_nested_or_as_rows(
    values: list[Any], rows: list[dict[str, Any]]
) -> None:
    for array in (in_table(values), in_table(values, rows=True)):
        assert decode_column(array) == rows
    assert decode_column(in_table([{"deep": values}])) == [{"deep": rows}]


def test_rows_may_lack_items() -> None:
    rows = [{"a": 1}, {"a": 2, "b": Decimal("0.5")}]
    assert decode_column(in_table(rows, rows=True)) == [{"a": 1, "b": None}, rows[1]]
    assert rows_of_objects([1]) is None


def test_what_no_type_holds_stays_pickled_beside_columns_that_do_not() -> None:
    batch = encode_pairs([1, 1], [{"a": {1}, "b": 1}, {"a": None, "b": 2}])
    struct = table_batch(batch, rows=True).column("value").type
    assert [is_pickled(field) for field in struct] == [True, False]
    for values in ([Decimal("NaN")], [{1}], ["a", 1], [dt.datetime(2026, 1, 1), LATER]):
        batch = encode_pairs([1] * len(values), values)
        assert is_pickled(table_batch(batch, rows=False).schema.field("value"))


def test_an_integer_that_is_no_double_is_refused_beside_floats() -> None:
    batch = encode_pairs([1, 1], [2**53 + 1, 0.5])
    for convert in (plain_batch, lambda given: table_batch(given, rows=False)):
        with pytest.raises(RecordTypeError, match="integers and floats in one column"):
            convert(batch)


def test_dicts_whose_keys_vary_only_in_one_batch_go_into_one_table() -> None:
    parts: list[list[Any]] = [[{"a": 1}, {"b": 2}], [{"a": 3, "c": 4}, None, {"a": 5, "c": None}]]
    batches = [table_batch(encode_pairs([1] * len(part), part), rows=False) for part in parts]
    for first, second in (batches, batches[::-1]):
        schema = unify(first.schema, second.schema, exact=False)
        assert schema.field("value").type == pa.map_(pa.string(), pa.int64())
    for part, batch in zip(parts, batches, strict=True):
        assert decode_column(conform(batch, schema).column("value")) == part


@given(st.lists(st.none() | st.dictionaries(st.text(max_size=3), st.integers(0, 9)), min_size=1))
def test_dicts_come_back_equal_from_a_map_or_struct(values: list[dict[str, int] | None]) -> None:
    if any(values):
        assert decode_column(in_table([*values, {"a": 1}, {"b": 1}])) == [
            *values,
            {"a": 1},
            {"b": 1},
        ]
