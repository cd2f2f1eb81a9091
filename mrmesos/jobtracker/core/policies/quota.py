"""The limit on the framework's resources (`mesos.cpus.max` and similar settings)."""

from __future__ import annotations

from mrmesos.jobtracker.core.state.state import State
from mrmesos.resources import Amounts


class Quota:
    """How much the framework may still take of each resource that has a limit."""

    __slots__ = ("_left",)

    def __init__(self, st: State) -> None:
        self._left = dict(st.settings.cap)
        for slot in st.cluster.slots.values():
            self.spend(slot.taken)
        for _ in st.cluster.trackers:
            self.spend(st.settings.tracker)

    def within(self, free: Amounts) -> Amounts:
        """The part of `free` that the framework may take."""
        return {n: min(amount, self._left.get(n, amount)) for n, amount in free.items()}

    def allows(self, need: Amounts) -> bool:
        """Whether `need` may be taken."""
        return all(need.get(name, 0) <= left for name, left in self._left.items())

    def spend(self, *taken: Amounts) -> None:
        """Subtract what was taken."""
        for amounts in taken:
            for name in self._left:
                self._left[name] -= amounts.get(name, 0)
