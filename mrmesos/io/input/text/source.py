"""A file's bytes in order: decompressed, and as UTF-8 if its encoding does not contain ASCII.

Input: a URI, and the format's compression and encoding. Output: bytes. The first bytes of a file
decide how it is read. Every slice of the file looks at them once.
"""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from mrmesos.io.compression.decompression import decompressed
from mrmesos.io.compression.first_bytes import (
    HEAD_BYTES,
    codec_in,
    codec_of,
    marked_codec,
    not_text,
    unreadable_name,
    wide_encoding,
)
from mrmesos.io.compression.members import CompressionError
from mrmesos.io.fs.filesystem import InputError, open_input, reason
from mrmesos.io.input.text.encodings import AsUtf8, Undecodable, is_utf8, read_as_utf8

Bytes = npt.NDArray[np.uint8]


class AsText(msgspec.Struct, frozen=True):
    """The fields of a text format that decide how its files are read. `parsed`: it needs UTF-8."""

    compression: str = ""
    encoding: str = ""
    errors: str = "strict"
    parsed: bool = False


class LineSource:
    """A file's bytes in order, decompressed. `position` is the offset of the next byte.

    The caller plans to stop at `until` (-1: at the end), so read-ahead stops there. `compression`
    names the codec, or is "none". If it is empty, the name of the file decides. With `by_content`,
    magic numbers decide, too.

    A file that is read as `text` is decompressed if its first bytes cannot be text. Content that
    surely is not text is an InputError. If the file has to be decoded from its start on, it is read
    as UTF-8, and offsets count bytes of UTF-8.

    A file that is `whole` cannot be read from its middle. With a `start` after its first byte, it
    gives no bytes.
    """

    def __init__(
        self,
        uri: str,
        start: int,
        until: int = -1,
        *,
        text: AsText | None = None,
        compression: str = "",
        by_content: bool = False,
    ) -> None:
        self.uri = uri
        self.position = start
        self.ended = False
        self._head = b""  # of a whole file: bytes that were read but not yet returned
        said = text.compression if text else compression
        with contextlib.ExitStack() as closing:
            try:
                file: Any = closing.enter_context(open_input(uri, until))
                file.seek(0)  # a pipe cannot seek, and to read from it may block for ever
                head = _filled(file) if by_content or text else b""
                codec = _codec(uri, head, said, text=text is not None)
                if codec is not None:
                    file = closing.enter_context(decompressed(file, codec, head))
                    head = _filled(file)
                if text and said != "none":
                    _check(uri, codec, head)
                wide = _wide(head, text) if text else None
                self.whole = codec is not None or wide is not None
                if text and wide:
                    file, head = AsUtf8(file, head, wide, text.errors), b""
                if not self.whole:
                    file.seek(start)
                elif start:
                    self.ended = True
                else:
                    self._head = head
            except InputError:
                raise
            except Exception as exc:
                raise InputError(f"{uri}: cannot be read: {reason(exc)}") from exc
            self._file = file
            self._closing = closing.pop_all()

    def __enter__(self) -> LineSource:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def read_behind(self, tail: Bytes, want: int) -> Bytes:
        """A new array with `tail` and the next `want` bytes; fewer at the end of the file."""
        data = np.empty(len(tail) + want, np.uint8)
        data[: len(tail)] = tail
        filled = len(tail)
        while filled < len(data) and not self.ended:
            count = self._into(data[filled:])
            self.ended = not count
            filled += count
            self.position += count
        return data[:filled]

    def _into(self, space: Bytes) -> int:
        if self._head:
            data, self._head = self._head[: len(space)], self._head[len(space) :]
            space[: len(data)] = np.frombuffer(data, np.uint8)
            return len(data)
        try:
            if hasattr(self._file, "readinto"):
                return int(self._file.readinto(space.data))
            data = self._file.read(len(space))
        except Undecodable as exc:
            raise InputError(f"{self.uri}: {exc}") from exc
        except CompressionError as exc:  # its message has the place in the compressed file
            raise InputError(f"{self.uri}: cannot be read: {exc}") from exc
        except Exception as exc:  # remote drivers raise any type
            raise InputError(
                f"{self.uri}: cannot be read at offset {self.position}: {reason(exc)}"
            ) from exc
        space[: len(data)] = np.frombuffer(data, np.uint8)
        return len(data)


def _filled(file: Any) -> bytes:
    """The first bytes of a file. One read may return fewer bytes than the file has."""
    head = b""
    while len(head) < HEAD_BYTES and (more := file.read(HEAD_BYTES - len(head))):
        head += more
    return head


def _codec(uri: str, head: bytes, said: str, *, text: bool) -> str | None:
    """How to decompress. The user's word counts most, then the content, then the name."""
    if said:
        return None if said == "none" else said
    return marked_codec(head) or codec_of(uri) or (codec_in(head) if text else None)


def _wide(head: bytes, text: AsText) -> str | None:
    """The encoding to read from the file's start on, if that is necessary."""
    if is_utf8(text.encoding):
        return wide_encoding(head)
    return text.encoding if read_as_utf8(text.encoding, parsed=text.parsed) else None


def _check(uri: str, codec: str | None, head: bytes) -> None:
    """Refuse content that surely is not text. Nobody wants its bytes as records."""
    end = unreadable_name(uri) if codec is None else None
    if end is not None:
        raise InputError(
            f"{uri}: files that end in {end} are not read as text; unpack it, or set "
            'compression="none" in the input format if it is text'
        )
    if (found := not_text(head)) is not None:
        raise InputError(
            f"{uri}: holds {found}, not text{' inside' if codec else ''}; "
            'unpack it, or set compression="none" in the input format if these bytes are wanted'
        )
