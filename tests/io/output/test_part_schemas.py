"""All parts of a table have one schema, wherever rows are cut into batches and parts."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.local import LocalFileSystem
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mrmesos.api.formats import ArrowOutput, CsvOutput, OrcOutput, ParquetOutput
from mrmesos.io.columns.encode import encode_pairs
from mrmesos.io.fs.filesystem import OutputError
from mrmesos.io.output.commit import OutputCommitter
from mrmesos.io.output.part_notes import Conform, Conforming, in_own_process
from mrmesos.io.output.table_files import TableFormat
from mrmesos.io.output.writer import open_writer
from tests.io.output.test_commit import Crash, Faulty, committer, tree

Row = dict[str, Any]
FORMATS: list[TableFormat] = [
    ParquetOutput(records=True),
    ArrowOutput(records=True),
    OrcOutput(records=True),
]


def run_job(out: OutputCommitter, fmt: TableFormat | CsvOutput, parts: Sequence[Any]) -> list[str]:
    """Write parts, each of batches of values. Returns the winners."""
    out.setup_job()
    winners = []
    for index, batches in enumerate(parts):
        winners.append(f"attempt_{index}")
        directory = out.attempt_dir(winners[-1])
        out.writing.mkdir(directory, create_parents=False)
        writer = open_writer(fmt, out.writing, f"{directory}/part-r-{index:05d}")
        for values in batches:
            writer.write(encode_pairs(list(range(len(values))), list(values)))
        writer.close()
    return winners


def made(
    path: Path,
    fmt: TableFormat,
    parts: Sequence[Any],
    conform: Conform | None = None,
) -> list[Path]:
    out = OutputCommitter(str(path), conform=conform)
    out.commit_job(run_job(out, fmt, parts))
    assert {found.name for found in path.iterdir() if found.name[0] == "_"} == {"_SUCCESS"}
    return sorted(path.glob("part-*"))


def name_of(fmt: TableFormat) -> str:
    return {ParquetOutput: "parquet", ArrowOutput: "ipc", OrcOutput: "orc"}[type(fmt)]


def schemas(fmt: TableFormat, files: Sequence[Path]) -> list[pa.Schema]:
    return [pads.dataset(str(file), format=name_of(fmt)).schema for file in files]


def rows(fmt: TableFormat, files: Sequence[Path]) -> list[Row]:
    return [
        row
        for file in files
        for row in pads.dataset(str(file), format=name_of(fmt)).to_table().to_pylist()
    ]


def one(found: Sequence[pa.Schema]) -> pa.Schema:
    assert all(each.equals(found[0], check_metadata=True) for each in found), found
    return found[0]


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_late_column_is_null_before(tmp_path: Path, fmt: TableFormat) -> None:
    many = [[{"a": i} for i in range(20_000)] for _ in range(3)]
    files = made(tmp_path / "out", fmt, [[*many, [{"a": 1, "b": "x"}]]])
    found = rows(fmt, files)
    assert [len(files), len(found), found[-1]] == [1, 60_001, {"a": 1, "b": "x"}]
    assert all(row["b"] is None for row in found[:-1])


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_part_that_was_already_written_is_widened(
    tmp_path: Path, fmt: TableFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mrmesos.io.output.table_output._ROW_GROUP_BYTES", 1)
    batches = [
        [{"a": 1, "s": {"x": 1}}],
        [{"a": 2.5, "s": {"x": 2}}],
        [{"a": None, "s": {"x": 3, "y": "late"}}],
        [{"b": "new", "a": 4}],
    ]
    files = made(tmp_path / "out", fmt, [batches])
    assert [(row["a"], row["s"], row["b"]) for row in rows(fmt, files)] == [
        (1.0, {"x": 1, "y": None}, None),
        (2.5, {"x": 2, "y": None}, None),
        (None, {"x": 3, "y": "late"}, None),
        (4.0, None, "new"),
    ]
    assert pa.types.is_float64(schemas(fmt, files)[0].field("a").type)


@pytest.mark.parametrize("conform", [None, in_own_process])
@pytest.mark.parametrize("fmt", FORMATS)
def test_parts_agree(tmp_path: Path, fmt: TableFormat, conform: Conform | None) -> None:
    parts = [[[{"a": 1, "b": None}]], [], [[{"c": "x", "a": 2.5}]], [[{"b": 7}]]]
    files = made(tmp_path / "out", fmt, parts, conform)
    schema = one(schemas(fmt, files))
    assert schema.equals(pa.schema([("a", pa.float64()), ("b", pa.int64()), ("c", pa.string())]))
    assert rows(fmt, files) == [
        {"a": 1.0, "b": None, "c": None},
        {"a": 2.5, "b": None, "c": "x"},
        {"a": None, "b": 7, "c": None},
    ]


@pytest.mark.parametrize("conform", [None, in_own_process])
@pytest.mark.parametrize("fmt", FORMATS)
def test_records_without_columns_are_nulls_wherever_they_are_cut(
    tmp_path: Path, fmt: TableFormat, conform: Conform | None
) -> None:
    a, none = {"a": 1}, {"a": None}
    cuts: list[list[list[Any]]] = [[[None, {}], [{"a": 1}]], [[None], [{}], [{"a": 1}]]]
    for number, cut in enumerate(cuts):
        files = made(tmp_path / str(number), fmt, [[values] for values in cut], conform)
        assert rows(fmt, files) == [none, none, a]
        assert len(set(map(str, schemas(fmt, files)))) == 1
    for number, cut in enumerate(cuts):
        with pytest.raises(OutputError, match="none of its 2 records has a column"):
            made(tmp_path / f"bare{number}", fmt, [[values] for values in cut[:-1]], conform)


def test_parts_without_records_have_the_types_of_keys_and_values(tmp_path: Path) -> None:
    files = made(tmp_path / "out", ParquetOutput(), [[], [["x", "y"]], []])
    assert one([pq.read_schema(file) for file in files]).types == [pa.int64(), pa.string()]


@pytest.mark.parametrize("conform", [None, in_own_process])
def test_parts_that_cannot_agree_are_named(tmp_path: Path, conform: Conform | None) -> None:
    out = OutputCommitter(str(tmp_path / "out"), conform=conform)
    parts = [[[{"a": 1, "b": "x"}]], [[{"a": 2, "b": None}]], [[{"a": 3, "b": {"c": 1}}]]]
    winners = run_job(out, ParquetOutput(records=True), parts)
    message = (
        r"column b is string in part-r-00000, but struct<c: int64> in part-r-00002; "
        r"yield values of one type in all tasks, or write text"
    )
    with pytest.raises(OutputError, match=message):
        out.commit_job(winners)
    assert not list((tmp_path / "out").glob("part-*"))


def test_an_integer_that_no_double_holds_is_named(tmp_path: Path) -> None:
    out = OutputCommitter(str(tmp_path / "out"))
    winners = run_job(out, ParquetOutput(records=True), [[[{"a": 2**53 + 1}]], [[{"a": 0.5}]]])
    with pytest.raises(OutputError, match=r"part-r-00000: values of the column a do not fit doubl"):
        out.commit_job(winners)


def test_a_commit_without_differences_starts_no_process(tmp_path: Path) -> None:
    def refused(request: Conforming) -> Any:
        raise AssertionError(request)

    parts = [[[{"a": 1}]], [[{"a": 2}]]]
    assert len(made(tmp_path / "out", ParquetOutput(records=True), parts, refused)) == 2


def test_tuples_of_different_shapes_are_pickled_in_every_part(tmp_path: Path) -> None:
    parts = [[[("total", 3)]], [[("word", "next", 1)], [("total", 4)]]]
    files = made(tmp_path / "out", ParquetOutput(), parts)
    field = one([pq.read_schema(file) for file in files]).field("value")
    assert field.metadata[b"mrmesos.encoding"] == b"pickle"


def test_a_commit_that_dies_anywhere_gives_the_same_bytes(tmp_path: Path) -> None:
    fmt = ParquetOutput(records=True)
    parts: list[list[list[Row]]] = [[[{"a": 1}]], [], [[{"a": 0.5, "b": "x"}]]]
    made(tmp_path / "wanted", fmt, parts)
    wanted = tree(tmp_path / "wanted")
    path = tmp_path / "counted"
    winners = run_job(committer(path), fmt, parts)
    counting = Faulty(lambda _: None)
    committer(path, counting).commit_job(winners)
    assert counting.operations > 20
    for crash_at in range(counting.operations):
        path = tmp_path / f"out{crash_at}"
        run_job(committer(path), fmt, parts)

        def fault(operation: int, crash_at: int = crash_at) -> None:
            if operation == crash_at:
                raise Crash

        with pytest.raises(Crash):
            committer(path, Faulty(fault)).commit_job(winners)
        committer(path).commit_job(winners)
        assert tree(path) == wanted, f"after a crash at operation {crash_at}"


NUMBER = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False)
COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "n": st.none() | NUMBER,
    "t": st.none() | st.text(st.characters(codec="utf-8"), max_size=3),
    "l": st.none() | st.lists(NUMBER, max_size=3),
    "s": st.none()
    | st.fixed_dictionaries({"x": st.none() | NUMBER, "y": st.none() | st.text("a")}),
}
ROW = st.fixed_dictionaries({}, optional=COLUMNS).filter(bool)


def read_with(reader: str, files: Sequence[Path]) -> list[Row]:
    names = [str(file) for file in files]
    match reader:
        case "pyarrow":
            found: list[Row] = pads.dataset(names, format="parquet").to_table().to_pylist()
        case "duckdb":
            duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed")
            found = duckdb.sql(f"from read_parquet({names!r})").to_arrow_table().to_pylist()
        case _:
            polars = pytest.importorskip("polars", reason="Polars is not installed")
            found = polars.read_parquet(names).to_dicts()
    return found


@pytest.mark.parametrize("reader", ["pyarrow", "duckdb", "polars"])
@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(parts=st.lists(st.lists(st.lists(ROW, max_size=4), max_size=3), min_size=1, max_size=4))
def test_any_cut_reads_back_as_one_table(reader: str, parts: list[list[list[Row]]]) -> None:
    given_rows = [row for batches in parts for batch in batches for row in batch]
    names = list(dict.fromkeys(name for row in given_rows for name in row))
    with tempfile.TemporaryDirectory() as directory:
        files = made(Path(directory, "out"), ParquetOutput(records=True), parts)
        schema = one([pq.read_schema(file) for file in files])
        assert sorted(schema.names) == sorted(names)
        if names:
            wanted = [{name: row.get(name) for name in schema.names} for row in given_rows]
            assert read_with(reader, files) == wanted
        again = made(Path(directory, "again"), ParquetOutput(records=True), parts)
        assert [file.read_bytes() for file in again] == [file.read_bytes() for file in files]


def test_segments_are_gone_after_a_widening(tmp_path: Path) -> None:
    writer = open_writer(ArrowOutput(records=True), LocalFileSystem(), str(tmp_path / "d" / "part"))
    for row in ({"a": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 3}):
        writer.write(encode_pairs([None], [row]))
    writer.close()
    assert sorted(found.name for found in (tmp_path / "d").iterdir()) == ["part", "part.schema"]
