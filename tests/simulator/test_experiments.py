"""The experiments of benchmarks/scheduling, as tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from mrmesos.simulator.results import figures
from mrmesos.simulator.spec import load
from mrmesos.simulator.world import World, simulate

SPECS = Path(__file__).parents[2] / "benchmarks" / "scheduling"


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_specification_can_be_read(path: Path) -> None:
    spec = load(path)
    if spec.jobs:
        World(spec)


def test_tasks_that_all_prefer_one_host_use_the_others_too() -> None:
    """SPARK-18886: within twice the ideal."""
    result = figures(simulate(load(SPECS / "one-host.toml")))
    assert result["all"]["slowdown_median"] <= 2.0


def test_static_partitions_have_the_locality_that_the_mesos_paper_found() -> None:
    result = figures(simulate(load(SPECS / "mesos-paper-static.toml")))
    assert 0.15 < result["all"]["node_local"] < 0.21
