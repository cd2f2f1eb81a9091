"""Run the scheduler's experiments and print what came of each beside what is wanted of it.

    python -m benchmarks.scheduling.run                      the small ones, under a minute
    python -m benchmarks.scheduling.run --swim FILE [--share 0.05]    also a Facebook day

Exits with 1 where a wanted figure is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mrmesos.simulator.results import figures, pace
from mrmesos.simulator.spec import Spec, SwimSpec, change, load
from mrmesos.simulator.tables import percent, table
from mrmesos.simulator.world import simulate

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Line:
    """One figure and what is wanted of it."""

    what: str
    found: str
    wanted: str
    good: bool


def with_wait(spec: Spec, seconds: float) -> Spec:
    """The same with another wait for node-local offers (and none beyond it for the rack)."""
    return change(spec, conf={**spec.conf, "locality.wait.node": str(seconds)})


def mesos_paper() -> Iterator[Line]:
    """Sixteen frameworks on 93 nodes: static partitions, then shared with three waits."""
    static = figures(simulate(load(HERE / "mesos-paper-static.toml")))["all"]
    share = static["node_local"]
    yield Line("static partitions: node-local", percent(share), "18 % (paper)", 0.13 < share < 0.23)
    shared = load(HERE / "mesos-paper.toml")
    for wait, least in ((0.0, 0.0), (1.0, 0.90), (5.0, 0.95)):
        result = figures(simulate(with_wait(shared, wait)))["all"]
        share = result["node_local"]
        faster = static["response_mean"] / result["response_mean"]
        name = f"shared, wait {wait:g} s"
        wanted = f"over {percent(least)}" if least else ""
        yield Line(f"{name}: node-local", percent(share), wanted, share >= least)
        wanted = "1.7x or more" if wait == 5.0 else ""
        yield Line(f"{name}: jobs faster by", f"{faster:.2f}x", wanted, not wanted or faster >= 1.7)


def one_host() -> Iterator[Line]:
    """SPARK-18886."""
    result = figures(simulate(load(HERE / "one-host.toml")))["all"]
    slowdown = result["slowdown_median"]
    yield Line(
        "all prefer one host: against ideal", f"{slowdown:.2f}x", "2x or less", slowdown <= 2
    )


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
    lines = [*mesos_paper(), *one_host()]
    if options.swim is not None:
        lines.extend(facebook(options.swim, options.share))
    rows = [(line.what, line.found, line.wanted, "" if line.good else "MISSED") for line in lines]
    print("\n".join(table([("", "found", "wanted", ""), *rows])))
    return 0 if all(line.good for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
