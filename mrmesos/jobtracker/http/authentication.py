"""Who may ask the JobTracker what: clients and TaskTrackers sign (docs/security.md).

Everything needs a client's signature but what is named here, so a path that is added is closed. The
key of a TaskTracker is made from its id and the JobTracker's secret: nothing is kept of any, one
cannot speak for another, and trackers of before a restart are known as long as the secret is.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Awaitable, Callable
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
from mrmesos.wire.greeting import GREETING_PATH
from mrmesos.wire.job import ApiError

logger = logging.getLogger(__name__)

OPEN = frozenset({("GET", "/health"), ("GET", "/version")})
HEARTBEAT = ("POST", "/api/v1/heartbeat")
"""Has a number that grows, by which one that was made before is known: 10,000 TaskTrackers send so
many that no memory of nonces would do.
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
"""Of a request; files are uploaded by their hash."""
_WHERE = "MRMESOS_TOKEN_FILE is to name its file, or MRMESOS_TOKEN to hold it (docs/security.md)"
_NO_TOKEN = f"the JobTracker's token is needed: {_WHERE}"
_WRONG_TOKEN = f"the token shown is not this JobTracker's: {_WHERE}"
_NO_BEARER = (
    "this JobTracker takes signed requests, which show the token to nobody; "
    "jobtracker.bearer.tokens lets it take the token itself"
)
_signed: ContextVar[Verified] = ContextVar("signed")
_sent: ContextVar[bytes] = ContextVar("sent")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Authenticator:
    """Stands before all handlers, as the outermost middleware."""

    def __init__(self, token: str, secret: str, *, bearer: bool = False) -> None:
        """`token` is the clients', `secret` what keys of TaskTrackers are made from. With `bearer`
        a client may show the token itself instead of signing.
        """
        self._token, self._secret, self._bearer = token, secret, bearer
        self._client_key = client_key(token)
        self.life = secrets.token_hex(16)
        """Clients sign for this one: what was sent to another is not taken by us."""
        self._verifier = Verifier(self.key_of)
        self._clients = Verifier(self._key_of_client)
        self._greeted = Verifier(self._key_of_stranger)

    def key_of(self, tracker_id: str) -> str:
        """What a TaskTracker signs with."""
        return derived_key(self._secret, tracker_id)

    def _key_of_client(self, who: str) -> str | None:
        return self._client_key if same_text(who, f"{CLIENT}.{self.life}") else None

    def _key_of_stranger(self, who: str) -> str | None:
        return self._client_key if who == CLIENT else None

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse, or let in and sign the answer."""
        resource = request.match_info.route.resource
        asked = (request.method, resource.canonical if resource is not None else "")
        try:
            if asked in TRACKERS:
                return await self._for_tracker(request, handler, once=asked != HEARTBEAT)
            if asked == GREETING:
                return await self._for_stranger(request, handler)
            if asked not in OPEN:
                return await self._for_client(request, handler, upload=asked == UPLOAD)
        except Refusal as refusal:
            logger.debug("%s %s: %s", request.remote, request.method, refusal)
            return refused(refusal)
        return await handler(request)

    async def _for_stranger(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A client that wants to know whether we know the token, too."""
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
            if upload:  # its name is its hash: it need not be here as a whole to be known
                if not same_text(verified.body_sha256, request.match_info["sha256"]):
                    raise Refusal(401, "what is uploaded is not what was signed")
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
        if answer.status == 401:  # of a body that is another than was signed: nothing is proven
            return answer
        # A file that is sent as it lies has its name, a hash, to be checked by.
        return _proven(request, verified, answer)


def _proven(
    request: web.Request, verified: Verified, answer: web.StreamResponse
) -> web.StreamResponse:
    """The answer with our proof; of a HEAD it has no body. A file's is not covered."""
    if request.method == "HEAD":
        answer.headers[REPLY] = verified.reply()
    elif isinstance(answer, web.Response) and isinstance(answer.body, bytes | None):
        answer.headers[REPLY] = verified.reply(hashlib.sha256(answer.body or b"").hexdigest())
    return answer


def _shown(request: web.Request) -> str:
    """What is shown of who asks. Raises Refusal where nothing is."""
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
    """The answer to what is refused."""
    body = msgspec.json.encode(ApiError(str(refusal)))
    return web.Response(
        body=body,
        status=refusal.status,
        headers=refusal.headers,
        content_type="application/json",
    )


def sent_body() -> bytes:
    """What a client sent with the request being handled, which is what it signed."""
    return _sent.get()


def signed_by() -> Verified:
    """The TaskTracker that the request being handled comes from, where TRACKERS names its path."""
    return _signed.get()
