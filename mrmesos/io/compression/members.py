"""Decoders of one member, frame or block of a compressed file.

Input: a codec, and the bytes where a member should begin. Output: an object with the interface of
`bz2.BZ2Decompressor`. Libraries decode. Our code only cuts a file into blocks where no library
does: Hadoop's BlockCompressorStream, the chunks of framed snappy, lz4's legacy frames. A codec's
library is imported with its first file.
"""

from __future__ import annotations

import bz2
import importlib
import lzma
import re
import sys
import zlib
from collections.abc import Callable
from typing import Any, Protocol

from isal.igzip_lib import DECOMP_GZIP, DECOMP_ZLIB, IgzipDecompressor

from mrmesos.io.compression.first_bytes import (
    LZ4_LEGACY,
    SNAPPY_FRAMES,
    hadoop_blocks,
    is_skippable,
    marked_codec,
)

LOOK = 16
"""This many bytes tell whether a member begins. Only at the end of the file there are fewer."""
_ONE_FIELD = (b"\x00", b"\x04", b"\x08", b"\x10")
"""Flags of a gzip header with at most one optional field: extra, name or comment (RFC 1952)."""
_GZIP_WINDOW_BITS = 31  # zlib: the largest window, and a header of gzip
_LEGACY_BYTES = 8 << 20
_LEGACY_PACKED = _LEGACY_BYTES + (_LEGACY_BYTES >> 7)
_CHUNK_MAX = 1 << 17
"""More than the compressed bytes of a chunk of 64 KiB can be."""
_LZMA_SIZE = re.compile(rb".{5}(?:\xff{8}|.{5}\x00{3})", re.DOTALL)
_ZSTD_WINDOW_LOG = 31  # what `zstd --long=31` writes


class CompressionError(OSError):
    """Compressed data cannot be read. The message says where in the file and why."""


class MemberDecoder(Protocol):
    """Decompresses one member, as `bz2.BZ2Decompressor` does."""

    @property
    def eof(self) -> bool:
        """Whether the member is complete."""

    @property
    def needs_input(self) -> bool:
        """Whether it needs more data to go on."""

    @property
    def unused_data(self) -> Any:
        """The bytes after the member, of those that were given to it."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """The next bytes, at most `max_length`. It keeps data that it does not need yet."""


class _Inflate:
    """zlib's decompressor of gzip with the interface of the others."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(_GZIP_WINDOW_BITS)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        return not (self._inflate.eof or self._inflate.unconsumed_tail)

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        held = self._inflate.unconsumed_tail
        return self._inflate.decompress(held + data if held else data, max(0, max_length))


class _Blocks:
    """Blocks with a length before each, up to `eof`. A subclass cuts and decodes them."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._out = memoryview(b"")
        self._ended = False
        self._starved = True

    @property
    def eof(self) -> bool:
        return self._ended and not self._out

    @property
    def needs_input(self) -> bool:
        return self._starved

    @property
    def unused_data(self) -> bytes:
        return bytes(self._held) if self.eof else b""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        self._held += data
        self._starved = False
        while not self._out and not self._ended:
            step = self.step(self._held)
            if step is None:
                self._starved = True
                break
            used, decoded = step
            del self._held[:used]
            self._out = memoryview(decoded)
        taken = self._out if max_length < 0 else self._out[:max_length]
        self._out = self._out[len(taken) :]
        return bytes(taken)

    def step(self, held: bytearray) -> tuple[int, bytes] | None:
        """The number of bytes that it used, and the decoded bytes. None if it needs more bytes."""
        raise NotImplementedError


class _HadoopBlock(_Blocks):
    """A block of BlockCompressorStream: its length, then chunks with a length each, big-endian."""

    def __init__(self, decode: Callable[[bytes, int], bytes]) -> None:
        super().__init__()
        self._decode = decode
        self._left = -1

    def step(self, held: bytearray) -> tuple[int, bytes] | None:
        if len(held) < 4:
            return None
        length = int.from_bytes(held[:4], "big")
        if self._left < 0:
            self._left = length
            return 4, b""
        if len(held) < 4 + length:
            if length > self._left + self._left // 6 + 64:
                raise CompressionError(f"a chunk of {length} bytes in a block of {self._left}")
            return None
        decoded = self._decode(bytes(held[4 : 4 + length]), self._left)
        self._left -= len(decoded)
        if self._left < 0 or not decoded:
            raise CompressionError("a chunk is longer than its block")
        self._ended = not self._left
        return 4 + length, decoded


class _SnappyChunk(_Blocks):
    """One chunk of framed snappy. The library decodes it and compares its checksum."""

    def __init__(self, decode: Callable[[bytes], bytes]) -> None:
        super().__init__()
        self._decode = decode

    def step(self, held: bytearray) -> tuple[int, bytes] | None:
        size = 4 + int.from_bytes(held[1:4], "little")
        if len(held) < max(4, size):
            return None
        self._ended = True
        chunk = bytes(held[:size])
        if chunk[0] >= 0x80:  # padding, or the beginning of a stream
            return size, b""
        return size, self._decode(SNAPPY_FRAMES + chunk)


class _Lz4Legacy(_Blocks):
    """A block of lz4's first format (`lz4 -l`, Linux kernels), which marks no end."""

    def __init__(self, decode: Callable[[bytes, int], bytes]) -> None:
        super().__init__()
        self._decode = decode

    def step(self, held: bytearray) -> tuple[int, bytes] | None:
        if held[:4] == LZ4_LEGACY:
            self._ended = True
            return 4, b""
        size = 4 + int.from_bytes(held[:4], "little")
        if len(held) < max(4, size):
            return None
        self._ended = True
        return size, self._decode(bytes(held[4:size]), _LEGACY_BYTES)


def next_member(codec: str, head: bytes, previous: MemberDecoder | None) -> MemberDecoder | None:
    """The decoder of the member that begins with these bytes. None if none begins here.

    `previous` is the decoder of the bytes directly before: a block may follow a block of its kind.
    None stands for the start of the file or padding. Raises CompressionError if the codec's library
    is not installed.
    """
    match codec:
        case "gzip" if head.startswith(b"\x1f\x8b"):
            return _gzip(head)
        case "bz2" if marked_codec(head) == "bz2":
            return bz2.BZ2Decompressor()
        case "xz" if marked_codec(head) == "xz":
            return lzma.LZMADecompressor(lzma.FORMAT_XZ)
        case "lzma" if len(head) > 12 and 0 < head[0] < 225 and _LZMA_SIZE.match(head):
            return lzma.LZMADecompressor(lzma.FORMAT_ALONE)
        case "deflate" if (
            len(head) > 1 and head[0] & 15 == 8 and head[0] * 256 % 31 == -head[1] % 31
        ):
            return IgzipDecompressor(flag=DECOMP_ZLIB)
        case "zstd" if marked_codec(head) == "zstd" or is_skippable(head):
            return _zstd()
        case "lz4":
            return _lz4(head, previous)
        case "snappy":
            return _snappy(head, previous)
    return None


def _gzip(head: bytes) -> MemberDecoder:
    """isal is three times as fast as zlib. But it does not check the CRC of a header, and it loses
    a header of several optional fields that it gets in two pieces.
    """
    return IgzipDecompressor(flag=DECOMP_GZIP) if head[3:4] in _ONE_FIELD else _Inflate()


def _zstd() -> MemberDecoder:
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    library = importlib.import_module(name)
    options = {library.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
    member: MemberDecoder = library.ZstdDecompressor(options=options)
    return member


def _lz4(head: bytes, previous: MemberDecoder | None) -> MemberDecoder | None:
    if is_skippable(head) or (marked_codec(head) == "lz4" and not head.startswith(LZ4_LEGACY)):
        frame: MemberDecoder = importlib.import_module("lz4.frame").LZ4FrameDecompressor()
        return frame
    legacy = head.startswith(LZ4_LEGACY)
    if isinstance(previous, _Lz4Legacy) and len(head) > 4:
        legacy = legacy or 0 < int.from_bytes(head[:4], "little") <= _LEGACY_PACKED
    hadoop = isinstance(previous, _HadoopBlock | None) and not legacy and hadoop_blocks(head)
    if not (legacy or hadoop):
        return None
    library = importlib.import_module("lz4.block")

    def decode(data: bytes, most: int) -> bytes:
        return bytes(library.decompress(data, uncompressed_size=most))

    return _HadoopBlock(decode) if hadoop else _Lz4Legacy(decode)


def _snappy(head: bytes, previous: MemberDecoder | None) -> MemberDecoder | None:
    framed = head.startswith(SNAPPY_FRAMES)
    if isinstance(previous, _SnappyChunk) and any(head[:4]):
        length = int.from_bytes(head[1:4], "little")
        framed = framed or (head[0] < 2 and 4 < length <= _CHUNK_MAX) or head[0] >= 0x80
    hadoop = isinstance(previous, _HadoopBlock | None) and hadoop_blocks(head)
    if not (framed or hadoop):
        return None
    try:
        library = importlib.import_module("cramjam").snappy
    except ImportError as exc:
        raise CompressionError(
            "holds snappy data; to read it, install here and on all agents: "
            "pip install 'mrmesos[snappy]'"
        ) from exc
    if framed:
        return _SnappyChunk(lambda chunk: bytes(library.decompress(chunk)))
    return _HadoopBlock(lambda data, _: bytes(library.decompress_raw(data)))
