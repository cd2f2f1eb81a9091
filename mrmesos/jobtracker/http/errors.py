"""Why the JobTracker does not do what it was asked over HTTP, each with its status.

All are `access.signing.Refusal`, as is what the door refuses: one way to be answered with.
"""

from __future__ import annotations

from mrmesos.access.signing import Refusal


class BadRequest(Refusal):
    """What was sent cannot be used; the message says why."""

    def __init__(self, message: str) -> None:
        """`message` may quote what was sent, in whatever bytes."""
        super().__init__(400, message.encode("utf-8", "replace").decode())


class Forbidden(Refusal):
    """It is known who asks, and it is no business of theirs (now)."""

    def __init__(self, message: str) -> None:
        super().__init__(403, message)


class Unavailable(Refusal):
    """The JobTracker cannot answer now: it is full, stopping or has failed."""

    def __init__(self, message: str) -> None:
        super().__init__(503, message)
