"""Who may ask the JobTracker what: clients show their token, TaskTrackers sign (docs/security.md).

Everything needs the clients' token but what is named here, so a path that is added is closed. The
key of a TaskTracker is made from its id and the JobTracker's secret: nothing is kept of any, one
cannot speak for another, and trackers of before a restart are known as long as the secret is.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

import msgspec
from aiohttp import web

from mrmesos.access.signing import AUTHORIZATION, REPLY, Refusal, Verified, Verifier, derived_key
from mrmesos.access.signing import same as same_text
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
_WHERE = "MRMESOS_TOKEN_FILE is to name its file, or MRMESOS_TOKEN to hold it (docs/security.md)"
_NO_TOKEN = f"the JobTracker's token is needed: {_WHERE}"
_WRONG_TOKEN = f"the token shown is not this JobTracker's: {_WHERE}"
_signed: ContextVar[Verified] = ContextVar("signed")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Authenticator:
    """Stands before all handlers, as the outermost middleware."""

    def __init__(self, token: str, secret: str) -> None:
        """`token` is the clients', `secret` what keys of TaskTrackers are made from."""
        self._token, self._secret = token, secret
        self._verifier = Verifier(self.key_of)

    def key_of(self, tracker_id: str) -> str:
        """What a TaskTracker signs with."""
        return derived_key(self._secret, tracker_id)

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse, or let in and sign the answer."""
        resource = request.match_info.route.resource
        asked = (request.method, resource.canonical if resource is not None else "")
        try:
            if asked in TRACKERS:
                return await self._for_tracker(request, handler, once=asked != HEARTBEAT)
            if asked not in OPEN:
                self._check_client(request)
        except Refusal as refusal:
            logger.debug("%s %s: %s", request.remote, request.method, refusal)
            return refused(refusal)
        return await handler(request)

    def _check_client(self, request: web.Request) -> None:
        given = request.headers.get(AUTHORIZATION, "")
        if not same_text(given, f"Bearer {self._token}"):
            headers = {"WWW-Authenticate": "Bearer"}
            raise Refusal(401, _WRONG_TOKEN if given else _NO_TOKEN, headers)

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
        if isinstance(answer, web.Response) and isinstance(answer.body, bytes | None):
            answer.headers[REPLY] = verified.reply(hashlib.sha256(answer.body or b"").hexdigest())
        return answer


def refused(refusal: Refusal) -> web.Response:
    """The answer to what is refused."""
    body = msgspec.json.encode(ApiError(str(refusal)))
    return web.Response(
        body=body,
        status=refusal.status,
        headers=refusal.headers,
        content_type="application/json",
    )


def signed_by() -> Verified:
    """The TaskTracker that the request being handled comes from, where TRACKERS names its path."""
    return _signed.get()
