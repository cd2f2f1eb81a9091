"""The JobTracker does not hear one agent that Mesos sees. A job loses at most 30 s by this."""

from __future__ import annotations

import pytest

from tests.jobtracker.sim_many import story_of
from tests.jobtracker.sim_unheard import UnheardWorld

FAST, SLOW, CHUNK = 60, 1_500, 20


def run_seed(seed: int) -> UnheardWorld:
    world = UnheardWorld(seed)
    if story := story_of(world):
        pytest.fail(f"seed {seed}\n{story}")
    return world


@pytest.mark.parametrize("first", range(0, FAST, CHUNK))
def test_worlds_with_one_agent_unheard(first: int) -> None:
    for seed in range(first, first + CHUNK):
        run_seed(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(FAST, SLOW, CHUNK * 4))
def test_many_worlds_with_one_agent_unheard(first: int) -> None:
    for seed in range(first, first + CHUNK * 4):
        run_seed(seed)
