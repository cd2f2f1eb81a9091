"""The harness itself: a process that it has stopped still answers its questions."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from mrmesos.testing.faults import Injector
from tests.chaos.cluster import ROLES, Cluster, wait_until
from tests.zookeeper import zookeeper


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


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_masters_fail_over_while_agents_are_away(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with zookeeper(tmp_path / "zk") as address:
        cluster = Cluster(tmp_path / "run", random.Random(1), f"zk://{address}/mesos")
        try:
            assert cluster.ask("restart 3 0.1") == "done"
            assert cluster.ask("part 2 0.1") == "done"
            assert cluster.ask("failover") == "done"
            wait_until(lambda: not cluster.resources_held(), "all agents to be known")
            wait_until(lambda: cluster.ask("lose 3") == "done", "the end of one")
            wait_until(lambda: not cluster.resources_held(), "another in its place")
        finally:
            cluster.kill_all()
