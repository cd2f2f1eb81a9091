"""Annotations of a class of records as the columns of an output."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, NamedTuple, NotRequired, Required, TypedDict

import pyarrow.parquet as pq
import pytest

from mrmesos.api.formats import ArrowOutput, CsvOutput, JsonLinesOutput, OrcOutput, ParquetOutput
from mrmesos.api.job import Job
from mrmesos.api.record_types import column_types
from mrmesos.api.tasks import Mapper
from mrmesos.io.columns.type_names import field_of
from mrmesos.io.fs.filesystem import OutputError
from mrmesos.local.run_job import run_job


@dataclasses.dataclass
class Place:
    x: float
    y: float | None


@dataclasses.dataclass
class Sale:
    user: str
    n: int | None
    at: Annotated[dt.datetime, "timestamp[us, tz=UTC]"]
    amount: Annotated[Decimal, "decimal128(9, 2)"] | None
    day: dt.date
    id: uuid.UUID
    tags: list[str]
    more: dict[str, list[int]]
    place: Place
    pair: tuple[int, str] | None = None


class Pair(NamedTuple):
    key: str
    value: int


class Row(TypedDict, total=False):
    a: Required[int]
    b: str


class Whole(TypedDict):
    a: int
    b: NotRequired[bytes]


def test_each_field_is_a_column() -> None:
    assert column_types(Sale) == {
        "user": "string not null",
        "n": "int64",
        "at": "timestamp[us, tz=UTC] not null",
        "amount": "decimal128(9, 2)",
        "day": "date32 not null",
        "id": "uuid not null",
        "tags": "list<string> not null",
        "more": "map<string, list<int64>> not null",
        "place": "struct<x: double, y: double> not null",
        "pair": "struct<_0: int64, _1: string>",
    }
    for name, text in column_types(Sale).items():
        field_of(name, text)
    assert column_types(Pair) == {"key": "string not null", "value": "int64 not null"}
    assert column_types(Row) == {"a": "int64 not null", "b": "string"}
    assert column_types(Whole) == {"a": "int64 not null", "b": "binary"}


@pytest.mark.parametrize(
    "make", [JsonLinesOutput, CsvOutput, ArrowOutput, ParquetOutput, OrcOutput]
)
def test_every_format_with_columns_takes_a_class(make: Any) -> None:
    assert make(records=True, schema=Pair).schema == column_types(Pair)


@dataclasses.dataclass
class Endless:
    inner: list[Endless]


class Plain:
    a: int


@dataclasses.dataclass
class Unknown:
    a: Nowhere  # type: ignore[name-defined]  # noqa: F821


def with_field(hint: Any) -> type:
    return dataclasses.make_dataclass("R", [("a", hint)])


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (with_field(Decimal), r"'a' is a Decimal.*Annotated\[Decimal, \"decimal128\(9, 2\)\"\]"),
        (with_field(list[dt.datetime]), r"'a' is a datetime.*\"timestamp\[us\]\""),
        (with_field(int | str), "'a' is int | str, and Arrow has no type"),
        (with_field(Any), "'a' is .*Any, and Arrow has no type"),
        (with_field(set[int]), "no type for that"),
        (with_field(list), "'a' is list, and"),
        (with_field(tuple[int, ...]), "no type for that"),
        (Endless, "'inner' is nested too deep, or holds itself"),
        (Plain, "schema=Plain: write a dataclass"),
        (int, "schema=int: write a dataclass"),
        (Unknown, "schema=Unknown: name 'Nowhere' is not defined"),
    ],
)
def test_what_has_no_one_type_is_named(record: type, words: str) -> None:
    with pytest.raises(TypeError, match=words) as problem:
        ParquetOutput(schema=record)
    assert "\n" not in str(problem.value)


class Sold(Mapper):
    def map(self, key: int, line: str) -> Iterator[tuple[str, Place]]:
        yield line, Place(None if line == "wrong" else 1, None)  # type: ignore[arg-type]


class Sales(Job):
    mapper, reducer = Sold, None
    output_format = ParquetOutput(records=True, schema=Place)


def test_the_class_is_checked_on_write_and_is_in_every_part() -> None:
    result = run_job(Sales, {"a": "right\n", "b": "right\n", "empty": ""})
    assert len(result.files) > 1
    for data in result.files.values():
        schema = pq.read_schema(io.BytesIO(data))
        assert [(f.name, str(f.type), f.nullable) for f in schema] == [
            ("x", "double", False),
            ("y", "double", True),
        ]
    with pytest.raises(OutputError, match=r"the column x: is None, but the schema says double not"):
        run_job(Sales, ["right", "wrong"])
