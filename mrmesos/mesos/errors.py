"""Errors of calls to a master or an agent."""

from __future__ import annotations

__all__ = ["MesosCallError", "MesosError", "MesosUnreachable"]


class MesosError(Exception):
    """A call failed."""


class MesosCallError(MesosError):
    """The other side refused the call: its answer is not 2xx."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"HTTP {status}: {body[:500]}" if body else f"HTTP {status}")
        self.status = status
        """The HTTP status."""
        self.body = body
        """The answer's text, at most `mrmesos.mesos.calls.MAX_ANSWER_BYTES`."""


class MesosUnreachable(MesosError):
    """No answer came: refused, reset or timed out. The call may or may not have taken effect."""
