"""Which transitions of a table some histories have taken, and which never."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

import pytest

from mrmesos.transitions import Named, Transitions

Taken = set[tuple[str, StrEnum, StrEnum]]
"""The kind of thing, the old state, and the new one."""


def all_of(tables: Iterable[Transitions]) -> Taken:
    """The transitions that these tables allow."""
    return {(table.kind, old, new) for table in tables for old, new in table.allowed}


def note(monkeypatch: pytest.MonkeyPatch) -> Taken:
    """A set that gets each transition that is taken from now on."""
    taken: Taken = set()
    check = Transitions.check

    def noting(
        self: Transitions, thing: Named, old: StrEnum, new: StrEnum, story: Sequence[str] = ()
    ) -> None:
        taken.add((self.kind, old, new))
        check(self, thing, old, new, story)

    monkeypatch.setattr(Transitions, "check", noting)
    return taken


def fail_if_any(never: Taken) -> None:
    """Fail with a list of these transitions."""
    lines = sorted(f"{kind}: {old} -> {new}" for kind, old, new in never)
    assert not never, f"no history took these; add histories that do, or take them out: {lines}"
