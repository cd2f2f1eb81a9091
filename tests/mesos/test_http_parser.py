"""The in-repo http-parser: raw bytes in, at every split position."""

from __future__ import annotations

import itertools

import pytest
from http_parser.http import HPE_HEADER_OVERFLOW, MAX_HEADER_BYTES, HttpParser
from hypothesis import given
from hypothesis import strategies as st

CHUNKED = (
    b"HTTP/1.1 200 OK\r\n"
    b"Transfer-Encoding: chunked\r\n"
    b"Mesos-Stream-Id: 216fe49d\r\n"
    b"\r\n"
    b"5\r\nhello\r\n"
    b"a;ext=1\r\n 0123 5678\r\n"
    b"0\r\nX-Trailer: late\r\n\r\n"
)
REFUSED = (
    b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\n"
    b"not authorised"
)
INTERIM = b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


def feed(pieces: list[bytes]) -> tuple[HttpParser, bytes]:
    parser, body = HttpParser(), b""
    for piece in pieces:
        assert parser.execute(piece, len(piece)) == len(piece)
        if parser.is_partial_body():
            body += parser.recv_body()
    return parser, body


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges) if b > a]


@pytest.mark.parametrize("at", range(len(CHUNKED) + 1))
def test_a_chunked_response_cut_anywhere(at: int) -> None:
    parser, body = feed(cut(CHUNKED, [at]))
    assert (parser.get_status_code(), parser.is_chunked()) == (200, True)
    assert parser.is_headers_complete()
    assert parser.is_message_complete()
    assert body == b"hello 0123 5678"
    assert parser.get_headers()["Mesos-Stream-Id"] == "216fe49d"
    assert "X-Trailer" not in parser.get_headers()
    assert parser.get_errno() == 0


@given(st.sampled_from([CHUNKED, REFUSED, INTERIM]), st.lists(st.integers(0, 200), max_size=12))
def test_many_cuts_change_nothing(data: bytes, places: list[int]) -> None:
    whole, body = feed([data])
    parts, same = feed(cut(data, [place % (len(data) + 1) for place in places]))
    assert body == same
    assert whole.get_headers() == parts.get_headers()
    assert whole.get_status_code() == parts.get_status_code()
    assert whole.is_chunked() == parts.is_chunked()
    assert whole.is_message_complete()
    assert parts.is_message_complete()


@given(st.binary(max_size=400), st.lists(st.integers(1, 60), max_size=10), st.data())
def test_any_body_in_any_chunks(payload: bytes, sizes: list[int], data: st.DataObject) -> None:
    raw, left = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", payload
    for size in sizes:
        chunk, left = left[:size], left[size:]
        if chunk:
            raw += b"%x\r\n%s\r\n" % (len(chunk), chunk)
    if left:
        raw += b"%x\r\n%s\r\n" % (len(left), left)
    raw += b"0\r\n\r\n"
    places = data.draw(st.lists(st.integers(0, len(raw)), max_size=8))
    parser, body = feed(cut(raw, places))
    assert body == payload
    assert parser.is_message_complete()


def test_an_error_with_a_body_that_is_not_chunked() -> None:
    parser, body = feed([REFUSED[:-6], REFUSED[-6:]])
    assert parser.get_status_code() == 403
    assert not parser.is_chunked()
    assert body == b"not authorised"
    assert parser.is_message_complete()


def test_body_bytes_in_the_read_of_the_headers() -> None:
    parser = HttpParser()
    early = CHUNKED[: CHUNKED.index(b"hello") + 2]
    assert parser.execute(early, len(early)) == len(early)
    assert parser.is_headers_complete()
    assert parser.is_partial_body()
    assert parser.recv_body() == b"he"
    assert not parser.is_partial_body()
    assert not parser.is_message_complete()


def test_only_length_bytes_count() -> None:
    parser = HttpParser()
    assert parser.execute(REFUSED + b"rubbish", len(REFUSED)) == len(REFUSED)
    assert parser.is_message_complete()


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00",  # a TLS record
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 twohundred OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_malformed_sets_errno_and_stays(raw: bytes) -> None:
    parser = HttpParser()
    assert parser.execute(raw, len(raw)) != len(raw)
    assert parser.get_errno() != 0
    assert parser.execute(b"x", 1) == 0
    assert parser.get_errno() != 0


@given(st.binary(max_size=200))
def test_no_bytes_raise(raw: bytes) -> None:
    parser = HttpParser()
    parsed = parser.execute(raw, len(raw))
    assert (parsed == len(raw)) == (parser.get_errno() == 0)


def test_bytes_after_the_end_are_malformed() -> None:
    parser, _ = feed([REFUSED])
    assert parser.execute(b"H", 1) == 0
    assert parser.get_errno() != 0


def test_headers_without_end_are_refused() -> None:
    parser = HttpParser()
    piece = b"HTTP/1.1 200 OK\r\n"
    while parser.get_errno() == 0:
        parser.execute(piece, len(piece))
        piece = b"X-Filler: " + b"f" * 4000 + b"\r\n"
    assert parser.get_errno() == HPE_HEADER_OVERFLOW


def test_a_large_body_with_the_headers_is_no_overflow() -> None:
    size = 3 * MAX_HEADER_BYTES
    parser, body = feed([b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"b" * size])
    assert len(body) == size
    assert parser.is_message_complete()


def test_repeated_headers_are_joined_and_case_kept() -> None:
    parser, _ = feed([b"HTTP/1.1 200 OK\r\nVia: a\r\nvia: b\r\nContent-Length: 0\r\n\r\n"])
    assert parser.get_headers() == {"Via": "a, b", "Content-Length": "0"}


def test_no_errno_attribute() -> None:
    """pymesos takes the attribute as a sign of `http_parser.pyparser`, which we lack."""
    assert not hasattr(HttpParser(), "errno")
