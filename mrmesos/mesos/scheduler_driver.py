"""`SchedulerDriver`: pymesos' scheduler driver, with its bugs fixed."""
# ruff: noqa: N802  (methods that override pymesos' keep pymesos' names)

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from mrmesos.mesos.addresses import parse_master
from mrmesos.mesos.callbacks import Json, OnFatal, SchedulerCallbacks
from mrmesos.mesos.calls import CallChannel
from mrmesos.mesos.errors import MesosError, MesosUnreachable
from mrmesos.mesos.event_loop import CONNECT_SECONDS, Backoff, SubscriptionLoop
from mrmesos.mesos.events import SCHEDULER, BadEvent, without_bad
from mrmesos.mesos.pymesos_import import MesosSchedulerDriver

if TYPE_CHECKING:
    from mrmesos.mesos.detection import LeaderDetector

__all__ = ["SchedulerDriver"]

logger = logging.getLogger(__name__)

API_PATH = "/api/v1/scheduler"
REFUSE_SECONDS = 3600.0  # filter of an invalid offer


class SchedulerDriver(SubscriptionLoop, MesosSchedulerDriver):  # type: ignore[misc]  # pymesos is untyped
    """A framework's side of the v1 scheduler API.

    Any thread may make calls. A call returns True if the master took it (2xx). It returns False if
    nothing was sent, because there is no subscription now or nothing to send. It raises
    `MesosCallError` if the master refuses it, and `MesosUnreachable` if no answer comes in time.
    The driver never repeats a call.

    Bugs of pymesos 0.3.15, and where they are fixed:

    - an exception of a callback ended the IO thread, sent TEARDOWN and interrupted the main
      thread: `SubscriptionLoop.process_event` logs it and calls `on_fatal`;
    - `abort()` sent TEARDOWN: here only `stop(failover=False)` does;
    - a 400, 401 or 403 to SUBSCRIBE killed the driver silently: here `error()` is called once; a
      404, 503 or a refused or reset connection is tried again, with growing pauses up to 15 s;
    - after an ERROR event it subscribed again without end: `on_error` stops the driver;
    - calls waited up to a day and held the driver's lock meanwhile: `_send`, over a `CallChannel`;
    - no heartbeat watchdog: `on_subscribed` sets the limit, the loop watches it;
    - calls while disconnected vanished: they return False;
    - the default `headers={}` was shared by all drivers of a process: `_send`;
    - `reconcileTasks` dropped agent ids, `killTask` had none, `on_failure` required a status;
      SHUTDOWN, `suppressed_roles` and UPDATE_FRAMEWORK were missing;
    - it always set GPU_RESOURCES, and a failover_timeout of 100 s by default: `framework`;
    - it did not accept `http://host:port`, GET /version blocked `start()` and each change of
      master, and a redirect was followed for ever: `start`, `change_master`, `_lost`;
    - it reported nothing while ZooKeeper had no leader: `LeaderDetector`.
    """

    detector: LeaderDetector | None
    _known_events = SCHEDULER

    def __init__(
        self,
        callbacks: SchedulerCallbacks,
        framework_info: Json,
        master: str,
        *,
        principal: str | None = None,
        secret: str | None = None,
        implicit_acknowledgements: bool = False,
        suppressed_roles: Iterable[str] = (),
        call_timeout: float = 10.0,
        connect_timeout: float = CONNECT_SECONDS,
        subscribe_timeout: float = 30.0,
        missed_heartbeats: float = 4.0,
        backoff: Backoff | None = None,
        on_fatal: OnFatal | None = None,
    ) -> None:
        """Prepare a driver; `start()` subscribes.

        Args:
            callbacks: gets all events, in the IO thread.
            framework_info: a FrameworkInfo. It must have a `failover_timeout` (seconds, 0 for
                none). Capabilities and roles are sent unchanged. With an `id`, this is a failover
                of that framework.
            master: see `parse_master`.
            principal: with `secret`, for HTTP Basic authentication.
            secret: see `principal`.
            implicit_acknowledgements: acknowledge each update when `status_update` returns.
            suppressed_roles: roles that want no offers at first.
            call_timeout: longest wait of a call, in seconds.
            connect_timeout: longest time to connect, in seconds; an unreachable host does not
                answer at all.
            subscribe_timeout: longest time from the start of connecting to SUBSCRIBED, in seconds.
            missed_heartbeats: a subscription that is silent for this many of the master's heartbeat
                intervals is closed, and the driver subscribes again.
            backoff: the pauses between attempts to subscribe; 0.25 s to 15 s by default.
            on_fatal: gets the exceptions of callbacks.

        Raises:
            ValueError: the master or framework_info is invalid.
        """
        if "failover_timeout" not in framework_info:
            raise ValueError("framework_info has no failover_timeout (0 for none)")
        super().__init__(
            callbacks,
            dict(framework_info),
            parse_master(master),
            implicit_acknowledgements=implicit_acknowledgements,
            principal=principal,
            secret=secret,
            failover=True,
            timeout=call_timeout,
        )
        self._callbacks = callbacks
        self._calls = CallChannel(API_PATH, call_timeout)
        self._backoff_pauses = backoff or Backoff(0.25, 15.0)
        self._connect_limit, self._subscribe_limit = connect_timeout, subscribe_timeout
        self._missed_heartbeats = missed_heartbeats
        self._suppressed_roles = list(suppressed_roles)
        self._on_fatal = on_fatal
        self._teardown_wanted = False
        self.torn_down = False
        self._outcome = threading.local()

    # Life.

    def start(self) -> None:
        """Start the IO thread and subscribe. With zk://, find the leading master first.

        Raises:
            MesosUnreachable: ZooKeeper does not answer, or has no such path. (The driver waits
                for a missing master.)
        """
        if not self.aborted:
            raise RuntimeError("the driver runs already")
        self._teardown_wanted = self.torn_down = False
        super().start()
        if not self.master_uri.startswith("zk://"):
            self.change_master(self.master_uri)
            return
        from mrmesos.mesos.detection import LeaderDetector  # kazoo's import is slow

        self.detector = LeaderDetector(self.master_uri, self.change_master)
        try:
            self.detector.start()
        except MesosUnreachable:
            self.abort()
            raise

    def stop(self, failover: bool = False) -> None:
        """Stop. Without `failover`, ask the master to end the framework with all its tasks.

        It does not wait; call `join()`, and then `torn_down` says whether the master took the call.
        The first of several stops decides. TEARDOWN needs a subscription: without one, the master
        ends the framework after its failover_timeout.
        """
        with self._lock:
            if self._stopping:
                return
            self._stopping = True
            self._teardown_wanted = not failover
        super().stop()

    def abort(self) -> None:
        """Stop, but let the framework and its tasks run on: `stop(failover=True)`."""
        self.stop(failover=True)

    def _shutdown(self) -> None:
        if not self._teardown_wanted:
            return
        try:
            self.torn_down = self._sent(self._teardown)
        except MesosError as problem:
            logger.warning("TEARDOWN failed; tasks run until the failover_timeout: %s", problem)
            return
        if not self.torn_down:
            logger.warning("no TEARDOWN without a subscription; tasks run until failover_timeout")

    @property
    def framework(self) -> Json:
        """The FrameworkInfo to send: as given, with the id as soon as there is one."""
        return dict(self._framework)

    def gen_request(self) -> bytes:
        """The SUBSCRIBE request, with `suppressed_roles`."""
        subscribe: Json = {"framework_info": self.framework}
        if self._suppressed_roles:
            subscribe["suppressed_roles"] = self._suppressed_roles
        body: Json = {"type": "SUBSCRIBE", "subscribe": subscribe}
        if "id" in self._framework:
            body["framework_id"] = self._framework["id"]
        return self._subscribe_request(API_PATH, self._credentials(), body)

    def _credentials(self) -> dict[str, str]:
        return {"Authorization": self._basic_credential} if self._basic_credential else {}

    def _lost(self) -> None:
        """Go back from a redirected leader to the configured master, which knows the next one."""
        if self.detector is None and not self.master_uri.startswith("zk://"):
            with self._lock:
                self._new_master = self.master_uri

    # Events.

    def _is_known(self, event: Json) -> bool:
        """As in SubscriptionLoop, but only invalid offers are refused: the others need answers."""
        try:
            return super()._is_known(event)
        except BadEvent:
            kind = event.get("type") if isinstance(event, dict) else None
            if kind not in ("OFFERS", "INVERSE_OFFERS"):
                raise
            decline = self.declineOffer if kind == "OFFERS" else self.declineInverseOffers
            without_bad(event, partial(self._refuse_offer, decline))
            return True

    def _refuse_offer(
        self, decline: Callable[..., bool], offer: object, offer_id: str, problem: str
    ) -> None:
        self.refuse_event(offer, problem)
        if offer_id:
            self._try(decline, [offer_id], {"refuse_seconds": REFUSE_SECONDS})

    def on_subscribed(self, info: Json) -> None:
        """SUBSCRIBED: calls may be sent from now on. Sets the watchdog's limit."""
        interval = float(info.get("heartbeat_interval_seconds", 15.0))
        framework_id = str(info["framework_id"]["value"])
        again = "id" in self._framework
        with self._lock:
            self._framework["id"] = {"value": framework_id}
            self._silence_limit = interval * self._missed_heartbeats
            self._subscribed = True
        master_info = info.get("master_info", {})
        tell = self._callbacks.reregistered if again else self._callbacks.registered
        tell(framework_id, master_info)

    def on_failure(self, failure: Json) -> None:
        """FAILURE of an agent or of an executor. Mesos may omit an executor's status."""
        agent_id = failure["agent_id"]["value"]
        if "executor_id" in failure:
            status = failure.get("status")
            self._callbacks.executor_lost(agent_id, failure["executor_id"]["value"], status)
        else:
            self._callbacks.agent_lost(agent_id)

    def on_offers(self, event: Json) -> None:
        """OFFERS. (pymesos also looks here for the inverse offers of masters before 1.0.)"""
        if offers := event.get("offers"):
            self._callbacks.offers(offers)

    def on_rescind(self, event: Json) -> None:
        """RESCIND of an offer."""
        self._callbacks.rescinded(event["offer_id"]["value"])

    def on_inverse_offers(self, event: Json) -> None:
        """INVERSE_OFFERS."""
        if offers := event.get("inverse_offers"):
            self._callbacks.inverse_offers(offers)

    def on_rescind_inverse_offer(self, event: Json) -> None:
        """RESCIND_INVERSE_OFFER."""
        self._callbacks.inverse_offer_rescinded(event["inverse_offer_id"]["value"])

    def on_update(self, event: Json) -> None:
        """UPDATE: a task's status."""
        self._callbacks.status_update(event["status"])
        if self.implicit_acknowledgements:
            self.acknowledgeStatusUpdate(event["status"])

    def on_update_operation_status(self, event: Json) -> None:
        """UPDATE_OPERATION_STATUS. We make no operations that need an answer."""
        logger.info("operation status: %s", event["status"])

    def on_message(self, message: Json) -> None:
        """MESSAGE of an executor."""
        ids = (message["executor_id"]["value"], message["agent_id"]["value"])
        self._callbacks.framework_message(*ids, base64.b64decode(message["data"]))

    def on_heartbeat(self) -> None:
        """HEARTBEAT."""
        self._callbacks.heartbeat()

    def _say_disconnected(self) -> None:
        self._callbacks.disconnected()

    def _say_error(self, message: str) -> None:
        self._callbacks.error(message)

    # Calls.

    def _send(self, body: Json) -> Json:
        """Send one call, if there is a subscription. pymesos' own methods use it too."""
        if self._post(self._credentials(), body):
            self._outcome.sent = True
        return {}

    def _sent(self, call: Callable[..., object], *args: object, **more: object) -> bool:
        """Make one of pymesos' calls. Returns whether the master took it."""
        self._outcome.sent = False
        if self.connected:
            call(*args, **more)
        return bool(self._outcome.sent)

    def _call(self, kind: str, content: Json | None = None) -> bool:
        """Make a call that pymesos lacks or makes wrongly."""
        body: Json = {"type": kind, "framework_id": {"value": self.framework_id}}
        if content is not None:
            body[kind.lower()] = content
        return self._sent(self._send, body)

    def acceptOffers(
        self,
        offer_ids: Sequence[str],
        operations: Sequence[Json],
        filters: Json | None = None,
    ) -> bool:
        """ACCEPT offers of one agent with operations. Without operations, DECLINE them."""
        ids = _ids(offer_ids)
        return self._sent(super().acceptOffers, ids, list(operations), filters=filters)

    def launchTasks(
        self, offer_ids: Sequence[str], tasks: Sequence[Json], filters: Json | None = None
    ) -> bool:
        """ACCEPT offers of one agent with one LAUNCH of TaskInfos. Without tasks, DECLINE them."""
        launch = {"type": "LAUNCH", "launch": {"task_infos": list(tasks)}}
        return self.acceptOffers(offer_ids, [launch] if tasks else [], filters)

    def declineOffer(self, offer_ids: Sequence[str], filters: Json | None = None) -> bool:
        """DECLINE offers of any agents. `filters` is, for example, {"refuse_seconds": 5.0}."""
        return self._sent(super().declineOffer, _ids(offer_ids), filters=filters)

    def acceptInverseOffers(self, offer_ids: Sequence[str], filters: Json | None = None) -> bool:
        """ACCEPT_INVERSE_OFFERS: we will free our resources on those agents in time."""
        return self._sent(super().acceptInverseOffers, _ids(offer_ids), filters=filters)

    def declineInverseOffers(self, offer_ids: Sequence[str], filters: Json | None = None) -> bool:
        """DECLINE_INVERSE_OFFERS: we may not free our resources in time."""
        return self._sent(super().declineInverseOffer, _ids(offer_ids), filters=filters)

    def reviveOffers(self, roles: Sequence[str] = ()) -> bool:
        """REVIVE: clear filters and suppression. No roles means all roles."""
        return self._sent(super().reviveOffers, roles)

    def suppressOffers(self, roles: Sequence[str] = ()) -> bool:
        """SUPPRESS: no offers until REVIVE. No roles means all roles."""
        return self._sent(super().suppressOffers, roles)

    def killTask(self, task_id: str, agent_id: str | None = None) -> bool:
        """KILL a task. With the agent's id, it works for tasks that a new master does not know."""
        kill: Json = {"task_id": {"value": task_id}}
        if agent_id is not None:
            kill["agent_id"] = {"value": agent_id}
        return self._call("KILL", kill)

    def acknowledgeStatusUpdate(self, status: Json) -> bool:
        """ACKNOWLEDGE a TaskStatus. Also False if it has no uuid and so needs no answer."""
        return self._sent(super().acknowledgeStatusUpdate, status)

    def reconcileTasks(self, tasks: Mapping[str, str | None]) -> bool:
        """RECONCILE tasks. Maps task id to agent id, if known. An empty mapping means all tasks."""
        entries: list[Json] = []
        for task_id, agent_id in tasks.items():
            entry: Json = {"task_id": {"value": task_id}}
            if agent_id is not None:
                entry["agent_id"] = {"value": agent_id}
            entries.append(entry)
        return self._call("RECONCILE", {"tasks": entries})

    def sendFrameworkMessage(self, executor_id: str, agent_id: str, data: bytes) -> bool:
        """MESSAGE to an executor, best effort."""
        text = base64.b64encode(data).decode("ascii")
        return self._sent(
            super().sendFrameworkMessage, {"value": executor_id}, {"value": agent_id}, text
        )

    def shutdownExecutor(self, executor_id: str, agent_id: str) -> bool:
        """SHUTDOWN: the agent ends the executor and its tasks."""
        ids = {"executor_id": {"value": executor_id}, "agent_id": {"value": agent_id}}
        return self._call("SHUTDOWN", ids)

    def updateFramework(self, framework_info: Json, suppressed_roles: Iterable[str] = ()) -> bool:
        """UPDATE_FRAMEWORK (Mesos 1.9 and later): change roles, weights of offers and the like.

        Later subscriptions send the same info.
        """
        info = {**framework_info, "id": {"value": self.framework_id}}
        suppressed = list(suppressed_roles)
        content: Json = {"framework_info": info, "suppressed_roles": suppressed}
        sent = self._call("UPDATE_FRAMEWORK", content)
        if sent:
            self._framework, self._suppressed_roles = info, suppressed
        return sent


def _ids(values: Sequence[str]) -> list[Json]:
    if isinstance(values, str):
        raise TypeError("offer_ids is a sequence of ids, not one id")
    return [{"value": value} for value in values]
