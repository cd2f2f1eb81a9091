"""Files of every output format, read back by pyarrow, by Python, and by our own readers."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.local import LocalFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import orc

from mrmesos.api.formats import (
    ArrowInput,
    ArrowOutput,
    BytesOutput,
    CsvInput,
    CsvOutput,
    FixedWidthInput,
    InputFormat,
    JsonLinesInput,
    JsonLinesOutput,
    KeyValueTextInput,
    OrcInput,
    OrcOutput,
    OutputFormat,
    ParquetInput,
    ParquetOutput,
    TextOutput,
)
from mrmesos.api.split import FileSlice, Split
from mrmesos.io.columns.encode import encode_pairs
from mrmesos.io.fs.filesystem import OutputError
from mrmesos.io.output.registry import check_output, file_name
from mrmesos.io.output.writer import open_writer
from tests.io.input.formats.cutting import read, read_rows, whole

FS = LocalFileSystem()
ROWS: list[dict[str, Any]] = [{"n": 1, "t": "a"}, {"n": None, "t": 'b "q", c\n'}, {"n": 3, "t": ""}]


def write(directory: Path, fmt: OutputFormat, *pairs: tuple[list[Any], list[Any]]) -> Path:
    path = directory / file_name(fmt, "r", 0)
    writer = open_writer(fmt, FS, str(path))
    for keys, values in pairs:
        writer.write(encode_pairs(keys, values))
    records, nbytes = writer.close()
    assert records == sum(len(keys) for keys, _ in pairs)
    assert nbytes == path.stat().st_size
    return path


TABLES: list[tuple[OutputFormat, InputFormat]] = [
    (ArrowOutput(), ArrowInput()),
    (ParquetOutput(), ParquetInput()),
    (OrcOutput(), OrcInput()),
]
RECORDS: list[tuple[OutputFormat, InputFormat]] = [
    (ArrowOutput(records=True), ArrowInput()),
    (ParquetOutput(records=True), ParquetInput()),
    (OrcOutput(records=True), OrcInput()),
    (JsonLinesOutput(records=True), JsonLinesInput(types={"n": "int64", "t": "string"})),
    (CsvOutput(records=True), CsvInput(types={"n": "int64"})),
]
CODECS = ["none", "gzip", "bz2", "zstd", "lz4", "xz"]


@pytest.mark.parametrize(("out", "back"), TABLES, ids=lambda fmt: type(fmt).__name__)
def test_keys_and_values_come_back_as_the_next_job_sees_them(
    tmp_path: Path, out: OutputFormat, back: InputFormat
) -> None:
    path = write(
        tmp_path, out, (["a", "b"], [{"x": 1, "y": [0.5]}, {"x": 2, "y": []}]), (["c"], [None])
    )
    wanted = [("a", {"x": 1, "y": [0.5]}), ("b", {"x": 2, "y": []}), ("c", None)]
    assert read(whole(path), back) == wanted


@pytest.mark.parametrize(("out", "back"), RECORDS, ids=lambda fmt: type(fmt).__name__)
def test_dicts_become_columns(tmp_path: Path, out: OutputFormat, back: InputFormat) -> None:
    path = write(tmp_path, out, ([1, 2], ROWS[:2]), (["other", None], ROWS[2:] * 2))
    rows = [*ROWS, ROWS[2]]
    assert [value for _, value in read(whole(path), back)] == rows
    assert read_rows(whole(path), back) == rows


@pytest.mark.parametrize(("out", "back"), TABLES + RECORDS, ids=lambda fmt: type(fmt).__name__)
def test_an_output_without_records_is_an_input_without_records(
    tmp_path: Path, out: OutputFormat, back: InputFormat
) -> None:
    path = write(tmp_path, out)
    if path.stat().st_size:
        assert read(whole(path), back) == []


def test_columns_are_what_other_tools_read(tmp_path: Path) -> None:
    write(tmp_path, ParquetOutput(records=True), ([1, 2, 3], ROWS))
    write(tmp_path, OrcOutput(records=True), ([1, 2, 3], ROWS))
    write(tmp_path, CsvOutput(records=True), ([1, 2, 3], ROWS))
    write(tmp_path, JsonLinesOutput(records=True), ([1, 2, 3], ROWS))
    assert pq.read_table(tmp_path / "part-r-00000.parquet").to_pylist() == ROWS
    assert orc.ORCFile(tmp_path / "part-r-00000.orc").read().to_pylist() == ROWS
    with (tmp_path / "part-r-00000.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [{name: "" if v is None else str(v) for name, v in row.items()} for row in ROWS]
    lines = (tmp_path / "part-r-00000.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == ROWS


def test_json_lines_hold_anything(tmp_path: Path) -> None:
    day = dt.datetime(2026, 11, 20, 1, 2, 3, tzinfo=dt.UTC)
    path = write(tmp_path, JsonLinesOutput(), ([("a", 1), ("b", 2)], [{"x": {1, 2}}, day]))
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert first == {"key": ["a", 1], "value": {"x": "{1, 2}"}}
    assert second == {"key": ["b", 2], "value": "2026-11-20T01:02:03+00:00"}
    path = write(tmp_path, JsonLinesOutput(), (["a"], [[float("nan"), 1e300, {"b": float("inf")}]]))
    assert json.loads(path.read_text()) == {"key": "a", "value": [None, 1e300, {"b": None}]}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(st.sampled_from('a;"\n\ré\t'), max_size=4) | st.none(),
            st.integers() | st.floats() | st.booleans() | st.text(max_size=3),
        ),
        max_size=6,
    )
)
def test_csv_is_read_back_by_python(pairs: list[tuple[Any, Any]]) -> None:
    from mrmesos.io.output.render import render
    from mrmesos.io.output.render_rows import csv_lines

    text = b""
    for key, value in pairs:
        if isinstance(value, int) and abs(value) >= 1 << 63:
            continue
        text += bytes(csv_lines(encode_pairs([key], [value]), ";"))
    rows = list(csv.reader(io.StringIO(text.decode("utf-8"), newline=""), delimiter=";"))
    wanted = [
        [(render(each) or b"").decode() for each in pair]
        for pair in pairs
        if not (isinstance(pair[1], int) and abs(pair[1]) >= 1 << 63)
    ]
    assert rows == wanted


def test_plain_bytes_are_what_fixed_width_reads(tmp_path: Path) -> None:
    path = write(tmp_path, BytesOutput(), ([b"k1", b"k2"], [b"abc", b"def"]))
    assert path.read_bytes() == b"k1abck2def"
    assert read(whole(path), FixedWidthInput(5, 2)) == [(b"k1", b"abc"), (b"k2", b"def")]
    assert write(tmp_path, BytesOutput(), ([None, None], ["é", "x"])).read_bytes() == "éx".encode()
    with pytest.raises(OutputError, match=r"values are int64, but BytesOutput needs bytes"):
        write(tmp_path, BytesOutput(), (["a"], [1]))


@pytest.mark.parametrize("codec", CODECS)
def test_compressed_text_is_read_back_by_its_name(tmp_path: Path, codec: str) -> None:
    path = write(
        tmp_path, TextOutput(compression=codec), (["a"] * 5000, [f"v{n}" for n in range(5000)])
    )
    assert read(whole(path), KeyValueTextInput()) == [("a", f"v{n}") for n in range(5000)]
    again = write(
        tmp_path / codec,
        TextOutput(compression=codec),
        (["a"] * 5000, [f"v{n}" for n in range(5000)]),
    )
    assert again.read_bytes() == path.read_bytes(), "an attempt run twice writes the same bytes"
    assert write(tmp_path, JsonLinesOutput(compression=codec)).name.startswith("part-r-00000.jsonl")


@pytest.mark.parametrize(
    ("fmt", "says"),
    [
        (ParquetOutput(records=True), "the value is int64, but records=True needs dicts"),
        (CsvOutput(records=True), "the value is int64, but records=True needs dicts"),
        (OrcOutput(records=True), "the value is int64, but records=True needs dicts"),
    ],
)
def test_records_must_be_dicts(tmp_path: Path, fmt: OutputFormat, says: str) -> None:
    with pytest.raises(OutputError, match=says):
        write(tmp_path, fmt, (["a"], [1]))


def test_formats_that_cannot_be_written_are_refused() -> None:
    for fmt in (
        TextOutput(compression="rar"),
        OrcOutput(compression="xz"),
        CsvOutput(separator=""),
    ):
        with pytest.raises(OutputError, match=r"Output\((compression|separator)="):
            check_output(fmt)
    for good in (TextOutput(), OrcOutput(), ParquetOutput(), ArrowOutput(), BytesOutput()):
        check_output(good)


def test_times_of_nanoseconds_are_microseconds_to_a_mapper(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = pa.table({"at": pa.array([1_700_000_000_123_456_789], pa.timestamp("ns"))})
    pq.write_table(table, path)
    ((_, row),) = read(whole(path), ParquetInput())
    assert row == {"at": dt.datetime(2023, 11, 14, 22, 13, 20, 123456)}
    split = Split((FileSlice(str(path), 0, -1),), 1)
    from mrmesos.io.input.formats.registry import read_split

    (given,) = read_split(split, ParquetInput(), records=False)
    assert given.columns.schema.field("at").type == pa.timestamp("ns")
