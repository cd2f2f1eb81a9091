"""Free tasks in worlds of faults: each one's last word is right, and no finished one runs again."""

from __future__ import annotations

import pytest

from mrmesos.simulator.faults.histories import prove

FAST, ALL, CHUNK = 20, 220, 20


def test_worlds_with_free_tasks() -> None:
    for seed in range(FAST):
        prove(seed, "tasks")


@pytest.mark.slow
@pytest.mark.parametrize("first", range(FAST, ALL, CHUNK))
def test_many_worlds_with_free_tasks(first: int) -> None:
    for seed in range(first, first + CHUNK):
        prove(seed, "tasks")
