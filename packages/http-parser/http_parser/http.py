"""`HttpParser`: an incremental parser of one HTTP/1.x response.

pymesos feeds it whatever a socket read brought and asks after each read how far the response is.
It has no attribute named `errno` on purpose: pymesos takes that for a sign of another parser and
would import `http_parser.pyparser`; the error number is had from `get_errno()`.
"""

from __future__ import annotations

import httptools

__all__ = ["HPE_HEADER_OVERFLOW", "HPE_INVALID", "HPE_OK", "MAX_HEADER_BYTES", "HttpParser"]

HPE_OK = 0
"""No error so far."""
HPE_INVALID = 1
"""The bytes are not an HTTP response."""
HPE_HEADER_OVERFLOW = 2
"""Status line and headers are longer than `MAX_HEADER_BYTES`."""

MAX_HEADER_BYTES = 64 * 1024
"""A response whose headers are not over after this many bytes is malformed."""


class HttpParser:
    """Parse one response, in pieces of any size.

    Interim (1xx) responses before the final one are skipped. Header names keep their spelling;
    of a repeated header the values are joined by a comma (RFC 9110, 5.3). Trailers are ignored.
    """

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._errno = HPE_OK
        self._status = 0
        self._headers: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._body: list[bytes] = []
        self._fed_before_headers = 0
        self._headers_complete = False
        self._message_complete = False

    # What the caller uses.

    def execute(self, data: bytes, length: int) -> int:
        """Parse the first `length` bytes of `data`; return how many were parsed.

        That is `length`, or 0 when the response is malformed: then `get_errno()` is not 0, and
        stays so, as nothing after that point can be trusted. Bytes after the end of the response
        are malformed too: the parser takes one response.
        """
        if self._errno:
            return 0
        if length <= 0:
            return 0
        piece = data if length == len(data) else data[:length]
        if self._message_complete:
            self._errno = HPE_INVALID
            return 0
        if not self._headers_complete:
            # One read may hold the end of the headers and a lot of body: only what is still
            # headers after this read counts against the limit.
            self._fed_before_headers += length
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            # 101: another protocol begins. Nobody asked for one.
            self._errno = HPE_INVALID
        except httptools.HttpParserError:
            self._errno = self._errno or HPE_INVALID
        if not self._headers_complete and self._fed_before_headers > MAX_HEADER_BYTES:
            self._errno = self._errno or HPE_HEADER_OVERFLOW
        return 0 if self._errno else length

    def get_errno(self) -> int:
        """0, or what is wrong with the response (`HPE_INVALID`, `HPE_HEADER_OVERFLOW`)."""
        return self._errno

    def get_status_code(self) -> int:
        """The status of the response; 0 before it is known."""
        return self._status

    def get_headers(self) -> dict[str, str]:
        """A copy of the headers seen so far."""
        return dict(self._headers)

    def is_headers_complete(self) -> bool:
        """Whether status line and headers are over."""
        return self._headers_complete

    def is_chunked(self) -> bool:
        """Whether the body comes in chunks."""
        name = self._names.get("transfer-encoding")
        if name is None:
            return False
        return self._headers[name].rpartition(",")[2].strip().lower() == "chunked"

    def is_partial_body(self) -> bool:
        """Whether body bytes wait to be taken with `recv_body()`."""
        return bool(self._body)

    def recv_body(self) -> bytes:
        """Take the body bytes that came since the last time."""
        body = b"".join(self._body)
        self._body.clear()
        return body

    def is_message_complete(self) -> bool:
        """Whether the whole response was read.

        A body with neither length nor chunks ends with the connection, which the parser does not
        see: such a response never becomes complete here.
        """
        return self._message_complete

    # What httptools calls.

    def on_message_begin(self) -> None:
        """A response begins: the first one, or the one after an interim response."""
        if self._message_complete:
            raise ValueError("a second response")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or a trailer after the last chunk."""
        if self._headers_complete:
            return
        spelled, text = name.decode("latin-1"), value.decode("latin-1")
        known = self._names.setdefault(spelled.lower(), spelled)
        self._headers[known] = f"{self._headers[known]}, {text}" if known in self._headers else text

    def on_headers_complete(self) -> None:
        """The headers are over; those of an interim response are forgotten."""
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            self._headers.clear()
            self._names.clear()
            return
        self._status = status
        self._headers_complete = True

    def on_body(self, body: bytes) -> None:
        """Some bytes of the body, chunk framing taken off."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """The response is over."""
        self._message_complete = self._headers_complete
