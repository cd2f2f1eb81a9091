"""A plain framework beside ours, which shares the cluster with us."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from mrmesos.resources import milli
from mrmesos.simulator.clock import Clock
from mrmesos.simulator.machines import Amounts
from mrmesos.simulator.master import Account, Master, SimulatedAgent
from mrmesos.simulator.spec import Competitor

REFUSE_SECONDS = 5.0
"""Mesos' default filter."""


class PlainFramework:
    """Wants a number of running tasks of one size. Their times are exponential."""

    def __init__(
        self, spec: Competitor, number: int, clock: Clock, master: Master, rng: Random
    ) -> None:
        self.account = Account(number, spec.weight, suppressed=True)
        self.running = 0
        self._spec = spec
        self._clock = clock
        self._master = master
        self._rng = rng
        self._need: Amounts = {
            name: amount
            for name, amount in (("cpus", milli(spec.cpus)), ("mem", milli(spec.memory_mb)))
            if amount
        }
        clock.after(spec.start, self._begin)

    def _begin(self) -> None:
        self._master.revive(self.account)

    @property
    def _wanted(self) -> int:
        over = self._clock.elapsed >= self._spec.stop
        return 0 if over else self._spec.tasks - self.running

    def offered(self, agents: Sequence[SimulatedAgent]) -> None:
        """As many tasks as fit and as the framework wants."""
        for agent in agents:
            while self._wanted > 0 and self._fits(agent):
                self._master.use(self.account, agent, self._need)
                self.running += 1
                seconds = self._rng.expovariate(1 / self._spec.seconds)
                self._clock.after(seconds, self._ended, agent)
            self._master.refuse(self.account, (agent.id,), REFUSE_SECONDS)
        if self._wanted <= 0:
            self._master.suppress(self.account)

    def _fits(self, agent: SimulatedAgent) -> bool:
        return all(agent.free.get(name, 0) >= amount for name, amount in self._need.items())

    def _ended(self, agent: SimulatedAgent) -> None:
        self.running -= 1
        self._master.give_back(self.account, agent, self._need)
        if self._wanted > 0:
            self.account.suppressed = False
