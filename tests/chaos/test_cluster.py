"""The harness itself: what it asks of a process that it has stopped is answered."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from mrmesos.testing.faults import Injector
from tests.chaos.cluster import ROLES, Cluster


@pytest.mark.timeout(60)
def test_a_stopped_minimesos_runs_on_while_an_answer_is_awaited(tmp_path: Path) -> None:
    rng = random.Random(1)
    cluster = Cluster(tmp_path, rng)
    try:
        more = {"restart agent": lambda: cluster.agent("restart")}
        injector = Injector(tmp_path, rng, ROLES, more)
        cluster.meanwhile = lambda: injector.resume_due(time.monotonic())
        assert injector.inject("pause mesos")
        assert injector.inject("restart agent")
    finally:
        cluster.kill_all()
