"""The master: its frameworks, agents, offers and tasks, and the events that it sends.

In: checked calls (dicts), reports of agents, time from a `Clock`. Out: events to `Stream`s, and
calls of `AgentPort`s. It opens no sockets. Thread: minimesos' event loop.
"""

from __future__ import annotations

import logging
import socket
import uuid
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from mrmesos.minimesos.master import launching, maintenance, partition, reconcile
from mrmesos.minimesos.master.allocator import Allocator
from mrmesos.minimesos.master.maintenance import Maintenance
from mrmesos.minimesos.model.calls import TERMINAL
from mrmesos.minimesos.model.records import (
    Address,
    AgentPort,
    AgentRecord,
    Clock,
    Framework,
    Limits,
    Offer,
    Task,
    Timer,
)
from mrmesos.minimesos.model.resources import Json, Resources, from_json

log = logging.getLogger(__name__)

VERSION = "1.12.0"  # the Mesos release whose behaviour was recorded
CAPABILITIES = ("AGENT_UPDATE", "AGENT_DRAINING", "QUOTA_V2")


@dataclass(slots=True)
class Master:
    """One master. It makes offers after `start`."""

    clock: Clock
    allocator: Allocator
    address: Address = field(default_factory=Address)
    heartbeat_interval: float = 15.0
    limits: Limits = field(default_factory=Limits)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    frameworks: dict[str, Framework] = field(default_factory=dict)
    completed: OrderedDict[str, Framework] = field(default_factory=OrderedDict)
    agents: dict[str, AgentRecord] = field(default_factory=dict)
    recovered: dict[str, AgentRecord] = field(
        default_factory=dict
    )  # the previous master's agents that have not registered yet
    restarting: dict[str, AgentRecord] = field(default_factory=dict)
    unreachable: dict[str, AgentRecord] = field(default_factory=dict)
    maintenance: Maintenance = field(default_factory=Maintenance)
    gone: OrderedDict[str, float] = field(default_factory=OrderedDict)
    offers: dict[str, Offer] = field(default_factory=dict)
    started: float = 0.0
    set_aside: int = 0  # frameworks removed because a call of theirs raised an exception
    _offer_count: int = 0
    _framework_count: int = 0
    _agent_count: int = 0
    _next_batch: Timer | None = None

    # -- start and stop -----------------------------------------------------------------------

    def start(self) -> None:
        """From now on, offer what is free in every `allocation_interval`."""
        self.started = self.clock.now()
        self._next_batch = self.clock.after(self.allocator.interval, self._batch)

    def stop(self) -> None:
        """Cancel all timers: another master leads."""
        timers = [self._next_batch]
        for framework in self.frameworks.values():
            timers += [framework.heartbeat, framework.failover]
        for timer in timers:
            if timer is not None:
                timer.cancel()

    def _batch(self) -> None:
        self._next_batch = self.clock.after(self.allocator.interval, self._batch)
        partition.give_up_overdue(self)
        self.offer()

    def info(self) -> Json:
        """v1 MasterInfo."""
        where = self.address
        return {
            "id": self.id,
            "ip": int.from_bytes(socket.inet_aton(where.ip), "little"),
            "port": where.port,
            "pid": f"master@{where.authority}",
            "hostname": where.hostname,
            "version": VERSION,
            "address": {"hostname": where.hostname, "ip": where.ip, "port": where.port},
            "capabilities": [{"type": name} for name in CAPABILITIES],
        }

    # -- agents -------------------------------------------------------------------------------

    def next_agent_id(self) -> str:
        """Return an id that no agent has had."""
        self._agent_count += 1
        return f"{self.id}-S{self._agent_count - 1}"

    def add_agent(
        self,
        agent_id: str,
        agent: AgentPort,
        *,
        hostname: str,
        ip: str,
        port: int,
        resources: Resources,
        attributes: list[Json],
    ) -> AgentRecord:
        """Register an agent and offer its resources at once."""
        record = AgentRecord(agent_id, hostname, ip, port, resources, attributes, agent)
        self.agents[agent_id] = record
        self.allocator.add_agent(agent_id, resources)
        self.offer()
        return record

    # -- reports of agents --------------------------------------------------------------------

    def agent_update(self, agent_id: str, framework_id: str, status: Json, latest: str) -> None:
        """Forward an update. `latest` is the newest state of the task on the agent."""
        framework = self.frameworks.get(framework_id)
        if framework is None or agent_id not in self.agents:
            return
        task = framework.tasks.get(status["task_id"]["value"])
        if task is not None:
            self.note(task, status)
            self.set_state(task, latest)
        framework.send_update(status)

    def note(self, task: Task, status: Json) -> None:
        """Record an update that is sent to the framework."""
        task.sent_state, task.sent_uuid = status["state"], status.get("uuid")
        task.container_status = status.get("container_status", task.container_status)
        task.statuses.append({k: status[k] for k in ("state", "timestamp") if k in status})
        del task.statuses[: -self.limits.statuses_per_task]

    def set_state(self, task: Task, state: str) -> None:
        """Set the state of a task. Its first terminal state frees its resources."""
        if task.terminal:
            return
        task.state = state
        if state in TERMINAL:
            self.recover(task.framework_id, task.agent_id, task.resources)

    def executor_message(self, agent_id: str, framework_id: str, executor: str, data: str) -> None:
        """Pass on an executor's message. It is lost when the scheduler is not connected."""
        if (framework := self.frameworks.get(framework_id)) is not None:
            message = {
                "agent_id": {"value": agent_id},
                "executor_id": {"value": executor},
                "data": data,
            }
            framework.send({"type": "MESSAGE", "message": message})

    def executor_exited(self, agent_id: str, framework_id: str, executor: str, status: int) -> None:
        """An executor has ended. `status` is the raw wait status: exit code 7 is 1792."""
        record = self.agents.get(agent_id)
        if record is None:
            return
        info = record.executors.pop((framework_id, executor), None)
        if info is None:
            return
        self.recover(framework_id, agent_id, from_json(info.get("resources", [])))
        failure = {
            "agent_id": {"value": agent_id},
            "executor_id": {"value": executor},
            "status": status,
        }
        if (framework := self.frameworks.get(framework_id)) is not None:
            framework.send({"type": "FAILURE", "failure": failure})

    # -- offers -------------------------------------------------------------------------------

    def offer(self) -> None:
        """Offer what is free. All offers for one framework go in one event."""
        made: dict[str, list[Offer]] = {}
        for one in self.allocator.allocate(self.clock.now()):
            offer_id = f"{self.id}-O{self._offer_count}"
            self._offer_count += 1
            offer = Offer(offer_id, one.framework, one.agent, one.role, one.resources)
            self.offers[offer_id] = offer
            made.setdefault(one.framework, []).append(offer)
        for framework_id, offers in made.items():
            framework = self.frameworks[framework_id]
            listed = [self._offer_json(framework, offer) for offer in offers]
            framework.send({"type": "OFFERS", "offers": {"offers": listed}})
        maintenance.ask(self)

    def _offer_json(self, framework: Framework, offer: Offer) -> Json:
        agent = self.agents[offer.agent_id]
        several = framework.capable("MULTI_ROLE")
        refined = framework.capable("RESERVATION_REFINEMENT")
        where = {"hostname": agent.hostname, "ip": agent.ip, "port": agent.port}
        out: Json = {
            "id": {"value": offer.id},
            "framework_id": {"value": framework.id},
            "agent_id": {"value": agent.id},
            "hostname": agent.hostname,
            "url": {"scheme": "http", "address": where, "path": "/slave(1)"},
            "resources": offer.resources.to_json(refined=refined, allocated=several),
        }
        if (away := maintenance.unavailability(self, agent)) is not None:
            out["unavailability"] = away
        if agent.attributes:
            out["attributes"] = agent.attributes
        running = [executor for owner, executor in agent.executors if owner == framework.id]
        if running:
            out["executor_ids"] = [{"value": executor} for executor in running]
        if several:
            out["allocation_info"] = {"role": offer.role}
        return out

    def rescind(self, offer: Offer) -> None:
        """Take back an offer that its framework has not answered, and tell the framework."""
        self.discard(offer)
        if (framework := self.frameworks.get(offer.framework_id)) is not None:
            framework.send({"type": "RESCIND", "rescind": {"offer_id": {"value": offer.id}}})

    def rescind_of(self, agent_id: str) -> None:
        """Take back all offers of an agent."""
        for offer in [o for o in self.offers.values() if o.agent_id == agent_id]:
            self.rescind(offer)

    def discard(self, offer: Offer, refuse_seconds: float | None = None) -> None:
        """Remove an offer that is answered or cannot be answered any more."""
        del self.offers[offer.id]
        self.recover(offer.framework_id, offer.agent_id, offer.resources, refuse_seconds)

    def recover(
        self, framework: str, agent: str, resources: Resources, refuse: float | None = None
    ) -> None:
        """Take back resources of a framework. `refuse` seconds set a filter."""
        self.allocator.recover(framework, agent, resources, refuse, self.clock.now())

    # -- calls of a scheduler -----------------------------------------------------------------

    def call(self, framework: Framework, kind: str, body: Json) -> None:
        """Handle a checked call, other than SUBSCRIBE, of a connected framework."""
        if kind == "ACCEPT":
            launching.accept(self, framework, body["accept"])
        elif kind == "DECLINE":
            self._decline(framework, body["decline"])
        elif kind == "ACKNOWLEDGE":
            self._acknowledge(framework, body["acknowledge"])
        elif kind == "KILL":
            self._kill(framework, body["kill"])
        elif kind == "RECONCILE":
            reconcile.answer(self, framework, body["reconcile"].get("tasks", []))
        elif kind == "REVIVE":
            self.allocator.revive(framework.id, _roles_of(body.get("revive")))
            self.offer()
        elif kind == "SUPPRESS":
            self.allocator.suppress(framework.id, _roles_of(body.get("suppress")))
        elif kind == "MESSAGE":
            message = body["message"]
            if (agent := self.agents.get(message["agent_id"]["value"])) is not None:
                executor = message["executor_id"]["value"]
                agent.agent.message(framework.id, executor, message["data"])
        elif kind == "SHUTDOWN":
            shutdown = body["shutdown"]
            if (agent := self.agents.get(shutdown["agent_id"]["value"])) is not None:
                agent.agent.shutdown_executor(framework.id, shutdown["executor_id"]["value"])
        elif kind in ("ACCEPT_INVERSE_OFFERS", "DECLINE_INVERSE_OFFERS"):
            maintenance.answered(self, framework, kind.partition("_")[0], body[kind.lower()])
        else:  # operations and REQUEST are not implemented
            log.info("ignoring %s of framework %s", kind, framework.id)

    def _decline(self, framework: Framework, decline: Json) -> None:
        for one in decline.get("offer_ids", []):
            offer = self.offers.get(one["value"])
            if offer is not None and offer.framework_id == framework.id:
                self.discard(offer, launching.refuse_seconds(decline))

    def _acknowledge(self, framework: Framework, ack: Json) -> None:
        agent = self.agents.get(ack["agent_id"]["value"])
        if agent is None:
            return
        task = framework.tasks.get(ack["task_id"]["value"])
        if task is not None and task.sent_uuid == ack["uuid"] and task.sent_state in TERMINAL:
            self.complete(framework, task)
        agent.agent.acknowledge(framework.id, ack["task_id"]["value"], ack["uuid"])

    def complete(self, framework: Framework, task: Task) -> None:
        """Move a task to the completed ones."""
        framework.tasks.pop(task.id, None)
        framework.completed[task.id] = task
        while len(framework.completed) > self.limits.completed_tasks:
            framework.completed.popitem(last=False)

    def _kill(self, framework: Framework, kill: Json) -> None:
        task = framework.tasks.get(kill["task_id"]["value"])
        if task is None:  # Mesos answers as it answers RECONCILE
            reconcile.answer(self, framework, [kill])
        elif (agent := self.agents.get(task.agent_id)) is not None:
            agent.agent.kill(framework.id, task.id, kill.get("kill_policy"))

    # -- frameworks come and go ---------------------------------------------------------------

    def next_framework_id(self) -> str:
        """Return an id that no framework has had."""
        while True:
            framework_id = f"{self.id}-{self._framework_count:04d}"
            self._framework_count += 1
            if framework_id not in self.frameworks and framework_id not in self.completed:
                return framework_id

    def remove_framework(self, framework: Framework) -> None:
        """Remove all of a framework, after TEARDOWN or its failover timeout."""
        for timer in (framework.heartbeat, framework.failover):
            if timer is not None:
                timer.cancel()
        maintenance.forget(self, framework_id=framework.id)
        for offer in [o for o in self.offers.values() if o.framework_id == framework.id]:
            self.discard(offer)
        for task in list(framework.tasks.values()):
            self.set_state(task, "TASK_KILLED")
            self.complete(framework, task)
        for agent in self.agents.values():
            for key in [key for key in agent.executors if key[0] == framework.id]:
                resources = from_json(agent.executors.pop(key).get("resources", []))
                self.recover(framework.id, agent.id, resources)
            agent.agent.shutdown_framework(framework.id)
        self.allocator.remove_framework(framework.id)
        del self.frameworks[framework.id]
        framework.unregistered = self.clock.now()
        stream, framework.stream = framework.stream, None
        self.completed[framework.id] = framework
        while len(self.completed) > self.limits.completed_frameworks:
            self.completed.popitem(last=False)
        if stream is not None:
            stream.close()

    def give_up(self, framework: Framework) -> None:
        """Remove a framework whose call raised an exception and may be half done.

        All allocations are then counted again.
        """
        self.set_aside += 1
        self.remove_framework(framework)
        self.allocator.recount(
            [
                *((o.framework_id, o.agent_id, o.resources) for o in self.offers.values()),
                *(
                    (task.framework_id, task.agent_id, task.resources)
                    for one in self.frameworks.values()
                    for task in one.tasks.values()
                    if not task.terminal
                ),
                *(
                    (owner, agent.id, from_json(info.get("resources", [])))
                    for agent in self.agents.values()
                    for (owner, _), info in agent.executors.items()
                ),
            ]
        )
        self.offer()


def _roles_of(part: Json | None) -> Iterable[str]:
    part = part or {}
    return [*part.get("roles", []), *([part["role"]] if part.get("role") else [])]
