"""Commands: what the shell must do, in order. Each is one call, one message, or one piece of I/O.

The effect of most commands is seen outside of this process. So the shell carries them out only
after the journal has the records of the event (`after_journal`). It carries out the others at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec import Struct

from mrmesos.jobtracker.core.messages.job_run import JobRun
from mrmesos.jobtracker.core.messages.journal_records import WriteRecords
from mrmesos.wire.chain import ChainSpec
from mrmesos.wire.heartbeat import Numbered
from mrmesos.wire.ids import AgentId, HostName, SlotId, TrackerId
from mrmesos.wire.job import JobSpec, Sandbox
from mrmesos.wire.task import Attempt


class Act(Struct, frozen=True):
    """The base of commands."""

    after_journal: ClassVar[bool] = True


class PlanJob(Act, frozen=True):
    """Find the splits and make `_temporary`. The answer is JobPlanned or JobPlanFailed."""

    job_id: str
    spec: JobSpec
    again: bool = False
    """An earlier JobTracker may have carried it out, and ended before the answer came."""


class CommitJob(Act, frozen=True):
    """Move the winners' files into place. The answer is JobCommitted or JobCommitFailed."""

    job_id: str
    spec: JobSpec
    winners: tuple[str, ...]


class AbortJob(Act, frozen=True):
    """Remove what the job wrote. The answer is JobAborted."""

    job_id: str
    spec: JobSpec
    planned: bool = True
    """Whether its output directory was made, as far as we know."""


class PrepareChain(Act, frozen=True):
    """Check that the outputs of a chain are absent, and find the steps that an earlier run has
    done. `job_ids` are those of its steps. The answer is ChainPrepared or ChainPrepareFailed.
    """

    chain_id: str
    spec: ChainSpec
    job_ids: tuple[str, ...]
    again: bool = False
    """An earlier JobTracker may have carried it out, and ended before the answer came."""


class CleanChain(Act, frozen=True):
    """Remove the data between the steps. The answer is ChainCleaned."""

    chain_id: str
    spec: ChainSpec


class SlotLaunch(Struct, frozen=True):
    """One Mesos task to launch: a slot with its first attempt.

    `resources` and `tracker_resources` are Resource JSON from the offer. `tracker_resources` are
    the same in every launch on one TaskTracker, because Mesos demands this of an ExecutorInfo.
    """

    slot_id: SlotId
    tracker_id: TrackerId
    agent_id: AgentId
    resources: tuple[Mapping[str, Any], ...]
    tracker_resources: tuple[Mapping[str, Any], ...]
    first: Attempt


class WarmTrackerLaunch(Struct, frozen=True):
    """One Mesos task to launch that starts a TaskTracker before it is needed, and runs nothing."""

    slot_id: SlotId
    tracker_id: TrackerId
    agent_id: AgentId
    resources: tuple[Mapping[str, Any], ...]
    tracker_resources: tuple[Mapping[str, Any], ...]


class AcceptOffers(Act, frozen=True):
    """Accept offers of one agent with these launches. Filter the rest for `refuse_seconds`."""

    offer_ids: tuple[str, ...]
    launches: tuple[SlotLaunch, ...]
    refuse_seconds: float
    warm_tracker: WarmTrackerLaunch | None = None

    @property
    def tasks(self) -> tuple[SlotLaunch | WarmTrackerLaunch, ...]:
        """All launches, with that of a warm TaskTracker."""
        return self.launches if self.warm_tracker is None else (*self.launches, self.warm_tracker)


class DeclineOffers(Act, frozen=True):
    """Decline, with a filter of `refuse_seconds`."""

    offer_ids: tuple[str, ...]
    refuse_seconds: float


class AcceptInverseOffers(Act, frozen=True):
    """These agents will be free in time. Mesos must not ask again for `refuse_seconds`."""

    offer_ids: tuple[str, ...]
    refuse_seconds: float


class DeclineInverseOffers(Act, frozen=True):
    """These agents may not be free in time. Mesos may ask again after `refuse_seconds`."""

    offer_ids: tuple[str, ...]
    refuse_seconds: float


class AnswerHeartbeat(Act, frozen=True):
    """The answer to HeartbeatReceived or AnswerAsked. `actions` is None for an unknown TaskTracker.

    The shell attaches it to the waiting request at once, and sends it after the journal is written.
    """

    after_journal: ClassVar[bool] = False

    tracker_id: TrackerId
    actions: tuple[Numbered, ...] | None


class WakeTracker(Act, frozen=True):
    """There are actions for the TaskTracker. If a heartbeat of it is held, the shell must send
    AnswerAsked. The actions themselves go with that answer.
    """

    after_journal: ClassVar[bool] = False

    tracker_id: TrackerId


class ShutdownTracker(Act, frozen=True):
    """Have the agent end an executor and all in it, because it does not send heartbeats."""

    tracker_id: TrackerId
    agent_id: AgentId


class ReadSandbox(Act, frozen=True):
    """Read the end of the stderr of a TaskTracker that did not come up. If it can be read, the
    answer is SandboxRead.
    """

    sandbox: Sandbox
    hostname: HostName


class KillSlot(Act, frozen=True):
    """KILL the Mesos task."""

    slot_id: SlotId
    agent_id: AgentId


class Acknowledge(Act, frozen=True):
    """Acknowledge a status update, after all commands before this one."""

    slot_id: SlotId
    agent_id: AgentId
    uuid: str


class Reconcile(Act, frozen=True):
    """Ask Mesos for the state of these slots, each as (slot id, agent id)."""

    slots: tuple[tuple[str, str], ...]


class Suppress(Act, frozen=True):
    """Ask for no more offers to these roles. An empty list means all roles."""

    roles: tuple[str, ...] = ()


class Revive(Act, frozen=True):
    """Ask for offers to these roles, and drop their filters. An empty list means all roles."""

    roles: tuple[str, ...] = ()


class JobEnded(Act, frozen=True):
    """The job is in a final state. Clients that wait for it may be told, and the history has it."""

    job_id: str
    run: JobRun


class ChainEnded(Act, frozen=True):
    """The chain is in a final state. Clients that wait for it may be told."""

    chain_id: str


class QueueNews(Act, frozen=True):
    """Tasks of the queue have ended. A client that waits for this may be told."""

    queue_id: str


class QueueEnded(Act, frozen=True):
    """The queue is in a final state. Clients that wait for it may be told."""

    queue_id: str


Command = (
    PlanJob
    | CommitJob
    | AbortJob
    | PrepareChain
    | CleanChain
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
    | ChainEnded
    | QueueNews
    | QueueEnded
    | WriteRecords
)
