"""What the core asks its shell to do, in order. Each is one call, message or piece of I/O.

A command with `after_journal` waits until the journal has the records of its event: others see
what it does. One without is carried out at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec import Struct

from mrmesos.jobtracker.core.messages.journal_records import WriteRecords
from mrmesos.wire.heartbeat import Numbered
from mrmesos.wire.job import JobSpec
from mrmesos.wire.task import Attempt


class Act(Struct, frozen=True):
    """The base of commands."""

    after_journal: ClassVar[bool] = True


class PlanJob(Act, frozen=True):
    """Find the splits and make `_temporary`; answer JobPlanned or JobPlanFailed."""

    job_id: str
    spec: JobSpec
    again: bool = False
    """It may have been carried out before, by a JobTracker that did not live to hear of it."""


class CommitJob(Act, frozen=True):
    """Move the winners' files into place; answer JobCommitted or JobCommitFailed."""

    job_id: str
    spec: JobSpec
    winners: tuple[str, ...]


class AbortJob(Act, frozen=True):
    """Remove what the job wrote; answer JobAborted."""

    job_id: str
    spec: JobSpec
    planned: bool = True
    """Its output was made, as far as we know."""


class SlotLaunch(Struct, frozen=True):
    """One Mesos task to launch: a slot with its first attempt.

    `resources` and `tracker_resources` are Resource JSON taken from the offer. The tracker's are
    the same in every launch on one tracker, as Mesos demands of an ExecutorInfo.
    """

    slot_id: str
    tracker_id: str
    agent_id: str
    resources: tuple[Mapping[str, Any], ...]
    tracker_resources: tuple[Mapping[str, Any], ...]
    first: Attempt


class SpareLaunch(Struct, frozen=True):
    """One Mesos task to launch that brings up a TaskTracker ahead of need, and runs nothing."""

    slot_id: str
    tracker_id: str
    agent_id: str
    resources: tuple[Mapping[str, Any], ...]
    tracker_resources: tuple[Mapping[str, Any], ...]


class AcceptOffers(Act, frozen=True):
    """Accept offers of one agent with these launches; the rest is filtered for `refuse_seconds`."""

    offer_ids: tuple[str, ...]
    launches: tuple[SlotLaunch, ...]
    refuse_seconds: float
    spare: SpareLaunch | None = None

    @property
    def tasks(self) -> tuple[SlotLaunch | SpareLaunch, ...]:
        """All that is launched."""
        return self.launches if self.spare is None else (*self.launches, self.spare)


class DeclineOffers(Act, frozen=True):
    """Decline, with a filter of `refuse_seconds`."""

    offer_ids: tuple[str, ...]
    refuse_seconds: float


class AcceptInverseOffers(Act, frozen=True):
    """These agents will be free in time; do not ask again for `refuse_seconds`."""

    offer_ids: tuple[str, ...]
    refuse_seconds: float


class DeclineInverseOffers(Act, frozen=True):
    """These agents may not be free in time; ask again after `refuse_seconds`."""

    offer_ids: tuple[str, ...]
    refuse_seconds: float


class AnswerHeartbeat(Act, frozen=True):
    """Answer HeartbeatReceived or AnswerAsked: these actions, or None where it is not known.

    The shell lays this before whoever asked at once, and lets go of it after the journal.
    """

    after_journal: ClassVar[bool] = False

    tracker_id: str
    actions: tuple[Numbered, ...] | None


class WakeTracker(Act, frozen=True):
    """There is something to say to the tracker: if a heartbeat of it is held, ask for its answer.

    It tells nobody anything: what there is to say goes with the answer.
    """

    after_journal: ClassVar[bool] = False

    tracker_id: str


class ShutdownTracker(Act, frozen=True):
    """Have the agent end the executor and all in it, for one that does not come by heartbeat."""

    tracker_id: str
    agent_id: str


class ReadSandbox(Act, frozen=True):
    """Read the last words of a tracker that did not come up; answer SandboxRead where they can be
    had.
    """

    tracker_id: str
    agent_id: str
    hostname: str


class KillSlot(Act, frozen=True):
    """KILL the Mesos task."""

    slot_id: str
    agent_id: str


class Acknowledge(Act, frozen=True):
    """Acknowledge a status update (after whatever came before it was carried out)."""

    slot_id: str
    agent_id: str
    uuid: str


class Reconcile(Act, frozen=True):
    """Ask Mesos for the state of these slots, as (slot id, agent id)."""

    slots: tuple[tuple[str, str], ...]


class Suppress(Act, frozen=True):
    """Ask for no more offers to these roles, or to any if none is named."""

    roles: tuple[str, ...] = ()


class Revive(Act, frozen=True):
    """Ask for offers to these roles, or to all if none is named, and drop their filters."""

    roles: tuple[str, ...] = ()


class JobEnded(Act, frozen=True):
    """The job is in a final state; whoever waits for it may be told."""

    job_id: str


Command = (
    PlanJob
    | CommitJob
    | AbortJob
    | AcceptOffers
    | DeclineOffers
    | AcceptInverseOffers
    | DeclineInverseOffers
    | AnswerHeartbeat
    | WakeTracker
    | ShutdownTracker
    | ReadSandbox
    | KillSlot
    | Acknowledge
    | Reconcile
    | Suppress
    | Revive
    | JobEnded
    | WriteRecords
)
