"""Requests as structs, and structs as answers. Thread: the server's event loop."""

from __future__ import annotations

import math
from typing import TypeVar

import msgspec
from aiohttp import web

from mrmesos.jobtracker.http.errors import BadRequest
from mrmesos.wire.job import ApiError

T = TypeVar("T")

MAX_WAIT_SECONDS = 60.0


def decoded(body: bytes, kind: type[T]) -> T:
    """A body as a struct. Raises BadRequest."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise BadRequest(f"not a {kind.__name__}: {problem}") from None


def idempotency_key(request: web.Request) -> str:
    """The key of a submission, so that a repeated request is one job. Raises BadRequest."""
    key = request.headers.get("Idempotency-Key", "")[:100]
    if not (key.isascii() and key.isprintable()):
        raise BadRequest("Idempotency-Key: expected printable ASCII")
    return key


def wait_seconds(text: str) -> float:
    """How long a client wants to wait, within MAX_WAIT_SECONDS. Raises BadRequest."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if math.isnan(seconds):
        raise BadRequest(f"wait={text}: expected seconds")
    return min(max(seconds, 0.0), MAX_WAIT_SECONDS)


def as_json(value: object, status: int = 200) -> web.Response:
    """A struct as an answer."""
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json"
    )


def error_answer(status: int, message: str) -> web.Response:
    """An error as JSON. `message` may quote the request, which may hold invalid text."""
    words = message.encode("utf-8", "replace").decode()
    return as_json(ApiError(words), status=status)
