"""Sessions of browsers, and tickets. A ticket is good for one login.

A session is known by a random cookie. We keep hashes only, so a dump of our memory logs nobody in.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict

from mrmesos.jobtracker.pages.views.links import FULL, Scope

SESSION_SECONDS = 8 * 3600.0
SESSIONS_MAX = 1000
TICKET_SECONDS = 60.0
TICKET_SECONDS_MAX = 24 * 3600.0
TICKETS_MAX = 1000


class Sessions:
    """All times are seconds of one clock, which the caller reads."""

    def __init__(self) -> None:
        self._sessions: _Issued = OrderedDict()
        self._tickets: _Issued = OrderedDict()

    def open(self, now: float, seconds: float = SESSION_SECONDS, scope: Scope = FULL) -> str:
        """A new session. Returns its cookie. If there are too many, the oldest one ends."""
        return _issue(self._sessions, now + min(seconds, SESSION_SECONDS), SESSIONS_MAX, scope)

    def knows(self, cookie: str, now: float) -> bool:
        """Whether a cookie is that of a session that has not ended."""
        return self.scope(cookie, now) is not None

    def scope(self, cookie: str, now: float) -> Scope | None:
        """The rights of the session with this cookie. None if there is no such session, or it
        ended.
        """
        until, scope = self._sessions.get(_hash(cookie), (0.0, FULL))
        return scope if until > now else None

    def close(self, cookie: str) -> None:
        """End a session."""
        self._sessions.pop(_hash(cookie), None)

    def ticket(self, now: float, seconds: float = TICKET_SECONDS) -> str:
        """A new ticket, good for one login within this many seconds."""
        return _issue(self._tickets, now + min(seconds, TICKET_SECONDS_MAX), TICKETS_MAX, FULL)

    def redeem(self, ticket: str, now: float) -> bool:
        """Use up a ticket. Returns whether it was good."""
        return self._tickets.pop(_hash(ticket), (0.0, FULL))[0] > now


_Issued = OrderedDict[bytes, tuple[float, Scope]]
"""By hash: the end of the session or ticket, and its rights."""


def _issue(known: _Issued, until: float, most: int, scope: Scope) -> str:
    word = secrets.token_urlsafe(32)
    known[_hash(word)] = until, scope
    while len(known) > most:
        known.popitem(last=False)
    return word


def _hash(word: str) -> bytes:
    return hashlib.sha256(word.encode("utf-8", "replace")).digest()
