"""Compressed files of every kind that is read, for tests."""

from __future__ import annotations

import bz2
import gzip
import importlib
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any

lz4_block: Any = importlib.import_module("lz4.block")
lz4_frame: Any = importlib.import_module("lz4.frame")
cramjam: Any = importlib.import_module("cramjam")
zstd: Any = importlib.import_module(
    "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
)

SKIPPABLE = b"\x5a\x2a\x4d\x18\x05\x00\x00\x00notes"


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def _lz4_legacy(data: bytes) -> bytes:
    blocks = [lz4_block.compress(piece, store_size=False) for piece in _pieces(data, 8 << 20)]
    return b"\x02\x21\x4c\x18" + b"".join(len(b).to_bytes(4, "little") + b for b in blocks)


def hadoop(
    compress: Callable[[bytes], bytes], data: bytes, block: int = 300, chunk: int = 128
) -> bytes:
    """The format of BlockCompressorStream."""
    out = b""
    for piece in _pieces(data, block):
        out += len(piece).to_bytes(4, "big")
        for part in _pieces(piece, chunk):
            packed = compress(part)
            out += len(packed).to_bytes(4, "big") + packed
    return out


def _snappy_raw(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(data))


def _lz4_raw(data: bytes) -> bytes:
    return bytes(lz4_block.compress(data, store_size=False))


KINDS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "bz2": ("bz2", bz2.compress),
    "xz": ("xz", lzma.compress),
    "lzma": ("lzma", lambda data: lzma.compress(data, lzma.FORMAT_ALONE)),
    "deflate": ("deflate", zlib.compress),
    "zstd": ("zstd", zstd.compress),
    "zstd with notes": ("zstd", lambda data: SKIPPABLE + zstd.compress(data) + SKIPPABLE),
    "lz4": ("lz4", lambda data: bytes(lz4_frame.compress(data))),
    "lz4 with notes": ("lz4", lambda data: SKIPPABLE + bytes(lz4_frame.compress(data))),
    "lz4 legacy": ("lz4", _lz4_legacy),
    "snappy": ("snappy", lambda data: bytes(cramjam.snappy.compress(data))),
    "Hadoop's snappy": ("snappy", lambda data: hadoop(_snappy_raw, data)),
    "Hadoop's lz4": ("lz4", lambda data: hadoop(_lz4_raw, data)),
}
"""By kind: the codec, and the function that compresses."""
