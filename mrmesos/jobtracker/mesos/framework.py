"""Turns Mesos' messages into events of the core, and builds our FrameworkInfo.

Comes in: the driver's callbacks. Goes out: events. Thread: the driver's. Calls to Mesos are made in
`calls_out.py`. Field names are those of Mesos' v1 scheduler API.
"""

from __future__ import annotations

import logging
import math
import socket
from collections.abc import Callable

from mrmesos import conf as settings
from mrmesos.access.identity import current_user
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
from mrmesos.mesos.callbacks import Json

logger = logging.getLogger(__name__)

FAILOVER_SECONDS = 86_400.0
"""Mesos waits this long for a JobTracker with a journal. TaskTrackers give up earlier. So a
JobTracker that never comes back holds no resources for long.
"""
CAPABILITIES = ("MULTI_ROLE", "RESERVATION_REFINEMENT", "PARTITION_AWARE")
"""FrameworkInfo.Capability. With these, resources name their role and all their reservations, and
refined ones, too. Unreachable tasks are not reported as lost.
"""


def framework_info(conf: Conf, url: str, framework_id: str = "", *, journal: bool = False) -> Json:
    """The FrameworkInfo with which a JobTracker at `url` subscribes.

    With `framework_id`, it takes over that framework and its running tasks. With a `journal`, it
    can be restarted at any time. Then Mesos keeps its tasks for FAILOVER_SECONDS, unless
    `mesos.failover.timeout` is set.
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
    """Parse Mesos' Offer of an agent in `rack`."""
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
        agent_url=_url_of_agent(offer),
    )


def _url_of_agent(offer: Json) -> str:
    """Where the offer's agent itself answers: its /files show sandboxes. Empty if unknown."""
    url = offer.get("url", {})
    address = url.get("address", {})
    host, port = address.get("ip") or address.get("hostname"), address.get("port")
    if url.get("scheme", "http") != "http" or not host or not isinstance(port, int):
        return ""  # we do not speak TLS with Mesos
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def parse_inverse_offer(offer: Json) -> InverseOffer:
    """Parse Mesos' InverseOffer."""
    return InverseOffer(
        offer_id=offer["id"]["value"],
        agent_id=offer.get("agent_id", {}).get("value", ""),
        unavailability=parse_unavailability(offer),
    )


def parse_unavailability(offer: Json) -> Unavailability | None:
    """When the agent of an Offer or InverseOffer will be away. Without an end, it is for ever."""
    said = offer.get("unavailability")
    if not said:
        return None
    start = int(said["start"]["nanoseconds"]) / 1e9
    duration = said.get("duration", {}).get("nanoseconds")
    return Unavailability(start, math.inf if duration is None else start + int(duration) / 1e9)


def _attribute_text(attribute: Json) -> str:
    """TEXT and SCALAR as their values; ranges and sets in the syntax of Mesos' command lines."""
    if "text" in attribute:
        return str(attribute["text"]["value"])
    if "scalar" in attribute:
        return f"{attribute['scalar']['value']:g}"
    if "ranges" in attribute:
        ranges = attribute["ranges"].get("range", ())
        return "[" + ",".join(f"{one['begin']}-{one['end']}" for one in ranges) + "]"
    return "{" + ",".join(attribute.get("set", {}).get("item", ())) + "}"


class FrameworkCallbacks:
    """Turns the driver's callbacks into events (mrmesos.mesos.callbacks.SchedulerCallbacks)."""

    def __init__(
        self,
        post: Callable[[Event], None],
        fail: Callable[[str], None],
        topology: Topology | None = None,
    ) -> None:
        """`post` takes events. `fail` is called if the framework cannot go on."""
        self._post = post
        self._fail = fail
        self._topology = topology or Topology()

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
        topology = self._topology
        topology.learn([offer.get("hostname", "") for offer in offers])
        made = tuple(parse_offer(offer, topology.rack_of(offer)) for offer in offers)
        self._post(OffersReceived(made))

    def rescinded(self, offer_id: str) -> None:
        """An offer is no longer valid."""
        self._post(OfferRescinded(offer_id))

    def inverse_offers(self, offers: list[Json]) -> None:
        """Mesos asks for agents back, for their maintenance."""
        self._post(InverseOffersReceived(tuple(parse_inverse_offer(offer) for offer in offers)))

    def inverse_offer_rescinded(self, offer_id: str) -> None:
        """An inverse offer is no longer valid."""
        self._post(InverseOfferRescinded(offer_id))

    def status_update(self, status: Json) -> None:
        """A status update of a slot."""
        self._post(parse_status(status))

    def heartbeat(self) -> None:
        """A sign of life of the master."""
        self._post(MasterHeard())

    def framework_message(self, executor_id: str, agent_id: str, data: bytes) -> None:
        """Not expected, because TaskTrackers send only heartbeats."""
        logger.warning("%s on %s sent a message of %d bytes", executor_id, agent_id, len(data))

    def agent_lost(self, agent_id: str) -> None:
        """An agent is gone."""
        self._post(AgentLost(agent_id))

    def executor_lost(self, agent_id: str, executor_id: str, status: int | None) -> None:
        """A TaskTracker's executor has ended."""
        self._post(TrackerLost(executor_id, agent_id, status))

    def disconnected(self) -> None:
        """The master does not answer. The driver looks for it."""
        logger.warning("lost the connection to the Mesos master")
        self._post(Disconnected())

    def fatal(self, problem: BaseException) -> None:
        """The driver's `on_fatal`: an event of Mesos was lost, so our state may be wrong."""
        self._fail(f"an event of Mesos could not be handled: {type(problem).__name__}: {problem}")

    def error(self, message: str) -> None:
        """Mesos refuses this framework permanently."""
        self._fail(f"Mesos ended this framework: {message}")


def _master_name(master_info: Json) -> str:
    return f"{master_info.get('hostname', '?')}:{master_info.get('port', '?')}"
