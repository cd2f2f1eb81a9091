"""CSV as people have it: escapes, comments, short rows, and errors in plain words."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mrmesos.api.formats import CsvInput, JsonLinesInput
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.input.formats.registry import check_input
from tests.io.input.formats.cutting import batches, read, read_rows, slices, whole

on_files = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
FIELDS = st.text("ab,\"\\#\n'", max_size=4)


def write(path: Path, text: str) -> Path:
    path.write_text(text, newline="")
    return path


@on_files
@given(
    rows=st.lists(st.lists(FIELDS, min_size=2, max_size=2), min_size=1, max_size=8),
    batch=st.integers(1, 60),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONE]),
)
def test_what_pythons_csv_escapes_is_read(
    tmp_path: Path, rows: list[list[str]], batch: int, quoting: Literal[0, 1, 3]
) -> None:
    sink = io.StringIO()
    writer = csv.writer(
        sink, escapechar="\\", doublequote=False, quoting=quoting, lineterminator="\n"
    )
    writer.writerows(rows)
    path = write(tmp_path / "in.csv", sink.getvalue())
    quote = "" if quoting == csv.QUOTE_NONE else '"'
    fmt = CsvInput(header=False, names=("x", "y"), escape="\\", quote=quote)
    found = read(whole(path), fmt, batch_bytes=batch)
    assert [[row["x"], row["y"]] for _, row in found] == rows


@on_files
@given(
    lines=st.lists(
        st.sampled_from(
            ["# it's \"open\n", "#\n", "a,1\n", '"#x",2\n', '"q\n# no\n",3\n', "b#,4\n"]
        ),
        max_size=10,
    ),
    batch=st.integers(1, 60),
    size=st.integers(1, 40),
)
def test_comments_are_left_out_wherever_a_row_would_begin(
    tmp_path: Path, lines: list[str], batch: int, size: int
) -> None:
    path = write(tmp_path / "in.csv", "".join(["# first\n", "x,y\n", *lines]))
    rows = [line for line in lines if not line.startswith("#")]
    wanted = [
        tuple(next(csv.reader([row]))) if "\n#" not in row else ("q\n# no\n", "3") for row in rows
    ]
    found = read(whole(path), CsvInput(comment="#"), batch_bytes=batch)
    assert [(row["x"], row["y"]) for _, row in found] == wanted
    data = path.read_text()
    assert all(data[at - 1] == "\n" for at, _ in found)
    plain = [line for line in lines if "q\n" not in line]
    path = write(tmp_path / "in.csv", "".join(["# first\n", "x,y\n", *plain]))
    cut = CsvInput(comment="#", newlines_in_fields=False)
    again = read(slices(path, size), cut, batch_bytes=batch)
    assert [(row["x"], row["y"]) for _, row in again] == [row for row in wanted if row[1] != "3"]


def test_short_rows_are_an_error_or_null(tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", 'a,b,n\n1,2,3\n\n4\r\n"5,\n5",6\n7,,\n')
    with pytest.raises(
        InputError, match=r"offset 13 \(line 4\) .* it has 1 fields, but there are 3"
    ):
        read(whole(path), CsvInput())
    fmt = CsvInput(short_rows="null", types={"n": "int64"})
    rows = [
        {"a": "1", "b": "2", "n": 3},
        {"a": "4", "b": None, "n": None},
        {"a": "5,\n5", "b": "6", "n": None},
        {"a": "7", "b": "", "n": None},
    ]
    assert [row for _, row in read(whole(path), fmt)] == rows
    assert read_rows(whole(path), fmt) == rows
    fmt = CsvInput(short_rows="null", columns=("n", "b"), types={"n": "int64"})
    assert read(whole(path), fmt)[1][1] == {"n": None, "b": None}
    write(path, "a,b\n1,2,3\n4\n")
    with pytest.raises(
        InputError, match=r"offset 4 \(line 2\) .* it has 3 fields, but there are 2"
    ):
        read(whole(path), CsvInput(short_rows="null"))
    skipping = CsvInput(short_rows="null", on_error="skip")
    assert [row for _, row in read(whole(path), skipping)] == [{"a": "4", "b": None}]
    assert sum(given.skipped for given in batches(whole(path), skipping)) == 1


@pytest.mark.parametrize(
    ("text", "fmt", "says"),
    [
        (
            "a,n\nx,1\ny,z\n",
            CsvInput(types={"n": "int64"}),
            r"\(line 3\) .* column 'n': 'z' is not int64",
        ),
        (
            "a,n\nx,\udcff\n",
            CsvInput(),
            r"\(line 2\) .* column 'n': b'\\xff' is not UTF-8; set enc",
        ),
        ('a,n\nx,"1\n', CsvInput(), r"\(line 2\) .* unclosed quote"),
        (
            "a,n\nx,1\\\ny,2\n",
            CsvInput(escape="\\", newlines_in_fields=False),
            r"\(line 2\) .* end is escaped by",
        ),
    ],
)
def test_errors_name_line_and_column(tmp_path: Path, text: str, fmt: CsvInput, says: str) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=says) as caught:
        read(whole(path), fmt)
    assert "In CSV column" not in str(caught.value)
    assert "CSV parse error" not in str(caught.value)


def test_columns_that_a_file_lacks_are_an_error_or_null(tmp_path: Path) -> None:
    full = write(tmp_path / "full.csv", "a,b\n1,2\n")
    short = write(tmp_path / "short.csv", "a\n3\n4\n")
    for fmt in (CsvInput(columns=("b", "a")), CsvInput(types={"b": "int64"})):
        with pytest.raises(InputError, match=r"short.csv: has no column 'b', but a; missing_col"):
            read(whole(short), fmt)
    fmt = CsvInput(columns=("b", "a"), types={"b": "int64"}, missing_columns="null")
    assert read_rows(whole(full), fmt) == [{"b": 2, "a": "1"}]
    assert [row for _, row in read(whole(short), fmt)] == read_rows(whole(short), fmt)
    assert read_rows(whole(short), fmt) == [{"b": None, "a": "3"}, {"b": None, "a": "4"}]
    assert {batch.batch.schema.field("value").type for batch in batches(whole(short), fmt)} == {
        batch.batch.schema.field("value").type for batch in batches(whole(full), fmt)
    }
    typed = CsvInput(types={"b": "int64"}, missing_columns="null")
    assert read_rows(whole(short), typed) == [{"a": "3", "b": None}, {"a": "4", "b": None}]
    none = CsvInput(columns=("x",), missing_columns="null")
    assert read_rows(whole(short), none) == [{"x": None}, {"x": None}]


def test_rows_that_end_in_carriage_returns_alone_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "mac.csv", "a,b\r1,2\r")
    with pytest.raises(InputError, match=r"mac.csv: its header .*rows end in \\r alone"):
        read(whole(path), CsvInput())


@pytest.mark.parametrize(
    ("fmt", "says"),
    [
        (CsvInput(escape="\\\\"), "one ASCII"),
        (CsvInput(comment="é"), "one ASCII"),
        (CsvInput(escape='"'), "must differ"),
        (CsvInput(short_rows="pad"), "'fail' or 'null'"),
        (CsvInput(missing_columns="skip"), "'fail' or 'null'"),
    ],
)
def test_signs_are_checked(fmt: CsvInput, says: str) -> None:
    with pytest.raises(InputError, match=says):
        check_input(fmt)


@pytest.mark.parametrize("records", [True, False])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[\n  {"a": 1},\n  {"a": 2}\n]\n', "offset 0 .*over several lines.*jq -c"),
        ('{\n  "a": 1\n}\n', "offset 0 .*over several lines"),
        ('[{"a": 1},\n{"a": 2}]\n', "offset 0 .*over several lines"),
        ('{"a": 1},\n{"a": 2}\n', "offset 0 .*over several lines"),
        ('{"a": 1}\n{"a": "x', r"offset 9 \(line 2\) .* may have been cut off"),
        ('{"a": 1}\n{"a": nul}\n', r"offset 9 \(line 2\) .* at character 7"),
        ('{"a": 1}\n"\udcff"\n', r"offset 9 \(line 2\) .* not UTF-8"),
    ],
)
def test_json_that_is_not_in_lines(tmp_path: Path, text: str, says: str, records: bool) -> None:
    path = tmp_path / "in.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=says):
        read(whole(path), JsonLinesInput(), records=records)


def test_json_columns_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "in.json", '{"n": 1}\n{"n": "one"}\n')
    with pytest.raises(InputError, match=r"\(line 2\) .*: column 'n': \"one\" is not int64"):
        read(whole(path), JsonLinesInput(types={"n": "int64"}))
    write(path, '[{"n": 1}]\n')
    with pytest.raises(InputError, match="not a JSON object, and has no columns; make lines of"):
        read(whole(path), JsonLinesInput(), records=False)
