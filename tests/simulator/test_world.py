from __future__ import annotations

from xml.etree import ElementTree

import pytest

from mrmesos.simulator.plot import svg
from mrmesos.simulator.results import as_json, figures, quantile
from mrmesos.simulator.spec import (
    ClusterSpec,
    Competitor,
    FailuresSpec,
    FrameworksSpec,
    JobClass,
    MesosSpec,
    Spec,
    SpecError,
    TimesSpec,
    TrackerSpec,
)
from mrmesos.simulator.world import NotOver, Outcome, World, simulate
from mrmesos.wire.job import JobState

CLUSTER = ClusterSpec(agents=12, racks=3, cpus=4, memory_mb=6144)
SMALL = JobClass(name="small", count=12, interval=7.0, arrival="poisson", maps=5, reduces=1)
LARGE = JobClass(
    name="large", count=2, interval=30.0, maps=150, reduces=6, shuffle_mb=2048, output_mb=512
)
MIXED = Spec(seed=3, cluster=CLUSTER, jobs=(SMALL, LARGE))


def run(spec: Spec) -> tuple[World, Outcome]:
    """A run after which nothing may be held by us."""
    world = World(spec)
    outcome = world.run()
    for framework in world.frameworks:
        assert not any(framework.account.held.values())
    if not world.competitors:
        assert all(agent.free == agent.total for agent in world.master.agents.values())
    meter = outcome.meter
    assert meter.jobs == meter.attempts == meter.trackers == meter.cpus_held == meter.cpus_used == 0
    assert len(meter.ended) == outcome.works
    assert meter.placed >= sum(meter.attempts_ended.values())
    return world, outcome


def test_all_jobs_succeed_where_nothing_fails() -> None:
    _, outcome = run(MIXED)
    assert {job.state for job in outcome.meter.ended} == {JobState.SUCCEEDED}
    assert outcome.meter.placed == outcome.tasks
    assert outcome.drained < 30
    result = figures(outcome)
    shares = result["all"]
    parts = [shares[key] for key in ("node_local", "rack_local", "elsewhere")]
    assert sum(parts) == pytest.approx(1.0, abs=0.001)
    cpus = result["resources"]["cpus"]
    assert 0 < cpus["utilisation"] < cpus["held"] <= 1
    assert all(job.ended - job.submitted > 0 for job in outcome.meter.ended)


def test_ticks_do_not_grow_with_jobs() -> None:
    many = JobClass(name="tiny", count=100, interval=0.02, maps=1, map_seconds=1.0)
    _, outcome = run(Spec(seed=1, cluster=CLUSTER, jobs=(many,)))
    assert outcome.meter.core_events["Tick"] < 5 * outcome.seconds


def test_used_and_held_add_up_without_noise() -> None:
    times = TimesSpec(noise=0.0, attempt_overhead=0.0)
    job = JobClass(name="one", maps=40, map_seconds=10.0, placement="none")
    trackers = TrackerSpec(startup=0.0)
    _, outcome = run(Spec(cluster=CLUSTER, times=times, trackers=trackers, jobs=(job,)))
    usage = outcome.meter.usage["mem"]
    assert usage.used == pytest.approx(40 * 10.0 * 1024_000)
    assert usage.wasted == usage.stalled == 0
    assert usage.idle < 0.02 * usage.used


def test_equal_seeds_give_equal_bytes_and_others_do_not() -> None:
    first, again = (as_json(figures(simulate(MIXED))) for _ in range(2))
    other = as_json(figures(simulate(Spec(seed=4, cluster=CLUSTER, jobs=(SMALL, LARGE)))))
    assert first == again != other


@pytest.mark.parametrize("seed", range(6))
def test_jobs_end_though_attempts_fail_and_machines_are_lost(seed: int) -> None:
    failures = FailuresSpec(attempt=0.05, tracker_start=0.1, agent_mtbf_hours=0.1, agent_down=40.0)
    mesos = MesosSpec(agent_timeout=20.0)
    spec = Spec(
        seed=seed,
        cluster=CLUSTER,
        mesos=mesos,
        failures=failures,
        jobs=(SMALL, LARGE),
        conf={"map.maxattempts": 12, "reduce.maxattempts": 12},
    )
    _, outcome = run(spec)
    assert {job.state for job in outcome.meter.ended} == {JobState.SUCCEEDED}
    assert outcome.meter.agents_lost > 0
    assert outcome.meter.attempts_ended["FAILED"] > 0
    assert outcome.meter.usage["cpus"].wasted > 0


def test_a_job_whose_attempts_all_fail_fails() -> None:
    spec = Spec(cluster=CLUSTER, failures=FailuresSpec(attempt=1.0), jobs=(SMALL,))
    _, outcome = run(spec)
    assert {job.state for job in outcome.meter.ended} == {JobState.FAILED}


def test_reduces_that_start_early_stall_but_do_not_deadlock() -> None:
    conf: dict[str, str | int | float | bool] = {"job.reduce.slowstart.completedmaps": 0.05}
    _, outcome = run(Spec(seed=1, cluster=CLUSTER, jobs=(SMALL, LARGE), conf=conf))
    assert {job.state for job in outcome.meter.ended} == {JobState.SUCCEEDED}
    assert outcome.meter.usage["cpus"].stalled > 0


def test_frameworks_share_with_a_plain_one() -> None:
    spec = Spec(
        seed=1,
        cluster=CLUSTER,
        frameworks=FrameworksSpec(count=2),
        competitors=(Competitor(name="other", tasks=500, seconds=5.0, memory_mb=1152),),
        jobs=(JobClass(name="scan", count=2, maps=300, map_seconds=4.0, placement="none"),),
        conf={"slot.lease.seconds": 10},
    )
    world, outcome = run(spec)
    assert {job.framework for job in outcome.meter.ended} == {0, 1}
    middle = [s for s in outcome.meter.samples if 30 < s.at < outcome.seconds * 0.7]
    ours = sum(s.cpus_held for s in middle) / len(middle) / outcome.total["cpus"]
    assert 0.5 < ours < 0.8, "two of three equal frameworks have about two thirds"
    assert world.competitors[0].running > 0


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(SpecError, match="no map fits"):
        World(Spec(cluster=ClusterSpec(cpus=0.5), jobs=(SMALL,)))
    with pytest.raises(NotOver, match="jobs have not ended"):
        simulate(Spec(cluster=CLUSTER, jobs=(LARGE,), limit_hours=0.001))


def test_the_picture_is_xml_with_all_groups() -> None:
    outcome = simulate(MIXED)
    text = svg(outcome, figures(outcome))
    root = ElementTree.fromstring(text)
    words = [element.text for element in root.iter() if element.text]
    assert {"1-9", "100-999"} <= set(words)


def test_quantiles_are_by_nearest_rank() -> None:
    assert quantile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0
    assert quantile([1.0, 2.0, 3.0, 4.0], 0.95) == 4.0
    assert quantile([1.0], 0.5) == 1.0


def test_warm_trackers_stay_up_when_all_is_over() -> None:
    outcome = simulate(Spec(cluster=CLUSTER, jobs=(SMALL,), conf={"trackers.minimum": 3}))
    assert len(outcome.meter.ended) == SMALL.count
    assert outcome.meter.trackers == 3
