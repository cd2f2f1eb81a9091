"""Part files: text equal to what Python renders value by value, and tables that read back."""

import datetime
import decimal
import errno
import gc
import json
import math
import pickle
import zoneinfo
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.local import LocalFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st

from mrmesos.api.formats import ArrowOutput, OutputFormat, ParquetOutput, TextOutput
from mrmesos.io.fs.filesystem import OutputError
from mrmesos.io.output.registry import file_name
from mrmesos.io.output.render import render, text_lines
from mrmesos.io.output.writer import open_writer

PICKLED = {b"mrmesos.encoding": b"pickle"}
LOCAL = LocalFileSystem()
INT64 = st.integers(-(2**63), 2**63 - 1)
MOMENT = st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1))
TEXTS = st.text(st.characters(codec="utf-8"))
COLUMNS: list[tuple[pa.DataType, Any]] = [
    (pa.int64(), INT64),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.int8(), st.integers(-128, 127)),
    (pa.float64(), st.floats(-1e11, 1e11) | st.floats() | INT64.map(float) | st.floats(-1e6, 1e6)),
    (pa.float32(), st.floats(width=32)),
    (pa.bool_(), st.booleans()),
    (pa.string(), TEXTS),
    (pa.large_string(), TEXTS),
    (pa.string_view(), TEXTS),
    (pa.dictionary(pa.int32(), pa.string()), TEXTS),
    (pa.binary(), st.binary()),
    (pa.binary(3), st.binary(min_size=3, max_size=3)),
    (pa.null(), st.none()),
    (pa.timestamp("us"), MOMENT),
    (pa.timestamp("s"), MOMENT.map(lambda moment: moment.replace(microsecond=0))),
    (pa.timestamp("us"), st.datetimes()),
    (pa.timestamp("us", "UTC"), MOMENT.map(lambda moment: moment.replace(tzinfo=datetime.UTC))),
    (
        pa.timestamp("ms", "Europe/Berlin"),
        MOMENT.map(
            lambda moment: moment.replace(
                microsecond=moment.microsecond // 1000 * 1000, tzinfo=datetime.UTC
            ).astimezone(zoneinfo.ZoneInfo("Europe/Berlin"))
        ),
    ),
    (pa.date32(), st.dates()),
    (pa.time64("us"), st.times()),
    (pa.duration("us"), st.timedeltas(datetime.timedelta(-9999), datetime.timedelta(9999))),
    (pa.decimal128(20, 4), st.decimals(-(10**15), 10**15, places=4)),
    (pa.list_(pa.float64()), st.lists(st.none() | st.floats(), max_size=3)),
    (pa.list_(pa.binary()), st.lists(st.none() | st.binary(max_size=3), max_size=3)),
    (
        pa.struct([("b", pa.int64()), ("a", pa.list_(pa.string()))]),
        st.builds(lambda b, a: {"b": b, "a": a}, st.none() | INT64, st.lists(TEXTS, max_size=2)),
    ),
]


def reference(value: object, *, inside: bool = False) -> str | bytes:
    """Written from TextOutput's docstring, independently of the code under test."""
    match value:
        case str() | bytes():
            return value
        case bool():
            return "true" if value else "false"
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
        case list() | dict():
            return json.dumps(
                value,
                ensure_ascii=False,
                default=lambda item: (
                    item.decode("utf-8", "backslashreplace")
                    if isinstance(item, bytes)
                    else str(item)
                ),
            )
    return str(value)


def reference_lines(keys: list[object], values: list[object], separator: str) -> bytes:
    lines = []
    for pair in zip(keys, values, strict=True):
        texts = [reference(item) for item in pair if item is not None]
        parts = [text.encode() if isinstance(text, str) else text for text in texts]
        if parts:
            lines.append(separator.encode().join(parts) + b"\n")
    return b"".join(lines)


@st.composite
def columns(draw: st.DrawFn, rows: int) -> tuple[pa.Array, list[object]]:
    kind, values = draw(st.sampled_from(COLUMNS))
    nullable = draw(st.booleans())
    drawn = draw(st.lists(st.none() | values if nullable else values, min_size=rows, max_size=rows))
    if pa.types.is_dictionary(kind):
        return pa.array(drawn, kind.value_type).dictionary_encode(), drawn
    return pa.array(drawn, kind), drawn


@settings(max_examples=250, deadline=None)
@given(data=st.data(), rows=st.integers(0, 6), separator=st.sampled_from(["\t", ",", "", " é "]))
def test_text_is_what_python_renders(data: st.DataObject, rows: int, separator: str) -> None:
    (key, keys), (value, values) = data.draw(columns(rows)), data.draw(columns(rows))
    batch = pa.RecordBatch.from_arrays([key, value], names=["key", "value"])
    assert bytes(text_lines(batch, separator)) == reference_lines(keys, values, separator)
    start = data.draw(st.integers(0, rows))
    sliced = bytes(text_lines(batch.slice(start), separator))
    assert sliced == reference_lines(keys[start:], values[start:], separator)


def lines(key: pa.Array, value: pa.Array, value_metadata: Any = None) -> list[str]:
    schema = pa.schema(
        [pa.field("key", key.type), pa.field("value", value.type, metadata=value_metadata)]
    )
    batch = pa.RecordBatch.from_arrays([key, value], schema=schema)
    return bytes(text_lines(batch, "\t")).decode().splitlines()


def test_tuples_are_lists_in_json() -> None:
    value = pa.array(
        [{"_0": 1, "_1": {"x": [{"_0": True}]}}, {"_0": None, "_1": None}, None],
    )
    assert lines(pa.array(["a", "b", "c"]), value) == [
        'a\t[1, {"x": [[true]]}]',
        "b\t[null, null]",
        "c",
    ]
    flat = pa.array([[("k", 1), ("l", None)]], pa.map_(pa.string(), pa.int64()))
    assert lines(pa.array([1]), flat) == ['1\t{"k": 1, "l": null}']
    half = pa.array([{"_0": 1, "_2": 2}])
    assert lines(pa.array([1]), half) == ['1\t{"_0": 1, "_2": 2}']


class Odd:
    def __str__(self) -> str:
        return "an odd thing"


def test_pickled_objects_look_as_they_would_in_a_typed_column() -> None:
    objects = [
        Odd(),
        None,
        1,
        1.0,
        True,
        "é",
        b"raw",
        (1, "a"),
        {"k": {2: b"\xff"}},
        "\ud800",
        2**70,
    ]
    column = pa.array([pickle.dumps(item) for item in objects])
    assert lines(pa.array(range(len(objects))), column, PICKLED) == [
        "0\tan odd thing",
        "1",
        "2\t1",
        "3\t1.0",
        "4\ttrue",
        "5\té",
        "6\traw",
        '7\t[1, "a"]',
        '8\t{"k": {"2": "\\\\xff"}}',
        "9\t\\ud800",
        f"10\t{2**70}",
    ]


def test_nanoseconds_keep_their_digits() -> None:
    moments = pa.array([1, 1_000, -1, None, 0], pa.timestamp("ns"))
    zoned = pa.array([1, 1_000, -1, None, 0], pa.timestamp("ns", "UTC"))
    assert lines(moments, pa.nulls(5)) == [
        "1970-01-01T00:00:00.000000001",
        "1970-01-01T00:00:00.000001",
        "1969-12-31T23:59:59.999999999",
        "1970-01-01T00:00:00",
    ]
    assert lines(zoned, pa.nulls(5))[0] == "1970-01-01T00:00:00.000000001+00:00"


def test_render_is_the_definition() -> None:
    assert render(None) is None
    assert render(math.nan) == b"nan"
    assert render(decimal.Decimal("1.50")) == b"1.50"
    assert render([1.5, None, decimal.Decimal("2")]) == b'[1.5, null, "2"]'


def test_names() -> None:
    names = [file_name(fmt, "r", 7) for fmt in (TextOutput(), ArrowOutput(), ParquetOutput())]
    assert names == ["part-r-00007", "part-r-00007.arrow", "part-r-00007.parquet"]
    assert file_name(TextOutput(), "m", 123456) == "part-m-123456"


def batches() -> list[pa.RecordBatch]:
    made = []
    for start in (0, 3):
        key = pa.array([f"k{i}" for i in range(start, start + 3)])
        value = pa.array([i * 1.5 for i in range(start, start + 3)])
        extra = pa.array([b"s"] * 3)
        made.append(
            pa.RecordBatch.from_arrays([extra, key, value], names=["__sort", "key", "value"])
        )
    return made


ROWS = [{"key": f"k{i}", "value": i * 1.5} for i in range(6)]


def write(
    fmt: OutputFormat, path: Path, made: list[pa.RecordBatch], **more: Any
) -> tuple[int, int]:
    writer = open_writer(fmt, LOCAL, str(path), **more)
    for batch in made:
        writer.write(batch)
    return writer.close()


def read(fmt: OutputFormat, path: Path) -> pa.Table:
    if isinstance(fmt, ParquetOutput):
        return pq.read_table(path)
    with pa.OSFile(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


def test_text_files(tmp_path: Path) -> None:
    path = tmp_path / "new" / "part-r-00000"
    assert write(TextOutput(), path, batches()) == (6, path.stat().st_size)
    assert path.read_text() == "".join(f"k{i}\t{i * 1.5}\n" for i in range(6))
    assert write(TextOutput(), tmp_path / "empty", []) == (0, 0)
    assert (tmp_path / "empty").read_bytes() == b""


@pytest.mark.parametrize(
    "fmt",
    [
        ArrowOutput(),
        ArrowOutput("zstd"),
        ArrowOutput("none"),
        ParquetOutput(),
        ParquetOutput("none"),
    ],
)
def test_tables_read_back(tmp_path: Path, fmt: ArrowOutput | ParquetOutput) -> None:
    path = tmp_path / "part"
    assert write(fmt, path, batches()) == (6, path.stat().st_size)
    assert read(fmt, path).to_pylist() == ROWS
    assert write(fmt, path, [])[0] == 0
    assert read(fmt, path).num_rows == 0
    write(fmt, path, [])
    assert read(fmt, path).schema.equals(pa.schema([("key", pa.null()), ("value", pa.null())]))


@pytest.mark.parametrize("fmt", [ArrowOutput(), ParquetOutput()])
def test_types_that_come_late(tmp_path: Path, fmt: ArrowOutput | ParquetOutput) -> None:
    def batch(*values: object) -> pa.RecordBatch:
        return pa.RecordBatch.from_pydict({"key": [0] * len(values), "value": list(values)})

    path = tmp_path / "part"
    write(fmt, path, [batch(None), batch(1), batch(None), batch(2)])
    assert read(fmt, path)["value"].to_pylist() == [None, 1, None, 2]
    with pytest.raises(OutputError, match=r"part: .*int64.*string"):
        write(fmt, path, [batch(1), batch("a")])


@pytest.mark.parametrize("fmt", [ArrowOutput(), ParquetOutput()])
def test_pickles_do_not_mix_with_readable_values(
    tmp_path: Path, fmt: ArrowOutput | ParquetOutput
) -> None:
    def batch(value: bytes, metadata: Any) -> pa.RecordBatch:
        fields = [pa.field("key", pa.int64()), pa.field("value", pa.binary(), metadata=metadata)]
        return pa.RecordBatch.from_pydict({"key": [1], "value": [value]}, schema=pa.schema(fields))

    readable, pickled = batch(b"b", None), batch(pickle.dumps(Odd()), PICKLED)
    # A file with pickles holds nothing else in that column, so it can be read one way.
    write(fmt, tmp_path / "other", [readable, pickled])
    assert pickle.loads(read(fmt, tmp_path / "other")["value"].to_pylist()[0]) == b"b"
    write(fmt, tmp_path / "part", [pickled, readable])
    found = read(fmt, tmp_path / "part")["value"].to_pylist()
    assert pickle.loads(found[1]) == b"b"
    field = read(fmt, tmp_path / "part").schema.field("value")
    assert field.metadata[b"mrmesos.encoding"] == b"pickle"


def test_what_text_cannot_say_names_the_file(tmp_path: Path) -> None:
    far = pa.array([2**62], pa.timestamp("s"))
    batch = pa.RecordBatch.from_arrays([far, far], names=["key", "value"])
    with pytest.raises(
        OutputError, match=r"part: TextOutput: record 1, with the key 4\d+ as timestamp"
    ):
        write(TextOutput(), tmp_path / "part", [batch])


@pytest.mark.parametrize("fmt", [ArrowOutput("klingon"), ParquetOutput("klingon")])
def test_unknown_compression(tmp_path: Path, fmt: OutputFormat) -> None:
    with pytest.raises(OutputError, match=r"part: .*klingon"):
        write(fmt, tmp_path / "part", batches())


class Full:
    """A file on a full disk."""

    def write(self, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self) -> None: ...


@pytest.mark.parametrize("fmt", [TextOutput(), ArrowOutput(), ParquetOutput()])
def test_a_full_disk_names_the_file(
    tmp_path: Path, fmt: OutputFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LOCAL, "open", lambda *_: Full())
    writer = open_writer(fmt, LOCAL, str(tmp_path / "part"))

    def fill() -> None:
        writer.write(batches()[0])
        writer.close()

    with pytest.raises(OutputError, match="part: cannot be written: No space left on device"):
        fill()
    writer.abort()
    writer.abort()


@pytest.mark.parametrize("fmt", [TextOutput(), ArrowOutput(), ParquetOutput()])
@pytest.mark.filterwarnings("error")
def test_giving_up_is_silent(
    tmp_path: Path, fmt: OutputFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that one is written at once.
    monkeypatch.setattr("mrmesos.io.output.table_output._ROW_GROUP_BYTES", 1)
    writer = open_writer(fmt, LOCAL, str(tmp_path / "part"))
    writer.write(batches()[0])
    writer.abort()
    writer.abort()
    del writer
    gc.collect()  # an exception in a destructor fails the test


def test_row_groups_are_of_decent_size(tmp_path: Path) -> None:
    write(ParquetOutput(), tmp_path / "part", batches() * 50)
    assert pq.ParquetFile(tmp_path / "part").num_row_groups == 1


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/part: cannot be created: (File|Not a)"):
        open_writer(TextOutput(), LOCAL, str(tmp_path / "file" / "part"))
    with pytest.raises(OutputError, match=r"attempt/part: cannot be created: No such file"):
        open_writer(TextOutput(), LOCAL, str(tmp_path / "out" / "_temporary" / "attempt" / "part"))
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_other_filesystems() -> None:
    fs = fsspec.filesystem("memory")
    try:
        for fmt in (TextOutput(), ArrowOutput(), ParquetOutput()):
            writer = open_writer(fmt, fs, "/output/part")
            writer.write(batches()[0])
            assert writer.close() == (3, fs.size("/output/part"))
    finally:
        fs.rm("/output", recursive=True)
