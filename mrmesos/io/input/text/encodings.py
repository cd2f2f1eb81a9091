"""Encodings of text files: which of them allow cutting a file, and reading the others as UTF-8.

If an encoding contains ASCII, a file is cut into lines before it is decoded. Files in other
encodings (UTF-16, UTF-32, EBCDIC) are decoded from their start on and read as UTF-8, so one map
reads such a file. CSV and JSON lines are parsed as UTF-8. For them, files in encodings of one byte
a character are cut, too. Files in other encodings that contain ASCII (Shift JIS, GB 18030) are not.
Imports no pyarrow.
"""

from __future__ import annotations

import codecs
import io
import sys
from functools import cache
from typing import Any

_PIECE = 1 << 16


@cache
def is_utf8(encoding: str) -> bool:
    """Whether text in this encoding is UTF-8, with or without a byte order mark."""
    return bool(encoding) and codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")


@cache
def contains_ascii(encoding: str) -> bool:
    """Whether ASCII text has the same bytes in this encoding, except for a byte order mark."""
    return "\r\n\taZ09".encode(encoding).endswith(b"\r\n\taZ09")


@cache
def is_single_byte(encoding: str) -> bool:
    """Whether every byte is one character, and the first 128 are ASCII."""
    info = codecs.lookup(encoding)
    module = sys.modules.get(getattr(info.incrementaldecoder, "__module__", ""))
    table = hasattr(module, "decoding_table") or info.name in ("iso8859-1", "ascii")
    return table and contains_ascii(encoding)


def read_as_utf8(encoding: str, *, parsed: bool) -> bool:
    """Whether files in this encoding are decoded from their start on. Then they are never cut.

    `parsed` is for formats that parse text (CSV, JSON lines) instead of passing it on.
    """
    if not encoding or is_utf8(encoding):
        return False
    return not (is_single_byte(encoding) if parsed else contains_ascii(encoding))


@cache
def utf8_lengths(encoding: str) -> tuple[int, ...]:
    """How many bytes of UTF-8 each byte of a single-byte encoding takes. 1 if it does not
    decode.
    """
    return tuple(
        len(bytes([byte]).decode(encoding, "surrogateescape").encode("utf-8", "surrogateescape"))
        for byte in range(256)
    )


class Undecodable(ValueError):
    """Text does not decode. The message names the encoding and the offset in the file."""


class AsUtf8(io.RawIOBase):
    """The text of an open file as UTF-8. `head` has been read from it already."""

    def __init__(self, file: Any, head: bytes, encoding: str, errors: str) -> None:
        super().__init__()
        self._file, self._head, self._encoding = file, head, codecs.lookup(encoding).name
        self._decoder = codecs.getincrementaldecoder(encoding)(errors)
        self._out = memoryview(b"")
        self._fed = 0
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, space: Any) -> int:
        """Fill a part of `space`; 0 at the end. Raises Undecodable."""
        view = memoryview(space).cast("B")
        while not self._out and not self._ended:
            data, self._head = self._head or self._file.read(_PIECE), b""
            self._ended = not data
            self._out = memoryview(self._decoded(data).encode())
        count = min(len(view), len(self._out))
        view[:count] = self._out[:count]
        self._out = self._out[count:]
        return count

    def _decoded(self, data: bytes) -> str:
        held = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(data, self._ended)
        except UnicodeDecodeError as exc:
            at = self._fed - held + exc.start
            raise Undecodable(
                f"the text at offset {at} is not {exc.encoding}: {exc.reason}; name the right "
                "encoding=... in the input format"
            ) from exc
        except UnicodeError as exc:  # of utf-16 and utf-32
            raise Undecodable(
                f"it has no byte order mark, which encoding={self._encoding!r} needs; name "
                f"encoding='{self._encoding}-le' or '{self._encoding}-be' in the input format"
            ) from exc
        self._fed += len(data)
        return text
