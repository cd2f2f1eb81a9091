"""Whether an attempt fits into a slot, or into the rest of an agent's offers."""

from __future__ import annotations

from dataclasses import dataclass, field

from mrmesos.resources import Amounts

LEAST_CPUS = 10
"""In thousandths. Mesos' own minimum (MIN_CPUS): the agent's cgroups refuse smaller shares."""


@dataclass(slots=True)
class Fit:
    """The free resources that an attempt could use: a slot's, or the rest of an agent's offers.

    `beside` is what a new TaskTracker takes for itself. `left` is the part of the attempt's CPUs
    that a slot does not take, because TaskTrackers have it.
    """

    free: Amounts
    beside: Amounts = field(default_factory=dict)
    left: int = 0

    def asks(self, need: Amounts) -> dict[str, int]:
        """What a slot for `need` takes of Mesos."""
        return {**need, "cpus": max(LEAST_CPUS, need.get("cpus", 0) - self.left)}

    def fits(self, need: Amounts) -> bool:
        """Whether a slot for `need` fits, together with `beside`."""
        free, beside = self.free, self.beside
        for name, amount in need.items():
            if name == "cpus" and self.left:
                amount = max(LEAST_CPUS, amount - self.left)
            if free.get(name, 0) < amount + beside.get(name, 0):
                return False
        return True
