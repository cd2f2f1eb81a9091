"""Key-value text, JSON lines, CSV and fixed-width records, cut at any position."""

from __future__ import annotations

import csv
import io
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrmesos.api.formats import (
    CsvInput,
    FixedWidthInput,
    InputFormat,
    JsonLinesInput,
    KeyValueTextInput,
    WholeFileInput,
)
from mrmesos.api.split import FileSlice, Split
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.input.formats.jsonl import read_json_lines
from tests.io.input.formats.cutting import Record, batches, read, read_rows, slices, whole

TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=6)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 60), 1 << 60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


def every_cut(
    data: bytes,
    fmt: InputFormat,
    wanted: list[Record],
    *,
    rows: bool = False,
    whole_too: bool = True,
) -> None:
    """Check that slices and batches of any size read each record once and in order."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "data")
        path.write_bytes(data)
        if whole_too:
            assert read(whole(path), fmt) == wanted
        for size in range(1, len(data) + 1):
            assert read(slices(path, size), fmt, batch_bytes=7) == wanted
            assert read(slices(path, size), fmt) == wanted
            if rows:
                assert read_rows(slices(path, size), fmt) == [value for _, value in wanted]


def offsets(lines: list[bytes], begin: int = 0) -> list[int]:
    found = []
    for line in lines:
        found.append(begin)
        begin += len(line)
    return found


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.lists(TEXT, max_size=4), st.sampled_from(["\n", "\r\n"])), max_size=6))
def test_key_values(rows: list[tuple[list[str], str]]) -> None:
    lines = ["\t".join(parts) for parts, _ in rows]
    data = "".join(line + end for line, (_, end) in zip(lines, rows, strict=True)).encode()
    wanted = [(line.partition("\t")[0], line.partition("\t")[2]) for line in lines]
    every_cut(data, KeyValueTextInput(), wanted)


def test_key_values_stand_where_their_lines_do(tmp_path: Path) -> None:
    path = tmp_path / "pairs"
    path.write_bytes(b"a=1\nbb=2=3\r\n\nlone\n" + b"k=v\n" * 1000)
    fmt = KeyValueTextInput(separator="=", encoding="")
    (given,) = batches(slices(path, 1 << 20), fmt)
    assert read(slices(path, 1 << 20), fmt)[:4] == [
        (b"a", b"1"),
        (b"bb", b"2=3"),
        (b"", b""),
        (b"lone", b""),
    ]
    assert given.places.to_pylist()[:5] == [0, 4, 12, 13, 18]
    assert given.columns.schema.names == ["key", "value"]


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(JSON, st.sampled_from(["\n", "\r\n", "\n\n"])), max_size=5))
def test_json_lines_for_mappers_are_exact(rows: list[tuple[Any, str]]) -> None:
    lines = [(json.dumps(value, ensure_ascii=False) + end).encode() for value, end in rows]
    wanted = [(at, value) for at, (value, _) in zip(offsets(lines), rows, strict=True)]
    every_cut(b"".join(lines), JsonLinesInput(), wanted)


@settings(max_examples=8, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries({}, optional={"n": st.integers(-9, 9), "t": TEXT, "x": JSON}),
        max_size=5,
    )
)
def test_json_lines_with_types(rows: list[dict[str, Any]]) -> None:
    lines = [json.dumps(row).encode() + b"\n" for row in rows]
    named = [{"n": row.get("n"), "t": row.get("t")} for row in rows]
    wanted = list(zip(offsets(lines), named, strict=True))
    every_cut(
        b"".join(lines), JsonLinesInput(types={"n": "int64", "t": "string"}), wanted, rows=True
    )


def test_json_columns_are_inferred_for_batch_mappers(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_text('{"n": 1, "x": {"y": [1.5]}}\n{"n": 2}\n')
    rows = [{"n": 1, "x": {"y": [1.5]}}, {"n": 2, "x": None}]
    assert read_rows(slices(path, 100), JsonLinesInput()) == rows


CSV_TEXT = st.text(st.sampled_from('ab,"é \t'), max_size=4)


@settings(max_examples=8, deadline=None)
@given(
    st.lists(st.tuples(CSV_TEXT, st.integers(-9, 9)), max_size=6), st.sampled_from(["\n", "\r\n"])
)
def test_csv_without_newlines_in_fields_is_split(rows: list[tuple[str, int]], end: str) -> None:
    lines = [written(row, end) for row in [("t", "n"), *rows]]
    wanted = [
        (at, {"t": text, "n": number})
        for at, (text, number) in zip(offsets(lines)[1:], rows, strict=True)
    ]
    fmt = CsvInput(types={"n": "int64"}, newlines_in_fields=False)
    every_cut(b"".join(lines), fmt, wanted, rows=True)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.text(st.sampled_from('a,"\n\r'), max_size=6), CSV_TEXT), max_size=8),
    st.sampled_from([1, 5, 30, 1 << 20]),
)
def test_csv_with_newlines_in_fields_is_read_whole(rows: list[tuple[str, str]], batch: int) -> None:
    lines = [written(row, "\r\n") for row in [("a", "b"), *rows]]
    wanted = [(at, {"a": a, "b": b}) for at, (a, b) in zip(offsets(lines)[1:], rows, strict=True)]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "data.csv")
        path.write_bytes(b"".join(lines))
        assert read(whole(path), CsvInput(), batch_bytes=batch) == wanted


def written(row: tuple[Any, ...], end: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator=end).writerow(row)
    return text.getvalue().encode()


def test_tsv_where_quotes_mean_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text('"a\tb"\n1"\t""\n\n  \t"2\n')
    fmt = CsvInput(separator="\t", quote="")
    wanted = [(6, {'"a': '1"', 'b"': '""'}), (13, {'"a': "  ", 'b"': '"2'})]
    for size in range(1, 25):
        assert read(slices(path, size), fmt) == wanted


def test_csv_columns_names_and_empty_fields(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfx,y,z\n1,,\n2,b,0.5\n")
    fmt = CsvInput(columns=("z", "y"), types={"z": "double"})
    assert [value for _, value in read(whole(path), fmt)] == [
        {"z": None, "y": ""},
        {"z": 0.5, "y": "b"},
    ]
    renamed = CsvInput(names=("a", "b", "c"), columns=("a",))
    assert [value for _, value in read(whole(path), renamed)] == [{"a": "1"}, {"a": "2"}]
    headless = CsvInput(names=("a", "b", "c"), header=False, columns=("b",))
    assert [value["b"] for _, value in read(whole(path), headless)] == ["y", "", "b"]


@settings(max_examples=10, deadline=None)
@given(st.binary(max_size=40), st.integers(1, 7), st.integers(0, 7))
def test_fixed_width_records(data: bytes, width: int, key: int) -> None:
    key = min(key, width)
    count = len(data) // width
    pieces = [data[at * width : (at + 1) * width] for at in range(count)]
    wanted: list[Record] = [(piece[:key], piece[key:]) for piece in pieces]
    if not key:
        wanted = [(at * width, piece) for at, piece in enumerate(pieces)]
    every_cut(data[: count * width], FixedWidthInput(width, key), wanted)
    every_cut(data, FixedWidthInput(width, key, on_error="skip"), wanted)


def test_whole_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xff" * 200_000)
    (tmp_path / "b").write_text("é\n")
    assert read(whole(tmp_path / "a"), WholeFileInput()) == [
        (str(tmp_path / "a"), b"\xff" * 200_000)
    ]
    assert read(whole(tmp_path / "b"), WholeFileInput("utf-8")) == [(str(tmp_path / "b"), "é\n")]
    with pytest.raises(InputError, match=r"/a: is larger than 9 bytes.*max_bytes"):
        read(whole(tmp_path / "a"), WholeFileInput(max_bytes=9))
    with pytest.raises(InputError, match=r"/a: is not utf-8 at offset 0: .*encoding"):
        read(whole(tmp_path / "a"), WholeFileInput("utf-8"))


TYPED = {"n": "int64"}


@pytest.mark.parametrize(
    ("data", "fmt", "offset", "good"),
    [
        (b'{"n":1}\nnull\n{"n":2}\n', JsonLinesInput(types=TYPED), 8, [1, 2]),
        (b'null\n{"n":2}\n', JsonLinesInput(types=TYPED), 0, [2]),
        (b'{"n":1}\n{"n":"x"}\n{"n":2}\n', JsonLinesInput(types=TYPED), 8, [1, 2]),
        (b'{"n":1}\n{"n":2}{"n":3}\n', JsonLinesInput(types=TYPED), 8, [1]),
        (b'{"n":1}\n{"n":\n', JsonLinesInput(), 8, [1]),
        (b'{"n":1}\n{"\xff":2}\n{"n":3}\n', JsonLinesInput(), 8, [1, 3]),
        (b'{"n":1}\n  \n{"n":3} {}\n', JsonLinesInput(), 11, [1]),
        (b' {"n":1}\n\t\n\n{"n":[3}\n  {"n":4}\n', JsonLinesInput(types=TYPED), 12, [1, 4]),
        (b"n,m\n1,2\nx,2\n3,4\n", CsvInput(types=TYPED), 8, [1, 3]),
        (b"n,m\n1,2\n3\n4,5\n", CsvInput(types=TYPED), 8, [1, 4]),
        (b"n,m\n1,2\n3,4,5\n4,5\n", CsvInput(types=TYPED, quote=""), 8, [1, 4]),
        (b'n,m\n1,2\n3,"4\n4,5\n', CsvInput(types=TYPED), 8, [1]),
        (b'n,m\n1,2\n3,"4\n4,5\n', CsvInput(types=TYPED, newlines_in_fields=False), 8, [1, 4]),
        (b"n,m\n1,2\n3,\xff\n", CsvInput(types=TYPED), 8, [1]),
        (b'n,m\n1,2\n"3","\n', CsvInput(types=TYPED, newlines_in_fields=False), 8, [1]),
    ],
)
def test_bad_rows_fail_with_their_place_or_are_skipped(
    tmp_path: Path, data: bytes, fmt: InputFormat, offset: int, good: list[int]
) -> None:
    path = tmp_path / "bad"
    path.write_bytes(data)
    for records in (True, False):
        with pytest.raises(InputError, match=rf"/bad: the row at offset {offset} .*skip"):
            read(whole(path), fmt, records=records)
    lenient = msgspec.structs.replace(fmt, on_error="skip")
    for records in (True, False):
        found = batches(whole(path), lenient, records=records)
        assert sum(given.skipped for given in found) == 1
    assert [row["n"] for row in read_rows(whole(path), lenient)] == good
    assert [value["n"] for _, value in read(whole(path), lenient)] == good


def test_an_incomplete_record_fails_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "records"
    path.write_bytes(b"12345678")
    with pytest.raises(InputError, match=r"records: the record at offset 6 has 2 bytes, not 3"):
        read(slices(path, 2), FixedWidthInput(3))
    assert (
        sum(
            given.skipped for given in batches(slices(path, 2), FixedWidthInput(3, on_error="skip"))
        )
        == 1
    )


@pytest.mark.parametrize(
    ("data", "fmt", "says"),
    [
        (b"a,a\n1,2\n", CsvInput(), "its header names a column twice"),
        (b"\n1,2\n", CsvInput(), "its header is empty"),
        (b"\xff,b\n1,2\n", CsvInput(), "its header cannot be read"),
        (b"a,b\n1,2\n", CsvInput(columns=("c",)), "has no column 'c', but a, b"),
        (b"a,b\n1,2\n", CsvInput(types={"a": "klingon"}), "'a' has the type 'klingon'"),
        (
            b"a,b\n1,2\n" + b'"' + b"x" * 200,
            CsvInput(max_line_bytes=100),
            "the line at offset 8 is longer",
        ),
        (b'{"a": 1}\n' * 9, JsonLinesInput(max_line_bytes=3), "the line at offset 0 is longer"),
    ],
)
def test_what_cannot_be_read_says_so(
    tmp_path: Path, data: bytes, fmt: InputFormat, says: str
) -> None:
    path = tmp_path / "bad"
    path.write_bytes(data)
    with pytest.raises(InputError, match=says):
        read(whole(path), fmt, batch_bytes=16)


def test_quotes_of_two_rows_do_not_make_one(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_bytes(b'x,y\n""x""x"""a,1\n\x00"a,1\nc,3\n')
    fmt = CsvInput(newlines_in_fields=False, on_error="skip")
    for size in (1, 3, 7, 100):
        assert [row["x"] for _, row in read(slices(path, size), fmt)] == ["c"]


def test_json_as_python_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"a": NaN}\n{"a": -Infinity, "b": "\\ud800"}\n{"a": 1}\n')
    split = Split((FileSlice(str(path), 0, -1),), path.stat().st_size)
    batches = list(read_json_lines(split, JsonLinesInput()))
    found = [value for batch in batches for value in batch.objects or ()]
    assert math.isnan(found[0]["a"])
    assert found[1:] == [{"a": -math.inf, "b": "\ud800"}, {"a": 1}]


@pytest.mark.parametrize("text", ['[\n  {"a": 1},\n  {"a": 2}\n]\n', '{\n  "a": 1\n}\n'])
def test_a_document_over_several_lines_is_told_as_such(tmp_path: Path, text: str) -> None:
    path = tmp_path / "in.json"
    path.write_text(text)
    split = Split((FileSlice(str(path), 0, -1),), path.stat().st_size)
    with pytest.raises(InputError, match=r"offset 0 .*one value a line, .*jq"):
        list(read_json_lines(split, JsonLinesInput()))
