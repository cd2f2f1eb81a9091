"""Agents, executors and Mesos tasks, and the amounts of resources that they have or take.

Both simulations extend these: the simulation that plans in metered.py, the simulation with faults
in faults/machines.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Generic, TypeVar

from mrmesos.resources import Resource
from mrmesos.wire.task import Attempt

Amounts = dict[str, int]
"""Thousandths by resource name."""

LEAST_CPUS = 10
LEAST_MEM = 32_000
"""Less than both of these is not offered (Mesos' `min_allocatable_resources`)."""


def allocatable(free: Mapping[str, int]) -> bool:
    """Whether a master offers this."""
    return free.get("cpus", 0) >= LEAST_CPUS or free.get("mem", 0) >= LEAST_MEM


def within(amounts: Mapping[str, int], bound: Mapping[str, int]) -> bool:
    """Whether a filter that refused `bound` holds back these amounts, too."""
    return all(amount <= bound.get(name, 0) for name, amount in amounts.items())


def resources(amounts: Mapping[str, int]) -> tuple[Resource, ...]:
    """Resource objects as an offer has them. They are shared: treat them as read-only."""
    return _resources(tuple(amounts.items()))


@lru_cache(maxsize=10_000)
def _resources(amounts: tuple[tuple[str, int], ...]) -> tuple[Resource, ...]:
    return tuple(
        {"name": name, "type": "SCALAR", "scalar": {"value": n / 1000}, "role": "*"}
        for name, n in amounts
        if n > 0
    )


@dataclass(slots=True, eq=False)
class SimAgent:
    """A machine."""

    id: str
    hostname: str
    free: Amounts
    alive: bool = field(default=True, kw_only=True)
    slowness: float = field(default=1.0, kw_only=True)
    """The time of attempts here, as a multiple of their time on other agents."""


AgentT = TypeVar("AgentT", bound=SimAgent)
SlotT = TypeVar("SlotT")
TrackerT = TypeVar("TrackerT")


@dataclass(slots=True, eq=False)
class SimTracker(Generic[AgentT, SlotT]):
    """An executor. `own` is what it takes for itself."""

    id: str
    agent: AgentT
    own: Amounts
    up: bool = field(default=False, kw_only=True)
    gone: bool = field(default=False, kw_only=True)
    slots: dict[str, SlotT] = field(default_factory=dict, kw_only=True)
    sequence: int = field(default=0, kw_only=True)
    """The number of its last heartbeat."""
    done: int = field(default=0, kw_only=True)
    """The highest number of any action carried out."""
    url: str = field(init=False)
    """The URL at which it serves map outputs."""

    def __post_init__(self) -> None:
        self.url = f"http://{self.id}"


@dataclass(slots=True, eq=False)
class SimSlot(Generic[TrackerT]):
    """A Mesos task. It is `up` from TASK_RUNNING on, and `over` when it has ended."""

    id: str
    tracker: TrackerT
    amounts: Amounts
    first: Attempt | None
    up: bool = field(default=False, kw_only=True)
    over: bool = field(default=False, kw_only=True)
