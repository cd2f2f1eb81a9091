"""Agents, Mesos tasks and executors of a world with faults, and the amounts of resources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mrmesos.jobtracker.core.messages import events as ev
from mrmesos.wire.task import Attempt, AttemptReport, MapOutput

Amounts = dict[str, float]


def amounts(*lists: tuple[Mapping[str, Any], ...]) -> Amounts:
    """Resource JSON summed by name."""
    sums: Amounts = {}
    for resources in lists:
        for resource in resources:
            name = resource["name"]
            sums[name] = round(sums.get(name, 0) + resource["scalar"]["value"], 3)
    return sums


def minus(left: Amounts, right: Amounts) -> Amounts:
    """What is left, by name."""
    return {name: round(value - right.get(name, 0), 3) for name, value in left.items()}


def as_json(values: Amounts) -> tuple[dict[str, Any], ...]:
    """Resource JSON."""
    return tuple(
        {"name": name, "type": "SCALAR", "scalar": {"value": value}, "role": "*"}
        for name, value in values.items()
        if value > 0
    )


@dataclass(slots=True)
class SimAgent:
    """A machine."""

    id: str
    hostname: str
    resources: Amounts
    free: Amounts
    rack: str = ""
    disk: str = "ssd"
    slowness: float = 1.0
    bad: bool = False
    """Most attempts fail here while there are faults."""
    away: ev.Unavailability | None = None
    alive: bool = True
    cut_off: bool = False
    """The master does not reach it; what runs there runs on."""
    unheard_until: float = 0.0
    """Nothing passes between its TaskTrackers and the JobTracker."""
    filtered_until: float = 0.0
    filtered: Amounts = field(default_factory=dict)


@dataclass(slots=True)
class SimSlot:
    """A Mesos task."""

    id: str
    agent: SimAgent
    tracker_id: str
    resources: Amounts
    first: Attempt | None
    state: str = "TASK_STAGING"
    attempt: str = ""


@dataclass(slots=True)
class SimTracker:
    """An executor process."""

    id: str
    agent: SimAgent
    resources: Amounts
    up: bool = False
    gone: bool = False
    slots: dict[str, SimSlot] = field(default_factory=dict)
    sequence: int = 0
    done: int = 0
    reports: dict[str, AttemptReport] = field(default_factory=dict)
    running: dict[str, tuple[Attempt, float]] = field(default_factory=dict)
    lasts: dict[str, float] = field(default_factory=dict)
    """Seconds that an attempt takes, if nothing is missing."""
    fetched: set[str] = field(default_factory=set)
    """Reduce attempts that said to have all their input."""
    have: dict[str, set[int]] = field(default_factory=dict)
    """By reduce attempt: the maps whose output it has."""
    failing: dict[str, dict[str, float]] = field(default_factory=dict)
    """By reduce attempt: the map attempts whose output it cannot fetch, and since when."""
    outputs: dict[str, dict[int, MapOutput]] = field(default_factory=dict)
    silent_until: float = 0.0
    answered: float = 0.0
