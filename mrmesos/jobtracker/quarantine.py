"""Sets an event aside if the core raised an exception over it.

After an exception the core may be half changed. So the service builds a new core from the journal,
as at a start, without the event. All changes that the old core made for this event are gone
(docs/failures-design.md). Comes in: such an event. Goes out: a note in the log, counts, and the
answer that Mesos expects. Thread: the core's thread.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable

from msgspec.structs import replace

from mrmesos.jobtracker.core.messages.commands import (
    Acknowledge,
    Command,
    DeclineInverseOffers,
    DeclineOffers,
)
from mrmesos.jobtracker.core.messages.events import (
    AgentLost,
    AnswerAsked,
    ChainSubmitted,
    EndsTaken,
    Event,
    HeartbeatReceived,
    InverseOfferRescinded,
    InverseOffersReceived,
    JobSubmitted,
    KillAsked,
    MoveAsked,
    OfferRescinded,
    OffersReceived,
    QueueRequested,
    QueueSubmitted,
    SlotUpdated,
    TrackerLost,
)
from mrmesos.wire.ids import AgentId, SlotId

logger = logging.getLogger(__name__)

OWN_FAULT_SECONDS = 60.0
"""If the core raises over an event that no peer sent, the service continues. If it does so again
within this time, the service fails, because a new core does not mend such a fault.
"""
REFUSE_SECONDS = 3600.0
"""The filter of an offer that is declined because the core raised over it."""
STORY_CHARACTERS = 2_000
KNOWN_MAX = 10_000

_OF_PEERS = (
    JobSubmitted,
    ChainSubmitted,
    QueueSubmitted,
    QueueRequested,
    EndsTaken,
    KillAsked,
    MoveAsked,
    HeartbeatReceived,
    AnswerAsked,
    OffersReceived,
    OfferRescinded,
    InverseOffersReceived,
    InverseOfferRescinded,
    SlotUpdated,
    TrackerLost,
    AgentLost,
)


class Quarantine:
    """Notes and counts the events that were set aside. Only the core's thread uses it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._own = float("-inf")
        self._known: OrderedDict[str, None] = OrderedDict()
        self.counts: Counter[str] = Counter()
        """Number of events set aside, by kind of event."""

    def knows(self, event: Event) -> bool:
        """Whether this is a status update that was set aside before. Mesos repeats updates."""
        return bool(self._known) and isinstance(event, SlotUpdated) and _name(event) in self._known

    def take(self, event: Event, problem: Exception) -> None:
        """Note and log an event over which the core raised `problem`.

        Raises `problem` for the second event within OWN_FAULT_SECONDS that no peer sent.
        """
        kind = type(event).__name__
        self.counts[kind] += 1
        logger.error(
            "a %s could not be handled and is set aside; the core starts anew from its journal. "
            "It was %s",
            kind,
            shortened(event),
            exc_info=problem,
        )
        if not isinstance(event, _OF_PEERS):
            now = self._clock()
            if now - self._own < OWN_FAULT_SECONDS:
                raise problem
            self._own = now
        elif isinstance(event, SlotUpdated):
            self._known[_name(event)] = None
            if len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)


def shortened(event: Event) -> str:
    """The event as text for the log: of bounded length, without the tokens of jobs."""
    if isinstance(event, JobSubmitted | QueueSubmitted):
        event = replace(event, token="")
    elif isinstance(event, ChainSubmitted):
        event = replace(event, jobs=())
    text = ascii(event)
    if len(text) <= STORY_CHARACTERS:
        return text
    return f"{text[:STORY_CHARACTERS]}... ({len(text):,} characters)"


def answers(event: Event) -> list[Command]:
    """The calls to Mesos for an event that is set aside.

    They decline its offers, so that nothing is held, and acknowledge its update, so that later
    updates of the task can come.
    """
    match event:
        case OffersReceived(offers):
            return [DeclineOffers(tuple(offer.offer_id for offer in offers), REFUSE_SECONDS)]
        case InverseOffersReceived(offers):
            ids = tuple(offer.offer_id for offer in offers)
            return [DeclineInverseOffers(ids, REFUSE_SECONDS)]
        case SlotUpdated() if event.uuid:
            return [Acknowledge(SlotId(event.slot_id), AgentId(event.agent_id), event.uuid)]
    return []


def _name(event: SlotUpdated) -> str:
    return repr(replace(event, uuid=""))
