"""`ExecutorDriver`: pymesos' executor driver, mended."""
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
"""What `exit_after_grace` ends the process with (EX_IOERR)."""

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
    """An environment variable as Mesos sets it: "1" or "true" mean yes, "0", "" and none no."""
    return (text or "").strip().lower() in ("1", "true", "yes")


def seconds(text: str | None, default: float) -> float:
    """A duration as stout prints it ("15mins", "2secs", "500ms") in seconds.

    Raises:
        ValueError: it is not one.
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
    """An executor's side of the v1 executor API; configured by the environment that Mesos sets.

    Calls may come from any thread. What is mended of pymesos 0.3.15, and where:

    - whatever leaves a callback ended the IO thread: `SubscriptionLoop.process_event`;
    - `updates` was never filled, so nothing was sent again after an agent's restart:
      `sendStatusUpdate` keeps each update until ACKNOWLEDGED, in order; those that could not be
      sent go with the next subscription or, while it stands, with the next `_tick`;
    - `MESOS_CHECKPOINT=0` (and `MESOS_LOCAL=0`) read as true: `flag`;
    - `MESOS_EXECUTOR_AUTHENTICATION_TOKEN` was ignored: `_headers`;
    - pauses of 2 s and more between subscriptions, while a restarted agent waits 2 s in all: 0.05
      to 0.5 s here, or less if `MESOS_SUBSCRIPTION_BACKOFF_MAX` says so;
    - no end of trying: after `MESOS_RECOVERY_TIMEOUT` without an agent (at once without
      checkpointing) `shutdown()` is called and the driver stops;
    - after SHUTDOWN it stopped at once, so that no last update could be sent: here the shell calls
      `stop()` when it is done (the agent's grace period is its deadline);
    - SIGKILL for the whole process group after the grace period, whoever else is in it: only with
      `exit_after_grace`, and then this process alone exits;
    - a task launched twice was an error that ended the driver: it is ignored.
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
            callbacks: hears of everything, in the IO thread.
            call_timeout: seconds a call may wait.
            exit_after_grace: after `shutdown()`, end this process (`os._exit`) if it is still
                there when the grace period is over.
            backoff: the pauses between attempts to subscribe.
            first_subscription_limit: seconds in which the first subscription must stand.
            on_fatal: hears of exceptions that a callback let out.

        Raises:
            KeyError: not started by Mesos: a variable is missing.
            ValueError: a variable that makes no sense.
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
        # Of `updates` (all that are not acknowledged) those that this subscription has not sent,
        # in order. `_book` guards these and `tasks`, for moments only; `_sending` is held during
        # calls, to keep the order when several threads report, and never by event processing.
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
        """The same as `stop()`: the executor leaves its agent."""
        self.stop()

    def gen_request(self) -> bytes:
        """The SUBSCRIBE request, with all tasks and updates that nobody has acknowledged."""
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
        """After each failed attempt: is the agent lost for good?"""
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
        """Watch the recovery timeout and send what could not be sent."""
        if not self.connected:
            self._lost()
        elif self._unsent and time.monotonic() >= self._flush_again_at:
            self._flush_if_idle()

    def _flush_if_idle(self) -> None:
        """Send what is unsent, unless another thread is doing so."""
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
        """LAUNCH; a task that is known already is not launched again."""
        task = event["task"]
        task_id = task["task_id"]["value"]
        with self._book:
            if task_id in self.tasks:
                logger.warning("task %s was launched already", task_id)
                return
            self.tasks[task_id] = task
        self._callbacks.launch_task(task)

    def on_launch_group(self, event: Json) -> None:
        """LAUNCH_GROUP: its tasks one by one."""
        for task in event["task_group"]["tasks"]:
            self.on_launch({"task": task})

    def on_acknowledged(self, event: Json) -> None:
        """ACKNOWLEDGED: forget the update and, as the agent knows the task now, the task."""
        key = uuid.UUID(bytes=base64.b64decode(event["uuid"]))
        with self._book:
            self.updates.pop(key, None)
            self._unsent.pop(key, None)
            self.tasks.pop(event["task_id"]["value"], None)
            self._book.notify_all()

    def on_shutdown(self) -> None:
        """SHUTDOWN: tell the shell, which stops the driver when its last updates are sent."""
        self._shut_down()

    def on_error(self, event: Json) -> None:
        """ERROR: the agent wants nothing more of us."""
        self.give_up(str(event.get("message", "")))

    # Calls.

    def _send(self, body: Json) -> bool:
        with self._lock:
            if not self.connected:
                return False
            agent, stream_id = str(self._master), self._stream_id
        headers = self._headers()
        if stream_id:
            headers["Mesos-Stream-Id"] = stream_id
        self._calls.post(agent, headers, body)
        return True

    def _call(self, kind: str, content: Json) -> bool:
        ids = {"framework_id": self.framework_id, "executor_id": self.executor_id}
        return self._send({"type": kind, **ids, kind.lower(): content})

    def sendStatusUpdate(self, status: Json) -> bool:
        """UPDATE with a TaskStatus; uuid, source and timestamp are added where missing.

        Returns True when the agent took it, False when it is kept for later (the agent is away or
        did not answer); either way it is sent again at each subscription until acknowledged.

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
        """Send what is unsent, in order, up to the first that cannot be sent now.

        Returns those that were refused for good; they are forgotten. Call with `_sending` held.
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
        """Wait until all updates are acknowledged, at most `timeout` seconds; say whether they are.

        Before `stop()`: an update that the agent has but has not dealt with when it sees the
        executor exit may be lost. Not from a callback, as acknowledgements come in its thread.
        """
        with self._book:
            return self._book.wait_for(lambda: not self.updates, timeout)

    def sendFrameworkMessage(self, data: bytes) -> bool:
        """MESSAGE to the scheduler; best effort."""
        return self._call("MESSAGE", {"data": base64.b64encode(data).decode("ascii")})


def _uuid_of(status: Json) -> uuid.UUID:
    """The status' uuid, made up and written into it if there is none."""
    if "uuid" not in status:
        made = uuid.uuid4()
        status["uuid"] = base64.b64encode(made.bytes).decode("ascii")
        return made
    try:
        return uuid.UUID(bytes=base64.b64decode(status["uuid"], validate=True))
    except (ValueError, binascii.Error) as problem:
        raise ValueError(f"not a base64 uuid: {status['uuid']!r}") from problem


class _Adapter:
    """pymesos' callback names to ours, for the events that pymesos itself dispatches."""

    def __init__(self, callbacks: ExecutorCallbacks) -> None:
        self._callbacks = callbacks

    def killTask(self, _driver: Any, task_id: Json) -> None:
        self._callbacks.kill_task(task_id["value"])

    def frameworkMessage(self, _driver: Any, data: str) -> None:
        self._callbacks.framework_message(base64.b64decode(data))
