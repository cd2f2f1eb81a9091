"""`mrmesos cat`: outputs of every format as lines."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from mrmesos.api.formats import (
    ArrowOutput,
    CsvOutput,
    JsonLinesOutput,
    OrcOutput,
    OutputFormat,
    ParquetOutput,
    TextOutput,
)
from mrmesos.cli import main
from mrmesos.io.columns.encode import encode_pairs
from mrmesos.io.output.part_notes import NOTE_SUFFIX
from mrmesos.io.output.registry import file_name
from mrmesos.io.output.writer import open_writer


def cat(*args: str) -> str:
    result = CliRunner().invoke(main, ["cat", *args])
    assert result.exit_code == 0, result.output
    return result.output


def write(output: Path, fmt: OutputFormat, *parts: list[tuple[Any, Any]]) -> str:
    for index, pairs in enumerate(parts):
        output.mkdir(exist_ok=True)
        writer = open_writer(fmt, LocalFileSystem(), str(output / file_name(fmt, "r", index)))
        writer.write(encode_pairs([key for key, _ in pairs], [value for _, value in pairs]))
        writer.close()
        # The commit takes the note of a part away.
        (output / f"{file_name(fmt, 'r', index)}{NOTE_SUFFIX}").unlink(missing_ok=True)
    (output / "_SUCCESS").touch()
    return str(output)


FORMATS = [TextOutput(), ParquetOutput(), ArrowOutput(), OrcOutput(), TextOutput(compression="xz")]


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: type(fmt).__name__)
def test_every_format_is_shown_as_text(tmp_path: Path, fmt: OutputFormat) -> None:
    out = write(tmp_path / "out", fmt, [("a", 1), ("b", 2)], [("c", 3)])
    (tmp_path / "out" / "errors").mkdir()
    (tmp_path / "out" / "errors" / "part-r-00000").write_text("wrong\n")
    assert cat(out) == "a\t1\nb\t2\nc\t3\n"
    assert cat(out, "--limit", "2") == "a\t1\nb\t2\n"
    assert cat(out, "-n", "0") == ""
    assert cat(f"{out}/errors") == "wrong\n"
    assert cat(out, f"{out}/errors", "-n", "4") == "a\t1\nb\t2\nc\t3\nwrong\n"


def test_other_columns_are_json(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x": [1, None], "y": [["a"], []]}), path)
    assert cat(str(path)) == '{"x": 1, "y": ["a"]}\n{"x": null, "y": []}\n'
    nameless = tmp_path / "t"
    nameless.write_bytes(path.read_bytes())
    assert cat(str(nameless), "-n1") == '{"x": 1, "y": ["a"]}\n'


def test_lines_are_shown_as_they_are(tmp_path: Path) -> None:
    rows = [(None, {"n": 1})]
    assert cat(write(tmp_path / "j", JsonLinesOutput(records=True), rows)) == '{"n": 1}\n'
    assert cat(write(tmp_path / "c", CsvOutput(records=True), rows)) == "n\n1\n"
    (tmp_path / "open.gz").write_bytes(gzip.compress(b"no end"))
    assert cat(str(tmp_path / "open.gz")) == "no end\n"
    for name in ("a.csv", "b.csv"):  # the content tells, as it does to jobs
        (tmp_path / name).write_bytes(gzip.compress(b"x,y\n1,2\n"))
    assert cat(str(tmp_path / "a.csv"), str(tmp_path / "b.csv")) == "x,y\n1,2\n1,2\n"
    (tmp_path / "part.bin").write_bytes(gzip.compress(b"x"))
    assert cat(str(tmp_path / "part.bin")) != "x\n"
    (tmp_path / "empty").touch()
    assert cat(str(tmp_path / "empty")) == ""


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_a_csv_header_is_shown_once(tmp_path: Path, compression: str) -> None:
    fmt = CsvOutput(compression=compression)
    out = write(tmp_path / "out", fmt, [("a", 1)], [], [("b", 2), ("c", 3)])
    assert cat(out) == "key,value\na,1\nb,2\nc,3\n"
    assert cat(out, "-n", "3") == "key,value\na,1\nb,2\n"
    assert cat(out, out, "-n", "5") == "key,value\na,1\nb,2\nc,3\na,1\n"
    assert cat(out, "--all-headers").count("key,value\n") == 2


def test_rows_of_csv_files_are_never_taken_for_headers(tmp_path: Path) -> None:
    for number, rows in enumerate(
        [
            ("a,1\nb,2\n", "a,1\n"),  # a number is no name
            ("a,\n", "a,\n"),
            ("a,a\n", "a,a\n"),
            ("a,b\n", "a,b\n", "c,d\n"),  # the third file has no such header
            ("\xff,b\n", "\xff,b\n"),
            ("a,b", "a,b"),
        ]
    ):
        directory = tmp_path / str(number)
        directory.mkdir()
        for part, text in enumerate(rows):
            (directory / f"part-r-{part:05d}.csv").write_bytes(text.encode("latin-1"))
        shown = "".join(f"{text.rstrip()}\n" for text in rows)
        command = [sys.executable, "-m", "mrmesos", "cat", str(directory)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=60)
        assert done.stdout.decode("latin-1") == shown


def test_a_header_with_a_newline_in_quotes(tmp_path: Path) -> None:
    for part in range(2):
        (tmp_path / f"{part}.csv").write_text(f'"a\nb",c\n{part},x\n')
    assert cat(f"{tmp_path}/*.csv") == '"a\nb",c\n0,x\n1,x\n'


class Thing:
    def __reduce__(self) -> Any:
        return print, ("cat ran what it found",)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    batch = encode_pairs(["a"], [Thing()])
    assert batch.schema.field("value").metadata  # marked as pickled
    pq.write_table(pa.Table.from_batches([batch]), tmp_path / "part-r-00000.parquet")
    shown = cat(str(tmp_path))
    assert shown.startswith("a\t<a pickled object of ")
    assert "ran" not in shown


def test_what_cannot_be_shown_says_so(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and no more")
    for uri, says in [("nowhere", "does not exist"), ("bad.parquet", "cannot be read as Parquet")]:
        result = CliRunner().invoke(main, ["cat", str(tmp_path / uri)])
        assert result.exit_code == 2
        assert says in result.output


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_bytes(b"line\n" * 1_000_000)
    command = [sys.executable, "-m", "mrmesos", "cat", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"line\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


def test_whatever_a_driver_raises_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise LookupError("Unable to locate\ncredentials")  # like botocore's errors: not an OSError

    monkeypatch.setattr(MemoryFileSystem, "ls", refuse)
    result = CliRunner().invoke(main, ["cat", "memory://bucket/x"])
    assert result.exit_code == 2
    words = "/bucket/x cannot be listed: LookupError: Unable to locate credentials"
    assert result.stderr.strip().endswith(words)
    assert len(result.stderr.splitlines()) == 1
