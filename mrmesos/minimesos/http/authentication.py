"""Authentication of requests to masters and agents, as in Mesos. It is off by default.

Frameworks and operators send a principal and its secret (HTTP Basic; a master's
`--authenticate_http_frameworks`, `--authenticate_http_readwrite`, `--authenticate_http_readonly`
and `--credentials`). An executor sends the token that its agent put into its environment
(`--authenticate_http_executors`). `/version` and `/health` are open to all, as in Mesos.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping

import msgspec
from aiohttp import web

from mrmesos.access.signing import same

OPEN_TO_ALL = frozenset({"/version", "/health"})
SCHEDULER_PATH = "/api/v1/scheduler"
_READ_ONLY = frozenset({"/state", "/state.json", "/maintenance/status"})

Door = Callable[[web.Request, str], web.Response | None]
"""Checks a request to a path: None lets it in, a response refuses it."""


class _Credential(msgspec.Struct):
    principal: str
    secret: str


class _Credentials(msgspec.Struct):
    credentials: list[_Credential]


def parse_credentials(text: str) -> dict[str, str]:
    """Read a file for Mesos' `--credentials` (JSON, or one pair a line): secrets by principal.

    Raises ValueError, whose text quotes no secret.
    """
    if text.lstrip().startswith("{"):
        try:
            given = msgspec.json.decode(text, type=_Credentials).credentials
        except msgspec.DecodeError:
            raise ValueError(
                'not of the form {"credentials": [{"principal": "…", "secret": "…"}]}'
            ) from None
        pairs = [(one.principal, one.secret) for one in given]
    else:
        words = [line.split() for line in text.splitlines() if line.strip()]
        if any(len(one) != 2 for one in words):
            raise ValueError("each line needs a principal and its secret")
        pairs = [(one[0], one[1]) for one in words]
    secrets = dict(pairs)
    if not secrets or len(secrets) != len(pairs) or not all(p and s for p, s in pairs):
        raise ValueError("each principal needs exactly one secret, and it must not be empty")
    if any(":" in principal for principal in secrets):
        raise ValueError("a principal must not contain a colon: HTTP Basic cannot carry it")
    return secrets


def principal_of(secrets: Mapping[str, str], request: web.Request) -> str | None:
    """The principal that a request proves with its secret; None if it proves none."""
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        principal, colon, secret = (
            base64.b64decode(shown.strip(), validate=True).decode().partition(":")
        )
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    wanted = secrets.get(principal, "")
    right = same(secret, wanted)
    return principal if colon and wanted and right else None


def master_door(secrets: Mapping[str, str]) -> Door | None:
    """The check of a master with these credentials; None if it has none and is open."""
    if not secrets:
        return None

    def door(request: web.Request, path: str) -> web.Response | None:
        if principal_of(secrets, request) is not None:
            return None
        path = path.removeprefix("/master")
        kind = "readonly" if path in _READ_ONLY else "readwrite"
        realm = f"mesos-master-{'scheduler' if path == SCHEDULER_PATH else kind}"
        return web.Response(status=401, headers={"WWW-Authenticate": f'Basic realm="{realm}"'})

    return door


def agent_door(tokens: Callable[[], Iterable[str]], secrets: Mapping[str, str]) -> Door:
    """The check of an agent; `tokens` returns those of its live executors.

    Principals may look at files, as with a real agent's `--authenticate_http_readonly`.
    """

    def door(request: web.Request, path: str) -> web.Response | None:
        if path.removeprefix("/slave(1)").startswith("/files/"):
            if principal_of(secrets, request) is not None:
                return None
            headers = {"WWW-Authenticate": 'Basic realm="mesos-agent-readonly"'}
            return web.Response(status=401, headers=headers)
        shown = token_of(request)
        if shown and any(same(shown, token) for token in tokens()):
            return None
        headers = {"WWW-Authenticate": 'Bearer realm="mesos-agent-executor"'}
        return web.Response(status=401, headers=headers)

    return door


def token_of(request: web.Request) -> str:
    """The token that an executor sent, or an empty string."""
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    return shown.strip() if scheme.lower() == "bearer" else ""
