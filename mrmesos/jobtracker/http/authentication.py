"""Authentication of requests: clients and TaskTrackers sign them (docs/security-design.md).

Comes in: each request, before its handler. Goes out: a refusal, or the signed answer. Thread: the
server's event loop.

Every path needs a client's signature, except those that are named here. So a new path is closed by
default. Below PAGES, browsers log in (pages/gate.py). A TaskTracker's key is derived from its id
and the JobTracker's secret. So we store no keys, no TaskTracker can sign for another one, and after
a restart we know the old TaskTrackers as long as we have the secret.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Collection
from contextvars import ContextVar

import msgspec
from aiohttp import web

from mrmesos.access.signing import (
    AUTHORIZATION,
    CLIENT,
    REPLY,
    Refusal,
    Verified,
    Verifier,
    client_key,
    derived_key,
)
from mrmesos.access.signing import same as same_text
from mrmesos.jobtracker.http.bodies import read_body
from mrmesos.wire.job import ApiError
from mrmesos.wire.login import GREETING_PATH

logger = logging.getLogger(__name__)

OPEN = frozenset({("GET", "/health"), ("GET", "/version"), ("GET", "/"), ("HEAD", "/")})
PAGES = "/ui/"
HEARTBEAT = ("POST", "/api/v1/heartbeat")
"""Heartbeats carry a growing number instead of a nonce. A replayed number is refused. 10,000
TaskTrackers send too many heartbeats to remember a nonce for each.
"""
TRACKERS = frozenset(
    {
        HEARTBEAT,
        ("GET", "/api/v1/jobs/{job_id}/facts"),
        ("GET", "/api/v1/code/{sha256}"),
    }
)
GREETING = ("GET", GREETING_PATH)
UPLOAD = ("PUT", "/api/v1/code/{sha256}")
MAX_CLIENT_BYTES = 8 << 20
"""Most bytes of a client's request. Files are larger, but they are uploaded by their hash."""
_WHERE = "set MRMESOS_TOKEN_FILE to its file, or MRMESOS_TOKEN to the token (docs/security.md)"
_NO_TOKEN = f"the JobTracker's token is needed: {_WHERE}"
_WRONG_TOKEN = f"this is not the JobTracker's token: {_WHERE}"
_NO_BEARER = (
    "this JobTracker takes only signed requests, which never send the token; "
    "set jobtracker.bearer.tokens=true to allow requests that send it"
)
_signed: ContextVar[Verified] = ContextVar("signed")
_sent: ContextVar[bytes] = ContextVar("sent")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Authenticator:
    """Stands before all handlers, as the outermost middleware."""

    def __init__(
        self, token: str, secret: str, *, bearer: bool = False, public: Collection[str] = ()
    ) -> None:
        """`token` is the clients' token. TaskTrackers' keys are derived from `secret`. With
        `bearer`, a client may send the token itself instead of signing. Anybody may read the
        `public` paths.
        """
        self._open = OPEN | {("GET", path) for path in public}
        self._token, self._secret, self._bearer = token, secret, bearer
        self._client_key = client_key(token)
        self.life = secrets.token_hex(16)
        """Clients sign for this life of the JobTracker. A request to another life is refused."""
        self._verifier = Verifier(self.key_of)
        self._clients = Verifier(self._key_of_client)
        self._greeted = Verifier(self._key_of_stranger)

    def key_of(self, tracker_id: str) -> str:
        """The key with which a TaskTracker signs."""
        return derived_key(self._secret, tracker_id)

    def _key_of_client(self, who: str) -> str | None:
        return self._client_key if same_text(who, f"{CLIENT}.{self.life}") else None

    def _key_of_stranger(self, who: str) -> str | None:
        return self._client_key if who == CLIENT else None

    def signer_of_heartbeat(self, header: str, body: bytes) -> Verified:
        """The TaskTracker that has signed a heartbeat. Raises Refusal."""
        verified = self._verifier.verify(*HEARTBEAT, header, once=False)
        verified.check_body(body)
        return verified

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse the request, or call its handler and sign the answer."""
        resource = request.match_info.route.resource
        asked = (request.method, resource.canonical if resource is not None else "")
        try:
            if asked in TRACKERS:
                return await self._for_tracker(request, handler, once=asked != HEARTBEAT)
            if asked == GREETING:
                return await self._for_stranger(request, handler)
            if asked not in self._open and not asked[1].startswith(PAGES):
                return await self._for_client(request, handler, upload=asked == UPLOAD)
        except Refusal as refusal:
            logger.debug("%s %s: %s", request.remote, request.method, refusal)
            return refused(refusal)
        return await handler(request)

    async def _for_stranger(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A client's greeting. The answer proves to the client that we know the token, too."""
        header = _shown(request)
        verified = self._greeted.verify(request.method, request.raw_path, header, once=False)
        verified.check_body(b"")
        return _proven(request, verified, await handler(request))

    async def _for_client(
        self, request: web.Request, handler: Handler, *, upload: bool
    ) -> web.StreamResponse:
        header = _shown(request)
        if header.startswith("Bearer "):
            self._check_bearer(header)
            _sent.set(b"" if upload else await _whole_body(request))
            return await handler(request)
        verified = self._clients.verify(request.method, request.raw_path, header)
        try:
            if upload:  # its name is its hash, so we can check it before the body has arrived
                if not same_text(verified.body_sha256, request.match_info["sha256"]):
                    raise Refusal(401, "the upload's SHA-256 is not the one that was signed")
            else:
                body = await _whole_body(request)
                verified.check_body(body)
                _sent.set(body)
        except Refusal as refusal:
            if refusal.status == 401:  # nothing is proven
                raise
            return _proven(request, verified, refused(refusal))
        return _proven(request, verified, await handler(request))

    def _check_bearer(self, header: str) -> None:
        headers = {"WWW-Authenticate": "Bearer"}
        if not self._bearer:
            raise Refusal(401, _NO_BEARER)
        if not same_text(header, f"Bearer {self._token}"):
            raise Refusal(401, _WRONG_TOKEN, headers)

    async def _for_tracker(
        self, request: web.Request, handler: Handler, *, once: bool
    ) -> web.StreamResponse:
        header = request.headers.get(AUTHORIZATION, "")
        verified = self._verifier.verify(request.method, request.raw_path, header, once=once)
        if request.method == "GET":
            verified.check_body(b"")
        _signed.set(verified)
        answer = await handler(request)
        if answer.status == 401:  # the body is not the signed one, so nothing is proven
            return answer
        # A file is sent straight from disk. The receiver checks it by its name, which is its hash.
        return _proven(request, verified, answer)


def _proven(
    request: web.Request, verified: Verified, answer: web.StreamResponse
) -> web.StreamResponse:
    """Add our proof to the answer. It covers the body, except for a HEAD or a file."""
    if request.method == "HEAD":
        answer.headers[REPLY] = verified.reply()
    elif isinstance(answer, web.Response) and isinstance(answer.body, bytes | None):
        answer.headers[REPLY] = verified.reply(hashlib.sha256(answer.body or b"").hexdigest())
    return answer


def _shown(request: web.Request) -> str:
    """The Authorization header. Raises Refusal if there is none that we understand."""
    header = request.headers.get(AUTHORIZATION, "")
    if not header:
        raise Refusal(401, _NO_TOKEN, {"WWW-Authenticate": "Mrmesos"})
    if not header.startswith(("Mrmesos ", "Bearer ")):
        raise Refusal(401, _WRONG_TOKEN, {"WWW-Authenticate": "Mrmesos"})
    return header


async def _whole_body(request: web.Request) -> bytes:
    try:
        return await read_body(request, MAX_CLIENT_BYTES)
    except web.HTTPException as problem:
        raise Refusal(problem.status, problem.text or problem.reason) from None


def refused(refusal: Refusal) -> web.Response:
    """The answer to a refused request."""
    body = msgspec.json.encode(ApiError(str(refusal)))
    return web.Response(
        body=body,
        status=refusal.status,
        headers=refusal.headers,
        content_type="application/json",
    )


def sent_body() -> bytes:
    """The body of the client's request that is being handled. It is the body that was signed."""
    return _sent.get()


def signed_by() -> Verified:
    """The TaskTracker that sent the request that is being handled. Only for paths in TRACKERS."""
    return _signed.get()
