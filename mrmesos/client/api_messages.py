"""Bodies, headers and URLs of the requests to a JobTracker's HTTP API, for api_client.py."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import urlsplit

import msgspec

from mrmesos.wire.job import KEPT, LOG_NOTE, LOG_SOURCE, LOG_START

T = TypeVar("T")


class Unreachable(Exception):
    """The JobTracker did not answer in any try."""


def log_facts(headers: Message) -> tuple[int, bool, str]:
    """The offset of a log's first byte, whether only its last lines were kept, and a note."""
    start = headers.get(LOG_START, "")
    number = int(start) if start.isascii() and start.isdigit() and len(start) < 16 else 0
    return number, headers.get(LOG_SOURCE) == KEPT, headers.get(LOG_NOTE, "")


def base_url(url: str) -> str:
    """The URL without a path. Raises ValueError for one of another form."""
    given = "://" in url
    parts = urlsplit(url if given else f"http://{url}")
    good = parts.scheme in ("http", "https") and parts.hostname and parts.path in ("", "/")
    if not good or not (given or parts.port):
        raise ValueError(f"{url!r} is not of the form http://host:port")
    return f"{parts.scheme}://{parts.netloc}"


@contextlib.contextmanager
def opened(body: bytes | Path | None) -> Iterator[tuple[bytes | BinaryIO | None, dict[str, str]]]:
    """Open the body to send. A file is sent in pieces and needs a header with its length."""
    if not isinstance(body, Path):
        yield body, {}
        return
    with body.open("rb") as file:
        yield file, {"Content-Length": str(body.stat().st_size)}


def decoded(body: bytes, kind: type[T]) -> T:
    """An answer as a struct. Raises Unreachable."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise Unreachable(f"the server is not a JobTracker of this version: {problem}") from None
