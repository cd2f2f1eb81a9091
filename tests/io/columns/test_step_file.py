"""The records of a step come back unchanged, and only if the chain itself wrote them."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
from itertools import chain
from pathlib import Path
from typing import Any

import fsspec
import pytest

from mrmesos.api.formats import StepInput, StepOutput
from mrmesos.api.split import FileSlice, Split
from mrmesos.io.columns.decode import decode_column
from mrmesos.io.columns.encode import encode_pairs
from mrmesos.io.columns.schema import KEY, VALUE
from mrmesos.io.columns.step_file import PIECE_BYTES
from mrmesos.io.fs.filesystem import InputError
from mrmesos.io.input.formats.registry import read_split
from mrmesos.io.output.writer import open_writer

Point = collections.namedtuple("Point", "x y")
KEYS = ["a", b"b", 3, 2.5, None, ("t", 1), dt.date(2026, 1, 1)]
VALUES = [{"k": 1}, [1, "x"], Point(1, 2), decimal.Decimal("1.50"), {1, 2}, 1 << 80, b"\xff\0"]


def write(path: Path, *pairs: tuple[list[Any], list[Any]], key: str = "secret") -> int:
    writer = open_writer(StepOutput(key), fsspec.filesystem("file"), str(path))
    for keys, values in pairs:
        writer.write(encode_pairs(keys, values))
    return writer.close()[0]


def read(
    path: Path, *cuts: tuple[int, int], key: str = "secret", records: bool = True
) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    slices = tuple(FileSlice(str(path), start, length) for start, length in cuts or [(0, -1)])
    for given in read_split(Split(slices, 1), StepInput(key), records=records):
        assert len(given.places) == given.batch.num_rows
        keys = given.keys or decode_column(given.batch.column(KEY))
        values = given.objects or decode_column(given.batch.column(VALUE))
        found += zip(keys, values, strict=True)
    return found


def test_all_types_come_back_also_beside_each_other(tmp_path: Path) -> None:
    path = tmp_path / "part"
    assert write(path, (KEYS, VALUES), (["x", "y"], [1, 2]), ([], []), ([1], [None])) == 10
    found = read(path)
    assert found == [*zip(KEYS, VALUES, strict=True), ("x", 1), ("y", 2), (1, None)]
    assert [type(value) for _, value in found[:7]] == list(map(type, VALUES))


def test_each_cut_reads_its_own_pieces(tmp_path: Path) -> None:
    path = tmp_path / "part"
    data = [bytes([number]) * (PIECE_BYTES // 2 + 1) for number in range(9)]
    write(path, *(([number], [data[number]]) for number in range(9)))
    size = path.stat().st_size
    thirds = [(size * i // 3, size * (i + 1) // 3 - size * i // 3) for i in range(3)]
    parts = [[key for key, _ in read(path, cut)] for cut in thirds]
    assert [*chain.from_iterable(parts)] == list(range(9))
    assert all(parts), "several maps can read one file"


def test_an_empty_part_has_no_records(tmp_path: Path) -> None:
    write(tmp_path / "part")
    assert read(tmp_path / "part") == []


def test_batch_mappers_get_plain_columns(tmp_path: Path) -> None:
    write(tmp_path / "part", (["a"], [Point(1, 2)]))
    assert read(tmp_path / "part", records=False) == [("a", {"x": 1, "y": 2})]


def test_what_another_wrote_is_not_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "part"
    write(path, (KEYS, VALUES), key="another")
    with pytest.raises(InputError, match="was not written by this chain; submit again without"):
        read(path)


@pytest.mark.parametrize("where", [20, -60, -3])
def test_a_changed_byte_is_noticed(tmp_path: Path, where: int) -> None:
    path = tmp_path / "part"
    write(path, (KEYS, VALUES))
    data = bytearray(path.read_bytes())
    data[where] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        read(path)


@pytest.mark.parametrize("length", [0, 10, 60])
def test_a_cut_file_is_noticed(tmp_path: Path, length: int) -> None:
    path = tmp_path / "part"
    write(path, (KEYS, VALUES))
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match=r"cut short|damaged"):
        read(path)
