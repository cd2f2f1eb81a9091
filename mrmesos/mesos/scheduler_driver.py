"""`SchedulerDriver`: a repaired version of pymesos' scheduler driver.

Comes in: the master's events, calls from any thread. Goes out: callbacks (IO thread), HTTP calls.
"""
# ruff: noqa: N802  (methods that override pymesos' keep pymesos' names)

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from mrmesos.mesos.adapter import SchedulerAdapter
from mrmesos.mesos.callbacks import Json, OnFatal, SchedulerCallbacks
from mrmesos.mesos.calls import CallChannel, host_and_port
from mrmesos.mesos.errors import MesosError, MesosUnreachable
from mrmesos.mesos.event_loop import CONNECT_SECONDS, Backoff, SubscriptionLoop
from mrmesos.mesos.events import SCHEDULER, BadEvent, without_bad
from mrmesos.mesos.pymesos_import import MesosSchedulerDriver

if TYPE_CHECKING:
    from mrmesos.mesos.detection import LeaderDetector

__all__ = ["SchedulerDriver", "parse_master"]

logger = logging.getLogger(__name__)

API_PATH = "/api/v1/scheduler"
REFUSE_SECONDS = 3600.0  # filter for declining an offer that cannot be used


def parse_master(master: str) -> str:
    """Convert a master's name to the form that the driver uses: "host:port" or "zk://…".

    It accepts "host", "host:port", "http://host:port" and "zk://h1:p1,h2:p2/path".

    Raises:
        ValueError: the name has another form. https is not accepted, as the driver has no TLS.
    """
    scheme, separator, rest = master.strip().rpartition("://")
    scheme = scheme.lower()
    if scheme == "zk":
        hosts, slash, path = rest.partition("/")
        if not hosts or not slash or not path or "@" in hosts:
            raise ValueError(
                f"a ZooKeeper master is zk://host:port,…/path (no credentials), not {master!r}"
            )
        return f"zk://{rest}"
    if separator and scheme != "http":
        raise ValueError(f"a master is host:port, http://host:port or zk://…, not {master!r}")
    address = rest.rstrip("/")
    if ":" not in address:
        address += ":5050"
    host_and_port(address)
    return address


class SchedulerDriver(SubscriptionLoop, MesosSchedulerDriver):  # type: ignore[misc]  # pymesos is untyped
    """A framework's side of the v1 scheduler API.

    Calls may come from any thread. A call returns True if the master took it (2xx), and False if
    nothing was sent: no subscription, or nothing to send. It raises `MesosCallError` if the master
    refused it, `MesosUnreachable` if no answer came in time. The driver never repeats a call.

    The faults of pymesos 0.3.15 that we repair, and where:

    - An exception from a callback ended the IO thread, sent TEARDOWN and interrupted the main
      thread. `SubscriptionLoop.process_event` logs it and calls `on_fatal`.
    - `abort()` sent TEARDOWN. Here only `stop(failover=False)` does.
    - A 400, 401 or 403 to SUBSCRIBE killed the driver silently. Here `error()` is called once.
      After a 404, a 503, or a refused or reset connection, the driver tries again, with growing
      pauses up to 15 s.
    - After an ERROR event it subscribed again without end. `on_error` stops the driver.
    - Calls waited up to a day and held the driver's lock meanwhile. `_send` uses a `CallChannel`.
    - There was no heartbeat watchdog. `on_subscribed` sets its limit; the loop checks it.
    - Calls while disconnected vanished. Here they return False.
    - All drivers of a process shared the default `headers={}`. See `_send`.
    - `reconcileTasks` dropped agent ids, `killTask` had none, and `on_failure` required a status.
      SHUTDOWN, `suppressed_roles` and UPDATE_FRAMEWORK were missing.
    - It always claimed GPU_RESOURCES and assumed 100 s of failover_timeout. See `framework`.
    - `http://host:port` was not accepted. GET /version blocked `start()` and each change of master.
      A redirect was followed for good. See `start`, `change_master`, `_lost`.
    - If ZooKeeper knew no leader, nothing was reported. See `LeaderDetector`.
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
            callbacks: receives all events, in the IO thread.
            framework_info: a FrameworkInfo. It must have a `failover_timeout` (seconds, 0 for
                none). Capabilities and roles are sent unchanged. With an `id`, this driver takes
                over that framework (failover).
            master: see `parse_master`.
            principal: with `secret`, for HTTP Basic authentication.
            secret: see `principal`.
            implicit_acknowledgements: acknowledge each update when `status_update` returns.
            suppressed_roles: roles that want no offers at first.
            call_timeout: seconds a call may wait.
            connect_timeout: seconds in which a subscription must connect; a host that is away does
                not answer at all.
            subscribe_timeout: seconds from the start of the connect to SUBSCRIBED.
            missed_heartbeats: after a silence of this many heartbeat intervals of the master, the
                driver ends the subscription and makes a new one.
            backoff: the pauses between tries to subscribe; by default 0.25 s to 15 s.
            on_fatal: receives the exceptions of callbacks.

        Raises:
            ValueError: the master or the framework_info is invalid.
        """
        if "failover_timeout" not in framework_info:
            raise ValueError("framework_info has no failover_timeout (0 for none)")
        super().__init__(
            SchedulerAdapter(callbacks),
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
        """Start the IO thread and subscribe; with zk:// find the leading master first.

        Raises:
            MesosUnreachable: ZooKeeper does not answer, or has no such path. (If only the master is
                missing, the driver waits for it.)
        """
        if not self.aborted:
            raise RuntimeError("the driver runs already")
        self._teardown_wanted = self.torn_down = False
        super().start()
        if not self.master_uri.startswith("zk://"):
            self.change_master(self.master_uri)
            return
        from mrmesos.mesos.detection import LeaderDetector  # kazoo is slow to import

        self.detector = LeaderDetector(self.master_uri, self.change_master)
        try:
            self.detector.start()
        except MesosUnreachable:
            self.abort()
            raise

    def stop(self, failover: bool = False) -> None:
        """Stop. Without `failover`, tell the master to end the framework with all its tasks.

        This does not wait. After `join()`, `torn_down` tells whether the master took TEARDOWN. If
        `stop` is called several times, the first call decides. TEARDOWN needs a subscription;
        without one, the master ends the framework after its failover_timeout.
        """
        with self._lock:
            if self._stopping:
                return
            self._stopping = True
            self._teardown_wanted = not failover
        super().stop()

    def abort(self) -> None:
        """Stop, and let the framework and its tasks live on: `stop(failover=True)`."""
        self.stop(failover=True)

    def _shutdown(self) -> None:
        if not self._teardown_wanted:
            return
        try:
            self.torn_down = self._sent(self._teardown)
        except MesosError as problem:
            logger.warning("TEARDOWN failed; failover_timeout will end the tasks: %s", problem)
            return
        if not self.torn_down:
            logger.warning("no subscription, no TEARDOWN; failover_timeout will end the tasks")

    @property
    def framework(self) -> Json:
        """The FrameworkInfo to send: the given one, with its id as soon as the master sets one."""
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
        """Go back from a redirect: the master that was named at first knows the next leader."""
        if self.detector is None and not self.master_uri.startswith("zk://"):
            with self._lock:
                self._new_master = self.master_uri

    # Events (those that pymesos gets wrong).

    def _is_known(self, event: Json) -> bool:
        """See SubscriptionLoop. Refuses only bad offers of an event: the others need an answer."""
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
        """SUBSCRIBED: from now on calls can be sent, and the watchdog has its limit."""
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

    def on_error(self, event: Json) -> None:
        """ERROR: the master has ended this subscription for good."""
        self.give_up(str(event.get("message", "")))

    def on_failure(self, failure: Json) -> None:
        """FAILURE of an agent or an executor. Mesos may omit the executor's status."""
        agent_id = failure["agent_id"]["value"]
        if "executor_id" in failure:
            status = failure.get("status")
            self._callbacks.executor_lost(agent_id, failure["executor_id"]["value"], status)
        else:
            self._callbacks.agent_lost(agent_id)

    def _say_disconnected(self) -> None:
        self._callbacks.disconnected()

    def _say_error(self, message: str) -> None:
        self._callbacks.error(message)

    # Calls.

    def _send(self, body: Json) -> Json:
        """Send one call if there is a subscription. pymesos' own methods call this, too."""
        with self._lock:
            if not self.connected:
                return {}
            master, stream_id = str(self._master), self._stream_id
        own = self._credentials()
        if stream_id:
            own["Mesos-Stream-Id"] = stream_id
        self._calls.post(master, own, body)
        self._outcome.sent = True
        return {}

    def _sent(self, call: Callable[..., object], *args: object, **more: object) -> bool:
        """Make one of pymesos' calls. Returns whether it reached `_send` and the master."""
        self._outcome.sent = False
        if self.connected:
            call(*args, **more)
        return bool(self._outcome.sent)

    def _call(self, kind: str, content: Json | None = None) -> bool:
        """Make a call that pymesos lacks or does wrong."""
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
        """ACCEPT offers of one agent with operations; without operations, DECLINE."""
        ids = _ids(offer_ids)
        return self._sent(super().acceptOffers, ids, list(operations), filters=filters)

    def launchTasks(
        self, offer_ids: Sequence[str], tasks: Sequence[Json], filters: Json | None = None
    ) -> bool:
        """ACCEPT offers of one agent with one LAUNCH of TaskInfos; without tasks, DECLINE."""
        launch = {"type": "LAUNCH", "launch": {"task_infos": list(tasks)}}
        return self.acceptOffers(offer_ids, [launch] if tasks else [], filters)

    def declineOffer(self, offer_ids: Sequence[str], filters: Json | None = None) -> bool:
        """DECLINE offers (of any agents); `filters` is like {"refuse_seconds": 5.0}."""
        return self._sent(super().declineOffer, _ids(offer_ids), filters=filters)

    def acceptInverseOffers(self, offer_ids: Sequence[str], filters: Json | None = None) -> bool:
        """ACCEPT_INVERSE_OFFERS: promise to free our resources on those agents in time."""
        return self._sent(super().acceptInverseOffers, _ids(offer_ids), filters=filters)

    def declineInverseOffers(self, offer_ids: Sequence[str], filters: Json | None = None) -> bool:
        """DECLINE_INVERSE_OFFERS: our resources on those agents may not be free in time."""
        return self._sent(super().declineInverseOffer, _ids(offer_ids), filters=filters)

    def reviveOffers(self, roles: Sequence[str] = ()) -> bool:
        """REVIVE: end filters and suppression, for all roles (no `roles`) or for some."""
        return self._sent(super().reviveOffers, roles)

    def suppressOffers(self, roles: Sequence[str] = ()) -> bool:
        """SUPPRESS: no offers until REVIVE, for all roles (no `roles`) or for some."""
        return self._sent(super().suppressOffers, roles)

    def killTask(self, task_id: str, agent_id: str | None = None) -> bool:
        """KILL. With the agent's id, it works for tasks that a new master does not know yet."""
        kill: Json = {"task_id": {"value": task_id}}
        if agent_id is not None:
            kill["agent_id"] = {"value": agent_id}
        return self._call("KILL", kill)

    def acknowledgeStatusUpdate(self, status: Json) -> bool:
        """ACKNOWLEDGE a TaskStatus. Also returns False if it has no uuid: then none is needed."""
        return self._sent(super().acknowledgeStatusUpdate, status)

    def reconcileTasks(self, tasks: Mapping[str, str | None]) -> bool:
        """RECONCILE tasks (task id to agent id, or None). An empty mapping asks for all tasks."""
        entries: list[Json] = []
        for task_id, agent_id in tasks.items():
            entry: Json = {"task_id": {"value": task_id}}
            if agent_id is not None:
                entry["agent_id"] = {"value": agent_id}
            entries.append(entry)
        return self._call("RECONCILE", {"tasks": entries})

    def sendFrameworkMessage(self, executor_id: str, agent_id: str, data: bytes) -> bool:
        """MESSAGE to an executor; delivery is best effort."""
        text = base64.b64encode(data).decode("ascii")
        return self._sent(
            super().sendFrameworkMessage, {"value": executor_id}, {"value": agent_id}, text
        )

    def shutdownExecutor(self, executor_id: str, agent_id: str) -> bool:
        """SHUTDOWN: the agent ends the executor and its tasks."""
        ids = {"executor_id": {"value": executor_id}, "agent_id": {"value": agent_id}}
        return self._call("SHUTDOWN", ids)

    def updateFramework(self, framework_info: Json, suppressed_roles: Iterable[str] = ()) -> bool:
        """UPDATE_FRAMEWORK (Mesos 1.9 and later): change roles and the like from now on."""
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
