"""A job's own formats: a RecordReader and a RecordWriter in the job's script."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.api import (
    BatchMapper,
    FileSplit,
    Job,
    JobError,
    Mapper,
    RecordReader,
    RecordWriter,
    TextOutput,
    installed_format,
    pairs,
)
from mrmesos.api import custom_formats as formats
from mrmesos.api.formats import CustomInput, CustomOutput, input_data, output_data
from mrmesos.api.job import check_job
from mrmesos.local.run_job import run_job


class Fasta(RecordReader):
    """A record begins with a line `>name`; the lines after it are its sequence."""

    splittable = True

    def read(self, split: FileSplit) -> Iterator[tuple[str, list[str]]]:
        with split.open(back=1) as file:
            name, lines = None, list[str]()
            at = file.tell() + len(file.readline() if split.start else b"")
            for line in file:
                if line.startswith(b">"):
                    if name is not None:
                        yield name, lines
                    if at >= split.end:
                        return
                    name, lines = line[1:].decode().strip(), []
                lines += [] if line.startswith(b">") else [line.decode().strip()]
                at += len(line)
            if name is not None:
                yield name, lines


class Lengths(Mapper):
    def map(self, key: str, lines: list[str]) -> Iterator[tuple[str, int]]:
        yield key, len(lines)


class Report(RecordWriter):
    extension = ".rpt"

    def __init__(self) -> None:
        self.seen = 0

    def header(self) -> bytes:
        return b"BEGIN\n"

    def record(self, key: Any, value: Any) -> bytes:
        self.seen += 1
        return f"{key}={value}\n".encode()

    def footer(self) -> bytes:
        return f"END {self.seen}\n".encode()


class Count(Job):
    mapper = Lengths
    reducer = None
    input_format = Fasta()
    output_format = Report()


TEXT = ">a\n1\n2\n>b\n>c\n1\n"


def test_records_of_several_lines_in_and_a_report_out() -> None:
    result = run_job(Count, {"x.txt": TEXT}, conf={"job.maps": "1"})
    assert result.files == {"part-m-00000.rpt": b"BEGIN\na=2\nb=0\nc=1\nEND 3\n"}
    assert sorted(result.records) == [("a", 2), ("b", 0), ("c", 1)]


RECORD = st.lists(st.text("ab", min_size=1, max_size=5), min_size=1, max_size=4)


@given(st.lists(RECORD, min_size=1, max_size=8), st.integers(1, 40))
def test_any_cut_gives_each_record_once(records: list[list[str]], size: int) -> None:
    text = "".join(">" + "\n".join(lines) + "\n" for lines in records)
    result = run_job(Count, {"x.txt": text}, conf={"split.maxsize": str(size), "job.maps": "9"})
    assert sorted(result.records) == sorted((lines[0], len(lines) - 1) for lines in records)


def test_compressed_files_are_read_whole() -> None:
    result = run_job(Count, {"x.gz": gzip.compress(TEXT.encode())}, conf={"split.maxsize": "3"})
    assert sorted(result.records) == [("a", 2), ("b", 0), ("c", 1)]


class Tables(RecordReader):
    def read(self, split: FileSplit) -> Iterable[pa.RecordBatch]:
        value = pa.array([{"n": 1}, {"n": 2}])
        yield pa.RecordBatch.from_arrays([pa.array([split.uri] * 2), value], ["key", "value"])


class Columns(BatchMapper):
    def map_batch(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        yield pairs(batch["n"], batch["n"])


class OfBatches(Job):
    mapper = Columns
    reducer = None
    input_format = Tables()


def test_a_reader_may_yield_batches() -> None:
    assert run_job(OfBatches, {"x.txt": "anything"}).records == [(1, 1), (2, 2)]


class Objects(RecordReader):
    def read(self, split: FileSplit) -> Iterator[tuple[int, Any]]:
        yield 1, {"any": object}


class Types(Mapper):
    def map(self, key: int, value: Any) -> Iterator[tuple[int, str]]:
        yield key, type(value["any"]).__name__


class OfObjects(Job):
    mapper = Types
    reducer = None
    input_format = Objects()


def test_values_may_be_any_objects() -> None:
    assert run_job(OfObjects, {"x.txt": "1"}).records == [(1, "type")]


class Broken(RecordReader):
    def read(self, split: FileSplit) -> Iterator[Any]:
        yield 1, "fine"
        raise LookupError("no such stanza")


class NoPair(RecordReader):
    def read(self, split: FileSplit) -> Iterator[Any]:
        yield "just text"


class BadKey(RecordReader):
    def read(self, split: FileSplit) -> Iterator[Any]:
        yield frozenset([1]), 1


@pytest.mark.parametrize(
    ("reader", "words"),
    [
        (Broken(), "no such stanza"),
        (NoPair(), r"NoPair.read\(\) yields 'just text', not \(key, value\)"),
        (BadKey(), "frozenset cannot be a key"),
        (RecordReader(), r"RecordReader has no read\(\)"),
    ],
)
def test_an_error_of_a_reader_is_reported_as_the_readers(reader: RecordReader, words: str) -> None:
    class Wrong(Job):
        reducer = None
        input_format = reader

    with pytest.raises(Exception, match=words) as caught:
        run_job(Wrong, {"x.txt": "1"})
    assert any("x.txt" in note for note in caught.value.__notes__)


class Text(RecordWriter):
    def record(self, key: Any, value: Any) -> Any:
        return f"{key}"


class WritesText(Job):
    reducer = None
    output_format = Text()


def test_a_writer_returns_bytes() -> None:
    with pytest.raises(Exception, match=r"Text.record\(\) returns '0', not bytes"):
        run_job(WritesText, {"x.txt": "1"})


def test_named_outputs_too() -> None:
    class Names(Mapper):
        def map(self, key: int, line: str) -> Iterator[tuple[int, str]]:
            self.context.output("side").write(key, line)
            yield key, line

    class Sides(Job):
        mapper = Names
        reducer = None
        outputs = {"side": Report()}  # noqa: RUF012

    files = run_job(Sides, {"x.txt": "one\n"}).files
    assert files["side/part-m-00000.rpt"] == b"BEGIN\n0=one\nEND 1\n"


def test_a_jobtracker_hears_only_data() -> None:
    assert input_data(Fasta()) == CustomInput("Fasta", splittable=True)
    assert output_data(Report()) == CustomOutput("Report", ".rpt")


def test_the_data_is_no_format_for_authors() -> None:
    class Wrong(Job):
        input_format = CustomInput("Fasta")

    with pytest.raises(JobError, match="RecordReader"):
        check_job(Wrong)


def test_packages_bring_formats(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("report", f"{__name__}:Report", formats.ENTRY_POINTS)
    monkeypatch.setattr(
        "importlib.metadata.entry_points", lambda group: [point] * (group == formats.ENTRY_POINTS)
    )
    monkeypatch.setattr(EntryPoint, "load", lambda self: Report)
    assert isinstance(installed_format("report"), Report)
    with pytest.raises(LookupError, match=r"no installed package has a format 'vcf' \(.*report\)"):
        installed_format("vcf")


def test_a_job_with_one_of_ours_keeps_it(tmp_path: Path) -> None:
    class Plain(Job):
        reducer = None
        output_format = TextOutput()

    assert run_job(Plain, {"x.txt": "1\n"}).files["part-m-00000"] == b"0\t1\n"
