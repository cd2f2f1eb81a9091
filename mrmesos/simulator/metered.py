"""The things by which we measure a planned cluster: its TaskTrackers, slots, attempts and jobs."""

from __future__ import annotations

from dataclasses import dataclass, field

from mrmesos.simulator.machines import SimSlot, SimTracker
from mrmesos.simulator.master import SimulatedAgent
from mrmesos.simulator.workload import Work
from mrmesos.wire.ids import TaskKind
from mrmesos.wire.task import Locality


@dataclass(slots=True, eq=False)
class SimJob:
    """A submitted job. Times are seconds from the start."""

    id: str
    work: Work
    submitted: float
    available: set[int] = field(default_factory=set)
    """Maps whose output a living TaskTracker has."""
    waiting: list[Running] = field(default_factory=list)
    """Reduce attempts that lack map outputs."""
    localities: dict[Locality, int] = field(default_factory=lambda: dict.fromkeys(Locality, 0))
    attempts: int = 0

    @property
    def maps_done(self) -> bool:
        """Whether all map outputs for a reduce exist."""
        return len(self.available) >= self.work.maps

    def map_mb(self, index: int) -> float:
        """The input of a map: the last one has the rest."""
        work = self.work
        if index < work.maps - 1:
            return work.map_mb
        return max(0.0, work.input_mb - (work.maps - 1) * work.map_mb)


@dataclass(slots=True, eq=False)
class MeteredTracker(SimTracker[SimulatedAgent, "MeteredSlot"]):
    """An executor."""

    launched: float
    spoke: float = 0.0
    outputs: dict[str, list[int]] = field(default_factory=dict)
    """Maps whose output is here, by job."""


@dataclass(slots=True, eq=False)
class MeteredSlot(SimSlot[MeteredTracker]):
    """A Mesos task."""

    launched: float
    running: Running | None = None
    idle_since: float = 0.0


@dataclass(slots=True, eq=False)
class Running:
    """A running attempt. If `over` is set, the clock's later actions for it do nothing."""

    id: str
    slot: MeteredSlot
    job: SimJob
    kind: TaskKind
    index: int
    began: float
    fails: bool = False
    expected: float = 0.0
    """The seconds that it takes, as far as we know them when it begins."""
    rest: float = 0.0
    """The seconds that a reduce needs after it has fetched everything."""
    stalled_since: float = 0.0
    over: bool = False
