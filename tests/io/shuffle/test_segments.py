from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrmesos.conf import Conf, ConfError
from mrmesos.io.columns.encode import decode_batch, encode_pairs
from mrmesos.io.shuffle.segments import (
    CorruptSegmentError,
    Segment,
    codec_of,
    read_segment,
    write_segment,
)
from tests.io.keys import key_lists, numbered

CODECS = ["auto", "lz4", "zstd", None]


def pairs_of(batches: Any) -> list[tuple[Any, Any]]:
    return [pair for batch in batches for pair in zip(*decode_batch(batch), strict=True)]


@given(st.lists(key_lists(20), max_size=4), st.sampled_from(CODECS))
def test_what_is_written_is_read(columns: list[list[Any]], codec: str | None) -> None:
    file = io.BytesIO(b"before")
    file.seek(0, io.SEEK_END)
    batches = [numbered(keys) for keys in columns]
    segment = write_segment(file, batches, codec=codec, batch_bytes=64)
    data = file.getvalue()
    assert segment.offset == 6
    assert segment.length == len(data) - 6
    assert segment.rows == sum(map(len, columns))
    assert (segment.length == 0) == (segment.rows == 0)
    back = list(read_segment(data[6:], segment))
    assert repr(pairs_of(back)) == repr(pairs_of(batches))


@pytest.mark.parametrize("codec", CODECS)
def test_segments_of_a_file(tmp_path: Path, codec: str | None) -> None:
    path = tmp_path / "data"
    columns: list[list[Any]] = [["a"] * 1000, [], [1, 2, 3], [(None, b"x")]]
    with path.open("wb") as file:
        segments = [write_segment(file, [numbered(keys)], codec=codec) for keys in columns]
    assert path.stat().st_size == sum(segment.length for segment in segments)
    for keys, segment in zip(columns, segments, strict=True):
        assert [key for key, _ in pairs_of(read_segment(path, segment))] == keys
        data = path.read_bytes()[segment.offset : segment.offset + segment.length]
        assert [key for key, _ in pairs_of(read_segment(pa.py_buffer(data), segment))] == keys
        assert [key for key, _ in pairs_of(read_segment(memoryview(data), segment))] == keys


def test_types_may_change_within_a_segment() -> None:
    file = io.BytesIO()
    values: list[list[Any]] = [[1], [2], [0.5], [{1}], ["text"]]
    segment = write_segment(file, [encode_pairs(["k"], value) for value in values])
    back = [pair[1] for pair in pairs_of(read_segment(file.getvalue(), segment))]
    assert back == [1, 2, 0.5, {1}, "text"]


class Counted(io.BytesIO):
    """Counts its writes."""

    writes = 0

    def write(self, data: Any) -> int:
        self.writes += 1
        return super().write(data)


@pytest.mark.parametrize("codec", CODECS)
def test_a_small_segment_is_one_write(codec: str | None) -> None:
    file = Counted()
    segment = write_segment(file, [numbered([1])], codec=codec)
    assert file.writes == 1
    assert segment.length == len(file.getvalue())


def test_batches_are_small() -> None:
    file = io.BytesIO()
    batch = numbered(list(range(100_000)))
    segment = write_segment(file, [batch], batch_bytes=1 << 14)
    sizes = [each.nbytes for each in read_segment(file.getvalue(), segment)]
    assert len(sizes) > 90
    assert max(sizes) <= 1 << 14


@pytest.mark.parametrize("codec", CODECS)
def test_any_flipped_byte_is_found(codec: str | None) -> None:
    file = io.BytesIO()
    segment = write_segment(file, [numbered(["a", "b", "c"])], codec=codec)
    data = file.getvalue()
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x10
        with pytest.raises(CorruptSegmentError, match=r"map 7.*checksum"):
            next(read_segment(bytes(damaged), segment, name="map 7, partition 0"))


def test_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "output.data"
    with path.open("wb") as file:
        segment = write_segment(file, [numbered(list(range(1000)))])
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    with pytest.raises(CorruptSegmentError, match=r"output\.data at 0: cut short by 1 bytes"):
        list(read_segment(path, segment))
    path.write_bytes(data[:-9] + b"\x01" + data[-8:])
    with pytest.raises(CorruptSegmentError, match=r"output\.data at 0: checksum"):
        list(read_segment(path, segment))
    with pytest.raises(CorruptSegmentError, match="instead of"):
        list(read_segment(data[:-1], segment))
    path.unlink()
    with pytest.raises(FileNotFoundError):
        list(read_segment(path, segment))


def test_an_index_that_disagrees(tmp_path: Path) -> None:
    file = io.BytesIO()
    segment = write_segment(file, [numbered([1, 2, 3])])
    wrong = Segment(segment.offset, segment.length, 4, segment.crc32)
    with pytest.raises(CorruptSegmentError, match="3 rows instead of 4"):
        list(read_segment(file.getvalue(), wrong))


def test_codecs() -> None:
    assert codec_of(Conf()) == "auto"
    assert codec_of(Conf({"map.output.compress.codec": "none"})) is None
    with pytest.raises(ConfError, match="expected auto, lz4, zstd or none"):
        codec_of(Conf({"map.output.compress.codec": "rar"}))


def written(batches: list[pa.RecordBatch], codec: str | None) -> bytes:
    file = io.BytesIO()
    segment = write_segment(file, batches, codec=codec)
    assert sum(batch.num_rows for batch in read_segment(file.getvalue(), segment)) == sum(
        batch.num_rows for batch in batches
    )
    return file.getvalue()


def texts(make: Callable[[int], bytes], count: int) -> pa.RecordBatch:
    return encode_pairs([make(number) for number in range(count)], [None] * count)


@pytest.mark.parametrize(
    ("make", "count", "expected"),
    [
        (lambda number: b"%d: the same words again" % number, 5_000, "lz4"),
        (lambda number: random.Random(number).randbytes(100), 5_000, None),
        (lambda number: random.Random(number).randbytes(80) + b"x" * 15, 5_000, None),
        (lambda number: b"%d: the same words again" % number, 10, None),
        (lambda number: b"x" * 1_000_000, 2, "lz4"),
        (lambda number: random.Random(number).randbytes(1_000_000), 2, None),
    ],
)
def test_map_output_is_compressed_if_that_saves_enough(
    make: Callable[[int], bytes], count: int, expected: str | None
) -> None:
    batch = texts(make, count)
    assert written([batch], "auto") == written([batch], expected)


def test_each_partition_and_each_type_has_its_own_compression() -> None:
    noise = random.Random(1)
    batches = [
        encode_pairs([noise.getrandbits(62) for _ in range(9_000)], [None] * 9_000),
        texts(lambda number: b"the same words again", 9_000),
    ]
    found = written(batches, "auto")
    assert found == written(batches[:1], None) + written(batches[1:], "lz4")


def test_the_middle_of_a_batch_is_the_sample() -> None:
    """The first keys of a sorted run may be alike where most are not."""
    noise = random.Random(1)
    batch = texts(lambda number: b"a" * 100 if number < 700 else noise.randbytes(100), 10_000)
    assert written([batch], "auto") == written([batch], None)
