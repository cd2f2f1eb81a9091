"""Which states may follow which: one table for each kind of thing that has states.

A thing's own `transition()` is the only place that assigns its state. It checks the table at the
head of the thing's file. Pure; both cores use it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol

STORY_LINES = 20
"""How many of its last changes a thing remembers."""


class BadTransition(AssertionError):
    """A change of state that the table does not allow. The message ends with the thing's story."""


class Named(Protocol):
    """A thing that has states. Making its name may cost more than the check."""

    @property
    def id(self) -> str:
        """Its name in messages."""


class Transitions:
    """The table of one kind of thing: which states may follow which."""

    def __init__(self, kind: str, allowed: Mapping[StrEnum, Sequence[StrEnum]]) -> None:
        self.kind = kind
        self.allowed = {(old, new) for old, after in allowed.items() for new in after}
        # Members are singletons, and hashing one is a call of Python code (Enum.__hash__).
        self._pairs = frozenset((id(old), id(new)) for old, new in self.allowed)

    def check(self, thing: Named, old: StrEnum, new: StrEnum, story: Sequence[str] = ()) -> None:
        """Raise BadTransition where `thing` cannot go from `old` to `new`."""
        if (id(old), id(new)) not in self._pairs:
            raise BadTransition("\n".join([f"{thing.id} cannot go from {old} to {new}:", *story]))
