"""How long a job waits for agents that hold its data: delay scheduling, per job.

After Zaharia et al., "Delay Scheduling" (EuroSys 2010), with what Spark learned in SPARK-18886.
docs/scheduling.md gives the rule and the reasons.
"""

from __future__ import annotations

from dataclasses import dataclass

from mrmesos.jobtracker.core.model.wait import NO_WAIT, Wait
from mrmesos.wire.task import Locality

NODE, RACK, ANY = 0, 1, 2
"""Levels: the farthest from its data that a map may start now."""

REST = 4
"""A wait that ended in vain is not repeated before so many times its length has gone by."""


MEMORY = 8
"""After so many further chances, what is known of those before counts half."""


@dataclass(slots=True)
class Chances:
    """Chances that every job passed over, counted for the whole cluster.

    `again` are those on agents that nobody had used since they were passed over before: they
    stood idle, while the others may have gone to another framework in the meantime.
    """

    passed: int = 0
    again: int = 0
    idle: float = 0.0
    """The part of `again` in those that offers brought of late."""

    @property
    def unwanted(self) -> bool:
        """Whether nobody else seems to want what our jobs pass over."""
        return self.idle >= 0.5

    def offered(self, before: tuple[int, int]) -> None:
        """Offers were answered; `before` are `passed` and `again` as they were until then."""
        passed = self.passed - before[0]
        if passed > 0:
            idle = (self.again - before[1]) / passed
            self.idle += (idle - self.idle) * passed / (passed + MEMORY)


@dataclass(slots=True)
class DelayClock:
    """One job's clock. `version` tells deadlines of the present wait from those of earlier ones."""

    node: Wait
    rack: Wait
    level: int = NODE
    since: float | None = None
    """When this wait began: the first chance passed over at this level. None: no wait."""
    skipped: int = 0
    version: int = 0
    passed: int = 0
    again: int = 0
    before: tuple[float, int, int] | None = None
    """`since`, `passed` and `again` of a wait that a local launch ended."""
    relaxed: float | None = None
    """When the level last rose, by a wait that ended in vain."""
    launched: int = 0
    """Maps started since then."""
    spent: Wait = NO_WAIT
    """The waits that ended in vain, together."""

    def __post_init__(self) -> None:
        self.level = self._least()

    def _least(self) -> int:
        if self.node:
            return NODE
        return RACK if self.rack else ANY

    @property
    def wait(self) -> Wait:
        """The wait that ends this level."""
        return self.node if self.level == NODE else self.rack

    def start(self, now: float, chances: Chances) -> None:
        """A chance was passed over and no wait runs.

        Where the agents of the wait before turn out to have stood idle since, that one goes on: the
        local launch that ended it came too early to know.
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
        """One more chance was passed over. Whether that ends a wait which counts them."""
        self.skipped += 1
        return 0 < self.wait.offers <= self.skipped

    def over(self, now: float, chances: Chances, *, racks: bool) -> float | None:
        """The wait has ended in vain. The deadline of the next one, if that is a time.

        Without `racks` (none is known) there is nothing to wait for beside the node.
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
        """A map was started. Whether the job is strict, or waits anew, because of it."""
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
        """Whether to begin the wait anew would change next to nothing."""
        return self.since is not None and now - self.since < self.wait.seconds / 100

    def _rested(self, now: float) -> bool:
        since = now if self.relaxed is None else self.relaxed
        long, often = REST * self.spent.seconds, REST * self.spent.offers
        return now - since >= long and self.launched >= often

    def _idled(self, chances: Chances) -> bool:
        """Whether at least half of the chances passed over in this wait were of idle agents."""
        again = chances.again - self.again
        return again > 0 and 2 * again >= chances.passed - self.passed

    def forget(self) -> bool:
        """No wait runs any more, and none ended in vain. Whether that changes anything."""
        if self.since is None and self.relaxed is None and self.before is None:
            return False
        self.since = self.relaxed = self.before = None
        self.level, self.skipped, self.spent = self._least(), 0, Wait()
        self.version += 1
        return True
