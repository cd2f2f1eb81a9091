"""The TaskTracker's side of Mesos: a shell around the executor driver.

Comes in: the driver's callbacks. Goes out: events for the core, status updates for the agent.
Threads: the driver's IO thread only passes events on. A thread of our own sends status updates, in
order, so that a slow agent never blocks the event loop.
"""

from __future__ import annotations

import base64
import binascii
import logging
import queue
import threading
from collections.abc import Callable

import msgspec

from mrmesos.mesos.callbacks import Json
from mrmesos.mesos.errors import MesosError
from mrmesos.mesos.executor_driver import ExecutorDriver
from mrmesos.resources import ports_in
from mrmesos.tasktracker.core import commands as cmd
from mrmesos.tasktracker.core import events as ev
from mrmesos.wire.task import SlotData

logger = logging.getLogger(__name__)

_FLUSH_SECONDS = 5.0
_JOIN_SECONDS = 5.0


class MesosExecutor:
    """Implements `ExecutorCallbacks`.

    The driver's thread calls `on_event`, `on_registered` and `on_key`. They must return at once.
    """

    def __init__(
        self,
        on_event: Callable[[ev.Event], None],
        on_registered: Callable[[str, str], None],
        on_key: Callable[[str], None],
        *,
        exit_after_grace: bool = False,
    ) -> None:
        """`on_registered` gets the agent's id and hostname, also after each restart of the agent.

        `on_key` gets the key that signs requests to the JobTracker, before each slot.

        `exit_after_grace`: end the process (`os._exit`) if it still runs when Mesos' grace period
        after SHUTDOWN is over.

        Raises KeyError or ValueError if the environment is not an executor's.
        """
        self._on_event = on_event
        self._on_registered = on_registered
        self._on_key = on_key
        self._statuses: queue.SimpleQueue[cmd.SendStatus | None] = queue.SimpleQueue()
        self._sender = threading.Thread(target=self._send_all, name="status updates", daemon=True)
        self._driver = ExecutorDriver(self, exit_after_grace=exit_after_grace)
        self.failed = ""

    def start(self) -> None:
        """Subscribe."""
        self._sender.start()
        self._driver.start()

    def send_status(self, status: cmd.SendStatus) -> None:
        """Send a status update after all earlier ones. Does not wait."""
        self._statuses.put(status)

    def stop(self) -> None:
        """Send the remaining status updates, then leave the agent. Waits a few seconds at most."""
        if self._sender.is_alive():
            self._statuses.put(None)
            self._sender.join(_FLUSH_SECONDS)
        self._driver.stop()
        if not self._driver.join(_JOIN_SECONDS):
            logger.warning("the driver's thread does not end")

    def _send_all(self) -> None:
        while (status := self._statuses.get()) is not None:
            update: Json = {"task_id": {"value": status.slot_id}, "state": f"TASK_{status.state}"}
            if status.message:
                update["message"] = status.message
            try:
                if not self._driver.sendStatusUpdate(update):
                    logger.warning("%s of %s waits for the agent", status.state, status.slot_id)
            except MesosError as problem:
                logger.error("%s of %s: %s", status.state, status.slot_id, problem)

    # ExecutorCallbacks, in the driver's thread.

    def registered(self, executor_info: Json, framework_info: Json, agent_info: Json) -> None:
        """The driver has subscribed for the first time."""
        framework_id = framework_info.get("id", {}).get("value")
        executor_id = executor_info.get("executor_id", {}).get("value")
        logger.info("executor %s of framework %s", executor_id, framework_id)
        self.reregistered(agent_info)

    def reregistered(self, agent_info: Json) -> None:
        """The driver has subscribed again."""
        agent_id = str(agent_info.get("id", {}).get("value", ""))
        logger.info("subscribed with agent %s", agent_id)
        self._on_registered(agent_id, str(agent_info.get("hostname", "")))

    def launch_task(self, task: Json) -> None:
        """Take a slot and its first attempt. A slot without an attempt only starts this
        TaskTracker.
        """
        slot_id = str(task["task_id"]["value"])
        try:
            data = read_slot(task)
        except ValueError as problem:
            self._on_event(ev.BadSlotLaunched(slot_id, str(problem)))
        else:
            self._on_key(data.key)
            ports = ports_in(task.get("resources", ()))
            self._on_event(ev.SlotLaunched(slot_id, data.first, ports))

    def kill_task(self, task_id: str) -> None:
        """End a slot."""
        self._on_event(ev.SlotKilled(task_id))

    def framework_message(self, data: bytes) -> None:
        """Ignore the message: the JobTracker uses heartbeats, and ends us through the agent."""
        logger.warning("ignored an unexpected framework message of %d bytes", len(data))

    def shutdown(self) -> None:
        """Mesos ends this executor, or the agent is lost."""
        self._on_event(ev.LeaveAsked("Mesos has asked this executor to end"))

    def disconnected(self) -> None:
        """The driver reconnects by itself, as long as the agent allows it."""
        logger.warning("lost the connection to the agent")

    def error(self, message: str) -> None:
        """The driver has stopped for good."""
        self.failed = message
        self._on_event(ev.LeaveAsked(f"Mesos: {message}"))


def read_slot(task: Json) -> SlotData:
    """Decode the data of a TaskInfo. Raises ValueError, which says what is wrong."""
    try:
        data = base64.b64decode(task.get("data", ""), validate=True)
        slot = msgspec.json.decode(data, type=SlotData)
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise ValueError(f"the task's data does not describe a slot: {problem}") from problem
    slot_id, first = task["task_id"]["value"], slot.first
    if first is not None and first.slot_id != slot_id:
        raise ValueError(f"the attempt is for slot {first.slot_id}, the task is {slot_id}")
    return slot
