"""Everything the core knows, in one object that its parts change while an event is handled."""

from __future__ import annotations

from dataclasses import dataclass, field

from mrmesos.bounds import PROFILE_MAX
from mrmesos.jobtracker.core.messages.commands import Command, WakeTracker
from mrmesos.jobtracker.core.model.chain import Chains
from mrmesos.jobtracker.core.model.cluster import Cluster
from mrmesos.jobtracker.core.model.job import JobInProgress
from mrmesos.jobtracker.core.model.settings import CoreSettings
from mrmesos.jobtracker.core.model.task import TaskAttempt
from mrmesos.jobtracker.core.model.task_queue import Queues
from mrmesos.jobtracker.core.scheduling.job_index import JobIndex
from mrmesos.jobtracker.core.scheduling.job_order import Fair, Fifo
from mrmesos.jobtracker.core.state.journal_changes import Changes
from mrmesos.jobtracker.core.state.mailbox import Mailboxes, first_number
from mrmesos.jobtracker.core.state.reports import (
    PROFILES_CHARACTERS,
    TAIL_CHARACTERS,
    TAILS_CHARACTERS,
    AttemptTexts,
    EndedJobs,
)
from mrmesos.jobtracker.core.state.state_parts import (
    EndedTotals,
    FaultyHosts,
    IdleSlots,
    MasterSubscription,
    OfferFlow,
    Outbox,
    Recovery,
    Ticks,
    TrackerEnds,
)
from mrmesos.wire import ids
from mrmesos.wire.heartbeat import Action
from mrmesos.wire.ids import TrackerId


@dataclass(slots=True)
class State:
    """Written by the modules that the parts name. `now` is the time of the event being handled."""

    settings: CoreSettings
    stamp: str
    changes: Changes
    now: float = 0.0
    out: Outbox = field(default_factory=Outbox)
    mailboxes: Mailboxes = field(init=False)
    """One for each TaskTracker of `cluster`."""
    jobs: dict[str, JobInProgress] = field(default_factory=dict)
    ended: EndedJobs = field(init=False)
    chains: Chains = field(default_factory=Chains)
    queues: Queues = field(default_factory=Queues)
    tails: AttemptTexts = field(
        default_factory=lambda: AttemptTexts(TAIL_CHARACTERS, TAILS_CHARACTERS)
    )
    profiles: AttemptTexts = field(
        default_factory=lambda: AttemptTexts(PROFILE_MAX, PROFILES_CHARACTERS)
    )
    cluster: Cluster = field(default_factory=Cluster)
    index: JobIndex = field(init=False)
    """The index of running jobs, by the tasks that they could start."""
    attempts: dict[str, TaskAttempt] = field(default_factory=dict)
    """All running attempts."""
    slots: IdleSlots = field(default_factory=IdleSlots)
    faults: FaultyHosts = field(default_factory=FaultyHosts)
    starved: dict[str, float] = field(default_factory=dict)
    """Pools below their minimum share whose jobs wait, and since when (preemption.py)."""
    recovery: Recovery = field(default_factory=Recovery)
    tracker_ends: TrackerEnds = field(default_factory=TrackerEnds)
    ticks: Ticks = field(default_factory=Ticks)
    subscription: MasterSubscription = field(default_factory=MasterSubscription)
    offers: OfferFlow = field(default_factory=OfferFlow)
    totals: EndedTotals = field(default_factory=EndedTotals)
    closing: bool = False
    """No further TaskTracker starts."""
    numbers: dict[str, int] = field(default_factory=dict)
    """The last number in the names of slots and of TaskTrackers, and in the ids of jobs."""

    def __post_init__(self) -> None:
        self.cluster.notes, self.cluster.own = self.changes, self.settings.tracker
        self.ended = EndedJobs(self.settings.retired_max)
        order = Fair(self.settings.pools) if self.settings.fair else Fifo()
        self.index = JobIndex(self.cluster, order)
        self.index.shared.total = self.settings.shared
        self.mailboxes = Mailboxes(first_number(self.recovery.life))

    def name(self, what: str) -> str:
        """The next `slot_<stamp>_<n>` or `tracker_<stamp>_<n>`."""
        self.numbers[what] = self.numbers.get(what, 0) + 1
        return f"{what}_{self.stamp}_{self.numbers[what]}"

    def next_job_id(self) -> str:
        """A new job's id."""
        self.numbers["job"] = self.numbers.get("job", 0) + 1
        return ids.job_id(self.stamp, self.numbers["job"])

    def emit(self, command: Command) -> None:
        """Add a command."""
        self.out.commands.append(command)

    def post(self, tracker_id: TrackerId, *actions: Action) -> None:
        """Give a TaskTracker actions, and have its held heartbeat answered with them at once.

        If the TaskTracker is gone, nothing happens.
        """
        if self._put(tracker_id, actions):
            self.out.woken[tracker_id] = None

    def post_unhurried(self, tracker_id: TrackerId, *actions: Action) -> None:
        """Give a TaskTracker actions for which nobody waits. They go with its next answer, which a
        held heartbeat gets within seconds anyway.
        """
        self._put(tracker_id, actions)

    def _put(self, tracker_id: TrackerId, actions: tuple[Action, ...]) -> bool:
        box = self.mailboxes.find(tracker_id)
        if box is None:
            return False
        box.put(actions)
        if box.full:
            self.out.deaf[tracker_id] = None
        return True

    def forget_mailbox(self, tracker_id: TrackerId) -> None:
        """A TaskTracker is gone. If it speaks again, it hears that it is unknown, and ends."""
        self.mailboxes.forget(tracker_id)
        self.out.woken[tracker_id] = None

    def take_commands(self) -> list[Command]:
        """The commands of the event, in order."""
        box = self.out
        out, box.commands = box.commands, []
        if self.changes.on and (written := self.changes.take(self)) is not None:
            out.insert(0, written)
        if box.woken:
            out += [WakeTracker(tracker_id) for tracker_id in box.woken]
            box.woken.clear()
        if box.last:
            out += box.last
            box.last = []
        return out

    def has_work(self) -> bool:
        """Whether a task waits and may run now."""
        return self.index.has_work
