"""Only `transition()` assigns a state, and random histories take every allowed transition."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path

import pytest

import mrmesos
from mrmesos.jobtracker.core.model.job import JOB_TRANSITIONS
from mrmesos.jobtracker.core.model.slot import SLOT_TRANSITIONS
from mrmesos.jobtracker.core.model.task import ATTEMPT_TRANSITIONS, TASK_TRANSITIONS
from mrmesos.jobtracker.core.model.tracker import TRACKER_TRANSITIONS
from mrmesos.simulator.faults import histories
from mrmesos.transitions import BadTransition, Named, Transitions

TABLES = (
    JOB_TRANSITIONS,
    TASK_TRANSITIONS,
    ATTEMPT_TRANSITIONS,
    SLOT_TRANSITIONS,
    TRACKER_TRANSITIONS,
)
HISTORIES = 150


def assignments(path: Path) -> Iterator[tuple[str, int]]:
    """The functions that assign to an attribute `state`, each with the line."""
    for function in ast.walk(ast.parse(path.read_text())):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if (
                isinstance(node, ast.Attribute)
                and node.attr == "state"
                and isinstance(node.ctx, ast.Store)
            ):
                yield function.name, node.lineno


@pytest.mark.parametrize("core", ["jobtracker/core", "tasktracker/core"])
def test_only_transition_assigns_a_state(core: str) -> None:
    root = Path(mrmesos.__file__).parent / core
    found = [
        f"{path.relative_to(root)}:{line}"
        for path in root.rglob("*.py")
        for name, line in assignments(path)
        if name != "transition"
    ]
    assert not found


def test_random_histories_take_every_transition(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: set[tuple[str, StrEnum, StrEnum]] = set()
    check = Transitions.check

    def noting(
        self: Transitions, thing: Named, old: StrEnum, new: StrEnum, story: Sequence[str] = ()
    ) -> None:
        taken.add((self.kind, old, new))
        check(self, thing, old, new, story)

    monkeypatch.setattr(Transitions, "check", noting)
    known = {(table.kind, old, new) for table in TABLES for old, new in table.allowed}
    for seed in range(HISTORIES):
        histories.make(seed).run()
        if taken == known:
            break
    never = sorted(f"{kind}: {old} -> {new}" for kind, old, new in known - taken)
    assert not never, f"{HISTORIES} histories never took these; test them, or take them out"


def test_a_wrong_step_tells_the_story() -> None:
    class State(StrEnum):
        OPEN = "OPEN"
        SHUT = "SHUT"

    table = Transitions("door", {State.OPEN: (State.SHUT,)})

    class Door:
        id = "door 1"

    table.check(Door(), State.OPEN, State.SHUT)
    with pytest.raises(BadTransition, match=r"door 1 cannot go from SHUT to OPEN:\nit was shut"):
        table.check(Door(), State.SHUT, State.OPEN, ["it was shut"])
