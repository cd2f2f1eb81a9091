"""All members of every codec, and one rule for what comes behind them."""

from __future__ import annotations

import io
import random
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrmesos.io.compression.decompression import decompressed
from mrmesos.io.compression.first_bytes import codec_in
from mrmesos.io.compression.members import CompressionError
from tests.io.compression.packing import KINDS, zstd

TEXT = "".join(f"{index} and {index * index}\n" for index in range(120)).encode()
kinds = pytest.mark.parametrize("kind", KINDS)


class Dripping(io.RawIOBase):
    """A file whose reads give few bytes."""

    def __init__(self, data: bytes, most: int) -> None:
        self._file, self._most = io.BytesIO(data), most

    def readable(self) -> bool:
        return True

    def readinto(self, space: Any) -> int:
        data = self._file.read(min(self._most, len(space)))
        space[: len(data)] = data
        return len(data)


def unpacked(kind: str, data: bytes, most: int = 1 << 20, want: int = 1 << 16) -> bytes:
    file = decompressed(Dripping(data, most), KINDS[kind][0])
    return b"".join(iter(lambda: file.read(want), b""))


@kinds
def test_the_first_bytes_tell_the_codec(kind: str) -> None:
    codec, compress = KINDS[kind]
    found = codec_in(compress(TEXT)[:512])
    # Nothing in Hadoop's lz4 blocks tells them; the name or compression= does.
    assert found == (None if kind == "Hadoop's lz4" else codec)


@kinds
@settings(max_examples=8)
@given(
    members=st.lists(st.binary(min_size=1, max_size=700), min_size=1, max_size=4),
    padding=st.integers(0, 40),
    most=st.integers(1, 300),
    want=st.integers(1, 900),
)
def test_all_members_are_read_and_zeros_are_padding(
    kind: str, members: list[bytes], padding: int, most: int, want: int
) -> None:
    packed = b"".join(KINDS[kind][1](member) for member in members) + bytes(padding)
    assert unpacked(kind, packed, most, want) == b"".join(members)


@kinds
def test_padding_may_be_long_and_members_may_be_many(kind: str) -> None:
    packed = KINDS[kind][1](TEXT)
    assert unpacked(kind, packed + bytes(1 << 20)) == TEXT
    assert unpacked(kind, 40 * packed) == 40 * TEXT
    assert unpacked(kind, b"") == b""


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"Hadoop's snappy", "Hadoop's lz4"}))
def test_a_member_may_follow_padding(kind: str) -> None:
    packed = KINDS[kind][1](TEXT)
    assert unpacked(kind, packed + bytes(512) + packed) == 2 * TEXT


@kinds
@pytest.mark.parametrize("zeros", [0, 3, 600])
@pytest.mark.parametrize("junk", [b"J", b"junk behind the data\n" * 40])
def test_junk_is_an_error_with_its_offset(kind: str, junk: bytes, zeros: int) -> None:
    packed = KINDS[kind][1](TEXT) + bytes(zeros)
    with pytest.raises(CompressionError, match=rf"bytes after .* from byte {len(packed)} "):
        unpacked(kind, packed + junk)


@kinds
def test_a_file_that_is_cut_off_is_an_error(kind: str) -> None:
    _, compress = KINDS[kind]
    packed = compress(TEXT)
    for size in (*range(1, len(packed) - 12, 17), *range(len(packed) - 12, len(packed))):
        try:
            got = unpacked(kind, packed[:size])
        except CompressionError as exc:
            words = str(exc)
            assert (
                "ends within this member" in words
                or "does not begin" in words
                or "bytes after" in words
            )
            continue
        # Formats without an end mark: what is there is complete.
        assert kind in ("Hadoop's snappy", "Hadoop's lz4", "snappy", "lz4 legacy") or (
            "notes" in kind
        ), size
        assert TEXT.startswith(got)


@kinds
def test_damage_tells_where_it_is(kind: str) -> None:
    codec, compress = KINDS[kind]
    noise = random.Random(7).randbytes(300_000)
    good, bad = compress(noise), bytearray(compress(noise))
    middle = len(bad) // 2
    bad[middle : middle + 600] = bytes(600)
    try:
        got = unpacked(kind, good + bytes(bad))
    except CompressionError as exc:
        words = str(exc)
        offsets = [int(number) for number in re.findall(r"\bbytes? (\d+)", words)]
        assert f"{codec} data" in words
        assert min(offsets) >= len(good)
    else:  # blocks that are stored and have no checksum
        assert codec in ("lz4", "zstd") or kind == "Hadoop's snappy"
        assert len(got) == 2 * len(noise)


def test_zstd_of_a_large_window() -> None:
    level, window = (
        zstd.CompressionParameter.compression_level,
        zstd.CompressionParameter.window_log,
    )
    packer = zstd.ZstdCompressor(options={level: 1, window: 28})
    packed = packer.compress(TEXT) + packer.flush()
    assert unpacked("zstd", packed) == TEXT


def test_what_does_not_begin_as_said() -> None:
    for kind in KINDS:
        with pytest.raises(CompressionError, match=r"does not begin as \w+ data"):
            unpacked(kind, b"plain text\n" * 9)
        with pytest.raises(CompressionError):
            unpacked(kind, bytes(900))
