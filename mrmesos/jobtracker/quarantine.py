"""What could not be handled: a peer's message at which the core raised an exception.

The core changes things while it handles an event, so after an exception it may be half changed and
is not to be trusted. The service then builds it anew from the journal, as a start does, without
the event: whatever of it was done is gone (docs/failures.md). Here is what is noted of such an
event, and what its sender is told by Mesos' rules.
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
    Event,
    HeartbeatReceived,
    InverseOfferRescinded,
    InverseOffersReceived,
    JobSubmitted,
    KillAsked,
    OfferRescinded,
    OffersReceived,
    SlotUpdated,
    TrackerLost,
)

logger = logging.getLogger(__name__)

OWN_FAULT_SECONDS = 60.0
"""An exception over work of ours is survived once in so long; a second one is the end."""
REFUSE_SECONDS = 3600.0
"""Filter of an offer that could not be handled."""
STORY_CHARACTERS = 2_000
KNOWN_MAX = 10_000

_OF_PEERS = (
    JobSubmitted,
    KillAsked,
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
    """Used by the core's thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._own = float("-inf")
        self._known: OrderedDict[str, None] = OrderedDict()
        self.counts: Counter[str] = Counter()
        """How many were set aside, by kind of event."""

    def knows(self, event: Event) -> bool:
        """Whether Mesos says again what could not be handled before."""
        return bool(self._known) and isinstance(event, SlotUpdated) and _name(event) in self._known

    def take(self, event: Event, problem: Exception) -> None:
        """Note an event, in the log as well. Raises `problem` where it is for the second time in
        a minute one that no peer sent: then there is a fault that a new start does not mend.
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
    """An event as the log may have it: without the token of a job."""
    text = ascii(replace(event, token="") if isinstance(event, JobSubmitted) else event)
    if len(text) <= STORY_CHARACTERS:
        return text
    return f"{text[:STORY_CHARACTERS]}... ({len(text):,} characters)"


def answers(event: Event) -> list[Command]:
    """What Mesos has to be told of an event that is not handled: nothing may be held for it, and no
    later update may wait for it.
    """
    match event:
        case OffersReceived(offers):
            return [DeclineOffers(tuple(offer.offer_id for offer in offers), REFUSE_SECONDS)]
        case InverseOffersReceived(offers):
            ids = tuple(offer.offer_id for offer in offers)
            return [DeclineInverseOffers(ids, REFUSE_SECONDS)]
        case SlotUpdated() if event.uuid:
            return [Acknowledge(event.slot_id, event.agent_id, event.uuid)]
    return []


def _name(event: SlotUpdated) -> str:
    return repr(replace(event, uuid=""))
