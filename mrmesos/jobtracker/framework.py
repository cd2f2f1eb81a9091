"""Between Mesos and the core: what the driver tells becomes events, commands become driver calls.

Calls are made by one thread of their own, in the order of the commands, so that a master that does
not answer delays nobody else. Field names are those of Mesos' v1 scheduler API.
"""

from __future__ import annotations

import logging
import math
import queue
import socket
import threading
import time
from collections.abc import Callable

import tenacity

from mrmesos import conf as settings
from mrmesos.conf import Conf
from mrmesos.jobtracker.commands import (
    AcceptInverseOffers,
    AcceptOffers,
    Acknowledge,
    DeclineInverseOffers,
    DeclineOffers,
    KillSlot,
    Reconcile,
    Revive,
    ShutdownTracker,
    Suppress,
)
from mrmesos.jobtracker.driver import Driver
from mrmesos.jobtracker.events import (
    AgentLost,
    Disconnected,
    Event,
    InverseOffer,
    InverseOfferRescinded,
    InverseOffersReceived,
    Offer,
    OfferRescinded,
    OffersReceived,
    Registered,
    SlotUpdated,
    TrackerLost,
    Unavailability,
)
from mrmesos.jobtracker.settings import roles_of
from mrmesos.jobtracker.taskinfo import TrackerCommand, task_info
from mrmesos.jobtracker.topology import Topology
from mrmesos.jobtracker.user import current_user
from mrmesos.mesos.callbacks import Json
from mrmesos.mesos.errors import MesosCallError, MesosUnreachable

logger = logging.getLogger(__name__)

FAILOVER_SECONDS = 86_400.0
"""For as long Mesos waits for a JobTracker with a journal. TaskTrackers give it up sooner, so that
nothing is held for long by one that never comes back.
"""
MAX_CALLS = 100_000
"""Calls that may wait for a master; more than so many mean that it has been frozen for long."""
CAPABILITIES = ("MULTI_ROLE", "RESERVATION_REFINEMENT", "PARTITION_AWARE")
"""FrameworkInfo.Capability: resources come with whose they are and all reservations, refined ones
too, and tasks that are out of reach are not called lost.
"""

DriverCommand = (
    AcceptOffers
    | DeclineOffers
    | AcceptInverseOffers
    | DeclineInverseOffers
    | Acknowledge
    | KillSlot
    | ShutdownTracker
    | Reconcile
    | Revive
    | Suppress
)


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


def parse_status(status: Json) -> SlotUpdated:
    """A TaskStatus as Mesos sends it."""
    return SlotUpdated(
        slot_id=status["task_id"]["value"],
        agent_id=status.get("agent_id", {}).get("value", ""),
        state=status["state"],
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        source=status.get("source", ""),
        uuid=status.get("uuid", ""),
    )


class FrameworkCallbacks:
    """Turns what the driver hears into events (mrmesos.mesos.callbacks.SchedulerCallbacks)."""

    def __init__(
        self,
        post: Callable[[Event], None],
        fail: Callable[[str], None],
        topology: Topology | None = None,
    ) -> None:
        """`post` takes events; `fail` is told when the framework cannot go on."""
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


class DriverCalls:
    """Carries commands out through the driver, one after another, in a thread of its own."""

    def __init__(
        self, driver: Driver, command: TrackerCommand, post: Callable[[Event], None]
    ) -> None:
        """`command` starts TaskTrackers; `post` takes what became of launches that failed."""
        self._driver = driver
        self._command = command
        self._post = post
        self._queue: queue.Queue[DriverCommand | None] = queue.Queue(MAX_CALLS)
        self._stopping = threading.Event()
        self._doubtful: dict[str, str | None] = {}  # launched, but no answer came: slot -> agent
        self._ask_at = 0.0
        self._thread = threading.Thread(target=self._run, name="mesos-calls", daemon=True)

    def use(self, driver: Driver) -> None:
        """Make calls through another driver from now on."""
        self._driver = driver

    def start(self) -> None:
        """Begin to make calls."""
        self._thread.start()

    def submit(self, command: DriverCommand) -> None:
        """Make a call after all those before it. Raises queue.Full."""
        self._queue.put_nowait(command)

    def stop(self, timeout: float) -> bool:
        """Make the calls that wait if that takes less than `timeout` seconds; False otherwise."""
        self._stopping.set()
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            return False
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            try:
                command = self._queue.get(timeout=1.0 if self._doubtful else None)
            except queue.Empty:
                self._ask_about_doubtful()
                continue
            if command is None:
                return
            try:
                self._carry_out(command)
            except MesosCallError as refusal:
                logger.error("Mesos refused %s: %s", type(command).__name__, refusal)
            except Exception:
                logger.exception("%s could not be carried out", type(command).__name__)
            if self._doubtful and time.monotonic() >= self._ask_at:
                self._ask_about_doubtful()

    def _carry_out(self, command: DriverCommand) -> None:
        driver = self._driver
        match command:
            case AcceptOffers():
                self._accept(command)
            case DeclineOffers(offer_ids, seconds):
                self._retrying(driver.declineOffer, offer_ids, {"refuse_seconds": seconds})
            case AcceptInverseOffers(offer_ids, seconds):
                self._retrying(driver.acceptInverseOffers, offer_ids, {"refuse_seconds": seconds})
            case DeclineInverseOffers(offer_ids, seconds):
                self._retrying(driver.declineInverseOffers, offer_ids, {"refuse_seconds": seconds})
            case Acknowledge(slot_id, agent_id, uuid):
                status = {
                    "task_id": {"value": slot_id},
                    "agent_id": {"value": agent_id},
                    "uuid": uuid,
                }
                self._retrying(driver.acknowledgeStatusUpdate, status)
            case KillSlot(slot_id, agent_id):
                self._retrying(driver.killTask, slot_id, agent_id or None)
            case ShutdownTracker(tracker_id, agent_id):
                self._retrying(driver.shutdownExecutor, tracker_id, agent_id)
            case Reconcile(slots):
                tasks = {slot_id: agent_id or None for slot_id, agent_id in slots}
                self._retrying(driver.reconcileTasks, tasks)  # none means: all that Mesos knows
            case Revive(roles):
                self._retrying(driver.reviveOffers, roles)
            case Suppress(roles):
                self._retrying(driver.suppressOffers, roles)

    def _retrying(self, call: Callable[..., bool], *args: object) -> bool:
        """Make a call that may be made twice until it is answered or the subscription is lost."""

        def pause(state: tenacity.RetryCallState) -> None:
            logger.warning("the Mesos master does not answer (attempt %d)", state.attempt_number)

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(MesosUnreachable),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=5.0),
            stop=tenacity.stop_when_event_set(self._stopping),
            sleep=tenacity.sleep_using_event(self._stopping),
            before_sleep=pause,
            reraise=True,
        )
        sent: bool = retrying(call, *args)
        return sent

    def _accept(self, command: AcceptOffers) -> None:
        """Launch. An ACCEPT is never sent twice: the second would declare running slots lost."""
        tasks = [task_info(launch, self._command) for launch in command.tasks]
        operations = [{"type": "LAUNCH", "launch": {"task_infos": tasks}}]
        try:
            sent = self._driver.acceptOffers(
                command.offer_ids, operations, {"refuse_seconds": command.refuse_seconds}
            )
        except MesosCallError as refusal:
            self._lost(command, "REASON_INVALID_OFFERS", str(refusal))
            raise
        except MesosUnreachable as problem:
            logger.warning("no answer to a launch: %s; asking what became of it", problem)
            self._doubtful.update({launch.slot_id: launch.agent_id for launch in command.tasks})
            self._ask_at = time.monotonic() + 1.0
            return
        if not sent:
            self._lost(command, "REASON_MASTER_DISCONNECTED", "not subscribed")

    def _lost(self, command: AcceptOffers, reason: str, message: str) -> None:
        for launch in command.tasks:
            self._post(
                SlotUpdated(
                    launch.slot_id,
                    launch.agent_id,
                    "TASK_DROPPED",
                    reason,
                    message,
                    "SOURCE_MASTER",
                )
            )

    def _ask_about_doubtful(self) -> None:
        """Mesos answers with an update for each slot; GONE or UNKNOWN where it was no launch."""
        try:
            # Not subscribed is as good as asked: the core reconciles all slots on its return.
            self._driver.reconcileTasks(dict(self._doubtful))
        except MesosUnreachable as problem:
            logger.warning("the Mesos master does not answer: %s", problem)
            self._ask_at = time.monotonic() + 1.0
            return
        except MesosCallError as refusal:
            logger.error("Mesos refused to reconcile: %s", refusal)
        self._doubtful.clear()
