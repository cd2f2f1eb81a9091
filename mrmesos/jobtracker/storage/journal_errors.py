"""What can be wrong with a journal. All of it is told to whoever starts a JobTracker."""

from __future__ import annotations

ACCEPT = "--accept-journal-loss"
WAY_OUT = (
    f"restore the directory, or start with {ACCEPT}, which goes on with what can still be read "
    "(docs/recovery.md says what is lost then)"
)


class JournalError(ValueError):
    """The journal cannot be used; the message names its path and says why."""


class JournalInUse(JournalError):
    """Another process uses it; once that has ended, it can be opened."""


class JournalLost(JournalError):
    """Another JobTracker has opened it since: this one can write no more."""


class JournalDamaged(JournalError):
    """It holds less than was acknowledged. Only a start that accepts this loss goes on."""

    def __init__(self, found: str) -> None:
        super().__init__(f"{found}: {WAY_OUT}")
