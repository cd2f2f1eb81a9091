"""Random orders of events take every transition that a worker process may take."""

from __future__ import annotations

import random

import pytest

from mrmesos.tasktracker.core.state import WORKER_TRANSITIONS
from tests.tasktracker.world import World
from tests.transition_report import all_of, fail_if_any, note

HISTORIES, STEPS = 20, 250


def test_random_histories_take_every_transition(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, known = note(monkeypatch), all_of([WORKER_TRANSITIONS])
    for seed in range(HISTORIES):
        world = World(random.Random(seed))
        for _ in range(STEPS):
            world.step()
        world.finish(by="jobtracker")
        if taken == known:
            break
    fail_if_any(known - taken)
