"""The table of types in docs/types.md, cell by cell."""

from __future__ import annotations

import collections
import csv
import dataclasses
import datetime as dt
import decimal
import enum
import functools
import io
import json
import operator
import shutil
import uuid
import zoneinfo
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import orc

from mrmesos.api.aggregates import Aggregate, Max, Min, Sum
from mrmesos.api.formats import (
    ArrowOutput,
    CsvOutput,
    JsonLinesOutput,
    OrcOutput,
    ParquetOutput,
    TextOutput,
)
from mrmesos.io.columns.decode import decode_batch, decode_column
from mrmesos.io.columns.encode import RecordTypeError, encode_pairs
from mrmesos.io.columns.schema import is_pickled
from mrmesos.io.columns.sortkey import with_sort_column
from mrmesos.io.columns.tabular import as_row, plain_batch
from mrmesos.io.fs.filesystem import OutputError
from mrmesos.io.output.writer import open_writer
from mrmesos.io.shuffle.aggregate import combine_with

FORMATS = Path(__file__).parents[1] / "docs" / "types.md"


@dataclasses.dataclass
class Point:
    a: int
    b: str


class Color(enum.Enum):
    RED = 1
    BLUE = 2


Pair = collections.namedtuple("Pair", ["a", "b"])
SMALL, TEXT = st.integers(0, 9), st.text("abc", max_size=3)
ITEMS = st.builds(lambda a, b: {"a": a, "b": b}, SMALL, TEXT)
ITEM_COUNTS = st.dictionaries(TEXT, SMALL).map(lambda made: collections.defaultdict(int, made))
VIENNA = zoneinfo.ZoneInfo("Europe/Vienna")
INDIA = dt.timezone(dt.timedelta(hours=5, minutes=30))
NAIVE = st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2200, 1, 1)).map(
    lambda moment: moment.replace(fold=0)
)
EIGHTHS = st.integers(-(2**30), 2**30).map(lambda number: number / 8)


def zoned(zone: dt.tzinfo) -> st.SearchStrategy[dt.datetime]:
    instants = NAIVE.map(lambda moment: moment.replace(tzinfo=dt.UTC))
    return instants.map(lambda instant: instant.astimezone(zone))


def places(count: int) -> st.SearchStrategy[Decimal]:
    return st.integers(-(10**9), 10**9).map(lambda number: Decimal(number or 1).scaleb(-count))


def some(values: st.SearchStrategy[Any], *always: Any) -> st.SearchStrategy[list[Any]]:
    """Lists of `values` and None, and in each list all of `always`."""
    lists = st.lists(st.none() | values, min_size=0 if always else 1, max_size=5)
    return lists.map(lambda made: [*always, *made]).filter(
        lambda made: any(each is not None for each in made)
    )


TYPES: dict[str, st.SearchStrategy[list[Any]]] = {
    "bool": some(st.booleans()),
    "int": some(st.integers(-(2**63), 2**63 - 1)),
    "int from 2**63": some(st.integers(0, 2**64 - 1), 2**63),
    "int from 2**64": some(st.integers(-(2**70), 2**70), 2**64),
    "float": some(EIGHTHS),
    "int and float": some(EIGHTHS | st.integers(-(2**40), 2**40), 1, 0.5),
    "str": some(st.text()),
    "bytes": some(st.binary()),
    "Decimal, all of two places": some(places(2)),
    "Decimal of one and two places": some(places(1) | places(2), Decimal("0.5"), Decimal("0.25")),
    "Decimal NaN": some(places(2), Decimal("NaN")),
    "date": some(st.dates()),
    "time": some(st.times().map(lambda time: time.replace(fold=0))),
    "timedelta": some(st.timedeltas(dt.timedelta(-99), dt.timedelta(99))),
    "datetime": some(NAIVE),
    "datetime in UTC": some(zoned(dt.UTC)),
    "datetime in Europe/Vienna": some(zoned(VIENNA)),
    "datetime at +05:30": some(zoned(INDIA)),
    "datetime in several zones": some(
        zoned(VIENNA), dt.datetime(2026, 1, 1, tzinfo=INDIA), dt.datetime(2026, 1, 1, tzinfo=VIENNA)
    ),
    "UUID": some(st.uuids()),
    "list of int": some(st.lists(SMALL, max_size=3), [1]),
    "list of int and float": some(st.lists(SMALL | EIGHTHS, max_size=3), [1, 0.5]),
    "tuple of int and str": some(st.tuples(SMALL, TEXT)),
    "tuple of one and of two": some(st.tuples(SMALL), (1,), (1, 2)),
    "dict with the keys a, b": some(ITEMS),
    "dict of other text keys": some(st.dictionaries(TEXT, SMALL), {"a": 1}, {"b": 1}),
    "dict of int keys": some(st.dictionaries(SMALL, TEXT), {1: "a"}),
    "OrderedDict with the keys a, b": some(ITEMS.map(collections.OrderedDict)),
    "empty dict": some(st.just({}), {}),
    "defaultdict": some(ITEM_COUNTS, collections.defaultdict(int, a=1)),
    "Counter": some(TEXT.map(collections.Counter), collections.Counter("aa")),
    "dataclass": some(st.builds(Point, SMALL, TEXT)),
    "named tuple": some(st.builds(Pair, SMALL, TEXT)),
    "complex": some(st.builds(complex, EIGHTHS, EIGHTHS), 1j),
    "Fraction": some(st.fractions(max_denominator=99)),
    "set or frozenset": some(st.sets(SMALL, max_size=2) | st.frozensets(SMALL, max_size=2)),
    "bytearray": some(st.binary(max_size=3).map(bytearray)),
    "IPv4Address": some(st.ip_addresses(v=4)),
    "member of an Enum": some(st.sampled_from(Color)),
    "Path": some(TEXT.map(PurePosixPath)),
    "numpy.timedelta64": some(SMALL.map(lambda count: np.timedelta64(count, "ns"))),
    "None": st.lists(st.none(), min_size=1, max_size=3),
}


def table() -> dict[str, list[str]]:
    """The cells of each row of the table, by its first cell."""
    section = FORMATS.read_text().partition("\n## Python values\n")[2].partition("\n##")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:2] == "| "]
    return {name: cells for name, *cells in lines[1:]}


ROWS = table()
assert ROWS, "the page has lost its table"
by_row = pytest.mark.parametrize("name", list(ROWS))
few = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def batch_of(values: list[Any]) -> pa.RecordBatch:
    return encode_pairs([1] * len(values), values)


def text_of(values: list[Any]) -> list[str]:
    return [f"{type(value)} {value!r}" for value in values]


def test_the_table_has_the_types_that_are_tested() -> None:
    assert list(ROWS) == list(TYPES)
    assert {len(cells) for cells in ROWS.values()} == {7}


@by_row
@few
@given(data=st.data())
def test_values_are_exact_in_a_job_and_of_the_batch_type(name: str, data: st.DataObject) -> None:
    values = data.draw(TYPES[name])
    batch = batch_of(values)
    assert text_of(decode_batch(batch)[1]) == text_of(values)
    field = plain_batch(batch).schema.field("value")
    assert ("pickled" if is_pickled(field) else str(field.type)) == ROWS[name][0]


def added(values: list[Any]) -> Any:
    with decimal.localcontext(prec=999):
        return functools.reduce(operator.add, values)


@by_row
@pytest.mark.parametrize(
    ("column", "aggregate", "fold"), [(1, Sum, added), (2, Min, min), (2, Max, max)]
)
@few
@given(data=st.data())
def test_aggregates_give_what_python_gives_or_refuse(
    name: str, column: int, aggregate: type[Aggregate], fold: Any, data: st.DataObject
) -> None:
    values = data.draw(TYPES[name])
    half = len(values) // 2
    parts = [with_sort_column(batch_of(part)) for part in (values[:half], values[half:]) if part]

    def folded() -> Any:
        partial = [made for part in parts for made in combine_with(aggregate, "initial")([part])]
        (made,) = combine_with(aggregate, "final")(partial)
        return decode_batch(made)[1][0]

    if ROWS[name][column] == "no":
        twice = with_sort_column(batch_of([*values, *values]))
        with pytest.raises(RecordTypeError, match="cannot be folded"):
            list(combine_with(aggregate, "initial")([twice]))
        return
    present = [value for value in values if value is not None]
    expected = fold(present) if present else None
    found = folded()
    assert found == expected or expected != expected
    if aggregate is Sum and isinstance(expected, Decimal):
        assert str(found) == str(expected)


OUTPUTS = [(3, ArrowOutput()), (3, ParquetOutput()), (4, OrcOutput())]


def written(fmt: Any, values: list[Any], path: Path) -> pa.Table:
    folder = path / uuid.uuid4().hex
    part = str(folder / "part")
    writer = open_writer(fmt, fsspec.filesystem("file"), part)
    writer.write(batch_of(values))
    writer.close()
    if isinstance(fmt, ArrowOutput):
        return pa.ipc.open_file(part).read_all()
    return pq.read_table(part) if isinstance(fmt, ParquetOutput) else orc.read_table(part)


@by_row
@pytest.mark.parametrize(("column", "fmt"), OUTPUTS)
@few
@given(data=st.data())
def test_tables_hold_equal_values_of_the_type_or_refuse(
    name: str, column: int, fmt: Any, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    values, expected = data.draw(TYPES[name]), ROWS[name][column]
    path = tmp_path_factory.mktemp("out")
    if expected == "no":
        with pytest.raises(OutputError, match="cannot be written"):
            written(fmt, values, path)
        return
    read = written(fmt, values, path)
    field, array = read.schema.field("value"), read.column("value").combine_chunks()
    if expected == "pickled":
        assert is_pickled(field)
        return
    if not isinstance(fmt, ParquetOutput):  # Parquet names the items of lists and maps otherwise
        assert str(field.type) == expected
    text = expected == "string" and name == "UUID"
    found = decode_column(array)
    assert found == [
        str(value) if text and value is not None else as_row(value) for value in values
    ]


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


TEXTS: dict[str, Callable[[Any], Any]] = {
    "str": str,
    "ISO": lambda value: value.isoformat(),
    "JSON": as_json,
    "true, false": as_json,
    "bytes": lambda value: value,
    "empty": str,
}
READ_AS: dict[str, Callable[[Any], Any]] = {
    "=": lambda value: value,
    "str": str,
    "ISO": lambda value: value.isoformat(),
    "list": list,
    "dict": dataclasses.asdict,
    "text keys": lambda value: {str(key): item for key, item in value.items()},
    "UTF-8": lambda value: value.decode("utf-8", "backslashreplace"),
}


def lines_of(fmt: Any, values: list[Any], path: Path) -> bytes:
    part = str(path / uuid.uuid4().hex)
    writer = open_writer(fmt, fsspec.filesystem("file"), part)
    writer.write(batch_of(values))
    writer.close()
    return Path(part).read_bytes()


@by_row
@few
@given(data=st.data())
def test_text_csv_and_json_hold_what_the_table_says(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    values, (text, back) = data.draw(TYPES[name]), ROWS[name][5:]
    path = tmp_path_factory.mktemp("out")
    shown = [None if value is None else TEXTS[text](value) for value in values]
    raw = [each.encode() if isinstance(each, str) else each for each in shown]
    lines = [b"1\n" if each is None else b"1\t" + each + b"\n" for each in raw]
    assert lines_of(TextOutput(), values, path) == b"".join(lines)
    table = lines_of(CsvOutput(), values, path).decode("latin-1")
    rows = list(csv.reader(io.StringIO(table, newline="")))
    assert rows == [["key", "value"], *(["1", (each or b"").decode("latin-1")] for each in raw)]
    found = [json.loads(line) for line in lines_of(JsonLinesOutput(), values, path).splitlines()]
    expected = [None if value is None else READ_AS[back](value) for value in values]
    assert found == [{"key": 1, "value": value} for value in expected]


SAMPLES: dict[str, list[Any]] = {
    "bool": [True, False],
    "int": [1, -(2**62)],
    "int from 2**63": [2**63, 1],
    "int from 2**64": [2**64, 1],
    "float": [0.5, -2.0],
    "int and float": [1, 0.5],
    "str": ["a", "\u00fc"],
    "bytes": [b"a", b"\x00"],
    "Decimal of one and two places": [Decimal("0.5"), Decimal("-0.25")],
    "date": [dt.date(2026, 1, 1)],
    "datetime": [dt.datetime(2026, 1, 1, 12, 30, 0, 7)],
    "datetime in UTC": [dt.datetime(2026, 1, 1, tzinfo=dt.UTC)],
    "datetime in Europe/Vienna": [dt.datetime(2026, 7, 1, tzinfo=VIENNA)],
    "datetime in several zones": [
        dt.datetime(2026, 7, 1, tzinfo=VIENNA),
        dt.datetime(2026, 7, 1, tzinfo=INDIA),
    ],
    "UUID": [uuid.UUID(int=7)],
    "list of int": [[1, 2], []],
    "tuple of int and str": [(1, "x")],
    "dict with the keys a, b": [{"a": 1, "b": "x"}],
    "dict of other text keys": [{"a": 1}, {"b": 2}],
    "Counter": [collections.Counter("aab")],
    "dataclass": [Point(1, "x")],
    "named tuple": [Pair(1, "x")],
}


@functools.cache
def spark() -> Any:
    """A Spark session in this process; its clock is in UTC."""
    sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java, which is not installed")
    made = sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    return made.config("spark.sql.session.timeZone", "UTC").getOrCreate()


def read_by(reader: str, path: Path) -> list[Any]:
    """The column `value` of a Parquet or ORC file as another program reads it."""
    kind = path.suffix[1:]
    if reader == "pyspark":
        return [row.value for row in getattr(spark().read, kind)(str(path)).collect()]
    module = pytest.importorskip(reader, reason=f"{reader} is not installed")
    if reader == "duckdb":
        return [row[0] for row in module.sql(f"select value from '{path}'").fetchall()]
    found = getattr(module, f"read_{kind}")(path)["value"]
    return list(found.to_list()) if reader == "polars" else list(found)


def normal(value: Any) -> Any:
    """Values that say the same in Python and in the other programs, as one: zones as UTC, tuples
    and rows as dicts, maps as dicts, UUIDs as text.
    """
    if hasattr(value, "asDict"):
        value = value.asDict()
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime()
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.UTC).replace(tzinfo=None)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, bytearray):
        return bytes(value)
    value = as_row(value)
    if isinstance(value, tuple):
        value = {f"_{index}": each for index, each in enumerate(value)}
    if isinstance(value, dict):
        return {name: normal(each) for name, each in value.items()}
    if isinstance(value, list):
        return [normal(each) for each in value]
    return value


def same(found: Any, value: Any) -> bool:
    found, value = normal(found), normal(value)
    if isinstance(found, list) and isinstance(value, dict):  # a map as pairs
        pairs = [each.values() if isinstance(each, dict) else each for each in found]
        found = dict(map(tuple, pairs))
    if isinstance(found, bytes) and isinstance(value, str):  # a UUID as bytes
        found = str(uuid.UUID(bytes=found)) if len(found) == 16 else found.decode()
    return bool(found == value)


UNREAD = [("pyspark", "parquet", "UUID")]
"""Spark 4.3 refuses Parquet's UUID: PARQUET_TYPE_ILLEGAL."""
READERS = [
    ("duckdb", "parquet"),
    ("polars", "parquet"),
    ("pandas", "parquet"),
    ("pandas", "orc"),
    ("pyspark", "parquet"),
    ("pyspark", "orc"),
]


@pytest.mark.parametrize(("reader", "kind"), READERS)
def test_other_programs_read_equal_values(reader: str, kind: str, tmp_path: Path) -> None:
    fmt: Any = ParquetOutput() if kind == "parquet" else OrcOutput()
    for name, values in SAMPLES.items():
        if (reader, kind, name) in UNREAD:
            continue
        path = tmp_path / uuid.uuid4().hex / f"part.{kind}"
        writer = open_writer(fmt, fsspec.filesystem("file"), str(path))
        writer.write(batch_of([*values, None]))
        writer.close()
        try:
            *found, nothing = read_by(reader, path)
        except Exception as problem:
            raise AssertionError(f"{reader} cannot read {name}") from problem
        assert nothing is None or nothing != nothing, name
        assert all(map(same, found, values)), f"{reader}: {name}: {found}"
