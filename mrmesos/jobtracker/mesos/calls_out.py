"""Makes calls to Mesos, one after another.

Comes in: the core's commands, from the core thread. Goes out: the driver's calls, and for each
launch that failed an event to the core. Thread: one of its own, so a master that does not answer
delays nobody else.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from mrmesos.jobtracker.core.messages.commands import (
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
from mrmesos.jobtracker.core.messages.events import Event
from mrmesos.jobtracker.mesos.driver import MesosDriver
from mrmesos.jobtracker.mesos.slot_updates import DISCONNECTED, slot_updated
from mrmesos.jobtracker.mesos.task_info import TrackerCommand, task_info
from mrmesos.mesos.errors import MesosCallError, MesosUnreachable
from mrmesos.retrying import try_first

if TYPE_CHECKING:
    import tenacity

logger = logging.getLogger(__name__)

MAX_CALLS = 100_000
"""Most calls that may wait for the master. More wait only if the master is frozen for long."""

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


class DriverCalls:
    """Sends commands through the driver, one after another, in a thread of its own."""

    def __init__(
        self, driver: MesosDriver, command: TrackerCommand, post: Callable[[Event], None]
    ) -> None:
        """`command` starts TaskTrackers. `post` takes an event for each launch that failed."""
        self._driver = driver
        self._command = command
        self._post = post
        self._queue: queue.Queue[DriverCommand | None] = queue.Queue(MAX_CALLS)
        self._stopping = threading.Event()
        self._doubtful: dict[str, str | None] = {}  # launches without an answer: slot -> agent
        self._ask_at = 0.0
        self._thread = threading.Thread(target=self._run, name="mesos-calls", daemon=True)

    def use(self, driver: MesosDriver) -> None:
        """Use another driver for all further calls."""
        self._driver = driver

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, command: DriverCommand) -> None:
        """Queue a call. Raises queue.Full."""
        self._queue.put_nowait(command)

    def stop(self, timeout: float) -> bool:
        """Make the queued calls, then end. Returns False if that takes over `timeout` s."""
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
                self._make_call(command)
            except MesosCallError as refusal:
                logger.error("Mesos refused %s: %s", type(command).__name__, refusal)
            except MesosUnreachable as problem:  # only while we stop; before, calls are repeated
                logger.info("stopping without %s: %s", type(command).__name__, problem)
            except Exception:
                logger.exception("the call for %s failed", type(command).__name__)
            if self._doubtful and time.monotonic() >= self._ask_at:
                self._ask_about_doubtful()

    def _make_call(self, command: DriverCommand) -> None:
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
                self._retrying(driver.reconcileTasks, tasks)  # no tasks: all that Mesos knows
            case Revive(roles):
                self._retrying(driver.reviveOffers, roles)
            case Suppress(roles):
                self._retrying(driver.suppressOffers, roles)

    def _retrying(self, call: Callable[..., bool], *args: object) -> bool:
        """Repeat a call until it is answered or the subscription is lost. Only for calls that may
        be made twice.
        """

        def pause(state: tenacity.RetryCallState) -> None:
            logger.warning("the Mesos master does not answer (attempt %d)", state.attempt_number)

        def retrying(_spent: float) -> tenacity.Retrying:
            import tenacity

            return tenacity.Retrying(
                retry=tenacity.retry_if_exception_type(MesosUnreachable),
                wait=tenacity.wait_random_exponential(multiplier=0.2, max=5.0),
                stop=tenacity.stop_when_event_set(self._stopping),
                sleep=tenacity.sleep_using_event(self._stopping),
                before_sleep=pause,
                reraise=True,
            )

        return try_first(partial(call, *args), retrying)

    def _accept(self, command: AcceptOffers) -> None:
        """Send an ACCEPT, and never twice: after a second one, Mesos would report the running slots
        as lost.
        """
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
            logger.warning("no answer to a launch: %s; asking Mesos for its slots", problem)
            self._doubtful.update({launch.slot_id: launch.agent_id for launch in command.tasks})
            self._ask_at = time.monotonic() + 1.0
            return
        if not sent:
            self._lost(command, DISCONNECTED, "not subscribed")

    def _lost(self, command: AcceptOffers, reason: str, message: str) -> None:
        for launch in command.tasks:
            self._post(
                slot_updated(launch.slot_id, launch.agent_id, "TASK_DROPPED", reason, message)
            )

    def _ask_about_doubtful(self) -> None:
        """Ask Mesos for slots whose launch had no answer. Mesos answers with an update for each.
        If it never got the launch, that update says GONE or UNKNOWN.
        """
        try:
            # If we are not subscribed, nothing is lost: the core reconciles all slots after the
            # next subscription.
            self._driver.reconcileTasks(dict(self._doubtful))
        except MesosUnreachable as problem:
            logger.warning("the Mesos master does not answer: %s", problem)
            self._ask_at = time.monotonic() + 1.0
            return
        except MesosCallError as refusal:
            logger.error("Mesos refused to reconcile: %s", refusal)
        self._doubtful.clear()
