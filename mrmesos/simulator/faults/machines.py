"""Agents, Mesos tasks and executors of a world with faults."""

from __future__ import annotations

from dataclasses import dataclass, field

from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.simulator.machines import Amounts, SimAgent, SimSlot, SimTracker
from mrmesos.wire.task import Attempt, AttemptReport, MapOutput


def minus(left: Amounts, right: Amounts) -> Amounts:
    """The differences, by name."""
    return {name: amount - right.get(name, 0) for name, amount in left.items()}


def plus(left: Amounts, right: Amounts) -> Amounts:
    """The sums, by name."""
    return {name: left.get(name, 0) + right.get(name, 0) for name in {**left, **right}}


@dataclass(slots=True, eq=False)
class FaultyAgent(SimAgent):
    """A machine."""

    rack: str = ""
    disk: str = "ssd"
    bad: bool = False
    """Most attempts fail here while there are faults."""
    away: ev.Unavailability | None = None
    cut_off: bool = False
    """The master does not reach it. Its tasks go on."""
    unheard_until: float = 0.0
    """No message passes between its TaskTrackers and the JobTracker."""
    filtered_until: float = 0.0
    filtered: Amounts = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class FaultyTracker(SimTracker[FaultyAgent, "FaultySlot"]):
    """An executor process."""

    reports: dict[str, AttemptReport] = field(default_factory=dict)
    running: dict[str, tuple[Attempt, float]] = field(default_factory=dict)
    lasts: dict[str, float] = field(default_factory=dict)
    """Seconds that an attempt takes, if nothing is missing."""
    fetched: set[str] = field(default_factory=set)
    """Reduce attempts that have reported to have all their input."""
    have: dict[str, set[int]] = field(default_factory=dict)
    """By reduce attempt: the maps whose output it has."""
    failing: dict[str, dict[str, float]] = field(default_factory=dict)
    """By reduce attempt: the map attempts whose output it cannot fetch, and since when."""
    outputs: dict[str, dict[int, MapOutput]] = field(default_factory=dict)
    silent_until: float = 0.0
    answered: float = 0.0


@dataclass(slots=True, eq=False)
class FaultySlot(SimSlot[FaultyTracker]):
    """A Mesos task."""

    attempt: str = ""
