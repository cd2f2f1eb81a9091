"""One simulation: builds the scene from a specification, and runs it to its end."""

from __future__ import annotations

import gc
import itertools
import math
from random import Random
from time import perf_counter, process_time

import msgspec

from mrmesos import conf as c
from mrmesos.conf import Conf
from mrmesos.resources import milli
from mrmesos.simulator.clock import Clock
from mrmesos.simulator.competitor import PlainFramework
from mrmesos.simulator.durations import Durations
from mrmesos.simulator.framework import Framework
from mrmesos.simulator.machines import Amounts
from mrmesos.simulator.master import Bidder, Master, SimulatedAgent
from mrmesos.simulator.meter import Meter
from mrmesos.simulator.scene import Scene
from mrmesos.simulator.spec import Spec, SpecError, as_text
from mrmesos.simulator.storage import Storage
from mrmesos.simulator.workload import Work, workload

SAMPLE_SECONDS = 5.0
COLLECT_AFTER = 2_000_000
"""Attempts after which garbage is collected, or as many as there are objects of live jobs."""
LOOK_EVERY = 1_000
"""Actions between two looks at whether it is time."""


class NotOver(RuntimeError):
    """Some jobs have not ended after `limit_hours` of virtual time."""


class Outcome(msgspec.Struct, frozen=True):
    """The outcome of a simulation. `wall` and `cpu` are real seconds. All other times are
    virtual.
    """

    spec: Spec
    meter: Meter
    works: int
    tasks: int
    seconds: float
    """The seconds until the last job ended."""
    drained: float
    """The seconds from then until nothing was held."""
    total: Amounts
    happened: int
    wall: float
    cpu: float


class World:
    """Everything that exists in one simulation."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.works = workload(spec)
        self.clock = Clock()
        self.meter = Meter()
        self._ids = 0
        cluster = spec.cluster
        self._size: Amounts = {
            "cpus": milli(cluster.cpus),
            "mem": milli(cluster.memory_mb),
            **{name: milli(value) for name, value in cluster.further.items()},
        }
        self.master = Master(self.clock, spec.mesos.allocation_interval, self._rng("allocation"))
        hosts = [(f"host{n:05d}", n % cluster.racks) for n in range(cluster.agents)]
        storage = Storage(
            [[host for host, at in hosts if at == rack] for rack in range(cluster.racks)],
            self._rng("blocks"),
        )
        scene = Scene(
            spec=spec,
            clock=self.clock,
            master=self.master,
            storage=storage,
            durations=Durations(spec.times, self._rng("durations")),
            meter=self.meter,
            rng=self._rng("chance"),
            slots=self._slots(),
        )
        self.frameworks = [Framework(scene, n) for n in range(spec.frameworks.count)]
        self.competitors = [
            PlainFramework(one, 1000 + n, self.clock, self.master, self._rng(f"competitor/{n}"))
            for n, one in enumerate(spec.competitors)
        ]
        bidders: list[Bidder] = [*self.frameworks, *self.competitors]
        for bidder in bidders:
            self.master.add_bidder(bidder)
        self._chance = self._rng("losses")
        self._slow = self._some(hosts, cluster.slow_share, "slow")
        self._bad = self._some(hosts, spec.failures.bad_share, "bad")
        self._rng("order").shuffle(hosts)
        for number, (hostname, rack) in enumerate(hosts):
            part = number % spec.frameworks.count if spec.mesos.static_partitions else None
            self._add_agent((hostname, rack, part))
        self._to_come = len(self.works)
        for number, work in enumerate(self.works):
            self.clock.after(work.at, self._submit, (number, work))
        self.master.start()
        self.clock.after(0.0, self._sample)

    def run(self) -> Outcome:
        """Run until all jobs have ended and nothing of ours is held. Raises NotOver."""
        wall, cpu = perf_counter(), process_time()
        limit = self.clock.now + self.spec.limit_hours * 3600
        enabled = gc.isenabled()
        gc.disable()  # the collector would look at all live tasks again and again
        try:
            self._run(limit)
        finally:
            if enabled:
                gc.enable()
        last = max(job.ended for job in self.meter.ended)
        return Outcome(
            spec=self.spec,
            meter=self.meter,
            works=len(self.works),
            tasks=sum(work.maps + work.reduces for work in self.works),
            seconds=last,
            drained=self.clock.elapsed - last,
            total={name: n * self.spec.cluster.agents for name, n in self._size.items()},
            happened=self.clock.happened,
            wall=perf_counter() - wall,
            cpu=process_time() - cpu,
        )

    def _run(self, limit: float) -> None:
        clock, meter = self.clock, self.meter
        collected, size = 0, COLLECT_AFTER
        warm_trackers = Conf(as_text(self.spec.conf)).get_as(c.TRACKERS_MINIMUM) * len(
            self.frameworks
        )
        for steps in itertools.count():
            if not (self._to_come or meter.jobs or meter.trackers > warm_trackers):
                return
            clock.step()
            if clock.now > limit:
                left = self._to_come + meter.jobs
                raise NotOver(f"{left} jobs have not ended after {self.spec.limit_hours:g} hours")
            if not steps % LOOK_EVERY and meter.placed - collected > size:
                gc.collect()
                live = sum(job.work.maps for f in self.frameworks for job in f.jobs.values())
                collected, size = meter.placed, max(COLLECT_AFTER, live)

    def _rng(self, purpose: str) -> Random:
        """A generator of its own for each purpose, so that more of one leaves the others alone."""
        return Random(f"{self.spec.seed}/{purpose}")

    def _some(self, hosts: list[tuple[str, int]], share: float, purpose: str) -> frozenset[str]:
        """This many of the hosts, chosen at random."""
        names = self._rng(purpose).sample([host for host, _ in hosts], round(share * len(hosts)))
        return frozenset(names)

    def _slots(self) -> int:
        """The number of maps that run at once, by the settings of the specification."""
        conf = Conf(as_text(self.spec.conf))
        need = {
            "cpus": milli(conf.get_as(c.MAP_CPUS)),
            "mem": milli(conf.get_as(c.MAP_MEMORY_MB)),
        }
        fits = [self._size[name] // amount for name, amount in need.items()]
        if not min(fits):
            raise SpecError("no map fits on an agent: see cluster.cpus, cluster.memory_mb and conf")
        return min(fits) * self.spec.cluster.agents

    def _submit(self, what: tuple[int, Work]) -> None:
        number, work = what
        self._to_come -= 1
        self.frameworks[number % len(self.frameworks)].submit(work)

    def _sample(self) -> None:
        self.meter.sample(self.clock.elapsed)
        samples = self.meter.samples
        gap = samples[-1].at - samples[-2].at if len(samples) > 1 else SAMPLE_SECONDS
        self.clock.after(gap, self._sample)

    # --- Agents come and go ----------------------------------------------------------------------

    def _add_agent(self, what: tuple[str, int, int | None]) -> None:
        hostname, rack, part = what
        self._ids += 1
        failures = self.spec.failures
        agent = SimulatedAgent(
            id=f"S{self._ids}",
            hostname=hostname,
            rack=rack,
            total=dict(self._size),
            free=dict(self._size),
            attributes={"rack": f"rack{rack:03d}"},
            partition=part,
            offers=[None] * self.spec.frameworks.count,
            slowness=self.spec.cluster.slow_factor if hostname in self._slow else 1.0,
            failing=failures.bad_attempt if hostname in self._bad else failures.attempt,
        )
        self.master.add_agent(agent)
        hours = failures.agent_mtbf_hours
        if hours:
            self.clock.after(self._chance.expovariate(1 / (hours * 3600)), self._lose, agent)

    def _lose(self, agent: SimulatedAgent) -> None:
        agent.alive = False
        self.meter.agents_lost += 1
        self.master.remove_agent(agent)
        for framework in self.frameworks:
            framework.agent_gone(agent)
        back = max(self.spec.failures.agent_down, math.nextafter(0, 1))
        what = (agent.hostname, agent.rack, agent.partition)
        self.clock.after(back, self._add_agent, what)


def simulate(spec: Spec) -> Outcome:
    """Run a specification. Raises SpecError or NotOver."""
    return World(spec).run()
