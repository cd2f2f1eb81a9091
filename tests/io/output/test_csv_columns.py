"""CSV of records has the same columns and texts, wherever records are cut."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mrmesos.api import CsvInput, CsvOutput, Job, Mapper
from mrmesos.api.testing import run_job
from mrmesos.io.output.commit import OutputCommitter
from mrmesos.io.output.part_notes import in_own_process
from tests.io.output.test_part_schemas import run_job as write_parts

VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.sampled_from([1, 1.0, 2.5, -0.0, 1e300, Decimal("1.50"), Decimal("2")])
    | st.text('ab",;\n', max_size=3)
    | st.binary(max_size=2)
    | st.sampled_from([dt.date(2026, 1, 2), dt.datetime(2026, 1, 2, tzinfo=dt.UTC), UUID(int=7)])
    | st.lists(st.integers(0, 2) | st.just(0.5), max_size=2)
    | st.dictionaries(st.sampled_from("xy"), st.integers(0, 2), max_size=2)
    | st.tuples(st.integers(0, 2))
)
ROWS = st.none() | st.dictionaries(st.sampled_from(["a", "b", 'c"\n,', "d"]), VALUES, max_size=3)


def written(path: Path, fmt: CsvOutput, parts: Any, conform: Any = None) -> list[bytes]:
    out = OutputCommitter(str(path), conform=conform)
    out.commit_job(write_parts(out, fmt, parts))
    return [found.read_bytes() for found in sorted(path.glob("part-*"))]


def cut(rows: list[Any], at: list[int]) -> list[list[Any]]:
    bounds = [0, *sorted(each % (len(rows) + 1) for each in at), len(rows)]
    return [rows[start:end] for start, end in pairwise(bounds)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.lists(ROWS, min_size=1, max_size=8),
    parts=st.lists(st.integers(0, 99), max_size=3),
    batches=st.lists(st.integers(0, 99), max_size=3),
    header=st.booleans(),
    separator=st.sampled_from(",;\t"),
)
def test_columns_and_texts_do_not_depend_on_cuts(
    rows: list[Any],
    parts: list[int],
    batches: list[int],
    header: bool,
    separator: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("out")
    fmt = CsvOutput(records=True, header=header, separator=separator)
    (whole,) = written(path / "whole", fmt, [[rows]])
    files = written(path / "cut", fmt, [cut(part, batches) for part in cut(rows, parts)])
    bare = CsvOutput(records=True, header=False, separator=separator)
    (body,) = written(path / "bare", bare, [[rows]])
    end = len(whole) - len(body)
    assert whole[end:] == body
    assert {file[:end] for file in files} == {whole[:end]}
    assert b"".join(file[end:] for file in files) == body


@pytest.mark.parametrize("compression", ["none", "gzip", "xz"])
@pytest.mark.parametrize("conform", [None, in_own_process])
def test_late_columns_of_large_files(tmp_path: Path, compression: str, conform: Any) -> None:
    many = [[{"a": i, "t": 'x"\n'} for i in range(1000)] for _ in range(3)]
    parts = [[*many, [{"b": 1.5, "a": 2}]], [], [[{"c": "", "b": 1}]]]
    fmt = CsvOutput(records=True, compression=compression)
    path = tmp_path / "out"
    out = OutputCommitter(str(path), conform=conform)
    out.commit_job(write_parts(out, fmt, parts))
    assert not list(path.rglob("*.0"))
    texts = [found.read_bytes() for found in sorted(path.glob("part-*"))]
    if compression == "gzip":
        texts = [gzip.decompress(each) for each in texts]
    elif compression == "xz":
        import lzma

        texts = [lzma.decompress(each) for each in texts]
    read = [list(csv.reader(io.StringIO(each.decode(), newline=""))) for each in texts]
    assert [rows[0] for rows in read] == [["a", "t", "b", "c"]] * 3
    assert read[0][1:3001:1000] == [["0", 'x"\n', "", ""]] * 3
    assert read[0][3001:] == [["2", "", "1.5", ""]]
    assert read[1][1:] == []
    assert texts[2].endswith(b',,1,""\n')


class Rows(Mapper):
    def map(self, key: Any, line: str) -> Any:
        name, _, value = line.partition("=")
        yield None, {name: float(value) if "." in value else int(value)}


class Late(Job):
    mapper, reducer = Rows, None
    output_format = CsvOutput(records=True)


def test_a_job_writes_one_header_in_all_parts(tmp_path: Path) -> None:
    made = run_job(Late, {"a": "x=1\nx=2.0\n", "b": "y=3\n"}, splits=2)
    assert list(made.files.values()) == [b"x,y\n1,\n2.0,\n", b"x,y\n,3\n"]
    for name, data in made.files.items():
        (tmp_path / name).write_bytes(data)
    back = type("Back", (Job,), {"mapper": Mapper, "reducer": None, "input_format": CsvInput()})
    assert [value for _, value in run_job(back, tmp_path).records] == [
        {"x": "1", "y": ""},
        {"x": "2.0", "y": ""},
        {"x": "", "y": "3"},
    ]
