"""Parquet, Arrow IPC and ORC against pyarrow: whole, cut anywhere, projected, filtered, damaged."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import orc

from mrmesos.api.formats import ArrowInput, InputFormat, OrcInput, ParquetInput
from mrmesos.io.fs.filesystem import InputError
from tests.io.input.formats.cutting import batches, read, read_rows, slices, whole

ROWS: dict[str, st.SearchStrategy[Any]] = {
    "n": st.integers(-9, 9) | st.none(),
    "t": st.text(st.sampled_from("aé "), max_size=3),
    "l": st.lists(st.floats(-1, 1), max_size=2) | st.none(),
}
SCHEMA = pa.schema([("n", pa.int64()), ("t", pa.string()), ("l", pa.list_(pa.float64()))])
Write = Callable[[pa.Table, Path, int], None]


def write_parquet(table: pa.Table, path: Path, unit: int) -> None:
    pq.write_table(table, path, row_group_size=unit)


def write_arrow(table: pa.Table, path: Path, unit: int) -> None:
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=unit)


def write_stream(table: pa.Table, path: Path, unit: int) -> None:
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=unit)


def write_orc(table: pa.Table, path: Path, unit: int) -> None:
    # A stripe ends after the first hundred rows that exceed its size. Arrow's ORC writer loses
    # nulls of structs in sliced tables, so the rows are copied.
    options: dict[str, Any] = {"stripe_size": 1, "row_index_stride": 100, "batch_size": 100}
    with orc.ORCWriter(path, **options) as writer:
        for start in range(0, max(1, table.num_rows), unit):
            rows = range(start, min(start + unit, table.num_rows))
            writer.write(table.take(pa.array(rows, pa.int64())))


KINDS: list[tuple[InputFormat, Write]] = [
    (ParquetInput(), write_parquet),
    (ArrowInput(), write_arrow),
    (ArrowInput(), write_stream),
    (OrcInput(), write_orc),
]
BY_NAME = ["parquet", "arrow", "stream", "orc"]


@pytest.mark.parametrize(("fmt", "write"), KINDS, ids=BY_NAME)
@settings(max_examples=6, deadline=None)
@given(st.lists(st.fixed_dictionaries(ROWS), max_size=12), st.integers(1, 5))
def test_every_row_is_read_once_wherever_the_file_is_cut(
    fmt: InputFormat, write: Write, rows: list[dict[str, Any]], unit: int
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "data")
        write(pa.Table.from_pylist(rows, SCHEMA), path, unit)
        size = path.stat().st_size
        assert [value for _, value in read(whole(path), fmt)] == rows
        for step in range(1, size + 1, 1 if size < 60 else 37):
            found = read(slices(path, step), fmt)
            assert [value for _, value in found] == rows
            keys = [key for key, _ in found]
            assert keys == sorted(set(keys))
        assert read_rows(slices(path, size // 3), fmt) == rows


def test_orc_is_cut_by_stripes(tmp_path: Path) -> None:
    path = tmp_path / "data"
    table = pa.table({"x": [n * 0.37 for n in range(2000)]})
    write_orc(table, path, 100)
    assert orc.ORCFile(path).nstripes == 20
    for count in (1, 2, 7, 20, 50):
        found = read(slices(path, -(-path.stat().st_size // count)), OrcInput())
        assert [row["x"] for _, row in found] == table["x"].to_pylist()
        assert found[101][0] == (1 << 32) + 1
    splits = slices(path, -(-path.stat().st_size // 4))
    assert [len(read([split], OrcInput())) for split in splits] == [500] * 4


@pytest.mark.parametrize(("fmt", "write"), KINDS[:2], ids=BY_NAME[:2])
def test_equal_units_are_shared_equally(tmp_path: Path, fmt: InputFormat, write: Write) -> None:
    path = tmp_path / "data"
    write(pa.table({"x": list(range(8000))}), path, 1000)
    splits = slices(path, -(-path.stat().st_size // 4))
    assert [len(read([split], fmt)) for split in splits] == [2000] * 4


@pytest.mark.parametrize(("fmt", "write"), KINDS, ids=BY_NAME)
def test_columns_are_picked(tmp_path: Path, fmt: Any, write: Write) -> None:
    path = tmp_path / "data"
    table = pa.table({"x": [1, 2], "y": ["a", "b"], "z": [0.5, None], "w": [{"v": 1}, None]})
    write(table, path, 1)
    picked = type(fmt)(columns=("z", "x"))
    assert read_rows(whole(path), picked) == [{"z": 0.5, "x": 1}, {"z": None, "x": 2}]
    assert list(read_rows(whole(path), picked)[0]) == ["z", "x"]
    assert read_rows(whole(path), type(fmt)(columns=("w",))) == [{"w": {"v": 1}}, {"w": None}]
    with pytest.raises(InputError, match=r"data: has no column 'q', but x, y, z"):
        read(whole(path), type(fmt)(columns=("q",)))


@pytest.mark.parametrize(("fmt", "write"), KINDS, ids=BY_NAME)
def test_key_and_value_as_jobs_write_them(tmp_path: Path, fmt: InputFormat, write: Write) -> None:
    path = tmp_path / "part-r-00000"
    write(pa.table({"key": ["a", "b"], "value": [1, 2]}), path, 1)
    assert read(whole(path), fmt) == [("a", 1), ("b", 2)]
    given = batches(whole(path), fmt)
    assert [each.columns.schema.names for each in given] == [["key", "value"]] * 2
    assert given[0].places.to_pylist() == [0]


DAYS = [dt.date(2026, 11, day) for day in range(1, 21)]


@pytest.mark.parametrize(
    ("filters", "wanted", "groups"),
    [
        ((("n", ">=", 15),), range(15, 20), 1),
        ((("n", ">", 3), ("n", "<=", 6)), range(4, 7), 2),
        ((("n", "in", (1, 19)),), (1, 19), 2),
        ((("n", "!=", 0), ("t", "==", "t7")), (7,), 1),
        ((("d", "<", "2026-11-03"),), (0, 1), 1),
        ((("n", "not in", tuple(range(1, 20))),), (0,), 4),
        ((("n", ">", 99),), (), 0),
    ],
)
def test_parquet_filters(
    tmp_path: Path, filters: Any, wanted: Any, groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data"
    table = pa.table({"n": list(range(20)), "t": [f"t{n}" for n in range(20)], "d": DAYS})
    pq.write_table(table, path, row_group_size=5)
    fmt = ParquetInput(columns=("t",), filters=filters)
    assert read(whole(path), fmt) == [(n, {"t": f"t{n}"}) for n in wanted]
    assert read(slices(path, 100), fmt) == [(n, {"t": f"t{n}"}) for n in wanted]
    given = batches(whole(path), fmt)
    assert len(given) == groups, "row groups that statistics rule out are not read"


def test_parquet_filters_that_cannot_be(tmp_path: Path) -> None:
    path = tmp_path / "data"
    pq.write_table(pa.table({"n": [1]}), path)
    with pytest.raises(
        InputError, match=r"the column 'n' is int64 and cannot be compared with 'x'"
    ):
        read(whole(path), ParquetInput(filters=(("n", "==", "x"),)))
    with pytest.raises(InputError, match=r"has no column 'm'"):
        read(whole(path), ParquetInput(filters=(("m", "==", 1),)))


def test_a_parquet_batch_is_small_however_large_rows_and_row_groups_are(tmp_path: Path) -> None:
    path = tmp_path / "data"
    pq.write_table(pa.table({"t": ["x" * 100_000] * 1000}), path)
    sizes = [given.batch.nbytes for given in batches(whole(path), ParquetInput())]
    assert max(sizes) < 32 << 20
    assert sum(sizes) > 100_000_000


def test_a_dictionary_column_is_text_to_a_mapper(tmp_path: Path) -> None:
    path = tmp_path / "data"
    table = pa.table({"t": pa.array(["a", "b", "a"]).dictionary_encode()})
    pq.write_table(table, path)
    assert read(whole(path), ParquetInput()) == [(0, {"t": "a"}), (1, {"t": "b"}), (2, {"t": "a"})]


@pytest.mark.parametrize(("fmt", "write"), KINDS, ids=BY_NAME)
def test_damaged_files_are_named_with_what_to_do(
    tmp_path: Path, fmt: InputFormat, write: Write
) -> None:
    path = tmp_path / "data"
    write(pa.table({"x": list(range(1000)), "t": ["text"] * 1000}), path, 100)
    good = path.read_bytes()
    bad = [b"", b"no such format at all", good[: len(good) // 2], good[: len(good) - 7], good[9:]]
    for data in bad:
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"/data: cannot be read as .*replace it"):
            read(whole(path), fmt)
    for at in range(8, len(good), max(1, len(good) // 40)):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :])
        try:
            read(whole(path), fmt)
        except InputError as exc:
            assert str(path) in str(exc)  # noqa: PT017 (much damage is not noticed)


NESTED = pa.table({"x": list(range(100)), "st": [{"inner": n} for n in range(100)]})


@pytest.mark.parametrize(("fmt", "write"), KINDS, ids=BY_NAME)
def test_a_name_within_a_column_that_is_no_text_is_damage_too(
    tmp_path: Path, fmt: InputFormat, write: Write
) -> None:
    path = tmp_path / "data"
    write(NESTED, path, 100)
    if write is write_orc:
        orc.write_table(NESTED, path, compression="uncompressed")
    good = path.read_bytes()
    assert b"inner" in good
    path.write_bytes(good.replace(b"inner", b"\xffnner"))
    for read_it in (read, read_rows):
        with pytest.raises(InputError, match=r"/data: cannot be read as .*replace it"):
            read_it(whole(path), fmt)


def test_damage_names_its_stripe_or_batch(tmp_path: Path) -> None:
    path = tmp_path / "data"
    table = pa.table({"t": [f"text{n:07}" for n in range(2000)]})
    with orc.ORCWriter(
        path, batch_size=100, stripe_size=1024, compression="uncompressed"
    ) as writer:
        for batch in table.to_batches(100):
            writer.write(pa.Table.from_batches([batch]))
    count = orc.ORCFile(path).nstripes
    assert count > 2
    path.write_bytes(path.read_bytes().replace(b"text0001999", b"te\xfft0001999"))
    with pytest.raises(InputError, match=rf"/data: cannot be read as ORC: stripe {count} of "):
        read(whole(path), OrcInput())
    write_arrow(table, path, 100)
    path.write_bytes(path.read_bytes().replace(b"text0000150", b"te\xfft0000150"))
    with pytest.raises(InputError, match=r"record batch 2 of 20, column 't', row 50: "):
        read(whole(path), ArrowInput())


def test_compressed_lines_of_every_codec(tmp_path: Path) -> None:
    import bz2
    import gzip
    import lzma

    from mrmesos.api.formats import CsvInput, FixedWidthInput, JsonLinesInput

    data = b"".join(b'{"n": %d}\n' % n for n in range(1000))
    packed = {
        "gz": gzip.compress(data[:100]) + gzip.compress(data[100:]),
        "bz2": bz2.compress(data),
        "xz": lzma.compress(data[:100]) + lzma.compress(data[100:]),
        "zst": pa.Codec("zstd").compress(data).to_pybytes(),
        "lz4": pa.Codec("lz4").compress(data[:100]).to_pybytes()
        + pa.Codec("lz4").compress(data[100:]).to_pybytes(),
    }
    for codec, content in packed.items():
        path = tmp_path / f"data.{codec}"
        path.write_bytes(content)
        assert [row["n"] for _, row in read(whole(path), JsonLinesInput())] == list(range(1000))
        assert read(whole(path), FixedWidthInput(len(data)))[0] == (0, data)
        fmt = CsvInput(header=False, names=("j",), quote="")
        assert len(read(whole(path), fmt)) == 1000
        path.write_bytes(content[: len(content) - 9])
        with pytest.raises(
            InputError, match=rf"data.{codec}: cannot be read: .* file ends within this member"
        ):
            read(whole(path), JsonLinesInput())


@pytest.mark.parametrize(
    ("fmt", "write"),
    [(ParquetInput(), write_parquet), (ArrowInput(), write_arrow), (OrcInput(), write_orc)],
)
def test_nanoseconds_before_1970_are_cut_down_as_those_after(
    tmp_path: Path, fmt: InputFormat, write: Write
) -> None:
    moments = pa.array([-1, 1, -1001, 1001], pa.timestamp("ns"))
    nested = pa.StructArray.from_arrays([moments], names=["deep"])
    path = tmp_path / "file"
    write(pa.table({"at": moments, "in": nested}), path, 4)
    epoch = dt.datetime(1970, 1, 1)
    expected = [epoch + dt.timedelta(microseconds=each) for each in (-1, 0, -2, 1)]
    values = [value for given in batches(whole(path), fmt) for value in given.value_objects()]
    assert [value["at"] for value in values] == expected
    assert [value["in"]["deep"] for value in values] == expected
