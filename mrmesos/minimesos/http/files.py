"""`/files/read` of an agent: returns a piece of a file in a sandbox, as in Mesos."""

from __future__ import annotations

from pathlib import Path

import msgspec
from aiohttp import web

from mrmesos.minimesos.agent.agent import Agent

MAX_PIECE = 64 * 1024
"""Bytes. Mesos' limit is the same: 16 pages of memory."""


def read_file(agent: Agent, request: web.Request, _body: bytes) -> web.Response:
    """Answer one request. `path` is absolute, or begins with `/frameworks`: the agent's own folder
    of that name. Without an `offset`, or with -1, the answer is the size.
    """
    query = request.query
    if "path" not in query:
        return web.Response(status=400, text="Expecting 'path=value' in query.\n")
    try:
        offset, length = int(query.get("offset", "-1")), int(query.get("length", str(MAX_PIECE)))
    except ValueError as error:
        return web.Response(status=400, text=f"Failed to parse offset or length: {error}.\n")
    if offset < -1 or length < -1:
        return web.Response(status=400, text="Negative offset or length provided.\n")
    path = _inside(agent, query["path"])
    if path is None or not path.is_file():
        return web.Response(status=404)
    with path.open("rb") as file:
        size = file.seek(0, 2)
        if offset == -1:
            return _answer("", size)
        file.seek(min(offset, size))
        piece = file.read(MAX_PIECE if length == -1 else min(length, MAX_PIECE))
    return _answer(piece.decode("utf-8", "replace"), offset)


def _inside(agent: Agent, named: str) -> Path | None:
    """Return the named file if it is in a sandbox of this agent, after all links are resolved."""
    own = agent.work_dir / "slaves" / agent.id
    path = own / named.lstrip("/") if named.startswith("/frameworks/") else Path(named)
    try:
        real = path.resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, or a zero byte
        return None
    return real if real.is_relative_to((own / "frameworks").resolve()) else None


def _answer(data: str, offset: int) -> web.Response:
    body = msgspec.json.encode({"data": data, "offset": offset})
    return web.Response(body=body, content_type="application/json")
