"""`ExecutorDriver`: pymesos' executor driver, with its bugs fixed."""
# ruff: noqa: N802  (methods that override pymesos' keep pymesos' names)

from __future__ import annotations

import base64
import binascii
import logging
import os
import threading
import time
import uuid
from typing import Any

from mrmesos.mesos.callbacks import ExecutorCallbacks, Json, OnFatal
from mrmesos.mesos.calls import CallChannel
from mrmesos.mesos.errors import MesosCallError, MesosError
from mrmesos.mesos.event_loop import Backoff, SubscriptionLoop
from mrmesos.mesos.events import EXECUTOR
from mrmesos.mesos.pymesos_import import MesosExecutorDriver

__all__ = ["GRACE_OVER_EXIT_CODE", "ExecutorDriver", "flag", "seconds"]

logger = logging.getLogger(__name__)

API_PATH = "/api/v1/executor"

GRACE_OVER_EXIT_CODE = 74
"""The exit status of the process after `exit_after_grace` (EX_IOERR)."""

MAX_PENDING_UPDATES = 100_000
_FIRST_SUBSCRIPTION_LIMIT = 60.0  # seconds; the agent's executor_registration_timeout is as long
_LONGEST_PAUSE = 0.5  # seconds; the agent waits 2 s for its executors after a restart
_UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "ms": 1e-3,
    "secs": 1.0,
    "mins": 60.0,
    "hrs": 3600.0,
    "days": 86400.0,
    "weeks": 604800.0,
}


def flag(text: str | None) -> bool:
    """The value of a flag in Mesos' environment: "1" or "true" mean yes; "0", "" and None no."""
    return (text or "").strip().lower() in ("1", "true", "yes")


def seconds(text: str | None, default: float) -> float:
    """The seconds of a duration in stout's format ("15mins", "2secs", "500ms").

    Raises:
        ValueError: the text is not a duration.
    """
    if not text:
        return default
    for unit, size in _UNITS.items():
        number = text.strip().removesuffix(unit)
        if number != text.strip():
            try:
                return float(number) * size
            except ValueError:
                continue
    raise ValueError(f"not a duration: {text!r}")


class ExecutorDriver(SubscriptionLoop, MesosExecutorDriver):  # type: ignore[misc]  # pymesos is untyped
    """An executor's side of the v1 executor API, configured by Mesos' environment variables.

    Any thread may make calls. Bugs of pymesos 0.3.15, and where they are fixed:

    - an exception of a callback ended the IO thread: `SubscriptionLoop.process_event`;
    - `updates` was never filled, so nothing was sent again after an agent's restart:
      `sendStatusUpdate` keeps each update until ACKNOWLEDGED, in order; updates that could not be
      sent go out with the next subscription, or while subscribed with the next `_tick`;
    - `MESOS_CHECKPOINT=0` (and `MESOS_LOCAL=0`) read as true: `flag`;
    - `MESOS_EXECUTOR_AUTHENTICATION_TOKEN` was ignored: `_headers`;
    - pauses between subscriptions were 2 s or more, but a restarted agent waits only 2 s in all:
      here they are 0.05 to 0.5 s, or less if `MESOS_SUBSCRIPTION_BACKOFF_MAX` says so;
    - it tried for ever: after `MESOS_RECOVERY_TIMEOUT` without an agent (at once without
      checkpointing), this driver calls `shutdown()` and stops;
    - after SHUTDOWN it stopped at once, so that no last update could be sent: here the shell calls
      `stop()` when it is done (the agent's grace period is its deadline);
    - after the grace period it sent SIGKILL to its whole process group, including strangers: here
      only this process exits, and only with `exit_after_grace`;
    - a task that was launched twice ended the driver: the second launch is ignored.
    """

    _known_events = EXECUTOR

    def __init__(
        self,
        callbacks: ExecutorCallbacks,
        *,
        call_timeout: float = 10.0,
        exit_after_grace: bool = False,
        backoff: Backoff | None = None,
        first_subscription_limit: float = _FIRST_SUBSCRIPTION_LIMIT,
        on_fatal: OnFatal | None = None,
    ) -> None:
        """Prepare a driver from the environment; `start()` subscribes.

        Args:
            callbacks: gets all events, in the IO thread.
            call_timeout: longest wait of a call, in seconds.
            exit_after_grace: after `shutdown()`, end this process (`os._exit`) if it still runs
                when the grace period is over.
            backoff: the pauses between attempts to subscribe.
            first_subscription_limit: longest time until the first subscription, in seconds.
            on_fatal: gets the exceptions of callbacks.

        Raises:
            KeyError: a variable is missing, so Mesos has not started this process.
            ValueError: a variable has an invalid value.
        """
        env = os.environ
        super().__init__(_Adapter(callbacks), timeout=call_timeout, http_timeout=call_timeout)
        self._callbacks = callbacks
        self.checkpoint = flag(env.get("MESOS_CHECKPOINT"))
        self.local = flag(env.get("MESOS_LOCAL"))
        self.grace_shutdown_period = seconds(env.get("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD"), 5.0)
        self.recovery_timeout = seconds(env.get("MESOS_RECOVERY_TIMEOUT"), 15 * 60.0)
        longest = seconds(env.get("MESOS_SUBSCRIPTION_BACKOFF_MAX"), _LONGEST_PAUSE)
        self._backoff_pauses = backoff or Backoff(0.05, min(longest, _LONGEST_PAUSE))
        self._token = env.get("MESOS_EXECUTOR_AUTHENTICATION_TOKEN") or None
        self._calls = CallChannel(API_PATH, call_timeout)
        self._on_fatal = on_fatal
        self._exit_after_grace = exit_after_grace
        self._first_subscription_limit = first_subscription_limit
        self._ever_subscribed = False
        self._away_since: float | None = None
        # `updates` has all updates without an acknowledgement. `_unsent` has those of them that
        # this subscription has not sent, in order. `_book` guards both and `tasks`, and is held
        # only briefly. `_sending` is held during calls, to keep the order when several threads
        # send updates. Event processing never waits for it.
        self._unsent: dict[uuid.UUID, Json] = {}
        self._carried: set[uuid.UUID] = set()
        self._book = threading.Condition(threading.Lock())
        self._sending = threading.Lock()
        self._flush_again_at = 0.0

    # Life.

    def start(self) -> None:
        """Start the IO thread and subscribe."""
        if not self.aborted:
            raise RuntimeError("the driver runs already")
        self._away_since = time.monotonic()
        super().start()
        self._notify()

    def abort(self) -> None:
        """Leave the agent, like `stop()`."""
        self.stop()

    def gen_request(self) -> bytes:
        """The SUBSCRIBE request, with all tasks and updates without an acknowledgement."""
        with self._book:
            body: Json = {
                "type": "SUBSCRIBE",
                "framework_id": self.framework_id,
                "executor_id": self.executor_id,
                "subscribe": {
                    "unacknowledged_tasks": list(self.tasks.values()),
                    "unacknowledged_updates": list(self.updates.values()),
                },
            }
            self._carried = set(self.updates)
        return self._subscribe_request(API_PATH, self._headers(), body)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def _say_disconnected(self) -> None:
        self._away_since = time.monotonic()
        self._callbacks.disconnected()

    def _say_error(self, message: str) -> None:
        self._callbacks.error(message)

    def _lost(self) -> None:
        """After a failed attempt, check whether the agent is lost for good."""
        if self._away_since is None or self._stopping:
            return
        away = time.monotonic() - self._away_since
        if not self._ever_subscribed:
            limit = self._first_subscription_limit
        else:
            limit = self.recovery_timeout if self.checkpoint else 0.0
        if away >= limit:
            logger.error("the agent is lost (away for %.1f s); shutting down", away)
            self.abort()
            self._shut_down()

    def _shut_down(self) -> None:
        if self._exit_after_grace and not self.local:
            threading.Thread(target=self._exit_later, name="grace period", daemon=True).start()
        self._guard(self._callbacks.shutdown)

    def _exit_later(self) -> None:
        time.sleep(self.grace_shutdown_period)
        logger.error("the grace period is over; exit")
        os._exit(GRACE_OVER_EXIT_CODE)

    def _tick(self) -> None:
        """Check the recovery timeout, and send updates that could not be sent before."""
        if not self.connected:
            self._lost()
        elif self._unsent and time.monotonic() >= self._flush_again_at:
            self._flush_if_idle()

    def _flush_if_idle(self) -> None:
        """Send unsent updates, unless another thread is doing so."""
        if self._sending.acquire(blocking=False):
            try:
                self._flush()
            finally:
                self._sending.release()

    # Events.

    def on_subscribed(self, info: Json) -> None:
        """SUBSCRIBED: the agent has the updates that the request carried."""
        with self._book:
            for key in self._carried:
                self._unsent.pop(key, None)
        self._away_since = None
        with self._lock:
            self._subscribed = True
        if self._unsent:
            self._flush_if_idle()
        if self._ever_subscribed:
            self._callbacks.reregistered(info["agent_info"])
        else:
            self._ever_subscribed = True
            self.executor_info, self.framework_info = info["executor_info"], info["framework_info"]
            self._callbacks.registered(
                info["executor_info"], info["framework_info"], info["agent_info"]
            )

    def on_launch(self, event: Json) -> None:
        """LAUNCH a task. A second launch of it is ignored."""
        task = event["task"]
        task_id = task["task_id"]["value"]
        with self._book:
            if task_id in self.tasks:
                logger.warning("task %s was launched already", task_id)
                return
            self.tasks[task_id] = task
        self._callbacks.launch_task(task)

    def on_launch_group(self, event: Json) -> None:
        """LAUNCH_GROUP: launch its tasks one by one."""
        for task in event["task_group"]["tasks"]:
            self.on_launch({"task": task})

    def on_acknowledged(self, event: Json) -> None:
        """ACKNOWLEDGED: forget the update, and also the task, which the agent now knows."""
        key = uuid.UUID(bytes=base64.b64decode(event["uuid"]))
        with self._book:
            self.updates.pop(key, None)
            self._unsent.pop(key, None)
            self.tasks.pop(event["task_id"]["value"], None)
            self._book.notify_all()

    def on_shutdown(self) -> None:
        """SHUTDOWN: tell the shell. It stops the driver when its last updates are sent."""
        self._shut_down()

    # Calls.

    def _send(self, body: Json) -> bool:
        return self._post(self._headers(), body)

    def _call(self, kind: str, content: Json) -> bool:
        ids = {"framework_id": self.framework_id, "executor_id": self.executor_id}
        return self._send({"type": kind, **ids, kind.lower(): content})

    def sendStatusUpdate(self, status: Json) -> bool:
        """UPDATE with a TaskStatus. Adds uuid, source and timestamp if they are missing.

        Returns True if the agent took the update, False if it is kept for later (no connection or
        no answer). In both cases, each subscription sends it again until it is acknowledged.

        Raises:
            MesosCallError: the agent will never take this one (400); it is not kept.
            MesosError: too many updates are waiting.
        """
        full: Json = {"timestamp": time.time(), "source": "SOURCE_EXECUTOR", **status}
        key = _uuid_of(full)
        with self._book:
            if len(self.updates) >= MAX_PENDING_UPDATES:
                raise MesosError(f"{len(self.updates)} updates wait for an acknowledgement")
            self.updates[key] = self._unsent[key] = {"status": full}
        with self._sending:
            refused = self._flush()
        if key in refused:
            raise refused[key]
        return key not in self._unsent

    def _flush(self) -> dict[uuid.UUID, MesosCallError]:
        """Send unsent updates in order, up to the first that cannot be sent now.

        Returns the updates that the agent refused for good, and forgets them. Hold `_sending`.
        """
        refused: dict[uuid.UUID, MesosCallError] = {}
        while True:
            with self._book:
                key, update = next(iter(self._unsent.items()), (None, {}))
            if key is None:
                return refused
            try:
                if not self._call("UPDATE", update):
                    return refused
            except MesosError as problem:
                if not isinstance(problem, MesosCallError) or problem.status != 400:
                    logger.warning("updates wait, the agent does not take them now: %s", problem)
                    self._flush_again_at = time.monotonic() + _LONGEST_PAUSE
                    return refused
                logger.error("the agent refuses %s: %s", update, problem)
                refused[key] = problem
                with self._book:
                    self.updates.pop(key, None)
                    self._book.notify_all()
            with self._book:
                self._unsent.pop(key, None)

    def drain(self, timeout: float) -> bool:
        """Wait until all updates are acknowledged, at most `timeout` seconds. True if they are.

        Call it before `stop()`: if the executor exits before the agent has handled an update, the
        update may be lost. Do not call it from a callback: acknowledgements need that thread.
        """
        with self._book:
            return self._book.wait_for(lambda: not self.updates, timeout)

    def sendFrameworkMessage(self, data: bytes) -> bool:
        """MESSAGE to the scheduler, best effort."""
        return self._call("MESSAGE", {"data": base64.b64encode(data).decode("ascii")})


def _uuid_of(status: Json) -> uuid.UUID:
    """The uuid of a status. If there is none, a new one is written into it."""
    if "uuid" not in status:
        made = uuid.uuid4()
        status["uuid"] = base64.b64encode(made.bytes).decode("ascii")
        return made
    try:
        return uuid.UUID(bytes=base64.b64decode(status["uuid"], validate=True))
    except (ValueError, binascii.Error) as problem:
        raise ValueError(f"not a base64 uuid: {status['uuid']!r}") from problem


class _Adapter:
    """Has pymesos' callback names and calls ours, for the events that pymesos dispatches."""

    def __init__(self, callbacks: ExecutorCallbacks) -> None:
        self._callbacks = callbacks

    def killTask(self, _driver: Any, task_id: Json) -> None:
        self._callbacks.kill_task(task_id["value"])

    def frameworkMessage(self, _driver: Any, data: str) -> None:
        self._callbacks.framework_message(base64.b64decode(data))
