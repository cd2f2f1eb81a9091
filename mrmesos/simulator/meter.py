"""Measures a simulation while it runs. Resources are in thousandths, and integrals in thousandths
times seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from mrmesos.simulator.machines import Amounts
from mrmesos.wire.job import JobState
from mrmesos.wire.task import Locality

SAMPLES_MAX = 1_000


@dataclass(slots=True)
class HeldResources:
    """The use of one resource in slots over time."""

    used: float = 0.0
    """Used by attempts that ran, whether or not they won."""
    wasted: float = 0.0
    """The part of `used` by attempts that failed, were killed or lost, or came second."""
    stalled: float = 0.0
    """The part of `used` in which reduces waited for maps."""
    starting: float = 0.0
    """From launch until the first attempt began."""
    idle: float = 0.0
    """Between attempts, and from the last attempt until Mesos had the slot back."""
    trackers: float = 0.0
    """Held by TaskTrackers beside their slots."""


class Ended(msgspec.Struct, frozen=True):
    """A job that ended. Times are seconds from the start."""

    name: str
    framework: int
    state: JobState
    submitted: float
    ended: float
    ideal: float
    maps: int
    reduces: int
    attempts: int
    localities: dict[Locality, int]


class Sample(msgspec.Struct, frozen=True):
    """A sample of the cluster. CPUs are in thousandths."""

    at: float
    jobs: int
    attempts: int
    cpus_used: int
    cpus_held: int
    trackers: int


@dataclass(slots=True)
class Meter:
    """All figures of one simulation."""

    usage: dict[str, HeldResources] = field(
        default_factory=lambda: {"cpus": HeldResources(), "mem": HeldResources()}
    )
    ended: list[Ended] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    # --- Now
    jobs: int = 0
    attempts: int = 0
    trackers: int = 0
    cpus_used: int = 0
    cpus_held: int = 0
    # --- Counts
    attempts_ended: dict[str, int] = field(default_factory=dict)
    offers: int = 0
    declined: int = 0
    launches: int = 0
    further: int = 0
    """Attempts started in a slot that came free."""
    slots_ended: int = 0
    trackers_started: int = 0
    agents_lost: int = 0
    # --- The core's own: events by name, and the CPU seconds that they took
    core_events: dict[str, int] = field(default_factory=dict)
    core_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def placed(self) -> int:
        """Attempts that were placed. Some never began, because their slot was lost at once."""
        return self.launches + self.further

    @property
    def decisions(self) -> int:
        """Offers refused, attempts placed, free slots ended: each is an answer of findTask."""
        return self.placed + self.declined + self.slots_ended

    def busy(self, amounts: Amounts, seconds: float, *, wasted: bool) -> None:
        """An attempt ended after `seconds`."""
        for name, usage in self.usage.items():
            part = amounts.get(name, 0) * seconds
            usage.used += part
            if wasted:
                usage.wasted += part

    def stalled(self, amounts: Amounts, seconds: float) -> None:
        """A reduce got the map outputs it had waited for."""
        for name, usage in self.usage.items():
            usage.stalled += amounts.get(name, 0) * seconds

    def started(self, amounts: Amounts, seconds: float) -> None:
        """A slot's first attempt began, or its slot ended before that."""
        for name, usage in self.usage.items():
            usage.starting += amounts.get(name, 0) * seconds

    def idled(self, amounts: Amounts, seconds: float) -> None:
        """A slot was without an attempt."""
        if seconds:
            for name, usage in self.usage.items():
                usage.idle += amounts.get(name, 0) * seconds

    def tracked(self, amounts: Amounts, seconds: float) -> None:
        """A TaskTracker ended."""
        for name, usage in self.usage.items():
            usage.trackers += amounts.get(name, 0) * seconds

    def sample(self, at: float) -> None:
        """Take a sample. When there are SAMPLES_MAX samples, every other one is forgotten."""
        if len(self.samples) >= SAMPLES_MAX:
            del self.samples[1::2]
        self.samples.append(
            Sample(at, self.jobs, self.attempts, self.cpus_used, self.cpus_held, self.trackers)
        )
