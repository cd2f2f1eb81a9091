"""Measures the cost of a scheduling decision: many agents' offers to a core with many jobs.

    python -m benchmarks.findtask [--agents 10000] [--jobs 1000] [--maps 1000] [--profile]

It runs the production core on offers as a master sends them, and measures CPU time of one
processor core. A decision is one call of findTask: it starts a map, or finds nothing to start.

There are two figures. One is the time of the calls, each including the index updates of the jobs
that the previous call changed. The other is the time of the whole event (adding up offers, making
TaskTrackers and slots, accepts and declines). Both are also shown relative to a cluster of 100
agents and 10 jobs (medians of nine). This ratio should not grow.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from statistics import median
from typing import Any
from unittest.mock import patch

from mrmesos.api.split import FileSlice, Split
from mrmesos.conf import Conf
from mrmesos.jobtracker.core.handlers import offers as offers_module
from mrmesos.jobtracker.core.jobtracker import JobTracker
from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.jobtracker.core.scheduling.find_task import find_task
from mrmesos.jobtracker.core.scheduling.job_index import JobIndex
from mrmesos.simulator.job_spec import simulated_job

SLOTS = 4
REPLICAS = 3


@dataclass(frozen=True, slots=True)
class Size:
    """A cluster and its load."""

    agents: int
    jobs: int
    maps: int


@dataclass(frozen=True, slots=True)
class Cost:
    """Decisions, and microseconds of CPU for one: findTask alone, and the whole event."""

    decisions: int
    started: int
    find: float
    event: float


def core_with_jobs(size: Size, conf: dict[str, str], where: Callable[[int], str]) -> JobTracker:
    """A core that has planned all jobs; `where` names the host of a number below the agents'."""
    rng = random.Random(1)
    core = JobTracker(Conf(conf), "202611201130")
    core.handle(ev.Registered("framework"), 1000.0)
    for number in range(size.jobs):
        job_id = core.next_job_id()
        pool = {"job.pool": f"pool{number % 10}"}
        spec = simulated_job("benchmark", job_id, 1, pool, user=f"user{number % 10}")
        splits = tuple(
            Split(
                (FileSlice("memory://in", i, 1),),
                1,
                tuple(where(n) for n in rng.sample(range(size.agents), REPLICAS)),
            )
            for i in range(size.maps)
        )
        core.handle(ev.JobSubmitted(job_id, spec, "token"), 1000.0)
        core.handle(ev.JobPlanned(job_id, splits), 1000.0)
    return core


def offers_of(size: Size, wave: int, slots: float = SLOTS) -> ev.OffersReceived:
    """All agents, each with room for `slots` maps."""
    resources: tuple[dict[str, Any], ...] = tuple(
        {"name": name, "type": "SCALAR", "scalar": {"value": value}, "role": "*"}
        for name, value in (("cpus", slots), ("mem", slots * 1024.0 + 128.0), ("disk", 1e5))
    )
    return ev.OffersReceived(
        tuple(
            ev.Offer(f"o{wave}-{i}", f"S{i}", f"host{i}", resources, rack=f"/r{i // 40}")
            for i in range(size.agents)
        )
    )


def measure(size: Size, conf: dict[str, str], *, strangers: bool, waves: int) -> Cost:
    """Offer every agent `waves` times; with `strangers` no agent holds any data."""

    def where(number: int) -> str:
        return f"other{number}" if strangers else f"host{number}"

    core = core_with_jobs(size, conf, where)
    if strangers:
        # Agents that hold the data are known, and too small for anything.
        small = offers_of(size, -1, 0.01).offers
        known = tuple(
            ev.Offer(f"k{i}", f"K{i}", where(i), offer.resources) for i, offer in enumerate(small)
        )
        core.handle(ev.OffersReceived(known), 1000.0)
    events = [offers_of(size, wave) for wave in range(waves)]
    gc.collect()
    gc.freeze()  # the jobs' data lives long, so the collector need not scan it
    watch = _StopWatch()

    event_ns, event_decisions, started = 0, 0, 0
    for wave, event in enumerate(events):
        # Every second wave measures the calls; the others measure the event without stopwatch.
        timing = wave % 2 == 0
        with watch.running() if timing else nullcontext():
            begin = time.thread_time_ns()
            core.handle(event, 1000.0 + wave * 0.01)
            took = time.thread_time_ns() - begin
        now_running = len(core.st.attempts)
        if not timing:
            event_ns += took
            event_decisions += now_running - started + size.agents
        started = now_running
    gc.unfreeze()
    return Cost(
        watch.decisions,
        started,
        watch.net_ns / 1000 / watch.decisions,
        event_ns / 1000 / event_decisions,
    )


def typical(size: Size, conf: dict[str, str], *, strangers: bool) -> Cost:
    """The medians of several measurements, if one measurement takes under a twentieth of a
    second.
    """
    waves, times = (4, 1) if size.agents > 1000 else (20, 9)
    costs = [measure(size, conf, strangers=strangers, waves=waves) for _ in range(times)]
    return replace(
        costs[0],
        find=median(cost.find for cost in costs),
        event=median(cost.event for cost in costs),
    )


class _StopWatch:
    """Times findTask, and the index updates outside of it."""

    def __init__(self) -> None:
        self.decisions = self._ns = self._readings = 0
        self._inside = False

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measure while the block runs."""
        find = patch.object(offers_module, "find_task", self._timed(find_task, 1))
        flush = patch.object(JobIndex, "flush", self._timed(JobIndex.flush, 0))
        with find, flush:
            yield

    def _timed(self, function: Callable[..., Any], decisions: int) -> Callable[..., Any]:
        def timed(*args: Any) -> Any:
            if self._inside:
                return function(*args)
            self._inside = True
            begin = time.thread_time_ns()
            result = function(*args)
            self._ns += time.thread_time_ns() - begin
            self._inside = False
            self._readings += 1
            self.decisions += decisions
            return result

        return timed

    @property
    def net_ns(self) -> float:
        """The time without the overhead of the stopwatch itself."""
        total = 0
        for _ in range(20_000):
            begin = time.thread_time_ns()
            total += time.thread_time_ns() - begin
        return self._ns - self._readings * total / 20_000


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=1_000)
    parser.add_argument("--maps", type=int, default=1_000)
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    large, small = Size(args.agents, args.jobs, args.maps), Size(100, 10, args.maps)
    if args.profile:
        core = core_with_jobs(large, {}, lambda number: f"host{number}")
        event = offers_of(large, 0)
        gc.collect()
        gc.freeze()
        profiler = cProfile.Profile()
        profiler.runcall(core.handle, event, 1000.0)
        pstats.Stats(profiler).sort_stats("tottime").print_stats(30)
        return
    print("| case | agents | jobs | decisions | findTask µs | decisions/s | whole event µs |")
    print("|---|---|---|---|---|---|---|")
    for scheduler in ("fifo", "fair"):
        for strangers in (False, True):
            what = f"{scheduler}, " + ("data elsewhere" if strangers else "data on agents")
            costs = []
            for size in (small, large):
                cost = typical(size, {"scheduler": scheduler}, strangers=strangers)
                costs.append(cost)
                print(
                    f"| {what} | {size.agents} | {size.jobs} | {cost.decisions} | {cost.find:.1f} "
                    f"| {1e6 / cost.find:,.0f} | {cost.event:.1f} |",
                    flush=True,
                )
            find, event_ratio = costs[1].find / costs[0].find, costs[1].event / costs[0].event
            print(f"| {what}: large / small | | | | {find:.2f} | | {event_ratio:.2f} |")


if __name__ == "__main__":
    main()
