"""Inputs and formats in messages: decoding returns the sent values."""

from __future__ import annotations

import msgspec
import pytest

from mrmesos.api.formats import (
    ArrowInput,
    CsvInput,
    FixedWidthInput,
    InputFormat,
    JsonLinesInput,
    KeyValueTextInput,
    OrcInput,
    OrcOutput,
    ParquetInput,
    Source,
    TextInput,
    WholeFileInput,
)
from mrmesos.api.split import FileSlice, Split
from mrmesos.wire.job import JobSpec
from tests.wire.specs import job_spec

FORMATS: list[InputFormat] = [
    TextInput(encoding=""),
    KeyValueTextInput(separator=","),
    JsonLinesInput(types={"n": "int64"}, on_error="skip"),
    CsvInput(names=("a", "b"), columns=("b",), newlines_in_fields=False),
    ParquetInput(columns=("x",), filters=(("x", ">=", 1.5), ("y", "==", "2026-11-20"))),
    ArrowInput(columns=("x",)),
    OrcInput(),
    FixedWidthInput(100, key_bytes=10),
    WholeFileInput("utf-8"),
]


def spec(*sources: Source) -> JobSpec:
    return job_spec(
        inputs=("file:///a", "file:///b"), output_format=OrcOutput(records=True), sources=sources
    )


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: type(fmt).__name__)
def test_formats_travel(fmt: InputFormat) -> None:
    sent = spec(Source("one", ("file:///a",), TextInput()), Source("two", ("file:///b",), fmt))
    got = msgspec.json.decode(msgspec.json.encode(sent), type=JobSpec)
    assert got == sent
    assert got.format_of("two") == fmt
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(sent), type=JobSpec) == sent


def test_a_job_of_one_input_has_one_source_without_a_name() -> None:
    (only,) = spec().all_sources()
    assert only == Source("", ("file:///a", "file:///b"), TextInput())


def test_records_of_before_there_were_names_are_read() -> None:
    old = b'{"slices":[{"uri":"file:///a","start":0,"length":9}],"length":9,"hosts":["h"]}'
    split = msgspec.json.decode(old, type=Split)
    assert split == Split((FileSlice("file:///a", 0, 9),), 9, ("h",))
