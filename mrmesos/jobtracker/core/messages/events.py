"""Events: reports of things that happened outside. The core handles one at a time, each with the
time at which it came.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from mrmesos.api.split import InputTable, Split
from mrmesos.wire.chain import ChainSpec
from mrmesos.wire.heartbeat import Heartbeat
from mrmesos.wire.job import JobSpec
from mrmesos.wire.queue import QueueRequest, QueueSpec
from mrmesos.wire.task import AttemptError


class JobSubmitted(Struct, frozen=True):
    """A client submitted a job. Its code is already stored under `spec.code`."""

    job_id: str
    spec: JobSpec
    token: str
    key: str = ""
    """The client's key. A client that submits again sends the same key."""


class StepJob(Struct, frozen=True):
    """The id and the token that the job of a step will have."""

    job_id: str
    token: str


class ChainSubmitted(Struct, frozen=True):
    """A client submitted a chain. `jobs` has one entry for each step. `key`: as in JobSubmitted."""

    chain_id: str
    spec: ChainSpec
    jobs: tuple[StepJob, ...]
    key: str = ""


class ChainPrepared(Struct, frozen=True):
    """PrepareChain is done. The steps in `kept` need not run, because an earlier run did them."""

    chain_id: str
    kept: tuple[str, ...] = ()


class ChainPrepareFailed(Struct, frozen=True):
    """PrepareChain failed. The chain fails with this error, and nothing was changed."""

    chain_id: str
    error: AttemptError


class ChainCleaned(Struct, frozen=True):
    """CleanChain is done. If it gave up, `warning` says why."""

    chain_id: str
    warning: str = ""


class QueueSubmitted(Struct, frozen=True):
    """A client wants a queue for free tasks. `token` and `key`: as in JobSubmitted."""

    queue_id: str
    spec: QueueSpec
    token: str
    key: str = ""


class QueueRequested(Struct, frozen=True):
    """The client of a queue adds or cancels tasks, or closes it. Handling this twice is safe."""

    queue_id: str
    request: QueueRequest


class EndsTaken(Struct, frozen=True):
    """The client of a queue has received the ends of tasks up to this number. They may be
    forgotten.
    """

    queue_id: str
    number: int


class JobPlanned(Struct, frozen=True):
    """PlanJob is done: the splits are known, and the output's `_temporary` exists."""

    job_id: str
    splits: tuple[Split, ...]
    tables: tuple[InputTable, ...] = ()


class JobPlanFailed(Struct, frozen=True):
    """PlanJob failed. The job fails with this error."""

    job_id: str
    error: AttemptError


class JobCommitted(Struct, frozen=True):
    """CommitJob is done: the output is complete, and `_SUCCESS` is written."""

    job_id: str


class JobCommitFailed(Struct, frozen=True):
    """CommitJob gave up after its retries."""

    job_id: str
    error: AttemptError


class JobAborted(Struct, frozen=True):
    """AbortJob is done. If it gave up, `warning` says why, and the job ends nevertheless."""

    job_id: str
    warning: str = ""


class StoreSilent(Struct, frozen=True):
    """Work for a job or a chain waits for a store. `words` is empty once the store answers."""

    job_id: str
    words: str


class JobUnkept(Struct, frozen=True):
    """A record of a job or chain could not be encoded. It was written without the faulty part."""

    job_id: str
    problem: str


class KillAsked(Struct, frozen=True):
    """A user wants the job, or the chain, ended."""

    job_id: str
    by: str


class MoveAsked(Struct, frozen=True):
    """A user wants a job to have another priority or pool. An empty one stays as it is."""

    job_id: str
    priority: str = ""
    pool: str = ""


class Registered(Struct, frozen=True):
    """We subscribed to a master, for the first time or again."""

    framework_id: str


class FrameworkRemoved(Struct, frozen=True):
    """Mesos has removed this framework, and has ended all its tasks and executors."""


class MasterHeard(Struct, frozen=True):
    """The master is alive (Mesos' HEARTBEAT, every 15 s)."""


class Disconnected(Struct, frozen=True):
    """The connection to the master is gone. Outstanding offers are void."""


class Unavailability(Struct, frozen=True):
    """The time of an agent's planned absence, in Unix seconds. `end` is infinite if it is
    unknown.
    """

    start: float
    end: float


class Offer(Struct, frozen=True):
    """One Mesos offer. `resources` is the Resource JSON exactly as offered.

    `executor_ids` are our TaskTrackers that Mesos knows on the agent. `attributes` are by name.
    `rack` is empty if it is unknown. `role` is the role of ours that gets the offer. `agent_url` is
    the agent's own HTTP address; empty if we cannot ask there.
    """

    offer_id: str
    agent_id: str
    hostname: str
    resources: tuple[Mapping[str, Any], ...]
    attributes: Mapping[str, str] = field(default_factory=dict)
    executor_ids: tuple[str, ...] = ()
    address: str = ""
    rack: str = ""
    role: str = "*"
    unavailability: Unavailability | None = None
    agent_url: str = ""


class OffersReceived(Struct, frozen=True):
    """Offers of one OFFERS event."""

    offers: tuple[Offer, ...]


class OfferRescinded(Struct, frozen=True):
    """An offer is no longer valid."""

    offer_id: str


class InverseOffer(Struct, frozen=True):
    """Mesos asks for an agent back. An empty `agent_id` means all agents."""

    offer_id: str
    agent_id: str
    unavailability: Unavailability | None


class InverseOffersReceived(Struct, frozen=True):
    """Inverse offers of one INVERSE_OFFERS event."""

    offers: tuple[InverseOffer, ...]


class InverseOfferRescinded(Struct, frozen=True):
    """An inverse offer is no longer valid."""

    offer_id: str


class SlotStatus(StrEnum):
    """The state of a slot in Mesos. An ENDING slot still runs, and Mesos ends it."""

    STAGING = "STAGING"
    RUNNING = "RUNNING"
    ENDING = "ENDING"
    ENDED = "ENDED"


class EndCause(StrEnum):
    """Why a slot ended."""

    AS_ASKED = "AS_ASKED"
    """The TaskTracker gave it back, or it was killed."""
    FAILED = "FAILED"
    """It failed, or is lost."""
    REFUSED = "REFUSED"
    """Mesos takes no such task."""
    VOID = "VOID"
    """It never started, without a fault: the offer, the agent or the master was gone."""
    TRACKER_ENDED = "TRACKER_ENDED"
    """Its TaskTracker has ended, with everything in it."""


class SlotUpdated(Struct, frozen=True):
    """A status update of a slot. `cause` is valid with the status ENDED.

    `words` is Mesos' own explanation. `explained` is whether it says more than the cause does.
    `from_master` is False if our shell made the update, because it could not launch the slot.
    `uuid` is empty if Mesos wants no acknowledgement. `over_memory`: Mesos ended the container of
    the TaskTracker, because it used more memory than its slots have.
    """

    slot_id: str
    agent_id: str
    status: SlotStatus
    cause: EndCause = EndCause.AS_ASKED
    words: str = ""
    explained: bool = False
    from_master: bool = True
    uuid: str = ""
    over_memory: bool = False


class TrackerLost(Struct, frozen=True):
    """Mesos says that a TaskTracker's executor has ended (`status` is its raw wait status)."""

    tracker_id: str
    agent_id: str
    status: int | None = None


class SandboxRead(Struct, frozen=True):
    """The end of a TaskTracker's stderr, after the TaskTracker ended (ReadSandbox)."""

    tracker_id: str
    hostname: str
    text: str


class AgentLost(Struct, frozen=True):
    """Mesos says that an agent is gone, with everything on it."""

    agent_id: str


class HeartbeatReceived(Struct, frozen=True):
    """A TaskTracker sent a heartbeat. The answer is AnswerHeartbeat. Handling it twice is safe."""

    heartbeat: Heartbeat


class AnswerAsked(Struct, frozen=True):
    """A held heartbeat must be answered, because there are actions or it was held long enough."""

    tracker_id: str
    acknowledged: int = 0
    """The highest action number that was carried out, if the heartbeat did not say so."""


class Closing(Struct, frozen=True):
    """This JobTracker ends and has no successor. Its TaskTrackers must leave."""


class Tick(Struct, frozen=True):
    """Time passed: check deadlines, idle TaskTrackers and leases. It comes about twice a second."""


Event = (
    JobSubmitted
    | ChainSubmitted
    | ChainPrepared
    | ChainPrepareFailed
    | ChainCleaned
    | QueueSubmitted
    | QueueRequested
    | EndsTaken
    | JobPlanned
    | JobPlanFailed
    | JobCommitted
    | JobCommitFailed
    | JobAborted
    | StoreSilent
    | JobUnkept
    | KillAsked
    | MoveAsked
    | Registered
    | FrameworkRemoved
    | MasterHeard
    | Disconnected
    | OffersReceived
    | OfferRescinded
    | InverseOffersReceived
    | InverseOfferRescinded
    | SlotUpdated
    | TrackerLost
    | AgentLost
    | SandboxRead
    | HeartbeatReceived
    | AnswerAsked
    | Closing
    | Tick
)
