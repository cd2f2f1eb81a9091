"""The reasons to refuse an HTTP request, each with its status.

All are `access.signing.Refusal`, like the refusals of authentication, so one place answers them.
"""

from __future__ import annotations

from mrmesos.access.signing import Refusal


class BadRequest(Refusal):
    """The request cannot be used. The message says why."""

    def __init__(self, message: str) -> None:
        """`message` may quote the request, which may hold invalid text."""
        super().__init__(400, message.encode("utf-8", "replace").decode())


class Forbidden(Refusal):
    """The sender is known, but may not do this (now)."""

    def __init__(self, message: str) -> None:
        super().__init__(403, message)


class NotFound(Refusal):
    """The thing that the request names does not exist."""

    def __init__(self, message: str) -> None:
        """`message` may quote the request, which may hold invalid text."""
        super().__init__(404, message.encode("utf-8", "replace").decode())


class SetAside(Refusal):
    """The core raised an exception over this message. That is our bug. Nothing was changed."""

    def __init__(self) -> None:
        super().__init__(
            500, "the JobTracker failed over this message and set it aside; its log says why"
        )


class Unavailable(Refusal):
    """The JobTracker cannot answer now: it is full, it is stopping, or it has failed."""

    def __init__(self, message: str) -> None:
        super().__init__(503, message)
