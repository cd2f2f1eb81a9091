"""Only `transition()` assigns a state, and random histories take every allowed transition."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import pytest

import mrmesos
from mrmesos.simulator.faults import histories
from mrmesos.simulator.faults.chains import ChainWorld
from mrmesos.simulator.faults.fault_plan import FaultPlan
from mrmesos.simulator.faults.free_tasks import FreeTaskWorld
from mrmesos.simulator.faults.world import FaultWorld
from mrmesos.transitions import BadTransition, Transitions
from tests.transition_report import all_of, fail_if_any, note

ROOT = Path(mrmesos.__file__).parent


def tables() -> list[Transitions]:
    """Every table of the JobTracker's core. A new one is found, too."""
    found = dict[int, Transitions]()
    for path in sorted((ROOT / "jobtracker/core/model").glob("*.py")):
        module = importlib.import_module(f"mrmesos.jobtracker.core.model.{path.stem}")
        for thing in vars(module).values():
            if isinstance(thing, Transitions):
                found[id(thing)] = thing
    return list(found.values())


KINDS = ["attempt", "chain", "job", "queue", "slot", "step", "task", "tracker"]
HISTORIES = 150
"""Most histories to look at. The search ends when every transition was seen."""


def worlds() -> Iterator[FaultWorld]:
    """First what is rare elsewhere: users kill queues, and chains whose preparation then fails or
    whose last step commits.
    """
    for seed in range(30):
        fails = 0.7 * (seed % 2)
        yield ChainWorld(seed, FaultPlan(kill_job=1.0, plan_fails=fails), crash=0.0)
    for seed in range(4):
        yield FreeTaskWorld(seed, FaultPlan(kill_job=0.9), crash=0.0)
    for seed in range(HISTORIES):
        yield histories.make(seed)


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
    root = ROOT / core
    found = [
        f"{path.relative_to(root)}:{line}"
        for path in root.rglob("*.py")
        for name, line in assignments(path)
        if name != "transition"
    ]
    assert not found


def test_random_histories_take_every_transition(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sorted(table.kind for table in tables()) == KINDS
    taken, known = note(monkeypatch), all_of(tables())
    for world in worlds():
        world.run()
        if taken == known:
            break
    fail_if_any(known - taken)


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
