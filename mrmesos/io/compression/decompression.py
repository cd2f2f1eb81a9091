"""Compressed files as files of decompressed bytes. All members count, in order.

Input: an open file and its codec. Output: a raw file. The rule for the end is the same for all
codecs: zeros after a complete member are padding, and another member may follow them. Any other
bytes there are an error. A file that ends within a member is an error, too. Errors are
CompressionErrors with the place in the compressed file.
"""

from __future__ import annotations

import io
from typing import Any

from mrmesos.io.compression.members import LOOK, CompressionError, MemberDecoder, next_member
from mrmesos.io.compression.zip_file import only_file

_READ = 1 << 18
_FED_FIRST, _FED_MOST = 1 << 13, 1 << 17
"""Bytes that a decoder gets at a time. The first piece of a member is small, because a file may
have members of a few bytes. The place in an error is exact to this many bytes.
"""


def decompressed(file: Any, codec: str, head: bytes = b"") -> Any:
    """The decompressed bytes of an open file, from which `head` has been read already.

    Raises CompressionError, now or when it is read.
    """
    return only_file(file) if codec == "zip" else Decompressed(file, codec, head)


class Decompressed(io.RawIOBase):
    """The decompressed bytes of all members of a file."""

    def __init__(self, file: Any, codec: str, head: bytes = b"") -> None:
        super().__init__()
        self._file, self._codec = file, codec
        self._read = head
        self._origin = 0  # offset of `_read` in the file
        self._at = 0  # of the first byte in `_read` that no decoder has seen
        self._last = 0  # offset of the decoder's last piece
        self._feed = _FED_FIRST
        self._begun = 0  # offset of the member
        self._made = 0  # decompressed bytes so far
        self._member: MemberDecoder | None = None
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, space: Any) -> int:
        """Fill a part of `space`; 0 at the end of the file. Raises CompressionError."""
        view = memoryview(space).cast("B")
        while len(view) and not self._ended:
            member = self._member
            if member is None or member.eof:
                self._begin(member)
                continue
            data = b""
            if member.needs_input:
                data = self._next_piece()
                if not data:
                    raise self._error("the file ends within this member; copy it again")
            try:
                made = member.decompress(data, len(view))
            except Exception as exc:  # each library raises a type of its own
                raise self._error(f"damaged: {' '.join(str(exc).split())}") from exc
            if made:
                view[: len(made)] = made
                self._made += len(made)
                return len(made)
        return 0

    def _next_piece(self) -> bytes:
        if self._at == len(self._read):
            self._more(b"")
        piece = self._read[self._at : self._at + self._feed]
        self._last = self._origin + self._at
        self._at += len(piece)
        self._feed = min(2 * self._feed, _FED_MOST)
        return piece

    def _more(self, kept: bytes) -> bool:
        """Read on after `kept`, the end of the bytes read so far. False at the end of the file."""
        data = self._file.read(_READ)
        self._origin += len(self._read) - len(kept)
        self._read, self._at = kept + data if kept else data, 0
        return bool(data)

    def _begin(self, previous: MemberDecoder | None) -> None:
        """Begin the next member, after any padding."""
        if previous is not None:
            self._at -= len(previous.unused_data or b"")
        self._member, self._feed = None, _FED_FIRST
        first = previous is None
        while True:
            while len(self._read) - self._at < LOOK and self._more(self._read[self._at :]):
                pass
            head = self._read[self._at : self._at + LOOK]
            self._begun = self._last = self._origin + self._at
            if not head:
                self._ended = True
                return
            self._member = next_member(self._codec, head, previous)
            if self._member is not None:
                return
            rest = self._read[self._at :]
            padding = len(rest) - len(rest.lstrip(b"\0"))
            if first or not padding:
                raise CompressionError(self._no_member(first=first))
            self._at += padding
            previous = None

    def _no_member(self, *, first: bool) -> str:
        if first:
            return (
                f"does not begin as {self._codec} data does; name another compression=... in the "
                'input format, or "none" to read the bytes as they are'
            )
        return (
            f"bytes after the {self._codec} data, from byte {self._begun} of the file on; cut them "
            f"off if nobody needs them: head -c {self._begun} FILE"
        )

    def _error(self, why: str) -> CompressionError:
        reached = self._origin + self._at
        where = f"at byte {reached}"
        if self._last < reached:
            where = f"between the bytes {self._last} and {reached}"
        return CompressionError(
            f"{self._codec} data, {where} of the file, in the member that begins at byte "
            f"{self._begun}, after {self._made} decompressed bytes: {why}"
        )
