"""Delay scheduling: how long each job waits for agents that hold its data.

This follows Zaharia et al., "Delay Scheduling" (EuroSys 2010), and avoids the bug SPARK-18886.
docs/scheduling.md gives the rule and the reasons.
"""

from __future__ import annotations

from dataclasses import dataclass

from mrmesos.jobtracker.core.model.settings import NO_WAIT, Wait
from mrmesos.wire.task import Locality

NODE, RACK, ANY = 0, 1, 2
"""Locality levels: how far from its data a map may start now."""

REST = 4
"""After a wait without a local launch, the job does not wait again until this many times its length
has passed.
"""


MEMORY = 8
"""After this many further chances, earlier chances count half."""


@dataclass(slots=True)
class Chances:
    """Chances to start a map that every job passed over, counted for the whole cluster.

    `again` counts the chances on agents that were passed over before and that nobody has used
    since. Those agents stood idle. Another framework may have used the others in the meantime.
    """

    passed: int = 0
    again: int = 0
    idle: float = 0.0
    """The share of `again` in the chances that recent offers brought."""

    @property
    def unwanted(self) -> bool:
        """Whether no other framework seems to want what our jobs pass over."""
        return self.idle >= 0.5

    def offered(self, before: tuple[int, int]) -> None:
        """Offers were answered. `before` has `passed` and `again` from before that."""
        passed = self.passed - before[0]
        if passed > 0:
            idle = (self.again - before[1]) / passed
            self.idle += (idle - self.idle) * passed / (passed + MEMORY)


@dataclass(slots=True)
class DelayClock:
    """One job's clock. `version` grows with each change, to tell old deadlines from new ones."""

    node: Wait
    rack: Wait
    level: int = NODE
    since: float | None = None
    """When this wait began, with the first chance passed over at this level. None: no wait runs."""
    skipped: int = 0
    version: int = 0
    passed: int = 0
    again: int = 0
    before: tuple[float, int, int] | None = None
    """`since`, `passed` and `again` of a wait that a local launch ended."""
    relaxed: float | None = None
    """When a wait last ended without a local launch. That raised the level."""
    launched: int = 0
    """Maps started since `relaxed`."""
    spent: Wait = NO_WAIT
    """The sum of the waits that ended without a local launch."""

    def __post_init__(self) -> None:
        self.level = self._least()

    def _least(self) -> int:
        if self.node:
            return NODE
        return RACK if self.rack else ANY

    @property
    def wait(self) -> Wait:
        """The longest wait at this level."""
        return self.node if self.level == NODE else self.rack

    def start(self, now: float, chances: Chances) -> None:
        """A chance was passed over while no wait ran, so a wait begins.

        A local launch may have ended the wait before. If it turns out that the agents stood idle
        during that wait, that wait goes on, because the launch came too early to know this.
        """
        self.version += 1
        self.skipped = 0
        if self.before is not None:
            self.since, self.passed, self.again = self.before
            self.before = None
            if self._idled(chances):
                return
        self.since, self.passed, self.again = now, chances.passed, chances.again

    def skip(self) -> bool:
        """One more chance was passed over. Returns whether this ends a wait that counts chances."""
        self.skipped += 1
        return 0 < self.wait.offers <= self.skipped

    def over(self, now: float, chances: Chances, *, racks: bool) -> float | None:
        """The wait ended without a local launch. Returns the deadline of the next wait, if that one
        has a time.

        If no rack is known (`racks` is False), the next level is ANY.
        """
        self.relaxed, self.launched = now, 0
        self.spent = Wait(
            self.spent.seconds + self.wait.seconds, self.spent.offers + self.wait.offers
        )
        self.level = RACK if self.level == NODE and self.rack and racks else ANY
        self.since = self.before = None
        self.version += 1
        if self.level == ANY:
            return None
        self.start(now, chances)
        return now + self.rack.seconds if self.rack.seconds else None

    def started(self, locality: Locality, now: float, chances: Chances) -> bool:
        """A map was started. Returns whether this resets the clock to the first level."""
        self.launched += 1
        if locality is Locality.ANY:
            return False
        if self.relaxed is not None and not (locality is Locality.NODE_LOCAL and self._rested(now)):
            return False
        if self.relaxed is None and (
            self.since is None or self._just_begun(now) or self._idled(chances)
        ):
            return False
        before = None if self.since is None else (self.since, self.passed, self.again)
        self.forget()
        self.before = before
        return True

    def _just_begun(self, now: float) -> bool:
        """Whether the wait is so young that a restart would change almost nothing."""
        return self.since is not None and now - self.since < self.wait.seconds / 100

    def _rested(self, now: float) -> bool:
        since = now if self.relaxed is None else self.relaxed
        long, often = REST * self.spent.seconds, REST * self.spent.offers
        return now - since >= long and self.launched >= often

    def _idled(self, chances: Chances) -> bool:
        """Whether at least half of the chances in this wait came from agents that stood idle."""
        again = chances.again - self.again
        return again > 0 and 2 * again >= chances.passed - self.passed

    def forget(self) -> bool:
        """Reset the clock, as if the job had never waited. Returns whether it changed."""
        if self.since is None and self.relaxed is None and self.before is None:
            return False
        self.since = self.relaxed = self.before = None
        self.level, self.skipped, self.spent = self._least(), 0, Wait()
        self.version += 1
        return True
