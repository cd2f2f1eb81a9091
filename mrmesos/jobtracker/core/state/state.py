"""Everything the core knows, in one object that its parts change while an event is handled."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from mrmesos.jobtracker.core.messages.commands import Command, WakeTracker
from mrmesos.jobtracker.core.model.cluster import Cluster, Faults, Slot, Tracker
from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.model.settings import Settings
from mrmesos.jobtracker.core.model.task import TaskAttempt
from mrmesos.jobtracker.core.scheduling.job_index import JobIndex
from mrmesos.jobtracker.core.scheduling.job_order import Fair, Fifo
from mrmesos.jobtracker.core.state.changes import Changes
from mrmesos.jobtracker.core.state.mailbox import Mailboxes, MailboxFull, first_number
from mrmesos.jobtracker.core.state.reports import EndedJobs, LogTails
from mrmesos.resources import Amounts
from mrmesos.wire.heartbeat import Action


@dataclass(slots=True)
class Asking:
    """Reconciliation: Mesos is to say how each slot stands that it did not speak of `since`.

    Infinite while there is nothing to ask; `next` is when to ask, or to begin anew.
    """

    since: float = math.inf
    next: float = math.inf
    pause: float = 0.0


@dataclass(slots=True)
class State:
    """`now` is the time of the event being handled; `out` and `last` are its commands so far."""

    settings: Settings
    stamp: str
    changes: Changes
    now: float = 0.0
    out: list[Command] = field(default_factory=list)
    last: list[Command] = field(default_factory=list)
    """Commands that go after all others: acknowledgements."""
    jobs: dict[str, JobInProgress] = field(default_factory=dict)
    ended: EndedJobs = field(init=False)
    tails: LogTails = field(default_factory=LogTails)
    cluster: Cluster = field(default_factory=Cluster)
    index: JobIndex = field(init=False)
    """The jobs that run, by what they could start."""
    attempts: dict[str, TaskAttempt] = field(default_factory=dict)
    """All running attempts."""
    free: list[Slot] = field(default_factory=list)
    """Slots whose attempt ended in this event."""
    held: dict[str, Slot] = field(default_factory=dict)
    """Slots kept for a moment, as a task waits for an agent that suits it better."""
    faults: dict[str, Faults] = field(default_factory=dict)
    """Hosts on which jobs fared badly (blacklist.py)."""
    faults_checked: int = 0
    """After which losses in the cluster was looked whether too many hosts are avoided; -1: look."""
    faults_looked: float = float("-inf")
    """When was last looked on behalf of jobs that wait."""
    # --- Recovery
    life: int = 0
    """How many JobTrackers there were before this one, on the same journal."""
    unheard: dict[str, set[str]] = field(default_factory=dict)
    """Trackers of earlier lives that have not spoken in this one, and what they were to run."""
    ending: dict[str, Tracker] = field(default_factory=dict)
    """Trackers that have ended, of whose end Mesos may have more to say."""
    # --- Silence
    ticked: float = float("-inf")
    """When the last tick was; `woke`: when the first one came after none for some time."""
    woke: float = float("-inf")
    starved: dict[str, float] = field(default_factory=dict)
    """Pools below their minimum share whose jobs wait, and since when (preemption.py)."""
    # --- Mesos
    framework_id: str = ""
    connected: bool = False
    subscribed: float = float("-inf")
    """When the present subscription began."""
    master_heard: float = float("-inf")
    """When the master last said anything (leases.py)."""
    given_back: str = ""
    """The slot by whose end it is seen whether Mesos takes what we give back (leases.py)."""
    asking: Asking = field(default_factory=Asking)
    suppressed: frozenset[str] = frozenset()
    """Our roles that get no offers."""
    new_work: bool = False
    closing: bool = False
    """No TaskTracker is to start any more."""
    revived: float = float("-inf")
    last_offer: float | None = None
    largest_offer: Amounts = field(default_factory=dict)
    """The largest offer of any agent so far."""
    failed_launches: int = 0
    """TaskTrackers in a row that never came up, anywhere."""
    last_stderr: str = ""
    """What one of them had to say, as far as it could be read."""
    # --- What is said to TaskTrackers
    mailboxes: Mailboxes = field(init=False)
    """One for each tracker of `cluster`, but for those in `deaf`."""
    woken: dict[str, None] = field(default_factory=dict)
    """Trackers that there is something to say to since this event."""
    deaf: list[str] = field(default_factory=list)
    """Trackers whose mailboxes came to be full in this event."""
    # --- Names
    numbers: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cluster.notes = self.changes
        self.ended = EndedJobs(self.settings.retired_max)
        order = Fair(self.settings.pools) if self.settings.fair else Fifo()
        self.index = JobIndex(self.cluster, order)
        self.mailboxes = Mailboxes(first_number(self.life))

    def name(self, what: str) -> str:
        """The next `slot_<stamp>_<n>` or `tracker_<stamp>_<n>`."""
        self.numbers[what] = self.numbers.get(what, 0) + 1
        return f"{what}_{self.stamp}_{self.numbers[what]}"

    def emit(self, command: Command) -> None:
        """Add a command."""
        self.out.append(command)

    def post(self, tracker_id: str, *actions: Action) -> None:
        """Have a tracker do something: it goes with the next answer to its heartbeats. Nothing is
        said to one that is gone.
        """
        try:
            known = self.mailboxes.put(tracker_id, actions)
        except MailboxFull:
            self.mailboxes.forget(tracker_id)
            self.deaf.append(tracker_id)
            known = True
        if known:
            self.woken[tracker_id] = None

    def forget_mailbox(self, tracker_id: str) -> None:
        """A tracker is gone: if it speaks again it hears that it is not known, and ends."""
        self.mailboxes.forget(tracker_id)
        self.woken[tracker_id] = None

    def take_commands(self) -> list[Command]:
        """The commands of the event, in order."""
        written = self.changes.take(self)
        out: list[Command] = [] if written is None else [written]
        out += self.out
        out += [WakeTracker(tracker_id) for tracker_id in self.woken]
        out += self.last
        self.out, self.last = [], []
        self.woken.clear()
        return out

    def hungry(self) -> bool:
        """Whether any task waits that may run now."""
        return self.index.hungry
