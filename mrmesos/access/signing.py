"""Signed requests between processes that share a key, and answers that prove the key, too.

    Authorization: Mrmesos <who>:<time>:<nonce>:<SHA-256 of the body>:<MAC>

The MAC (HMAC-SHA256) covers all of these, the method and the path, so it is good for this request
only, within WINDOW_SECONDS and once. The key itself never travels. The body's hash stands in the
header, so that a stranger is refused before anything of a body is read. An answer carries in
X-Mrmesos-Reply a MAC of the request's MAC, and of its own body where that is known beforehand: who
listens where a peer used to is not believed. Hadoop's SecureShuffleUtils does as much with its
UrlHash and ReplyHash.

Clocks need not agree: who is told that a request is stale learns the peer's time from a header that
is signed, too, and signs by that from then on.
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
"""Signed requests within twice the window; more are refused, as they could not be told apart."""
AUTHORIZATION = "Authorization"
REPLY = "X-Mrmesos-Reply"
TIME = "X-Mrmesos-Time"
CLIENT = "client"
"""Who a client is when it greets; then `client.<life>`, of the JobTracker that answered."""
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()

_HEADER = re.compile(
    r"Mrmesos ([A-Za-z0-9_.-]{1,200}):([0-9]{1,12}):([0-9a-f]{32}):([0-9a-f]{64}):([0-9a-f]{64})"
)
_NOBODY = secrets.token_hex(16)
"""The key of those who have none: what it signs is never accepted."""


class Refusal(Exception):
    """A request is not let in: the HTTP status, why, and further headers of the answer."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def derived_key(secret: str, who: str) -> str:
    """The key of one peer, which tells nothing of the secret or of others' keys."""
    return _mac(secret, "key", who)


def client_key(token: str) -> str:
    """What clients and JobTracker sign with, who share this token."""
    return derived_key(token, CLIENT)


def same(given: str, wanted: str) -> bool:
    """Whether two texts are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def _mac(key: str, *parts: str) -> str:
    """No part holds a newline; the first says what the MAC is for."""
    return hmac.new(key.encode(), "\n".join(parts).encode(), hashlib.sha256).hexdigest()


def _reply(key: str, mac: str, body_sha256: str) -> str:
    return _mac(key, "reply", mac, body_sha256)


def _time(key: str, mac: str, seconds: str) -> str:
    return _mac(key, "time", mac, seconds)


@dataclass(slots=True)
class Signer:
    """Signs requests to one peer. `clock` gives Unix seconds. Safe to use from several threads."""

    who: str
    key: str = field(repr=False)
    clock: Callable[[], float] = time.time
    _ahead: float = 0.0
    """How far the peer's clock is ahead of ours, as far as we know."""

    def sign(self, method: str, path: str, body: bytes = b"") -> str:
        """The Authorization of a request; `path` as the request line has it, with the query."""
        return self.sign_digest(method, path, hashlib.sha256(body).hexdigest())

    def sign_digest(self, method: str, path: str, digest: str) -> str:
        """The same for a body of which only the SHA-256 is at hand."""
        seconds, nonce = str(max(0, int(self.clock() + self._ahead))), secrets.token_hex(16)
        mac = _mac(self.key, "request", method, path, self.who, seconds, nonce, digest)
        return f"Mrmesos {self.who}:{seconds}:{nonce}:{digest}:{mac}"

    def proves(self, signed: str, reply: str, body_sha256: str = EMPTY_SHA256) -> bool:
        """Whether the answer to a request that had the Authorization `signed` comes from one who
        knows the key. The default is for answers of which the body is not covered.
        """
        return same(reply, _reply(self.key, signed.rpartition(":")[2], body_sha256))

    def learn_time(self, signed: str, told: str) -> bool:
        """Take over the peer's time from the header TIME; False where it is not to be believed."""
        seconds, _, mac = told.partition(":")
        if not same(mac, _time(self.key, signed.rpartition(":")[2], seconds)):
            return False
        self._ahead = float(seconds) - self.clock()
        return True


@dataclass(frozen=True, slots=True)
class Verified:
    """Who signed a request, and the SHA-256 that its body must have."""

    who: str
    body_sha256: str
    _key: str = field(repr=False)
    _mac: str

    def reply(self, body_sha256: str = EMPTY_SHA256) -> str:
        """The header REPLY of the answer."""
        return _reply(self._key, self._mac, body_sha256)

    def check_body(self, body: bytes) -> None:
        """Raise Refusal where this is not the body that was signed."""
        if not same(hashlib.sha256(body).hexdigest(), self.body_sha256):
            raise Refusal(401, "the body is not the one that was signed")


class Verifier:
    """Lets in what was signed with the key of who it says, lately, and not before.

    What it remembers is bounded: one nonce for each request let in, for twice the window. Safe to
    use from several threads.
    """

    def __init__(
        self,
        key_of: Callable[[str], str | None],
        *,
        window: float = WINDOW_SECONDS,
        nonces_max: int = NONCES_MAX,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """`key_of` gives the key of a peer, None for those who have none. `clock` gives Unix
        seconds; by default one that never jumps, or an old request could become a new one.
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
        """Nonces kept now."""
        return len(self._nonces)

    def verify(self, method: str, path: str, header: str, *, once: bool = True) -> Verified:
        """Raises Refusal: 401, or 503 where there were too many requests to remember one more.

        With `once` false the same request is let in again within the window: for what may be
        repeated, and comes too often to be remembered.
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
            # A request may be from the future, by a window, and is stale a window after that.
            self._forget.append((now + 2 * self._window, nonce))
