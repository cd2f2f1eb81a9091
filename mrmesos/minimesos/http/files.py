"""`/files` of an agent: reads, lists and downloads what is in sandboxes, as in Mesos.

A path is a real one, or begins with `/frameworks`: the agent's own folder of that name. Paths that
lead out of a sandbox by links or dots are refused.
"""

from __future__ import annotations

import grp
import json
import pwd
import stat
from pathlib import Path

import msgspec
from aiohttp import web

from mrmesos.minimesos.agent.agent import Agent
from mrmesos.minimesos.model.resources import Json

MAX_PIECE = 64 * 1024
"""Bytes. Mesos' limit is the same: 16 pages of memory."""
JSON_TYPE = "application/json"


class _Refused(Exception):
    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(text)
        self.answer = web.Response(status=status, text=text)


def read_file(agent: Agent, request: web.Request, _body: bytes) -> web.Response:
    """`/files/read`: a piece of a file. Without an `offset`, or with -1, the answer is the size."""
    try:
        offset = _number(request, "offset")
        length = _number(request, "length")
        path = _named(agent, request, 400)
    except _Refused as refusal:
        return refusal.answer
    if path.is_dir():
        return web.Response(status=400, text="Cannot read a directory.\n")
    if not path.is_file():  # opening a FIFO may block for ever
        return web.Response(status=404)
    with path.open("rb") as file:
        size = file.seek(0, 2)
        offset = size if offset == -1 else min(offset, size)
        file.seek(offset)
        piece = file.read(MAX_PIECE if length == -1 else min(length, MAX_PIECE))
    # Mesos writes the bytes into its JSON as they are, whether or not they are UTF-8.
    text = json.dumps({"data": piece.decode("latin-1"), "offset": offset}, ensure_ascii=False)
    return web.Response(body=text.encode("latin-1"), content_type=JSON_TYPE)


def browse_files(agent: Agent, request: web.Request, _body: bytes) -> web.Response:
    """`/files/browse`: what a directory holds, in the order of names."""
    try:
        path = _named(agent, request, 500)
    except _Refused as refusal:
        return refusal.answer
    listing: list[Json] = []
    for entry in sorted(path.iterdir()) if path.is_dir() else []:
        try:
            facts = entry.stat()
        except OSError:  # it has just gone, or is a link to nowhere
            continue
        listing.append(
            {
                "gid": _group(facts.st_gid),
                "mode": stat.filemode(facts.st_mode),
                "mtime": facts.st_mtime,
                "nlink": facts.st_nlink,
                "path": f"{request.query['path'].rstrip('/')}/{entry.name}",
                "size": facts.st_size,
                "uid": _user(facts.st_uid),
            }
        )
    return web.Response(body=msgspec.json.encode(listing), content_type=JSON_TYPE)


def download_file(agent: Agent, request: web.Request, _body: bytes) -> web.Response:
    """`/files/download`: a whole file."""
    try:
        path = _named(agent, request, 400)
    except _Refused as refusal:
        return refusal.answer
    if path.is_dir():
        return web.Response(status=400, text="Cannot download a directory.\n")
    if not path.is_file():
        return web.Response(status=404)
    attachment = {"Content-Disposition": f"attachment; filename={path.name}"}
    return web.Response(
        body=path.read_bytes(), content_type="application/octet-stream", headers=attachment
    )


def _named(agent: Agent, request: web.Request, outside: int) -> Path:
    """The file or directory that `path` names. Raises _Refused: 404, or `outside` of a sandbox."""
    named = request.query.get("path", "")
    if not named:
        raise _Refused(400, "Expecting 'path=value' in query.\n")
    own = agent.work_dir / "slaves" / agent.id
    frameworks = own / "frameworks"
    path = own / named.lstrip("/") if named.startswith("/frameworks/") else Path(named)
    if not path.is_relative_to(frameworks):
        raise _Refused(404)
    try:
        real = path.resolve()
        if not real.exists():
            raise _Refused(404)
    except (OSError, RuntimeError, ValueError):  # a loop of links, or a zero byte
        raise _Refused(404) from None
    if not real.is_relative_to(frameworks.resolve()):
        raise _Refused(outside, f"'{named}' is inaccessible.\n")
    return real


def _number(request: web.Request, name: str) -> int:
    try:
        number = int(request.query.get(name, "-1"))
    except ValueError as error:
        raise _Refused(400, f"Failed to parse {name}: {error}.\n") from None
    if number < -1:
        raise _Refused(400, f"Negative {name} provided: {number}.\n")
    return number


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
