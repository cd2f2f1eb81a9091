"""The parts of State, one for each subject. Each says which modules write it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from mrmesos.jobtracker.core.messages.commands import Command
from mrmesos.jobtracker.core.model.cluster import Faults
from mrmesos.jobtracker.core.model.slot import Slot
from mrmesos.jobtracker.core.model.tracker import Tracker
from mrmesos.resources import Amounts
from mrmesos.wire.ids import HostName, SlotId, TrackerId

_NEVER = float("-inf")


@dataclass(slots=True)
class Outbox:
    """The answer to the event being handled. Written by State, and by handlers/slots.py and
    handlers/trackers.py.
    """

    commands: list[Command] = field(default_factory=list)
    last: list[Command] = field(default_factory=list)
    """Commands that go after all others: acknowledgements."""
    woken: dict[TrackerId, None] = field(default_factory=dict)
    """TaskTrackers for which this event brought actions."""
    deaf: dict[TrackerId, None] = field(default_factory=dict)
    """TaskTrackers whose mailbox became full. The next event gives them up."""


@dataclass(slots=True)
class IdleSlots:
    """Slots that run nothing. Written by policies/dispatch.py, slots.py and tracker_recovery.py;
    `given_back` by policies/leases.py.
    """

    free: list[Slot] = field(default_factory=list)
    """Slots whose attempt ended in this event."""
    held: dict[SlotId, Slot] = field(default_factory=dict)
    """Slots that are kept for a moment, because a task waits for a better agent."""
    given_back: SlotId | None = None
    """The slot whose end shows whether Mesos takes slots back (leases.py)."""


@dataclass(slots=True)
class FaultyHosts:
    """Hosts where attempts of several jobs failed. Written by policies/host_faults.py."""

    by_host: dict[HostName, Faults] = field(default_factory=dict)
    checked: int = 0
    """The cluster's `losses` when we last checked whether too many hosts are avoided. -1: check."""
    looked: float = _NEVER
    """When we last looked for an avoided host to use again, because jobs wait."""


@dataclass(slots=True)
class Recovery:
    """Open questions after a restart. Written by restore.py and handlers/tracker_recovery.py."""

    life: int = 0
    """The number of JobTrackers before this one, on the same journal."""
    unheard: dict[TrackerId, set[str]] = field(default_factory=dict)
    """TaskTrackers of earlier lives that have not spoken in this one, and the attempts that they
    should run.
    """


@dataclass(slots=True)
class TrackerEnds:
    """TaskTrackers that ended or never came up. Written by handlers/trackers.py; `last_stderr` by
    the JobTracker, from SandboxRead.
    """

    unexplained: dict[TrackerId, Tracker] = field(default_factory=dict)
    """Ended TaskTrackers, while Mesos may still say more about their end."""
    failed_launches: int = 0
    """The number of TaskTrackers in a row that never came up, on any agent."""
    last_stderr: str = ""
    """The end of the stderr of one of them, if it could be read."""


@dataclass(slots=True)
class Ticks:
    """When ticks came, to notice that this process slept. Written by policies/silence.py;
    `agents_looked_at` by handlers/deadlines.py.
    """

    last: float = _NEVER
    woke: float = _NEVER
    """When the first tick came after none had come for some time."""
    agents_looked_at: float = _NEVER
    """When we last looked for agents to forget."""


@dataclass(slots=True)
class Asking:
    """A round of reconciliation: ask Mesos for each slot that it has not reported `since` then.

    `since` is infinite while no round runs. `next` is when to ask again, or to begin a new round.
    Written by policies/reconciliation.py.
    """

    since: float = math.inf
    next: float = math.inf
    pause: float = 0.0


@dataclass(slots=True)
class MasterSubscription:
    """Our connection to the master. Written by the JobTracker (jobtracker.py) and restore.py;
    `master_heard` by policies/leases.py.
    """

    framework_id: str = ""
    connected: bool = False
    since: float = _NEVER
    """When the present subscription began."""
    master_heard: float = _NEVER
    """When the master last sent anything."""
    asking: Asking = field(default_factory=Asking)


@dataclass(slots=True)
class OfferFlow:
    """Which offers we get and want. Written by the JobTracker; `last`, `largest`, `taken` and
    `declined` by handlers/offers.py, `new_work` by the handlers that bring new work, and `unjudged`
    by handlers/jobs.py and restore.py.
    """

    suppressed: frozenset[str] = frozenset()
    """Our roles that get no offers."""
    new_work: bool = False
    """A task has begun to wait since the last REVIVE call."""
    revived: float = _NEVER
    last: float | None = None
    largest: Amounts = field(default_factory=dict)
    """The largest offer of any agent so far."""
    unjudged: list[str] = field(default_factory=list)
    """New or restored jobs that fail if no agent can run them. This is decided before the first
    choice of a task for which the sizes of all agents are known.
    """
    taken: int = 0
    """How many offers were accepted."""
    declined: dict[str, int] = field(default_factory=dict)
    """How many offers were declined, by reason."""


@dataclass(slots=True)
class EndedTotals:
    """Sums over the jobs that have ended in this life. Written by handlers/jobs.py."""

    counters: dict[str, int] = field(default_factory=dict)
    """The jobs' own counters."""
    jobs: dict[str, int] = field(default_factory=dict)
    """By state."""

    def add(self, state: str, counters: Mapping[str, int]) -> None:
        """A job has ended."""
        self.jobs[state] = self.jobs.get(state, 0) + 1
        for name, amount in counters.items():
            self.counters[name] = self.counters.get(name, 0) + amount
