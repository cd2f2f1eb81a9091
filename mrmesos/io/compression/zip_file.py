"""The one file in a zip archive. The rule for the bytes around it is that of the other codecs.

Input: an open file that can seek. Output: a raw file. Zeros after the archive are padding. Other
bytes before or after it are an error. Raises CompressionError.
"""

from __future__ import annotations

import io
import os
import zipfile
from typing import Any

from mrmesos.io.compression.members import CompressionError

_END_RECORD = b"PK\x05\x06"
_END_BYTES = 22
_COMMENT_MAX = (1 << 16) - 1
_PIECE = 1 << 16
_OF_MACOS = "__MACOSX/"


def only_file(file: Any) -> io.RawIOBase:
    """The decompressed bytes of the only file in an archive."""
    try:
        size = file.seek(0, os.SEEK_END)
        if not size:
            return _Window(file, 0)
        archive = zipfile.ZipFile(_Window(file, _end(file, size)))
        found = [each for each in archive.infolist() if not _is_beside(each)]
        if len(found) != 1:
            raise CompressionError(f"the zip archive holds {len(found)} files, not one; unpack it")
        before = min(each.header_offset for each in archive.infolist())
        if before:
            raise CompressionError(f"{before} bytes come before the zip archive; unpack it")
        return _Member(archive.open(found[0]))
    except OSError:
        raise
    except Exception as exc:  # encrypted, damaged, or a method that Python does not know
        raise _unreadable(exc) from exc


def _is_beside(member: zipfile.ZipInfo) -> bool:
    """Whether this is not a file of the user's: a directory, or a file with macOS' own notes."""
    return member.is_dir() or member.filename.startswith(_OF_MACOS)


def _unreadable(exc: BaseException) -> CompressionError:
    words = " ".join(str(exc).split()) or type(exc).__name__
    return CompressionError(f"the zip archive is damaged, cut off or encrypted: {words}")


def _end(file: Any, size: int) -> int:
    """The offset after the archive. Raises CompressionError if other bytes follow it."""
    filled = _without_zeros(file, size)
    first = max(0, filled - _END_BYTES - _COMMENT_MAX)
    file.seek(first)
    data = _exactly(file, min(filled + _END_BYTES, size) - first)
    at = data.rfind(_END_RECORD)
    if at < 0:
        raise CompressionError(
            "the zip archive has no end record; it was cut off, or many other bytes follow it: "
            "copy it again"
        )
    end = first + at + _END_BYTES + int.from_bytes(data[at + 20 : at + 22], "little")
    if end < filled:
        raise CompressionError(
            f"bytes after the zip archive, from byte {end} of the file on; cut them off if nobody "
            f"needs them: head -c {end} FILE"
        )
    return min(end, size)


def _without_zeros(file: Any, size: int) -> int:
    """The size without the zeros at the end."""
    while size:
        first = max(0, size - _PIECE)
        file.seek(first)
        data = _exactly(file, size - first).rstrip(b"\0")
        size = first + len(data)
        if data:
            break
    return size


def _exactly(file: Any, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := file.read(count - len(data))):
        data += more
    return data


class _Window(io.RawIOBase):
    """The first `size` bytes of a file."""

    def __init__(self, file: Any, size: int) -> None:
        super().__init__()
        self._file, self._size, self._at = file, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError("negative offset")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, count: int = -1) -> bytes:
        left = max(0, self._size - self._at)
        self._file.seek(self._at)
        data = _exactly(self._file, left if count < 0 else min(count, left))
        self._at += len(data)
        return data


class _Member(io.RawIOBase):
    """An opened member, whose errors are CompressionErrors."""

    def __init__(self, member: Any) -> None:
        super().__init__()
        self._member = member

    def readable(self) -> bool:
        return True

    def readinto(self, space: Any) -> int:
        try:
            return int(self._member.readinto(space))
        except OSError:
            raise
        except Exception as exc:  # of zlib, bz2, lzma or zipfile
            raise _unreadable(exc) from exc
