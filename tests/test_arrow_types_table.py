"""The table of Arrow types in docs/types.md, cell by cell: files of others as jobs get them."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mrmesos.api.formats import ArrowInput
from mrmesos.io.columns.type_names import type_of
from tests.io.input.formats.cutting import batches, read, whole

FORMATS = Path(__file__).parents[1] / "docs" / "types.md"
CUT = ", cut to \u00b5s"


def table() -> dict[str, tuple[str, str]]:
    section = FORMATS.read_text().partition("\n## Arrow types in files\n")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:2] == "| "]
    return {kind: (mapper, batch) for kind, mapper, batch in lines[1:]}


ROWS = table()
assert ROWS, "the page has lost its table"
INT, CENTS = pa.int64(), st.integers(-999, 999).map(lambda number: Decimal(number).scaleb(-2))
MAKE: dict[str, Callable[[], pa.DataType]] = {
    "string_view": pa.string_view,
    "binary_view": pa.binary_view,
    "decimal32(5, 2)": lambda: pa.decimal32(5, 2),
    "decimal64(9, 2)": lambda: pa.decimal64(9, 2),
    "month_day_nano_interval": pa.month_day_nano_interval,
    "list_view<item: int64>": lambda: pa.list_view(INT),
    "fixed_size_list<item: int64>[2]": lambda: pa.list_(INT, 2),
    "dictionary<values=string, indices=int32, ordered=0>": lambda: pa.dictionary(
        pa.int32(), pa.string()
    ),
    "run_end_encoded<run_ends: int32, values: int64>": lambda: pa.run_end_encoded(pa.int32(), INT),
    "extension<arrow.bool8>": pa.bool8,
    "extension<arrow.json>": pa.json_,
}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": st.integers(0, 127),
    "float": st.integers(-99, 99).map(lambda number: number / 8),
    "bool": st.booleans(),
    "str": st.text(max_size=3),
    "bytes": st.binary(min_size=2, max_size=2),
    "Decimal": CENTS,
    "date": st.dates(),
    "time": st.times().map(lambda time: time.replace(microsecond=0, fold=0)),
    "datetime": st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1)).map(
        lambda moment: moment.replace(microsecond=0, fold=0)
    ),
    "timedelta": st.integers(-(10**6), 10**6).map(lambda seconds: dt.timedelta(seconds=seconds)),
    "tuple": st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
    "list": st.lists(st.integers(0, 9), min_size=2, max_size=2),
    "dict": st.fixed_dictionaries({"a": st.integers(0, 9)}),
    "UUID": st.builds(lambda number: uuid.UUID(int=number), st.integers(0, 2**128 - 1)),
    "None": st.none(),
}


def array_of(name: str, kind: pa.DataType, values: list[Any]) -> pa.Array:
    """The values as another program would write them."""
    if name.startswith("struct<_0"):
        values = [None if each is None else {"_0": each[0]} for each in values]
    if name.startswith("map<"):
        values = [None if each is None else list(each.items()) for each in values]
    if name == "month_day_nano_interval":
        values = [None if each is None else pa.MonthDayNano(each) for each in values]
    if name.startswith("run_end"):
        ends = pa.array(range(1, len(values) + 1), pa.int32())
        return pa.RunEndEncodedArray.from_arrays(ends, pa.array(values, INT))
    if isinstance(kind, pa.BaseExtensionType):
        stored = [each.bytes if isinstance(each, uuid.UUID) else each for each in values]
        stored = [int(each) if each is True or each is False else each for each in stored]
        return pa.ExtensionArray.from_storage(kind, pa.array(stored, kind.storage_type))
    array = pa.array(values, pa.int64() if name.endswith("[ns]") else kind)
    return array.cast(kind)


@pytest.mark.parametrize("name", list(ROWS))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_values_and_columns_come_as_the_table_says(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    said, shown = ROWS[name]
    kind = MAKE[name]() if name in MAKE else type_of(name)
    assert str(kind) == name
    values = data.draw(st.lists(st.none() | VALUES[said.removesuffix(CUT)], min_size=1, max_size=4))
    expected = values
    if name == "struct<_0: int64>":
        expected = [None if each is None else each[:1] for each in values]
    if said.endswith(CUT):
        expected, values = in_nanoseconds(said.removesuffix(CUT), values)
    if "tz=UTC" in name:
        expected = [None if each is None else each.replace(tzinfo=dt.UTC) for each in values]
    path = tmp_path_factory.mktemp("in") / "file.arrow"
    column = array_of(name, kind, values)
    with pa.ipc.new_file(path, pa.schema([("c", kind)])) as writer:
        writer.write_table(pa.table({"c": column}))
    found = [row["c"] for _, row in read(whole(path), ArrowInput())]
    assert found == expected
    names = {type(each).__name__ for each in found if each is not None}
    assert names <= {said.removesuffix(CUT)}
    types = {
        str(given.batch.schema.field("value").type) for given in batches(whole(path), ArrowInput())
    }
    assert types == {f"struct<c: {name if shown == '=' else shown}>"}


def in_nanoseconds(kind: str, values: list[Any]) -> tuple[list[Any], list[int | None]]:
    """The expected results for values that are a few nanoseconds later, and these values as
    numbers.
    """
    numbers: list[int | None] = []
    for each in values:
        if each is None:
            numbers.append(None)
            continue
        if kind == "time":
            since = dt.timedelta(hours=each.hour, minutes=each.minute, seconds=each.second)
        else:
            since = each - dt.datetime(1970, 1, 1) if kind == "datetime" else each
        numbers.append(since // dt.timedelta(microseconds=1) * 1000 + 999)
    return values, numbers
