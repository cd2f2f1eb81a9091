"""Room for an attempt: in a slot, or in what is left of an agent's offers."""

from __future__ import annotations

from dataclasses import dataclass, field

from mrmesos.resources import Amounts

LEAST_CPUS = 10
"""Thousandths: Mesos' own least share, below which the agent's cgroups refuse."""


@dataclass(slots=True)
class Fit:
    """Where an attempt could go: a slot's resources, or what is left of an agent's offers.

    `beside` is what a new TaskTracker takes for itself. `left` is the part of its need of CPUs that
    a slot leaves to TaskTrackers.
    """

    free: Amounts
    beside: Amounts = field(default_factory=dict)
    left: int = 0

    def asks(self, need: Amounts) -> dict[str, int]:
        """What a slot for `need` is to take."""
        return {**need, "cpus": max(LEAST_CPUS, need.get("cpus", 0) - self.left)}

    def fits(self, need: Amounts) -> bool:
        """Whether there is room for a slot for `need` and what goes beside it."""
        free, beside = self.free, self.beside
        for name, amount in need.items():
            if name == "cpus" and self.left:
                amount = max(LEAST_CPUS, amount - self.left)
            if free.get(name, 0) < amount + beside.get(name, 0):
                return False
        return True
