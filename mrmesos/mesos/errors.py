"""What can go wrong with a call to a master or an agent."""

from __future__ import annotations

__all__ = ["MesosCallError", "MesosError", "MesosUnreachable"]


class MesosError(Exception):
    """A call did not do what it should."""


class MesosCallError(MesosError):
    """The other side answered, and not with 2xx: the call was refused."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"HTTP {status}: {body[:500]}" if body else f"HTTP {status}")
        self.status = status
        """The HTTP status."""
        self.body = body
        """What the answer said, at most `mrmesos.mesos.calls.MAX_ANSWER_BYTES`."""


class MesosUnreachable(MesosError):
    """No answer: refused, reset or timed out. The call may or may not have had its effect."""
