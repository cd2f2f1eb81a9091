"""The JobTracker does not hear one agent that Mesos sees. A job loses at most 30 s by this."""

from __future__ import annotations

import pytest

from mrmesos.simulator.faults.histories import prove

FAST, SLOW, CHUNK = 60, 540, 20


@pytest.mark.parametrize("first", range(0, FAST, CHUNK))
def test_worlds_with_one_agent_unheard(first: int) -> None:
    for seed in range(first, first + CHUNK):
        prove(seed, "unheard")


@pytest.mark.slow
@pytest.mark.parametrize("first", range(FAST, SLOW, CHUNK * 4))
def test_many_worlds_with_one_agent_unheard(first: int) -> None:
    for seed in range(first, first + CHUNK * 4):
        prove(seed, "unheard")
