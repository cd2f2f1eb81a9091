"""Files of gzip and zlib are read as zlib reads them: all headers (RFC 1952), levels and damage."""

from __future__ import annotations

import io
import random
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrmesos.io.compression.decompression import decompressed
from mrmesos.io.compression.members import CompressionError

EXTRA, NAME, COMMENT, HEADER_CRC = 4, 8, 16, 2
WINDOW_BITS = {"gzip": 31, "deflate": 15}
codecs = pytest.mark.parametrize("codec", WINDOW_BITS)
seeds = given(seed=st.integers(0, 2**32))


def words(rng: random.Random, most: int) -> bytes:
    return bytes(rng.choices(range(1, 256), k=rng.randrange(most)))


def header(rng: random.Random) -> bytes:
    flags = rng.randrange(32)
    made = bytes([0x1F, 0x8B, 8, flags]) + rng.randbytes(6)
    if flags & EXTRA:
        extra = rng.randbytes(rng.choice([0, 1, 300, 65535]))
        made += struct.pack("<H", len(extra)) + extra
    if flags & NAME:
        made += words(rng, 300) + b"\0"
    if flags & COMMENT:
        made += words(rng, 9000) + b"\0"
    return made + struct.pack("<H", zlib.crc32(made) & 0xFFFF) if flags & HEADER_CRC else made


def member(rng: random.Random, codec: str, data: bytes) -> bytes:
    window = rng.choice([9, 12, 15])
    level, strategy = rng.choice([0, 1, 6, 9]), rng.choice([0, 1, 2, 3, 4])
    bits = -window if codec == "gzip" else window
    compress = zlib.compressobj(level, zlib.DEFLATED, bits, rng.choice([1, 8, 9]), strategy)
    packed = b""
    for at in range(0, len(data), 5000):
        packed += compress.compress(data[at : at + 5000])
        if rng.random() < 0.3:
            packed += compress.flush(rng.choice([zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH]))
    packed += compress.flush()
    if codec == "deflate":
        return packed
    return header(rng) + packed + struct.pack("<II", zlib.crc32(data), len(data))


def some_data(rng: random.Random) -> bytes:
    kind = rng.choice(["none", "noise", "lines", "letters"])
    if kind == "noise":
        return rng.randbytes(rng.randrange(70_000))
    if kind == "lines":
        return b"a line\n" * rng.randrange(30_000)
    return bytes(rng.choices(b"abcdef \n", k=rng.randrange(20_000))) if kind == "letters" else b""


def by_zlib(codec: str, data: bytes) -> bytes | None:
    """All members. None if zlib finds one damaged or cut off, or if something else follows."""
    found = b""
    try:
        while data:
            inflate = zlib.decompressobj(WINDOW_BITS[codec])
            found += inflate.decompress(data)
            if not inflate.eof:
                return None
            data = inflate.unused_data.lstrip(b"\0")
    except zlib.error:
        return None
    return found


def by_us(codec: str, data: bytes, want: int) -> bytes | None:
    file = decompressed(io.BytesIO(data), codec)
    try:
        return b"".join(iter(lambda: file.read(want), b""))
    except CompressionError:
        return None


@codecs
@settings(max_examples=100)
@seeds
def test_every_header_is_read(codec: str, seed: int) -> None:
    """Headers with several fields, and longer than the pieces that a decoder gets."""
    rng = random.Random(seed)
    parts = [some_data(rng) for _ in range(rng.randrange(1, 5))]
    data = b"".join(member(rng, codec, part) for part in parts)
    assert by_us(codec, data, rng.choice([1000, 4096, 1 << 20])) == b"".join(parts)


@codecs
@settings(max_examples=100)
@seeds
def test_damage_is_found_as_zlib_finds_it(codec: str, seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(member(rng, codec, some_data(rng)))
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    cut = bytes(data[: rng.randrange(1, len(data) + 1)])
    for damaged in (bytes(data), cut):
        assert by_us(codec, damaged, 1 << 16) == by_zlib(codec, damaged)
