"""Avro files against fastavro's own reader: every type and codec, cut anywhere, damaged."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mrmesos.api.formats import AvroInput
from mrmesos.api.job import Job
from mrmesos.api.tasks import Mapper
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.input.read_back import columns_of
from mrmesos.local.run_job import run_job
from tests.io.input.formats.cutting import batches, read, read_rows, slices, whole

fastavro = pytest.importorskip("fastavro")
FLAT = {"type": "record", "name": "r", "fields": [{"name": "n", "type": "long"}]}


def write(path: Path, fields: list[dict[str, Any]], rows: list[Any], **options: Any) -> None:
    schema = {"type": "record", "name": "r", "fields": fields}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(schema), rows, **options)


def rows_of(path: Path, fmt: AvroInput) -> list[Any]:
    class Show(Job):
        mapper, reducer, input_format = Mapper, None, fmt

    return [value for _, value in run_job(Show, path).records]


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz", "snappy", "zstandard"])
def test_every_record_is_read_once_wherever_the_file_is_cut(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "a.avro"
    rows = [{"n": n, "t": f"text {n}" * 5} for n in range(500)]
    fields: list[Any] = [{"name": "n", "type": "long"}, {"name": "t", "type": "string"}]
    write(path, fields, rows, codec=codec, sync_interval=500)
    assert [value for _, value in read(whole(path), AvroInput())] == rows
    for step in (1000, 777, 4096) if codec != "null" else (17, 333, 1000):
        found = read(slices(path, step), AvroInput())
        assert [value for _, value in found] == rows
        keys = [key for key, _ in found]
        assert keys == sorted(set(keys))
    assert columns_of(str(path)) == AvroInput()
    assert read_rows(slices(path, 5000), AvroInput(columns=("t",))) == [
        {"t": row["t"]} for row in rows
    ]


NOW = dt.datetime(2026, 11, 29, 1, 2, 3, 4000, dt.UTC)
TYPES: list[tuple[Any, Any, pa.DataType]] = [
    ("boolean", True, pa.bool_()),
    ("int", 3, pa.int32()),
    ("float", 0.5, pa.float32()),
    ("double", 0.1, pa.float64()),
    ("bytes", b"a", pa.binary()),
    (["null", "string"], None, pa.string()),
    (["int", "double"], 2.5, pa.float64()),
    ({"type": "enum", "name": "e", "symbols": ["A", "B"]}, "B", pa.string()),
    ({"type": "fixed", "name": "f", "size": 2}, b"ab", pa.binary(2)),
    ({"type": "array", "items": "int"}, [1, 2], pa.list_(pa.int32())),
    ({"type": "map", "values": "long"}, {"k": 1}, pa.map_(pa.string(), pa.int64())),
    (
        {"type": "record", "name": "s", "fields": [{"name": "x", "type": ["null", "int"]}]},
        {"x": 1},
        pa.struct([("x", pa.int32())]),
    ),
    ({"type": "int", "logicalType": "date"}, dt.date(2026, 1, 2), pa.date32()),
    ({"type": "int", "logicalType": "time-millis"}, dt.time(1, 2, 3), pa.time32("ms")),
    ({"type": "long", "logicalType": "timestamp-millis"}, NOW, pa.timestamp("ms", "UTC")),
    ({"type": "long", "logicalType": "timestamp-micros"}, NOW, pa.timestamp("us", "UTC")),
    (
        {"type": "long", "logicalType": "local-timestamp-micros"},
        NOW.replace(tzinfo=None),
        pa.timestamp("us"),
    ),
    (
        {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2},
        Decimal("1.25"),
        pa.decimal128(10, 2),
    ),
    ({"type": "string", "logicalType": "uuid"}, uuid.UUID(int=7), pa.uuid()),
    ({"type": "string", "logicalType": "unheard-of"}, "x", pa.string()),
]


@pytest.mark.parametrize(("kind", "value", "wanted"), TYPES, ids=lambda each: str(each)[:40])
def test_types(tmp_path: Path, kind: Any, value: Any, wanted: pa.DataType) -> None:
    path = tmp_path / "a.avro"
    write(path, [{"name": "c", "type": kind}], [{"c": value}])
    (given,) = batches(whole(path), AvroInput(), records=False)
    assert given.columns.schema.field("c").type == wanted
    assert read(whole(path), AvroInput()) == [(given.places[0].as_py(), {"c": value})]


def test_files_are_one_table_with_their_directories(tmp_path: Path) -> None:
    write(tmp_path / "day=1" / "a", [{"name": "n", "type": "int"}], [{"n": 1}])
    fields: list[Any] = [{"name": "n", "type": "long"}, {"name": "t", "type": "string"}]
    write(tmp_path / "day=2" / "b", fields, [{"n": 2**40, "t": "x"}])
    assert rows_of(tmp_path / "**", AvroInput()) == [
        {"n": 1, "t": None, "day": 1},
        {"n": 2**40, "t": "x", "day": 2},
    ]
    write(tmp_path / "day=2" / "b", [{"name": "n", "type": "string"}], [{"n": "x"}])
    with pytest.raises(InputError, match=r"'n' is int32 in .*/a, but string in .*/b"):
        rows_of(tmp_path / "**", AvroInput())


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    path = tmp_path / "a"

    def said(words: str, fmt: AvroInput | None = None) -> None:
        with pytest.raises(InputError, match=words):
            rows_of(path, fmt or AvroInput())

    rows = [{"n": n} for n in range(5000)]
    write(path, [{"name": "n", "type": "long"}], rows, sync_interval=1000, codec="deflate")
    good = path.read_bytes()
    path.write_bytes(good[: len(good) * 2 // 3])
    said(r"/a: cannot be read as Avro: block at offset [\d,]+: .*damaged, truncated")
    path.write_bytes(good[:30])
    said(r"/a: cannot be read as Avro: .*damaged, truncated")
    sync = good[-16:]
    path.write_bytes(good[: good.rindex(sync, 0, -16)] + bytes(16) + good[-200:])
    said(r"/a: cannot be read as Avro: block at offset")
    path.write_bytes(good + b"\x80")
    said(r"/a: cannot be read as Avro: block at offset [\d,]+: .*; the file is damaged, truncated")
    path.write_bytes(b"PAR1\x15 and so on")
    said(r"those of a Parquet file; read it with ParquetInput")
    fields: list[Any] = [{"name": "u", "type": ["string", "long"]}, {"name": "n", "type": "int"}]
    write(path, fields, [{"u": "x", "n": 1}])
    said(r"column 'u': it is a union of string and int64, and Arrow has no type for both")
    recursive: dict[str, Any] = {"name": "next", "type": ["null", "r"]}
    write(path, [recursive], [{"next": None}])
    said(r"column 'next': the record r contains itself")
    with path.open("wb") as file:
        fastavro.writer(file, "string", ["a"])
    said(r"its values are no records, but string")
