"""Which states may follow which: one table for each kind of thing that has states.

A thing's own `transition()` is the only place that assigns its state. It checks the table at the
head of the thing's file. Pure; both cores use it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

STORY_LINES = 20
"""How many of its last changes a thing remembers."""


class BadTransition(AssertionError):
    """A change of state that cannot be; the message ends with the thing's story."""


class Transitions:
    """The table of one kind of thing: which states may follow which."""

    def __init__(self, kind: str, allowed: Mapping[StrEnum, Sequence[StrEnum]]) -> None:
        self.kind = kind
        self.allowed = {(old, new) for old, after in allowed.items() for new in after}

    def check(self, what: str, old: StrEnum, new: StrEnum, story: Sequence[str] = ()) -> None:
        """Raise BadTransition where `what` cannot go from `old` to `new`."""
        if (old, new) not in self.allowed:
            raise BadTransition("\n".join([f"{what} cannot go from {old} to {new}:", *story]))
