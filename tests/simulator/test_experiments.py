"""The experiments of benchmarks/scheduling, as tests."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random

import pytest

from mrmesos.simulator.results import figures
from mrmesos.simulator.spec import SwimSpec, change, load
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


@pytest.mark.slow
def test_sixteen_frameworks_that_share_agents_find_their_data() -> None:
    """The Mesos paper's figure 8; benchmarks/scheduling/run.py has the means over seeds."""
    static = figures(simulate(load(SPECS / "mesos-paper-static.toml")))["all"]
    shared = load(SPECS / "mesos-paper.toml")
    for wait, local, faster in ((1, 0.90, 1.6), (5, 0.95, 1.65)):
        conf = {"locality.wait.node": wait, "locality.wait.rack": 0}
        result = figures(simulate(change(shared, conf=conf)))
        cpus = result["resources"]["cpus"]
        assert result["all"]["node_local"] > local
        assert static["response_mean"] / result["all"]["response_mean"] > faster
        assert cpus["idle_of_used"] + cpus["starting_of_used"] < 0.05


def test_backup_attempts_make_up_for_slow_agents() -> None:
    spec = load(SPECS / "slow-agents.toml")
    spec = change(spec, cluster=change(spec.cluster, agents=40), jobs=spec.jobs[:1])
    none = {"map.speculative": False, "reduce.speculative": False}
    without = figures(simulate(change(spec, conf=none)))["all"]
    result = figures(simulate(spec))
    assert result["all"]["response_median"] < 0.75 * without["response_median"]
    assert result["all"]["response_95"] < 0.75 * without["response_95"]
    assert result["resources"]["cpus"]["wasted_of_used"] < 0.25


@pytest.mark.slow
def test_small_jobs_find_their_data_and_little_is_held_idle(tmp_path: Path) -> None:
    """Jobs whose sizes are spread as widely as Facebook's, in a cluster that has room for them."""
    rng, lines, at = Random(1), [], 0
    for number in range(400):
        gap = round(rng.expovariate(1 / 4))
        at += gap
        read = min(int(math.exp(rng.gauss(17, 5))), 1 << 40)
        shuffle = read // rng.choice([2, 10, 100]) if rng.random() < 0.6 else 0
        lines.append(f"job{number}\t{at}\t{gap}\t{read}\t{shuffle}\t{shuffle // 2}\n")
    swim = tmp_path / "jobs.tsv"
    swim.write_text("".join(lines))
    spec = load(SPECS / "facebook.toml")
    cluster = change(spec.cluster, agents=600, racks=30)
    result = figures(simulate(change(spec, cluster=cluster, swim=SwimSpec(file=str(swim)))))
    assert result["states"] == {"SUCCEEDED": 400}
    assert result["by_maps"]["1-9"]["node_local"] > 0.9
    cpus = result["resources"]["cpus"]
    assert cpus["idle_of_used"] + cpus["starting_of_used"] < 0.05
