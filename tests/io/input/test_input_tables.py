"""Files of one input whose columns differ, and columns that stand in directory names."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import orc

from mrmesos.api import (
    ArrowInput,
    BatchMapper,
    CsvInput,
    Job,
    JsonLinesInput,
    Mapper,
    OrcInput,
    ParquetInput,
    Reducer,
    TotalOrder,
)
from mrmesos.api.formats import InputFormat, Source
from mrmesos.api.split import SCHEMA_MAX
from mrmesos.conf import Conf
from mrmesos.io.columns.table_schema import as_schema
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.input.footers import footers_here
from mrmesos.io.input.input_tables import FootersAnswer
from mrmesos.io.input.splits import plan_sources
from mrmesos.local.run_job import run_job

Row = dict[str, Any]


def write_arrow(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)


def write_stream(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table)


Write = Callable[[pa.Table, Path], None]
KINDS: list[tuple[Any, Write]] = [
    (ParquetInput, pq.write_table),
    (ArrowInput, write_arrow),
    (ArrowInput, write_stream),
    (OrcInput, orc.write_table),
]
BY_NAME = ["parquet", "arrow", "stream", "orc"]
each_format = pytest.mark.parametrize(("kind", "write"), KINDS, ids=BY_NAME)


def put(write: Write, path: Path, **columns: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(pa.table(columns), path)


class Rows(Mapper):
    def map(self, key: int, value: Row) -> Iterator[tuple[int, Row]]:
        yield key, value


class Schemas(BatchMapper):
    def map_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        types = [str(dict(zip(batch.schema.names, batch.schema.types, strict=True)))]
        yield pa.RecordBatch.from_arrays([types * batch.num_rows] * 2, ["key", "value"])


def rows_of(path: Path, fmt: InputFormat, splits: int = 3) -> list[Row]:
    class Show(Job):
        mapper, reducer, input_format = Rows, None, fmt

    return [value for _, value in run_job(Show, path, splits=splits).records]


def types_of(path: Path, fmt: InputFormat) -> set[str]:
    class Show(Job):
        mapper, reducer, input_format = Schemas, None, fmt

    return {value for _, value in run_job(Show, path).records}


@each_format
def test_files_with_other_columns_are_one_table(tmp_path: Path, kind: Any, write: Write) -> None:
    put(write, tmp_path / "a", n=pa.array([1], pa.int32()), t=["x"])
    put(write, tmp_path / "b", n=pa.array([2], pa.int64()), z=[1.5])
    put(write, tmp_path / "c", z=pa.array([2.5], pa.float32()))
    wanted: list[Row] = [
        {"n": 1, "t": "x", "z": None},
        {"n": 2, "t": None, "z": 1.5},
        {"n": None, "t": None, "z": 2.5},
    ]
    assert rows_of(tmp_path, kind()) == wanted
    assert rows_of(tmp_path, kind(), splits=1) == wanted
    assert types_of(tmp_path, kind()) == {
        "{'n': DataType(int64), 't': DataType(string), 'z': DataType(double)}"
    }
    assert rows_of(tmp_path, kind(columns=("z", "t"))) == [
        {"z": row["z"], "t": row["t"]} for row in wanted
    ]
    assert rows_of(tmp_path, kind(columns=("t",))) == [{"t": row["t"]} for row in wanted]
    with pytest.raises(InputError, match=r"none of the 3 files .*/a, … has a column 'T', but n, t"):
        rows_of(tmp_path, kind(columns=("T",)))
    with pytest.raises(InputError, match=r"did you mean 't'\?"):
        rows_of(tmp_path, kind(columns=("T",)))


MOMENT = dt.datetime(2026, 11, 29, 1, 2, 3)


@pytest.mark.parametrize(
    ("one", "other", "wider"),
    [
        (pa.array([7], pa.int8()), pa.array([7], pa.uint16()), pa.int64()),
        (pa.array([0.5], pa.float16()), pa.array([0.5], pa.float32()), pa.float64()),
        (pa.array([3]), pa.array([3.0]), pa.float64()),
        (pa.array(["a"]), pa.array(["a"], pa.large_string()), pa.string()),
        (pa.array(["a"]).dictionary_encode(), pa.array(["a"], pa.string_view()), pa.string()),
        (pa.array([b"a"]), pa.array([b"a"], pa.large_binary()), pa.binary()),
        (
            pa.array([Decimal("1.5")], pa.decimal32(5, 1)),
            pa.array([Decimal("1.50")], pa.decimal128(20, 2)),
            pa.decimal128(20, 2),
        ),
        (
            pa.array([MOMENT], pa.timestamp("s")),
            pa.array([MOMENT], pa.timestamp("ns")),
            pa.timestamp("ns"),
        ),
        (
            pa.array([dt.date(2026, 1, 1)], pa.date32()),
            pa.array([dt.date(2026, 1, 1)], pa.date64()),
            pa.date32(),
        ),
        (pa.array([None]), pa.array(["a"]), pa.string()),
        (
            pa.array([[1]], pa.list_view(pa.int32())),
            pa.array([[1]], pa.large_list(pa.int64())),
            pa.list_(pa.int64()),
        ),
        (
            pa.array([{"a": 1, "b": None}], pa.struct({"a": pa.int32(), "b": pa.string()})),
            pa.array([{"a": 1}]),
            pa.struct({"a": pa.int64(), "b": pa.string()}),
        ),
        (
            pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), pa.array([5])),
            pa.array([5], pa.int32()),
            pa.int64(),
        ),
    ],
)
def test_compatible_types_are_widened(
    tmp_path: Path, one: pa.Array, other: pa.Array, wider: pa.DataType
) -> None:
    put(write_arrow, tmp_path / "a", x=one)
    put(write_arrow, tmp_path / "b", x=other)
    source = Source("", (str(tmp_path),), ArrowInput())
    (table,) = plan_sources([source], Conf({}), read_footers=footers_here).tables
    assert as_schema(table.schema).field("x").type == wider
    first, second = rows_of(tmp_path, ArrowInput())
    assert one.to_pylist() == [None] or first == second


@each_format
def test_a_changed_type_names_both_files_and_the_column(
    tmp_path: Path, kind: Any, write: Write
) -> None:
    put(write, tmp_path / "a", x=pa.array([None], pa.string()), y=[1])
    put(write, tmp_path / "b", x=["text"], y=[1])
    put(write, tmp_path / "c", x=[[1]], y=[1])
    said = r"column 'x' is string in .*/a, but list<.*int64> in .*/c; .*Job.inputs"
    with pytest.raises(InputError, match=said):
        rows_of(tmp_path, kind(), splits=1)
    assert rows_of(tmp_path, kind(columns=("y",))) == [{"y": 1}] * 3


def test_a_changed_field_of_a_struct_is_named(tmp_path: Path) -> None:
    put(pq.write_table, tmp_path / "a", x=[{"in": {"n": 1, "m": 2}}])
    put(pq.write_table, tmp_path / "b", x=[{"in": {"n": "one"}}])
    with pytest.raises(InputError, match=r"'x' is int64 at x.in.n in .*/a, but string there in"):
        rows_of(tmp_path, ParquetInput())


def test_a_value_that_the_wider_type_cannot_hold_names_its_place(tmp_path: Path) -> None:
    put(pq.write_table, tmp_path / "a", x=[2**53 + 1])
    put(pq.write_table, tmp_path / "b", x=[0.5])
    said = r"/a: row group 1 of 1, rows from 0 on: the column 'x': .* double cannot hold its values"
    with pytest.raises(InputError, match=said):
        rows_of(tmp_path, ParquetInput())


def test_filters_use_the_columns_of_the_table(tmp_path: Path) -> None:
    put(pq.write_table, tmp_path / "a", n=pa.array([1, 5], pa.int32()))
    put(pq.write_table, tmp_path / "b", n=pa.array([2, 2**40], pa.int64()), t=["x", "y"])
    assert rows_of(tmp_path, ParquetInput(filters=(("n", ">", 2),))) == [
        {"n": 5, "t": None},
        {"n": 2**40, "t": "y"},
    ]
    assert rows_of(tmp_path, ParquetInput(columns=("n",), filters=(("t", "==", "y"),))) == [
        {"n": 2**40}
    ]
    assert len(rows_of(tmp_path, ParquetInput(filters=(("n", "<", 2**39),)))) == 3


def test_total_order_samples_the_same_rows(tmp_path: Path) -> None:
    class ByT(Mapper):
        def map(self, key: int, value: Row) -> Iterator[tuple[str, int]]:
            yield value["t"] or "", value["year"]

    class Count(Reducer):
        def reduce(self, key: str, values: Iterator[int]) -> Iterator[tuple[str, int]]:
            yield key, sum(values)

    class Sorted(Job):
        mapper, reducer, input_format, partitioner = ByT, Count, ParquetInput(), TotalOrder

    put(pq.write_table, tmp_path / "year=2024/a", n=[1])
    put(pq.write_table, tmp_path / "year=2025/b", t=["x"])
    found = run_job(Sorted, tmp_path / "**", num_reducers=2).records
    assert found == [("", 2024), ("x", 2025)]


def test_footers_are_read_by_a_process_of_their_own(tmp_path: Path) -> None:
    put(pq.write_table, tmp_path / "a", n=[1])
    put(pq.write_table, tmp_path / "b", t=["x"])
    source = Source("", (str(tmp_path),), ParquetInput())
    (table,) = plan_sources([source], Conf({})).tables
    assert as_schema(table.schema).names == ["n", "t"]
    (tmp_path / "c").write_bytes(b"no Parquet at all")
    with pytest.raises(InputError, match=r"/c: cannot be read as Parquet"):
        plan_sources([source], Conf({}))


def test_too_many_columns_for_a_message(tmp_path: Path) -> None:
    put(pq.write_table, tmp_path / "a", n=[1])
    put(pq.write_table, tmp_path / "b", n=[1])
    source = Source("", (str(tmp_path),), ParquetInput())
    many = FootersAnswer("x" * (SCHEMA_MAX + 1))
    with pytest.raises(InputError, match="these 2 files have too many columns together; name the"):
        plan_sources([source], Conf({}), read_footers=lambda _: many)


def lines(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@each_format
def test_directories_are_columns(tmp_path: Path, kind: Any, write: Write) -> None:
    table = tmp_path / "run=7" / "table"  # run= is no column: it is not directly above the files
    put(write, table / "year=2024" / "city=A%20%C3%A9" / "a", n=[1])
    put(write, table / "year=2025" / "city=7" / "b", n=[2])
    put(write, table / "year=__HIVE_DEFAULT_PARTITION__" / "city=" / "c", n=[3])
    rows = rows_of(table / "**", kind())
    assert rows == [
        {"n": 1, "year": 2024, "city": "A é"},
        {"n": 2, "year": 2025, "city": "7"},
        {"n": 3, "year": None, "city": None},
    ]
    assert types_of(table / "**", kind()) == {
        "{'n': DataType(int64), 'year': DataType(int64), 'city': DataType(string)}"
    }
    assert rows_of(table / "**", kind(columns=("year",))) == [{"year": row["year"]} for row in rows]
    assert rows_of(table / "year=2024/*/*", kind()) == rows[:1]
    assert rows_of(table / "**", kind(partitioning=None)) == [{"n": 1}, {"n": 2}, {"n": 3}]
    with pytest.raises(InputError, match=r"'yaer', but n, year, city; did you mean 'year'\?"):
        rows_of(table / "**", kind(columns=("yaer",)))


def test_directories_are_columns_of_lines(tmp_path: Path) -> None:
    lines(tmp_path / "day=3" / "a.csv", "n,t\n1,x\n")
    lines(tmp_path / "day=4" / "b.csv", "n,t\n2,y\n")
    assert rows_of(tmp_path / "**", CsvInput()) == [
        {"n": "1", "t": "x", "day": 3},
        {"n": "2", "t": "y", "day": 4},
    ]
    assert rows_of(tmp_path / "**", CsvInput(columns=("day", "n"), types={"n": "int64"})) == [
        {"day": 3, "n": 1},
        {"day": 4, "n": 2},
    ]
    assert rows_of(tmp_path / "**", CsvInput(columns=("day",))) == [{"day": 3}, {"day": 4}]
    for name, text in (("day=3/a.csv", '{"n": 1, "day": 9}\n[2]\n'), ("day=4/b.csv", '{"n": 3}')):
        lines(tmp_path / name, text)
    found = rows_of(tmp_path / "**", JsonLinesInput())
    assert found == [{"n": 1, "day": 3}, [2], {"n": 3, "day": 4}]
    lines(tmp_path / "day=3" / "a.csv", '{"n": 1}\n')
    assert types_of(tmp_path / "**", JsonLinesInput()) == {
        "{'n': DataType(int64), 'day': DataType(int64)}"
    }


def test_the_directory_counts_where_the_file_has_the_column_too(tmp_path: Path) -> None:
    put(pq.write_table, tmp_path / "year=2024" / "a", year=["of the file"], n=[1])
    put(pq.write_table, tmp_path / "year=2025" / "b", n=[2])
    assert rows_of(tmp_path / "**", ParquetInput()) == [
        {"n": 1, "year": 2024},
        {"n": 2, "year": 2025},
    ]


@each_format
def test_null_takes_no_value_of_a_file_outside_of_the_directories(
    tmp_path: Path, kind: Any, write: Write
) -> None:
    put(write, tmp_path / "year=2024" / "a", n=[1])
    put(write, tmp_path / "b", year=[2023], n=[2])
    says = r"/b: has the column 'year'. .* from directories named year=.*; move this file"
    for fmt in (kind(), kind(columns=("year",))):
        with pytest.raises(InputError, match=says):
            rows_of(tmp_path / "**", fmt)
    assert rows_of(tmp_path / "**", kind(columns=("n",))) == [{"n": 2}, {"n": 1}]
    found = rows_of(tmp_path / "**", kind(partitioning=None))
    assert {row["n"]: row["year"] for row in found} == {1: None, 2: 2023}


@pytest.mark.parametrize(
    ("fmt", "inside", "outside"),
    [
        (CsvInput(), "n\n1\n", "year,n\n2023,2\n"),
        (CsvInput(columns=("year",)), "n\n1\n", "year,n\n2023,2\n"),
        (JsonLinesInput(), '{"n": 1}\n', '{"year": 2023, "n": 2}\n'),
        (JsonLinesInput(types={"year": "int64"}), '{"n": 1}\n', '{"year": 2023, "n": 2}\n'),
    ],
)
def test_nor_in_lines(tmp_path: Path, fmt: InputFormat, inside: str, outside: str) -> None:
    lines(tmp_path / "year=2024" / "a", inside)
    lines(tmp_path / "b", outside)
    with pytest.raises(InputError, match="/b: has the column 'year'"):
        rows_of(tmp_path / "**", fmt)


def test_filters_on_directories_leave_files_out(tmp_path: Path) -> None:
    for year in ("2023", "2024", "__HIVE_DEFAULT_PARTITION__"):
        put(pq.write_table, tmp_path / f"year={year}" / "x", n=[1, 2])
    (tmp_path / "year=2023" / "x").write_bytes(b"never opened")

    def years(*filters: Any) -> list[int | None]:
        return [row["year"] for row in rows_of(tmp_path / "**", ParquetInput(filters=filters))]

    assert years(("year", ">=", 2024)) == [2024, 2024]
    assert years(("year", "in", (2024, None)), ("n", "<", 2)) == [2024, None]
    assert years(("year", "not in", (2023,)), ("n", "==", 2)) == [2024, None]
    assert years(("year", ">", 2024)) == []
    with pytest.raises(InputError, match=r"'year' of directory names is int64 and cannot"):
        years(("year", "==", "2024"))


def test_keys_and_values_of_jobs_stay_so_in_a_partition(tmp_path: Path) -> None:
    put(pq.write_table, tmp_path / "day=1" / "part-r-00000.parquet", key=["a"], value=[1])
    put(pq.write_table, tmp_path / "day=2" / "part-r-00000.parquet", key=["b"], value=[2])

    class Show(Job):
        mapper, reducer, input_format = Mapper, None, ParquetInput()

    assert run_job(Show, tmp_path / "**").records == [("a", 1), ("b", 2)]


def test_directories_that_make_no_sense(tmp_path: Path) -> None:
    put(pq.write_table, tmp_path / "a=1" / "a=2" / "x", n=[1])
    with pytest.raises(InputError, match=r"a=1/a=2: two directories name the same column"):
        rows_of(tmp_path / "**", ParquetInput())
    with pytest.raises(InputError, match=r"partitioning='Hive'\): write 'hive' or None"):
        rows_of(tmp_path / "**", ParquetInput(partitioning="Hive"))
