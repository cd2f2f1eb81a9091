"""What Mesos says becomes events of the core, in the driver's thread. Who we are to Mesos.

Calls the other way are made in `calls_out.py`. Field names are those of Mesos' v1 scheduler API.
"""

from __future__ import annotations

import logging
import math
import socket
from collections.abc import Callable

from mrmesos import conf as settings
from mrmesos.conf import Conf
from mrmesos.jobtracker.core.messages.events import (
    AgentLost,
    Disconnected,
    Event,
    InverseOffer,
    InverseOfferRescinded,
    InverseOffersReceived,
    MasterHeard,
    Offer,
    OfferRescinded,
    OffersReceived,
    Registered,
    TrackerLost,
    Unavailability,
)
from mrmesos.jobtracker.core.model.settings import roles_of
from mrmesos.jobtracker.mesos.slot_updates import parse_status
from mrmesos.jobtracker.mesos.topology import Topology
from mrmesos.jobtracker.mesos.user import current_user
from mrmesos.mesos.callbacks import Json

logger = logging.getLogger(__name__)

FAILOVER_SECONDS = 86_400.0
"""For as long Mesos waits for a JobTracker with a journal. TaskTrackers give it up sooner, so that
nothing is held for long by one that never comes back.
"""
CAPABILITIES = ("MULTI_ROLE", "RESERVATION_REFINEMENT", "PARTITION_AWARE")
"""FrameworkInfo.Capability: resources come with whose they are and all reservations, refined ones
too, and tasks that are out of reach are not called lost.
"""


def framework_info(conf: Conf, url: str, framework_id: str = "", *, journal: bool = False) -> Json:
    """The FrameworkInfo that a JobTracker at `url` subscribes with.

    With `framework_id` it takes that framework over, with what runs of it. With a `journal` it can
    come back at any time: Mesos is to keep its tasks for FAILOVER_SECONDS unless it is set.
    """
    capabilities = [*CAPABILITIES]
    if conf.get_as(settings.MESOS_GPUS_MAX):
        capabilities.append("GPU_RESOURCES")
    timeout = conf.get_as(settings.MESOS_FAILOVER_TIMEOUT)
    if journal and settings.MESOS_FAILOVER_TIMEOUT.name not in conf:
        timeout = FAILOVER_SECONDS
    info: Json = {
        "user": conf.get_as(settings.MESOS_USER) or current_user(),
        "name": conf.get_as(settings.MESOS_FRAMEWORK_NAME),
        "roles": list(roles_of(conf)),
        "capabilities": [{"type": capability} for capability in capabilities],
        "failover_timeout": timeout,
        "checkpoint": conf.get_as(settings.MESOS_CHECKPOINT),
        "hostname": socket.gethostname(),
        "webui_url": url,
    }
    if principal := conf.get_as(settings.MESOS_PRINCIPAL):
        info["principal"] = principal
    if framework_id:
        info["id"] = {"value": framework_id}
    return info


def parse_offer(offer: Json, rack: str = "") -> Offer:
    """An Offer as Mesos sends it, of an agent in `rack`."""
    address = offer.get("url", {}).get("address", {})
    return Offer(
        offer_id=offer["id"]["value"],
        agent_id=offer["agent_id"]["value"],
        hostname=offer.get("hostname", ""),
        resources=tuple(offer.get("resources", ())),
        attributes={
            attribute["name"]: _attribute_text(attribute)
            for attribute in offer.get("attributes", ())
        },
        executor_ids=tuple(executor["value"] for executor in offer.get("executor_ids", ())),
        address=address.get("ip") or address.get("hostname", ""),
        rack=rack,
        role=offer.get("allocation_info", {}).get("role", "*"),
        unavailability=parse_unavailability(offer),
    )


def parse_inverse_offer(offer: Json) -> InverseOffer:
    """An InverseOffer as Mesos sends it."""
    return InverseOffer(
        offer_id=offer["id"]["value"],
        agent_id=offer.get("agent_id", {}).get("value", ""),
        unavailability=parse_unavailability(offer),
    )


def parse_unavailability(offer: Json) -> Unavailability | None:
    """When the agent of an Offer or InverseOffer is to be away; for ever where no end is given."""
    said = offer.get("unavailability")
    if not said:
        return None
    start = int(said["start"]["nanoseconds"]) / 1e9
    duration = said.get("duration", {}).get("nanoseconds")
    return Unavailability(start, math.inf if duration is None else start + int(duration) / 1e9)


def _attribute_text(attribute: Json) -> str:
    """TEXT and SCALAR as they are; ranges and sets as Mesos writes them on command lines."""
    if "text" in attribute:
        return str(attribute["text"]["value"])
    if "scalar" in attribute:
        return f"{attribute['scalar']['value']:g}"
    if "ranges" in attribute:
        ranges = attribute["ranges"].get("range", ())
        return "[" + ",".join(f"{one['begin']}-{one['end']}" for one in ranges) + "]"
    return "{" + ",".join(attribute.get("set", {}).get("item", ())) + "}"


class FrameworkCallbacks:
    """Turns what the driver hears into events (mrmesos.mesos.callbacks.SchedulerCallbacks)."""

    def __init__(
        self,
        post: Callable[[Event], None],
        fail: Callable[[str], None],
        topology: Topology | None = None,
        on_offers: Callable[[list[Json]], None] = lambda _: None,
    ) -> None:
        """`post` takes events; `fail` is told when the framework cannot go on. `on_offers` sees
        offers as they stand.
        """
        self._post = post
        self._fail = fail
        self._topology = topology or Topology()
        self._on_offers = on_offers

    def registered(self, framework_id: str, master_info: Json) -> None:
        """Subscribed for the first time."""
        logger.info("registered as framework %s at %s", framework_id, _master_name(master_info))
        self._post(Registered(framework_id))

    def reregistered(self, framework_id: str, master_info: Json) -> None:
        """Subscribed again."""
        logger.info("framework %s is back at %s", framework_id, _master_name(master_info))
        self._post(Registered(framework_id))

    def offers(self, offers: list[Json]) -> None:
        """Resource offers."""
        self._on_offers(offers)
        topology = self._topology
        topology.learn([offer.get("hostname", "") for offer in offers])
        made = tuple(parse_offer(offer, topology.rack_of(offer)) for offer in offers)
        self._post(OffersReceived(made))

    def rescinded(self, offer_id: str) -> None:
        """An offer is void."""
        self._post(OfferRescinded(offer_id))

    def inverse_offers(self, offers: list[Json]) -> None:
        """Agents are asked back for their maintenance."""
        self._post(InverseOffersReceived(tuple(parse_inverse_offer(offer) for offer in offers)))

    def inverse_offer_rescinded(self, offer_id: str) -> None:
        """An inverse offer is void."""
        self._post(InverseOfferRescinded(offer_id))

    def status_update(self, status: Json) -> None:
        """News of a slot."""
        self._post(parse_status(status))

    def heartbeat(self) -> None:
        """The master is there."""
        self._post(MasterHeard())

    def framework_message(self, executor_id: str, agent_id: str, data: bytes) -> None:
        """TaskTrackers speak by heartbeat only."""
        logger.warning("%s on %s sent a message of %d bytes", executor_id, agent_id, len(data))

    def agent_lost(self, agent_id: str) -> None:
        """An agent is gone."""
        self._post(AgentLost(agent_id))

    def executor_lost(self, agent_id: str, executor_id: str, status: int | None) -> None:
        """A TaskTracker's executor has ended."""
        self._post(TrackerLost(executor_id, agent_id, status))

    def disconnected(self) -> None:
        """The master is away; the driver looks for it."""
        logger.warning("lost the connection to the Mesos master")
        self._post(Disconnected())

    def fatal(self, problem: BaseException) -> None:
        """The driver's `on_fatal`: news of Mesos was lost, so our picture of it is wrong."""
        self._fail(f"news from Mesos could not be taken: {type(problem).__name__}: {problem}")

    def error(self, message: str) -> None:
        """Mesos refuses this framework for good."""
        self._fail(f"Mesos ended this framework: {message}")


def _master_name(master_info: Json) -> str:
    return f"{master_info.get('hostname', '?')}:{master_info.get('port', '?')}"
