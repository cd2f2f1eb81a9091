"""Compression of whole input files: recognised by content, and opened.

Input: the first bytes of a file, or the file. Output: a codec's name, or a file of decompressed
bytes. Magic numbers are those of file(1). No text begins with one of them. Imports no pyarrow until
a file is opened, because clients and the JobTracker use the names.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zipfile
from typing import Any

HEAD_BYTES = 512
"""So many bytes of a file tell what it holds."""
CODECS = ("gzip", "bz2", "zstd", "lz4", "xz", "zip")
"""What can be read."""

_MAGIC = (
    (b"\x1f\x8b\x08", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
)
_BZ2 = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")
_OTHERS = (
    (b"\xff\x06\x00\x00sNaPpY", "snappy data"),
    (b"\x1f\x9d", "data of compress"),
    (b"\x89LZO\x00\r\n\x1a\n", "lzop data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"PAR1\x15", "a Parquet file; read it with ParquetInput()"),
    (b"ARROW1\x00\x00", "an Arrow file; read it with ArrowInput()"),
    (b"Obj\x01", "an Avro file"),
    (b"SEQ\x06", "a SequenceFile"),
)
_NAMES = (".snappy", ".lzo", ".lzo_deflate", ".deflate", ".z", ".7z", ".rar", ".tar", ".tgz")
_TAR_AT = 257
_BUFFER = 1 << 18


class NotOneFile(Exception):
    """A zip archive that does not hold exactly one file."""


def codec_in(head: bytes) -> str | None:
    """The codec of a file that begins with these bytes; None for all that is not compressed."""
    if _BZ2.match(head):
        return "bz2"
    return next((codec for magic, codec in _MAGIC if head.startswith(magic)), None)


def not_text(head: bytes) -> str | None:
    """What a file holds that begins with these bytes, if they are surely no text."""
    if head[_TAR_AT : _TAR_AT + 5] == b"ustar":
        return "a tar archive"
    if codec := codec_in(head):
        return f"{codec} data"
    return next((words for magic, words in _OTHERS if head.startswith(magic)), None)


def unreadable_name(uri: str) -> str | None:
    """The end of a name that stands for a compression or archive that is not read."""
    return next((end for end in _NAMES if uri.lower().endswith(end)), None)


def decompressed(file: Any, codec: str) -> Any:
    """The decompressed bytes of an open file: of all members and frames, zeros at the end ignored.

    Raises NotOneFile for a zip archive, and the errors of the codec when it is read.
    """
    match codec:
        case "gzip":
            return gzip.GzipFile(fileobj=io.BufferedReader(file, _BUFFER))
        case "bz2":
            return bz2.BZ2File(file)
        case "xz":
            return lzma.LZMAFile(file)
        case "zip":
            return _only_member(zipfile.ZipFile(file))
    import pyarrow as pa

    # Arrow goes on with the next frame, and fails at one that is cut off.
    return pa.CompressedInputStream(pa.PythonFile(file, mode="r"), codec)


def _only_member(archive: zipfile.ZipFile) -> Any:
    members = [each for each in archive.infolist() if not each.is_dir()]
    if len(members) != 1:
        raise NotOneFile(f"the zip archive holds {len(members)} files, not one; unpack it")
    return archive.open(members[0])
