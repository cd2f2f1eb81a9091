"""What happens to a JobTracker. The core takes these one at a time, each with the time it came."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from mrmesos.api.split import Split
from mrmesos.wire.heartbeat import Heartbeat
from mrmesos.wire.job import JobSpec
from mrmesos.wire.task import AttemptError


class JobSubmitted(Struct, frozen=True):
    """A client handed in a job; its code is already stored under `spec.code`."""

    job_id: str
    spec: JobSpec
    token: str
    key: str = ""
    """By which its client may submit it again."""


class JobPlanned(Struct, frozen=True):
    """PlanJob is done: the splits are known and the output's `_temporary` exists."""

    job_id: str
    splits: tuple[Split, ...]


class JobPlanFailed(Struct, frozen=True):
    """PlanJob could not be done; the job fails with this error."""

    job_id: str
    error: AttemptError


class JobCommitted(Struct, frozen=True):
    """CommitJob is done: the output is complete and `_SUCCESS` written."""

    job_id: str


class JobCommitFailed(Struct, frozen=True):
    """CommitJob gave up after its retries."""

    job_id: str
    error: AttemptError


class JobAborted(Struct, frozen=True):
    """AbortJob is done, or gave up with a message that is only worth a warning."""

    job_id: str
    warning: str = ""


class StoreSilent(Struct, frozen=True):
    """Planning or committing a job waits for a store, in words; empty once it answers again."""

    job_id: str
    words: str


class JobUnkept(Struct, frozen=True):
    """The journal had to mend what it was given of a job, as that could not be encoded."""

    job_id: str
    problem: str


class KillAsked(Struct, frozen=True):
    """A user wants the job ended."""

    job_id: str
    by: str


class Registered(Struct, frozen=True):
    """Subscribed to a master, for the first time or again."""

    framework_id: str


class FrameworkRemoved(Struct, frozen=True):
    """Mesos does not know this framework any more, and has ended all its tasks and executors."""


class MasterHeard(Struct, frozen=True):
    """The master says that it is there, and nothing else (Mesos' HEARTBEAT, every 15 s)."""


class Disconnected(Struct, frozen=True):
    """The connection to the master is gone; outstanding offers are void."""


class Unavailability(Struct, frozen=True):
    """When an agent is to be away: Unix seconds, `end` infinite where nobody knows."""

    start: float
    end: float


class Offer(Struct, frozen=True):
    """One Mesos offer. `resources` is the Resource JSON exactly as offered.

    `executor_ids` are our TaskTrackers that Mesos knows on the agent; `attributes` by name;
    `rack` is empty where nobody knows it; `role` is the role of ours that it is made to.
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


class OffersReceived(Struct, frozen=True):
    """Offers of one OFFERS event."""

    offers: tuple[Offer, ...]


class OfferRescinded(Struct, frozen=True):
    """An offer that is no longer good."""

    offer_id: str


class InverseOffer(Struct, frozen=True):
    """Mesos asks for an agent back, or for all of them where `agent_id` is empty."""

    offer_id: str
    agent_id: str
    unavailability: Unavailability | None


class InverseOffersReceived(Struct, frozen=True):
    """Inverse offers of one INVERSE_OFFERS event."""

    offers: tuple[InverseOffer, ...]


class InverseOfferRescinded(Struct, frozen=True):
    """An inverse offer that is no longer good."""

    offer_id: str


class SlotStatus(StrEnum):
    """What Mesos says of a slot. ENDING: it runs, and is being ended."""

    STAGING = "STAGING"
    RUNNING = "RUNNING"
    ENDING = "ENDING"
    ENDED = "ENDED"


class EndCause(StrEnum):
    """Why a slot ended."""

    AS_ASKED = "AS_ASKED"
    """The TaskTracker gave it back, or somebody killed it."""
    FAILED = "FAILED"
    """It failed, or is lost."""
    REFUSED = "REFUSED"
    """Mesos takes no such task."""
    VOID = "VOID"
    """It never came about, by nobody's fault: the offer, the agent or the master was gone."""
    TRACKER_ENDED = "TRACKER_ENDED"
    """Its TaskTracker has ended, with everything in it."""


class SlotUpdated(Struct, frozen=True):
    """A status update of a slot. `cause` goes with the status ENDED.

    `words` say all that Mesos says; `explained`: they say more than what the cause says anyway.
    `from_master`: Mesos said so; else our shell, as it could not launch the slot. `uuid` is empty
    where Mesos wants no acknowledgement.
    """

    slot_id: str
    agent_id: str
    status: SlotStatus
    cause: EndCause = EndCause.AS_ASKED
    words: str = ""
    explained: bool = False
    from_master: bool = True
    uuid: str = ""


class TrackerLost(Struct, frozen=True):
    """Mesos says that a TaskTracker's executor has ended (`status` is its raw wait status)."""

    tracker_id: str
    agent_id: str
    status: int | None = None


class SandboxRead(Struct, frozen=True):
    """The end of what a TaskTracker wrote to its stderr before it ended (ReadSandbox)."""

    tracker_id: str
    hostname: str
    text: str


class AgentLost(Struct, frozen=True):
    """Mesos says that an agent is gone, with everything on it."""

    agent_id: str


class HeartbeatReceived(Struct, frozen=True):
    """A TaskTracker spoke, and gets an AnswerHeartbeat. Handling it twice changes nothing."""

    heartbeat: Heartbeat


class AnswerAsked(Struct, frozen=True):
    """A heartbeat that was held is to be answered: it was woken, or held as long as may be."""

    tracker_id: str
    acknowledged: int = 0
    """The highest action number that was carried out, where the heartbeat did not say so."""


class Closing(Struct, frozen=True):
    """This JobTracker ends for good, and nobody takes its place: its TaskTrackers are to leave."""


class Tick(Struct, frozen=True):
    """Time passed: deadlines, idle trackers, leases. Comes about twice a second."""


Event = (
    JobSubmitted
    | JobPlanned
    | JobPlanFailed
    | JobCommitted
    | JobCommitFailed
    | JobAborted
    | StoreSilent
    | JobUnkept
    | KillAsked
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
