"""Errors of calls to a master or an agent."""

from __future__ import annotations

__all__ = ["MesosCallError", "MesosError", "MesosUnreachable"]


class MesosError(Exception):
    """A call failed."""


class MesosCallError(MesosError):
    """The call was refused: the answer has a status other than 2xx."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"HTTP {status}: {body[:500]}" if body else f"HTTP {status}")
        self.status = status
        """The HTTP status."""
        self.body = body
        """The answer's body, at most `mrmesos.mesos.calls.MAX_ANSWER_BYTES`."""


class MesosUnreachable(MesosError):
    """No answer: the connection was refused, reset or timed out. The call may have had effect."""
