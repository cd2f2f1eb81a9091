"""Signed requests between processes that share a key, and signed answers.

    Authorization: Mrmesos <who>:<time>:<nonce>:<SHA-256 of the body>:<MAC>

The MAC (HMAC-SHA256) covers all these fields, the method and the path. So it is valid for this
request only, once, and within WINDOW_SECONDS. The key itself is never sent. The header contains the
body's hash, so that a stranger is refused before the server reads a body. The X-Mrmesos-Reply
header of an answer has a MAC of the request's MAC, and of the answer's body if it is known
beforehand. So a process that takes over a peer's address is not trusted. Hadoop's
SecureShuffleUtils does the same with its UrlHash and ReplyHash.

Clocks need not agree. A refusal of a stale request has the server's time in a signed header, and
the client uses that time from then on.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

WINDOW_SECONDS = 60.0
NONCES_MAX = 200_000
"""Most requests in twice the window. More are refused, because repeated ones could not be
detected.
"""
AUTHORIZATION = "Authorization"
REPLY = "X-Mrmesos-Reply"
TIME = "X-Mrmesos-Time"
CLIENT = "client"
"""A client's name in its first request. Later it is `client.<life>`, with the JobTracker's life."""
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()

_HEADER = re.compile(
    r"Mrmesos ([A-Za-z0-9_.-]{1,200}):([0-9]{1,12}):([0-9a-f]{32}):([0-9a-f]{64}):([0-9a-f]{64})"
)
_NOBODY = secrets.token_hex(16)
"""A key for names without a key. Nothing signed with it is ever accepted."""


class Refusal(Exception):
    """A request is refused. Has the HTTP status, the reason, and headers for the answer."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def derived_key(secret: str, who: str) -> str:
    """The key of one peer. It reveals neither the secret nor other peers' keys."""
    return _mac(secret, "key", who)


def client_key(token: str) -> str:
    """The key with which clients and their JobTracker sign. They share this token."""
    return derived_key(token, CLIENT)


def same(given: str, wanted: str) -> bool:
    """Whether two texts are equal, compared in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def _mac(key: str, *parts: str) -> str:
    """The MAC of some parts. No part has a newline; the first names the MAC's purpose."""
    return hmac.new(key.encode(), "\n".join(parts).encode(), hashlib.sha256).hexdigest()


def _reply(key: str, mac: str, body_sha256: str) -> str:
    return _mac(key, "reply", mac, body_sha256)


def _time(key: str, mac: str, seconds: str) -> str:
    return _mac(key, "time", mac, seconds)


@dataclass(slots=True)
class Signer:
    """Signs requests to one peer. `clock` gives Unix seconds. Several threads may use it."""

    who: str
    key: str = field(repr=False)
    clock: Callable[[], float] = time.time
    _ahead: float = 0.0
    """How far the peer's clock is ahead of ours, as far as we know."""

    def sign(self, method: str, path: str, body: bytes = b"") -> str:
        """The Authorization header of a request. `path` is as in the request line, with query."""
        return self.sign_digest(method, path, hashlib.sha256(body).hexdigest())

    def sign_digest(self, method: str, path: str, digest: str) -> str:
        """Like `sign`, for a body whose SHA-256 is known."""
        seconds, nonce = str(max(0, int(self.clock() + self._ahead))), secrets.token_hex(16)
        mac = _mac(self.key, "request", method, path, self.who, seconds, nonce, digest)
        return f"Mrmesos {self.who}:{seconds}:{nonce}:{digest}:{mac}"

    def proves(self, signed: str, reply: str, body_sha256: str = EMPTY_SHA256) -> bool:
        """Whether an answer comes from a peer that knows the key.

        `signed` is the Authorization of the request. The default of `body_sha256` is for answers
        whose body is not signed.
        """
        return same(reply, _reply(self.key, signed.rpartition(":")[2], body_sha256))

    def learn_time(self, signed: str, told: str) -> bool:
        """Take over the peer's time from the TIME header. False if its signature is wrong."""
        seconds, _, mac = told.partition(":")
        if not same(mac, _time(self.key, signed.rpartition(":")[2], seconds)):
            return False
        self._ahead = float(seconds) - self.clock()
        return True


@dataclass(frozen=True, slots=True)
class Verified:
    """A verified request: its signer, and the SHA-256 that its body must have."""

    who: str
    body_sha256: str
    _key: str = field(repr=False)
    _mac: str

    def reply(self, body_sha256: str = EMPTY_SHA256) -> str:
        """The REPLY header of the answer."""
        return _reply(self._key, self._mac, body_sha256)

    def check_body(self, body: bytes) -> None:
        """Raise Refusal if this is not the signed body."""
        if not same(hashlib.sha256(body).hexdigest(), self.body_sha256):
            raise Refusal(401, "the body is not the one that was signed")


class Verifier:
    """Accepts a request if its signature is right and recent, and the request is not repeated.

    Its memory is bounded: it keeps one nonce for each accepted request, for twice the window.
    Several threads may use it.
    """

    def __init__(
        self,
        key_of: Callable[[str], str | None],
        *,
        window: float = WINDOW_SECONDS,
        nonces_max: int = NONCES_MAX,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """`key_of` returns the key of a peer, or None. `clock` returns Unix seconds.

        The default clock never jumps, because a jump could make an old request valid again.
        """
        offset = time.time() - time.monotonic()
        self._key_of = key_of
        self._window, self._nonces_max = window, nonces_max
        self._clock = clock or (lambda: offset + time.monotonic())
        self._lock = threading.Lock()
        self._nonces: set[str] = set()
        self._forget: deque[tuple[float, str]] = deque()

    @property
    def remembered(self) -> int:
        """Number of nonces kept now."""
        return len(self._nonces)

    def verify(self, method: str, path: str, header: str, *, once: bool = True) -> Verified:
        """Verify a request. Raises Refusal: 401, or 503 if there are too many nonces already.

        If `once` is false, the same request is accepted again within the window. This is for
        requests that may be repeated and come too often to remember.
        """
        match = _HEADER.fullmatch(header)
        if match is None:
            raise Refusal(401, "the request is not signed")
        who, seconds, nonce, digest, given = match.groups()
        key = self._key_of(who)
        wanted = _mac(key or _NOBODY, "request", method, path, who, seconds, nonce, digest)
        if not same(given, wanted) or key is None:
            raise Refusal(401, "the request is not signed with a key that is known here")
        now = self._clock()
        if abs(now - int(seconds)) > self._window:
            told = str(int(now))
            headers = {TIME: f"{told}:{_time(key, given, told)}"}
            raise Refusal(401, f"the request is {abs(now - int(seconds)):.0f} s off", headers)
        if once:
            self._remember(nonce, now)
        return Verified(who, digest, key, given)

    def _remember(self, nonce: str, now: float) -> None:
        with self._lock:
            while self._forget and self._forget[0][0] < now:
                self._nonces.discard(self._forget.popleft()[1])
            if nonce in self._nonces:
                raise Refusal(401, "the request was made before")
            if len(self._nonces) >= self._nonces_max:
                raise Refusal(503, "too many requests", {"Retry-After": "1"})
            self._nonces.add(nonce)
            # A request's time may be one window ahead, and it is stale one window after that.
            self._forget.append((now + 2 * self._window, nonce))
