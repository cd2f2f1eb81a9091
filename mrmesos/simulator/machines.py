"""What runs on agents: TaskTrackers, slots and attempts, and the jobs they work for."""

from __future__ import annotations

from dataclasses import dataclass, field

from mrmesos.simulator.master import Amounts, SimulatedAgent
from mrmesos.simulator.workload import Work
from mrmesos.wire.ids import TaskKind
from mrmesos.wire.task import Attempt, Locality


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
        """Whether a reduce finds all it has to fetch."""
        return len(self.available) >= self.work.maps

    def map_mb(self, index: int) -> float:
        """The input of a map: the last one has the rest."""
        work = self.work
        if index < work.maps - 1:
            return work.map_mb
        return max(0.0, work.input_mb - (work.maps - 1) * work.map_mb)


@dataclass(slots=True, eq=False)
class MeteredTracker:
    """An executor."""

    id: str
    agent: SimulatedAgent
    own: Amounts
    url: str
    launched: float
    up: bool = False
    gone: bool = False
    sequence: int = 0
    done: int = 0
    """The highest number of any action carried out."""
    spoke: float = 0.0
    slots: dict[str, MeteredSlot] = field(default_factory=dict)
    outputs: dict[str, list[int]] = field(default_factory=dict)
    """Maps whose output is here, by job."""


@dataclass(slots=True, eq=False)
class MeteredSlot:
    """A Mesos task."""

    id: str
    tracker: MeteredTracker
    amounts: Amounts
    first: Attempt | None
    launched: float
    running: Running | None = None
    idle_since: float = 0.0
    up: bool = False
    over: bool = False


@dataclass(slots=True, eq=False)
class Running:
    """An attempt under way. `over` voids what the clock still holds of it."""

    id: str
    slot: MeteredSlot
    job: SimJob
    kind: TaskKind
    index: int
    began: float
    fails: bool = False
    expected: float = 0.0
    """Seconds it takes, as far as is known when it begins."""
    rest: float = 0.0
    """Seconds of a reduce after it has fetched."""
    stalled_since: float = 0.0
    over: bool = False
