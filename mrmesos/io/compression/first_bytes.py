"""Tells what a file holds, by its name and its first bytes. It has the only table of first bytes.

Input: a name, or the first bytes of a file. Output: a codec's name, an encoding, or a description
of content that is not text. Magic numbers are those of file(1). No text begins with one of them.
Imports no pyarrow, because clients and the JobTracker use the names.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator

HEAD_BYTES = 512
"""This many bytes of a file tell what it holds."""
SUFFIXES = {"gzip": ".gz", "bz2": ".bz2", "zstd": ".zst", "lz4": ".lz4", "xz": ".xz"}
"""Codecs of outputs, and the endings of their names."""
CODECS = (*SUFFIXES, "zip", "lzma", "deflate", "snappy")
"""Codecs of inputs. `deflate` is zlib's stream, as Hadoop's DefaultCodec writes it."""
_BY_SUFFIX = {
    **{suffix: codec for codec, suffix in SUFFIXES.items()},
    ".zip": "zip",
    ".lzma": "lzma",
    ".deflate": "deflate",
    ".snappy": "snappy",
    ".sz": "snappy",
}
_UNREADABLE = (
    *(".lzo", ".lzo_deflate", ".z", ".7z", ".rar", ".br", ".lz"),
    *(".tar", ".tgz", ".tbz2", ".txz", ".tzst"),
)

SNAPPY_FRAMES = b"\xff\x06\x00\x00sNaPpY"
LZ4_LEGACY = b"\x02\x21\x4c\x18"
_MAGIC = (
    (b"\x1f\x8b\x08", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (LZ4_LEGACY, "lz4"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (SNAPPY_FRAMES, "snappy"),
)
_BZ2 = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")
_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
_LZMA = re.compile(rb"\x5d\x00\x00.{2}(?:\xff{8}|.{5}\x00{3})", re.DOTALL)
_ZLIB = re.compile(rb"\x78[\x01\x5e\x9c\xda]")
COLUMNS = {
    b"PAR1\x15": ("parquet", "a Parquet file; read it with ParquetInput()"),
    b"ARROW1\x00\x00": ("arrow", "an Arrow file; read it with ArrowInput()"),
    b"Obj\x01": ("avro", "an Avro file; read it with AvroInput()"),
    b"ORC": ("orc", "an ORC file; read it with OrcInput()"),
    b"FEA1": ("", "Feather version 1, which is no Arrow IPC; write it again as version 2"),
}
"""Files with columns. Text may also begin with "ORC" or "FEA1", but then it has no zero byte."""
_OTHERS = (
    (b"\x1f\x9d", "data of compress"),
    (b"\x89LZO\x00\r\n\x1a\n", "lzop data"),
    (b"LZIP\x01", "lzip data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"SEQ\x06", "a Hadoop SequenceFile, which mrmesos does not read"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
)
_TAR_AT = 257
_WIDE = (  # UTF-32 first: its mark begins with that of UTF-16
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
BLOCK_MAX = 1 << 26
"""Hadoop's block codecs write at most this many bytes a block. Text never begins like this."""


def codec_of(uri: str) -> str | None:
    """The compression by file name: one of CODECS, or None."""
    return _BY_SUFFIX.get(os.path.splitext(uri)[1].lower())  # noqa: PTH122 (a URI is no Path)


def marked_codec(head: bytes) -> str | None:
    """The codec that a magic number names. Binary data hardly ever begins with one by chance."""
    if _BZ2.match(head):
        return "bz2"
    return next((codec for magic, codec in _MAGIC if head.startswith(magic)), None)


def codec_in(head: bytes) -> str | None:
    """The codec of a file that begins with these bytes. None if the file is not compressed.

    Some codecs have no magic number. So binary data may be mistaken for theirs, but text cannot be.
    """
    if codec := marked_codec(head):
        return codec
    if is_skippable(head):
        behind = 8 + int.from_bytes(head[4:8], "little")
        return codec_in(head[behind:]) or "zstd"  # lz4 and zstd share these frames
    if _LZMA.match(head):
        return "lzma"
    if hadoop_blocks(head) and _begins_snappy(head):
        return "snappy"
    return "deflate" if _is_zlib(head) else None


def is_skippable(head: bytes) -> bool:
    """Whether a frame begins here that readers of lz4 and zstd skip."""
    return _SKIPPABLE.match(head) is not None


def hadoop_blocks(head: bytes) -> bool:
    """Whether Hadoop's BlockCompressorStream may have written this: two lengths, then data."""
    size, packed = (int.from_bytes(head[at : at + 4], "big") for at in (0, 4))
    return len(head) > 8 and 0 < size <= BLOCK_MAX and 0 < packed <= size + size // 6 + 64


def _begins_snappy(head: bytes) -> bool:
    """Whether the first chunk's own length agrees with the block's."""
    length = 0
    for index, byte in enumerate(head[8:13]):
        length |= (byte & 127) << (7 * index)
        if byte < 128:
            return 0 < length <= int.from_bytes(head[:4], "big")
    return False


def _is_zlib(head: bytes) -> bool:
    """Two bytes are too few to decide ("x^2" is text), so this inflates the bytes that it has."""
    if not _ZLIB.match(head):
        return False
    inflate = zlib.decompressobj()
    try:
        inflate.decompress(head, 1 << 16)
    except zlib.error:
        return False
    return inflate.eof or len(head) >= HEAD_BYTES


def columns_in(head: bytes) -> str | None:
    """`parquet`, `arrow`, `orc` or `avro`, if a file that begins with these bytes is one."""
    return next((name for name, _ in _with_columns(head)), None) or None


def _with_columns(head: bytes) -> Iterator[tuple[str, str]]:
    for magic, columns in COLUMNS.items():
        if head.startswith(magic) and (b"\0" in head or not magic.isalnum()):
            yield columns


def not_text(head: bytes) -> str | None:
    """The kind of a file with these first bytes, if it surely is not text."""
    if head[_TAR_AT : _TAR_AT + 5] == b"ustar":
        return "a tar archive"
    if codec := codec_in(head):
        return f"{codec} data"
    for _, words in _with_columns(head):
        return words
    return next((words for magic, words in _OTHERS if head.startswith(magic)), None)


def wide_encoding(head: bytes) -> str | None:
    """`utf-16` or `utf-32`, if the file begins with the byte order mark of one."""
    return next((encoding for mark, encoding in _WIDE if head.startswith(mark)), None)


def unreadable_name(uri: str) -> str | None:
    """The ending of a name if it stands for a compression or archive that we do not read."""
    return next((end for end in _UNREADABLE if uri.lower().endswith(end)), None)
