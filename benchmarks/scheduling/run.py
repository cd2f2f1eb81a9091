"""Run the scheduler's experiments and print each result with the wanted figure.

    python -m benchmarks.scheduling.run                      the small ones, some minutes
    python -m benchmarks.scheduling.run --swim FILE [--share 0.05]    also a Facebook day

Exits with 1 if a wanted figure is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from mrmesos.simulator.results import figures, pace
from mrmesos.simulator.spec import Spec, SwimSpec, change, load
from mrmesos.simulator.tables import percent, table
from mrmesos.simulator.world import simulate

HERE = Path(__file__).parent
NO_WAIT_SHARE = 0.05
"""The part of the Facebook day that also runs without delay scheduling, to compare."""


@dataclass(frozen=True, slots=True)
class Line:
    """One figure, and its wanted value."""

    what: str
    found: str
    wanted: str
    good: bool


SEEDS = (1, 2, 3, 4)
"""The seeds. We take means over them, as the paper does over three runs."""


def waiting(spec: Spec, wait: float) -> Spec:
    """The same with another wait for node-local offers, and no further wait for the rack."""
    conf = {**spec.conf, "locality.wait.node": wait, "locality.wait.rack": 0}
    return change(spec, conf=conf)


def scans(spec: Spec) -> tuple[float, float]:
    """The part of maps that were node-local, and the mean response time in seconds."""
    runs = [figures(simulate(change(spec, seed=seed)))["all"] for seed in SEEDS]
    return fmean(run["node_local"] for run in runs), fmean(run["response_mean"] for run in runs)


def mesos_paper() -> Iterator[Line]:
    """Sixteen frameworks on 93 nodes: static partitions, then shared with three waits."""
    share, slow = scans(load(HERE / "mesos-paper-static.toml"))
    yield Line("static partitions: node-local", percent(share), "18 % (paper)", 0.13 < share < 0.23)
    shared = load(HERE / "mesos-paper.toml")
    for wait, least, fast in ((0.0, 0.0, 0.0), (1.0, 0.90, 0.0), (5.0, 0.95, 1.7)):
        share, seconds = scans(waiting(shared, wait))
        name = f"shared, wait {wait:g} s"
        wanted = f"over {percent(least)}" if least else ""
        yield Line(f"{name}: node-local", percent(share), wanted, share >= least)
        faster, wanted = slow / seconds, f"{fast:g}x or more" if fast else ""
        yield Line(f"{name}: jobs faster by", f"{faster:.3f}x", wanted, faster >= fast)


def busy() -> Iterator[Line]:
    """Small jobs between large ones in a full cluster, with four waits."""
    spec = load(HERE / "busy.toml")
    for wait in (0.0, 1.0, 5.0, 15.0):
        small = figures(simulate(waiting(spec, wait)))["by_maps"]["1-9"]
        found = f"{percent(small['node_local'])}, {small['response_median']:.0f} s"
        yield Line(f"full cluster, wait {wait:g} s: small jobs, median", found, "", True)


def one_host() -> Iterator[Line]:
    """SPARK-18886."""
    result = figures(simulate(load(HERE / "one-host.toml")))["all"]
    slowdown = result["slowdown_median"]
    yield Line(
        "all prefer one host: against ideal", f"{slowdown:.2f}x", "2x or less", slowdown <= 2
    )


def slow_agents() -> Iterator[Line]:
    """A tenth of the agents five times slower, and other stragglers: without and with backups."""
    spec = load(HERE / "slow-agents.toml")
    none = {"map.speculative": False, "reduce.speculative": False}
    without = figures(simulate(change(spec, conf={**spec.conf, **none})))
    result = figures(simulate(spec))
    for size, jobs in result["by_maps"].items():
        before = without["by_maps"][size]
        for name, what in (("response_median", "median"), ("response_95", "95 %")):
            found = f"{before[name]:.0f} s, {jobs[name]:.0f} s"
            good = jobs[name] < before[name]
            yield Line(f"slow agents, jobs of {size} maps: {what} without, with", found, "", good)
    wasted = result["resources"]["cpus"]["wasted_of_used"]
    yield Line("slow agents: wasted, of used CPUs", percent(wasted), "", True)


def bad_hosts() -> Iterator[Line]:
    """On one host in twenty, nine attempts of ten fail. First nobody avoids it, then single jobs,
    then all.
    """
    spec = load(HERE / "bad-hosts.toml")
    never = 1_000_000
    for who, conf in (
        ("nobody", {"job.maxtaskfailures.per.tracker": never}),
        ("each job for itself", {"jobtracker.tasktracker.maxblacklists": never}),
        ("all", {}),
    ):
        result = figures(simulate(change(spec, conf={**spec.conf, **conf})))
        small, failed = result["by_maps"]["10-99"], result["counts"]["attempts_ended"]["FAILED"]
        found = f"{failed:,}, {small['response_median']:.0f} s, {small['response_95']:.0f} s"
        yield Line(f"bad hosts, avoided by {who}: failures, median, 95 %", found, "", True)


def facebook(swim: str, share: float) -> Iterator[Line]:
    """A day, or its beginning, of Facebook's jobs in 2010 on 3,000 agents."""
    spec = change(load(HERE / "facebook.toml"), swim=SwimSpec(file=swim, share=share))
    outcome = simulate(spec)
    result, speed = figures(outcome), pace(outcome)
    what = f"Facebook 2010, {percent(share)} of the day"
    ended = result["states"].get("SUCCEEDED", 0)
    yield Line(f"{what}: jobs", f"{ended:,}", f"{outcome.works:,}", ended == outcome.works)
    local = result["by_maps"]["1-9"]["node_local"]
    yield Line(f"{what}: node-local, jobs under 10 maps", percent(local), "over 90 %", local > 0.9)
    part = min(share, NO_WAIT_SHARE)
    none = figures(simulate(waiting(change(spec, swim=SwimSpec(file=swim, share=part)), 0.0)))
    found = percent(none["by_maps"]["1-9"]["node_local"])
    yield Line(f"{percent(part)} of the day without any wait: the same", found, "", True)
    cpus = result["resources"]["cpus"]
    idle = cpus["idle_of_used"] + cpus["starting_of_used"]
    yield Line(f"{what}: held but idle, of used CPUs", percent(idle), "under 5 %", idle < 0.05)
    minutes = outcome.cpu / 60
    wanted = f"under {20 * share:g}"
    yield Line(f"{what}: minutes of one core", f"{minutes:.1f}", wanted, minutes < 20 * share)
    decisions = speed["decisions_per_core_second"]
    yield Line(f"{what}: decisions/s in the core", f"{decisions:,}", "", True)


def main() -> int:
    """Print a line for each figure as it is known."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--swim", help="a SWIM file of Facebook's jobs in 2010")
    parser.add_argument("--share", type=float, default=1.0, help="its first lines only")
    options = parser.parse_args()
    lines = [*mesos_paper(), *busy(), *one_host(), *slow_agents(), *bad_hosts()]
    if options.swim is not None:
        lines.extend(facebook(options.swim, options.share))
    rows = [(line.what, line.found, line.wanted, "" if line.good else "MISSED") for line in lines]
    print("\n".join(table([("", "found", "wanted", ""), *rows])))
    return 0 if all(line.good for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
