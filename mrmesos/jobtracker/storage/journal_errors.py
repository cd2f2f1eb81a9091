"""The errors of a journal. The person who starts the JobTracker sees their texts."""

from __future__ import annotations

ACCEPT = "--accept-journal-loss"
WAY_OUT = (
    f"restore the directory, or start with {ACCEPT}, which goes on with what can still be read "
    "(docs/recovery.md says what is lost then)"
)


class JournalError(ValueError):
    """The journal cannot be used. The message names its path and the reason."""


class JournalInUse(JournalError):
    """Another process uses the journal. It can be opened when that process has ended."""


class JournalLost(JournalError):
    """Another JobTracker has opened the journal since, so this one can no longer write."""


class JournalDamaged(JournalError):
    """The journal holds less than was acknowledged. Only a start that accepts the loss goes on."""

    def __init__(self, found: str) -> None:
        super().__init__(f"{found}: {WAY_OUT}")
