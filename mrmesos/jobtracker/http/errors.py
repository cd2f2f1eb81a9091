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


class SetAside(Refusal):
    """It made the core raise an exception: a fault of ours, after which all stands as before."""

    def __init__(self) -> None:
        super().__init__(
            500, "the JobTracker failed over this message and set it aside; its log says why"
        )


class Unavailable(Refusal):
    """The JobTracker cannot answer now: it is full, stopping or has failed."""

    def __init__(self, message: str) -> None:
        super().__init__(503, message)
