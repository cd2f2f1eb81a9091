"""Values through whole jobs come back equal, of the same types and with the same text."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import io
import json
import uuid
import zoneinfo
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from mrmesos.api import (
    CsvInput,
    CsvOutput,
    Job,
    JsonLinesInput,
    JsonLinesOutput,
    Mapper,
    Mean,
    ParquetInput,
    ParquetOutput,
    Reducer,
    Sum,
)
from mrmesos.local.run_job import run_job

Pairs = Iterator[tuple[Any, Any]]


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: float


Pair = collections.namedtuple("Pair", ["a", "b"])
ZONES = [dt.UTC, zoneinfo.ZoneInfo("America/New_York"), dt.timezone(dt.timedelta(hours=-3.5))]


def without_idle_fold(moment: dt.datetime) -> dt.datetime:
    """`fold` is kept only where a zone has the time twice or not at all."""
    plain = moment.replace(fold=0)
    return plain if plain.utcoffset() == plain.replace(fold=1).utcoffset() else moment


ATOMS = (
    st.none()
    | st.integers(-(2**66), 2**66)
    | st.floats(allow_nan=False)
    | st.decimals(allow_nan=False)
    | st.decimals(-99, 99, places=2)
    | st.uuids()
    | st.datetimes(timezones=st.sampled_from(ZONES)).map(without_idle_fold)
    | st.timedeltas()
    | st.text(max_size=3)
    | st.builds(Point, st.integers(), st.floats(allow_nan=False))
    | st.builds(Pair, st.integers(0, 9), st.floats(0, 9))
    | st.dictionaries(st.text(max_size=2), st.integers(0, 9)).map(collections.OrderedDict)
    | st.text("abc").map(collections.Counter)
)
VALUES = st.recursive(ATOMS, lambda inner: st.lists(inner, max_size=2) | st.tuples(inner, inner))
GIVEN: list[Any] = []


class Give(Mapper):
    def map(self, key: int, line: str) -> Pairs:
        yield int(line) % 2, GIVEN[int(line)]


class Same(Reducer):
    def reduce(self, key: int, values: Iterator[Any]) -> Pairs:
        for value in values:
            yield key, value


class Through(Job):
    mapper, combiner, reducer = Give, Same, Same


def text_of(value: Any) -> str:
    """Types, zones and decimal places at every depth."""
    return repr(value)


@settings(max_examples=60, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=8), st.integers(1, 3))
def test_values_come_back_through_combiner_and_reducer(values: list[Any], splits: int) -> None:
    GIVEN[:] = values
    lines = [str(number) for number in range(len(values))]
    found = run_job(Through, lines, splits=splits).records
    assert sorted(text_of(pair) for pair in found) == sorted(
        text_of((number % 2, value)) for number, value in enumerate(values)
    )


def test_the_text_of_a_number_does_not_depend_on_cuts() -> None:
    class Values(Mapper):
        def map(self, key: int, row: dict[str, Any]) -> Pairs:
            yield row["k"], row["v"]

    class Copy(Job):
        mapper = Values
        input_format = JsonLinesInput()

    class Passed(Copy):
        reducer = Reducer

    class Added(Copy):
        reducer = Sum

    class Averaged(Copy):
        reducer = Mean

    rows = [("a", 10), ("b", 10.5), ("c", [1, 2.5]), ("d", 2**60), ("e", 0.5)]
    lines = [json.dumps({"k": key, "v": value}) for key, value in rows]
    numbers = [line for line in lines if '"c"' not in line]
    for splits in (1, 2, 3):
        for job in (Copy, Passed):
            files = run_job(job, lines, splits=splits, num_reducers=1).files
            text = b"".join(files[name] for name in sorted(files))
            assert text == b"a\t10\nb\t10.5\nc\t[1, 2.5]\nd\t1152921504606846976\ne\t0.5\n"
        files = run_job(Added, numbers, splits=splits, num_reducers=1).files
        assert files["part-r-00000"] == b"a\t10\nb\t10.5\nd\t1152921504606846976\ne\t0.5\n"
        files = run_job(Averaged, numbers, splits=splits, num_reducers=1).files
        assert files["part-r-00000"] == b"a\t10.0\nb\t10.5\nd\t1.152921504606847e+18\ne\t0.5\n"


def test_decimals_of_a_csv_column_are_summed() -> None:
    class Amounts(Mapper):
        def map(self, key: int, row: dict[str, Any]) -> Pairs:
            yield row["user"], row["amount"]

    class Totals(Job):
        mapper, reducer = Amounts, Sum
        input_format = CsvInput(types={"amount": "decimal128(9, 2)"})

    text = {"in.csv": "user,amount\nann,1.10\nbob,3.00\nann,2.20\n"}
    assert dict(run_job(Totals, text).records) == {"ann": Decimal("3.30"), "bob": Decimal("3.00")}


def test_a_mapper_gets_microseconds_at_any_depth(tmp_path: Path) -> None:
    class Row(Mapper):
        def map(self, key: int, row: dict[str, Any]) -> Pairs:
            yield None, row

    class Copy(Job):
        mapper = Row
        input_format = ParquetInput()

    tokyo = zoneinfo.ZoneInfo("Asia/Tokyo")
    nanos = 1_700_000_000_123_456_789
    at = pa.array([nanos], pa.timestamp("ns"))
    columns = {
        "top": at,
        "struct": pa.StructArray.from_arrays([at.cast(pa.timestamp("ns", "Asia/Tokyo"))], ["t"]),
        "list": pa.ListArray.from_arrays([0, 1], pa.array([nanos % 86400], pa.time64("ns"))),
        "map": pa.MapArray.from_arrays([0, 1], ["a"], pa.array([-1], pa.duration("ns"))),
    }
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    ((_, row),) = run_job(Copy, tmp_path / "in.parquet").records
    assert row == {
        "top": dt.datetime(2023, 11, 14, 22, 13, 20, 123456),
        "struct": {"t": dt.datetime(2023, 11, 15, 7, 13, 20, 123456, tokyo)},
        "list": [dt.time(0, 0, 0, nanos % 86400 // 1000)],
        "map": {"a": dt.timedelta(microseconds=-1)},
    }


def test_records_of_any_class_are_rows_of_every_output() -> None:
    made: list[Any] = [Point(1, 0.5), Pair(1, 0.5), collections.OrderedDict(a=1, b=0.5)]

    def written(value: Any, fmt: Any) -> bytes:
        class Rows(Mapper):
            def map(self, key: int, line: str) -> Pairs:
                yield None, value

        class Write(Job):
            mapper = Rows
            output_format = fmt

        return run_job(Write, ["x"], splits=1).files.popitem()[1]

    for value in made:
        row = {"x": 1, "y": 0.5} if isinstance(value, Point) else {"a": 1, "b": 0.5}
        names = ",".join(row)
        assert json.loads(written(value, JsonLinesOutput(records=True))) == row
        assert written(value, CsvOutput(records=True)).decode() == f"{names}\n1,0.5\n"
        table = pq.read_table(io.BytesIO(written(value, ParquetOutput(records=True))))
        assert table.to_pylist() == [row]


def test_a_uuid_is_a_uuid_in_parquet() -> None:
    one = uuid.UUID(int=7)

    class Ids(Mapper):
        def map(self, key: int, line: str) -> Pairs:
            yield line, one

    class Write(Job):
        mapper = Ids
        output_format = ParquetOutput()

    (data,) = run_job(Write, ["x"], splits=1).files.values()
    column = pq.read_table(io.BytesIO(data)).column("value")
    assert column.type == pa.uuid()
    assert column.to_pylist() == [one]
