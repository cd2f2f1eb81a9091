"""`schema=` of output formats, and errors of writing: they name column, record, key and value."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pyarrow as pa
import pytest
from fsspec.implementations.local import LocalFileSystem

from mrmesos.api import (
    ArrowOutput,
    CsvOutput,
    Job,
    JsonLinesOutput,
    Mapper,
    OrcOutput,
    ParquetOutput,
    TextOutput,
)
from mrmesos.api.formats import OutputFormat
from mrmesos.api.testing import run_job
from mrmesos.io.columns.encode import encode_pairs
from mrmesos.io.columns.type_names import field_of, field_text
from mrmesos.io.fs.filesystem import OutputError
from mrmesos.io.output.declared import check_declared, declared_schema
from mrmesos.io.output.table_output import TableWriter
from mrmesos.io.output.writer import open_writer
from tests.io.output.test_part_schemas import made, rows, schemas

TABLES = [ParquetOutput, ArrowOutput, OrcOutput]
TYPES = {
    "n": "int16",
    "x": "double",
    "d": "decimal128(9, 2)",
    "s": "string",
    "t": "timestamp[us, tz=UTC]",
    "l": "list<item: int32>",
    "g": "struct<a: double, b: string>",
    "m": "map<string, int32>",
}
ROW = {
    "m": {"k": 1},
    "g": {"b": "x", "a": 1},
    "l": [1, 2],
    "t": dt.datetime(2026, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))),
    "s": "x",
    "d": 3,
    "x": 1,
    "n": 2.0,
}


@pytest.mark.parametrize("fmt", TABLES)
def test_all_parts_have_the_declared_columns(tmp_path: Path, fmt: Any) -> None:
    parts = [[[ROW, {"n": None}]], [], [[None, {}]], [[{"d": Decimal("1.5")}, {"d": 2}]]]
    files = made(tmp_path / "out", fmt(records=True, schema=TYPES), parts)
    found = schemas(fmt(), files)
    assert [each.names for each in found] == [list(TYPES)] * 4
    assert all(each.equals(found[0]) for each in found)
    if fmt is ArrowOutput:
        assert [str(field.type) for field in found[0]] == list(TYPES.values())
    first, *others = rows(fmt(), files)
    assert first["d"] == Decimal("3.00")
    assert (first["n"], first["x"], first["l"], first["g"]) == (
        2,
        1.0,
        [1, 2],
        {"a": 1.0, "b": "x"},
    )
    assert first["t"].timestamp() == ROW["t"].timestamp()  # type: ignore[attr-defined]
    assert dict(first["m"]) == {"k": 1}
    assert [row["d"] for row in others] == [None, None, None, Decimal("1.50"), Decimal("2.00")]


@pytest.mark.parametrize("fmt", TABLES)
def test_key_and_value_may_be_declared_alone(tmp_path: Path, fmt: Any) -> None:
    files = made(tmp_path / "out", fmt(schema={"value": "float"}), [[[1, 2.5]], []])
    found = schemas(fmt(), files)
    assert [str(each.field("value").type) for each in found] == ["float", "float"]
    assert found[0].names == ["key", "value"]


def test_a_schema_of_pyarrow_is_the_same_as_names() -> None:
    schema = pa.schema(
        [
            pa.field("a", pa.int8(), nullable=False),
            ("u", pa.uuid()),
            ("b", pa.binary(4)),
            ("l", pa.large_list(pa.field("item", pa.decimal256(50, 2), nullable=False))),
            ("s", pa.struct([pa.field("x", pa.timestamp("ns", "Europe/Vienna"))])),
            ("m", pa.map_(pa.string(), pa.list_(pa.int64()))),
        ]
    )
    fmt = ParquetOutput(records=True, schema=schema)
    assert fmt.schema["a"] == "int8 not null"
    assert declared_schema(fmt) == schema
    back: OutputFormat = msgspec.json.decode(msgspec.json.encode(fmt), type=ParquetOutput)
    assert back == fmt
    for field in schema:
        assert field_of(field.name, field_text(field)) == field


WRONG: list[tuple[dict[str, str], list[Any], str]] = [
    ({"n": "int16"}, [{"n": 1}, {"n": 70_000}], r"record 2, .* key 1 .*70000.*column n: .*70000"),
    ({"n": "int16"}, [{"n": "3"}], r"record 1, .*column n: string is not int16"),
    ({"n": "int16"}, [{"n": 3}, {"n": "x"}], r"record 2, .*column n: string is not int16"),
    ({"n": "int16"}, [{"n": 3}, {"n": 2.5}], r"record 2, .*column n: .*2.5"),
    ({"n": "float"}, [{"n": 0.5}, {"n": 0.1}], r"record 2, .*column n: .* not exactly a float"),
    ({"d": "decimal128(5, 1)"}, [{"d": Decimal("1.25")}], r"record 1, .*column d: "),
    ({"d": "decimal128(5, 1)"}, [{"d": 0.5}], r"column d: double is not decimal128"),
    ({"s": "string"}, [{"s": "a"}, {"s": b"b"}], r"record 2, .*column s: binary is not string"),
    ({"s": "string"}, [{"s": {1}}], r"record 1, .*column s: set is not string"),
    ({"s": "string not null"}, [{"s": "a"}, {"s": None}], r"record 2, .*column s: is None"),
    ({"s": "string not null"}, [{"s": "a"}, {}], r"record 2, .*column s: is None"),
    ({"s": "string"}, [{"s": "a"}, {"x": 1}], r"record 2, .*column x: is not in the schema: s"),
    ({"t": "timestamp[us]"}, [{"t": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}], r"tz=UTC. is not"),
    ({"b": "bool"}, [{"b": 1}], r"column b: int64 is not bool"),
    ({"g": "struct<a: int64>"}, [{"g": {"a": 1}}, {"g": {"a": 1, "z": 2}}], r"record 2, .*z is no"),
]


@pytest.mark.parametrize(("types", "values", "says"), WRONG)
@pytest.mark.parametrize("fmt", [ParquetOutput, OrcOutput, CsvOutput, JsonLinesOutput])
def test_what_does_not_fit_is_refused_by_name(
    tmp_path: Path, fmt: Any, types: dict[str, str], values: list[Any], says: str
) -> None:
    with pytest.raises(OutputError, match=says):
        write(fmt(records=True, schema=types), tmp_path, values)


def write(fmt: Any, path: Path, *batches: list[Any]) -> bytes:
    writer = open_writer(fmt, LocalFileSystem(), str(path / "part"))
    for values in batches:
        writer.write(encode_pairs(list(range(len(values))), values))
    writer.close()
    return (path / "part").read_bytes()


def test_lines_have_the_declared_types(tmp_path: Path) -> None:
    types = {"x": "double", "d": "decimal128(9, 2)", "s": "string"}
    values = [{"s": "a", "x": 1}, {"d": Decimal("1.5")}]
    fmt: Any = CsvOutput(records=True, schema=types)
    assert write(fmt, tmp_path, values) == b"x,d,s\n1.0,,a\n,1.50,\n"
    assert write(fmt, tmp_path) == b"x,d,s\n"
    fmt = JsonLinesOutput(records=True, schema=types)
    assert write(fmt, tmp_path, values[:1]) == b'{"x": 1.0, "d": null, "s": "a"}\n'
    fmt = CsvOutput(schema={"value": "double"})
    assert write(fmt, tmp_path, [1, 2**40]) == b"key,value\n0,1.0\n1,1099511627776.0\n"


@pytest.mark.parametrize(
    ("fmt", "says"),
    [
        (ParquetOutput(records=True, schema={"a": "klingon"}), "'a' has the type 'klingon'"),
        (ParquetOutput(schema={"a": "int64"}), "the columns are key and value"),
        (
            OrcOutput(records=True, schema={"a": "int64", "t": "time64[us]"}),
            "'t' has the type time",
        ),
    ],
)
def test_a_schema_that_cannot_be_is_refused_before_the_job(fmt: Any, says: str) -> None:
    with pytest.raises(OutputError, match=re.escape(says)):
        check_declared(fmt)


@pytest.mark.parametrize("fmt", TABLES)
def test_orc_has_declared_types_of_its_own(tmp_path: Path, fmt: Any) -> None:
    types = {"u": "uint64", "i": "uuid"}
    files = made(
        tmp_path / "out", fmt(records=True, schema=types), [[[{"u": 1, "i": UUID(int=7)}]]]
    )
    (row,) = rows(fmt(), files)
    assert (int(row["u"]), UUID(str(row["i"]))) == (1, UUID(int=7))


# Errors without a schema.


def test_a_column_of_two_types_names_the_record(tmp_path: Path) -> None:
    with pytest.raises(
        OutputError, match=r"column n was int64 so far, but is string .* record 3, .*'x'"
    ):
        write(ParquetOutput(records=True), tmp_path, [{"n": 1}, {"n": 2}], [{"n": "x"}])
    with pytest.raises(OutputError, match=r"column value .* record 4, with the key 1 .*'x'"):
        write(ParquetOutput(), tmp_path, [1, 2], [None, "x"])


def test_a_value_that_the_wider_type_changes_names_the_record(tmp_path: Path) -> None:
    batches: list[list[Any]] = [[{"n": 1}, {"n": 2**53 + 1}], [{"n": 0.5}]]
    with pytest.raises(OutputError, match=r"column n do not .* record 2, with the key 1 .*993"):
        write(ParquetOutput(records=True), tmp_path, *batches)


def test_a_type_that_the_format_lacks_names_the_record(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"record 1, with the key 0 .*column t of type time64"):
        write(OrcOutput(records=True), tmp_path, [{"n": 1, "t": dt.time(1)}])


@pytest.mark.parametrize("fmt", [CsvOutput(records=True), ParquetOutput(records=True)])
def test_values_that_are_no_records_name_the_record(tmp_path: Path, fmt: Any) -> None:
    with pytest.raises(
        OutputError, match=r"record 3, with the key 2 and the value 7: the value is"
    ):
        write(fmt, tmp_path, [{"a": 1}, {"b": 1}, 7])


def test_text_that_cannot_be_written_names_the_record(tmp_path: Path) -> None:
    far = pa.array([0, 2**62], pa.timestamp("s"))
    batch = pa.RecordBatch.from_arrays([pa.array(["a", "b"]), far], names=["key", "value"])
    writer = open_writer(TextOutput(), LocalFileSystem(), str(tmp_path / "part"))
    with pytest.raises(OutputError, match="TextOutput: record 2, with the key 'b'"):
        writer.write(batch)


class Wrong(Mapper):
    def map(self, key: Any, line: str) -> Any:
        yield "a", {"n": len(line)}


def test_a_job_fails_with_the_column(tmp_path: Path) -> None:
    class Declared(Job):
        mapper, reducer = Wrong, None
        output_format = ParquetOutput(records=True, schema=pa.schema([("n", pa.string())]))

    with pytest.raises(OutputError, match="column n: int64 is not string"):
        run_job(Declared, ["x"])


def test_a_writer_without_records_has_the_schema(tmp_path: Path) -> None:
    fmt = ParquetOutput(schema={"key": "string"})
    writer = TableWriter(LocalFileSystem(), str(tmp_path / "part"), fmt)
    assert writer.schema == pa.schema([("key", pa.string()), ("value", pa.null())])
    writer.close()
