"""The master's records: frameworks, agents, offers, tasks. Also the interfaces around it."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from mrmesos.minimesos.model.calls import TERMINAL
from mrmesos.minimesos.model.resources import ANY_ROLE, Json, Resources


class Stream(Protocol):
    """An open event stream to a scheduler or an executor."""

    stream_id: str

    def send(self, event: Json) -> None:
        """Queue one event. A subscriber that does not read is disconnected."""

    def close(self) -> None:
        """End the stream after the queued events."""


class Timer(Protocol):
    """A pending call."""

    def cancel(self) -> None:
        """Drop the call."""


class Clock(Protocol):
    """Wall-clock time in seconds, and delayed calls."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call once, later."""


class MasterPort(Protocol):
    """The calls of an agent to its master."""

    def agent_update(self, agent_id: str, framework_id: str, status: Json, latest: str) -> None:
        """Report a status of a task, and the task's newest state on the agent."""

    def executor_message(self, agent_id: str, framework_id: str, executor: str, data: str) -> None:
        """Pass on an executor's message for its scheduler."""

    def executor_exited(self, agent_id: str, framework_id: str, executor: str, status: int) -> None:
        """Report that an executor has ended, with its raw wait status."""


class AgentPort(Protocol):
    """The calls of the master to an agent."""

    def launch(self, framework: Json, task: Json, executor: Json | None) -> None:
        """Run a task in its executor, or as a command when it has none."""

    def launch_group(self, framework: Json, tasks: list[Json], executor: Json) -> None:
        """Run a task group: tasks that start and end together."""

    def kill(self, framework_id: str, task_id: str, policy: Json | None) -> None:
        """End a task; `policy` is a v1 KillPolicy."""

    def acknowledge(self, framework_id: str, task_id: str, uuid: str) -> None:
        """The framework has received the update with this uuid."""

    def message(self, framework_id: str, executor_id: str, data: str) -> None:
        """Pass on a scheduler's message for its executor."""

    def shutdown_executor(self, framework_id: str, executor_id: str) -> None:
        """End an executor within its grace period."""

    def shutdown_framework(self, framework_id: str) -> None:
        """End all executors of a framework without status updates."""

    def framework_updated(self, framework: Json) -> None:
        """The framework has a new FrameworkInfo or a new scheduler."""

    def shut_down(self) -> None:
        """End everything."""

    def report(self) -> tuple[set[tuple[str, str]], dict[tuple[str, str], str]]:
        """Return the live executors, and the newest state of each task that runs or whose last
        update is not acknowledged. Keys are (framework id, executor or task id).
        """


@dataclass(slots=True)
class Limits:
    """How much history the master keeps, and how long it waits (Mesos' own defaults)."""

    completed_frameworks: int = 50
    completed_tasks: int = 1000
    statuses_per_task: int = 16
    gone_agents: int = 1000
    agent_reregister_timeout: float = 600.0  # seconds


@dataclass(slots=True)
class Address:
    """The address of the master."""

    hostname: str = "localhost"
    ip: str = "127.0.0.1"
    port: int = 5050

    @property
    def authority(self) -> str:
        """ip:port."""
        return f"{self.ip}:{self.port}"


@dataclass(slots=True)
class Task:
    """A launched task. It holds `resources` until its newest state is terminal."""

    info: Json
    framework_id: str
    agent_id: str
    executor_id: str | None
    resources: Resources
    state: str = "TASK_STAGING"  # the newest on the agent
    sent_state: str | None = None  # the newest that the framework was sent
    sent_uuid: str | None = None
    container_status: Json | None = None
    statuses: list[Json] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The TaskID's value."""
        return str(self.info["task_id"]["value"])

    @property
    def terminal(self) -> bool:
        """Whether the task has ended on the agent."""
        return self.state in TERMINAL


@dataclass(slots=True)
class Offer:
    """Resources held for one framework until it answers."""

    id: str
    framework_id: str
    agent_id: str
    role: str
    resources: Resources


@dataclass(slots=True)
class AgentRecord:
    """A registered agent. `executors` have the key (framework id, executor id)."""

    id: str
    hostname: str
    ip: str
    port: int
    resources: Resources
    attributes: list[Json]
    agent: AgentPort
    executors: dict[tuple[str, str], Json] = field(default_factory=dict)
    registered: float = field(default_factory=time.time)
    away_since: float = 0.0  # when its process ended, or another master took over
    unreachable_since: float | None = None
    inherited: bool = False  # read from the registry of another master

    @property
    def address(self) -> str:
        """ip:port of its executor API."""
        return f"{self.ip}:{self.port}"


@dataclass(slots=True)
class Framework:
    """A framework that is subscribed or may subscribe again."""

    id: str
    info: Json
    stream: Stream | None = None
    tasks: dict[str, Task] = field(default_factory=dict)
    completed: OrderedDict[str, Task] = field(default_factory=OrderedDict)
    heartbeat: Timer | None = None
    failover: Timer | None = None
    registered: float = field(default_factory=time.time)
    unregistered: float = 0.0

    def capable(self, name: str) -> bool:
        """Whether the framework has a capability."""
        return capable(self.info, name)

    @property
    def checkpoint(self) -> bool:
        """Whether its executors survive a restart of their agent."""
        return bool(self.info.get("checkpoint", False))

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles in which it gets offers."""
        if self.capable("MULTI_ROLE"):
            return tuple(self.info.get("roles", []))
        return (str(self.info.get("role", ANY_ROLE)),)

    @property
    def failover_timeout(self) -> float:
        """Seconds that it may be disconnected before it is removed."""
        return float(self.info.get("failover_timeout", 0.0))

    def send(self, event: Json) -> None:
        """Send an event. It is lost when the scheduler is disconnected, as in Mesos."""
        if self.stream is not None:
            self.stream.send(event)

    def send_update(self, status: Json) -> None:
        """Send the status of a task as an UPDATE event."""
        self.send({"type": "UPDATE", "update": {"status": status}})


def capable(framework: Json, name: str) -> bool:
    """Whether a v1 FrameworkInfo lists a capability."""
    return any(one.get("type") == name for one in framework.get("capabilities", []))


def dropped(framework: Json) -> str:
    """The state of a task that never started. It depends on the framework's capabilities."""
    return "TASK_DROPPED" if capable(framework, "PARTITION_AWARE") else "TASK_LOST"


def status_update(
    task_id: str,
    state: str,
    *,
    source: str,
    now: float,
    agent_id: str | None = None,
    executor_id: str | None = None,
    reason: str | None = None,
    message: str | None = None,
    container_status: Json | None = None,
    uuid: str | None = None,
    unreachable_since: float | None = None,
) -> Json:
    """Build a v1 TaskStatus. Only an update that must be acknowledged has a uuid."""
    status: Json = {"task_id": {"value": task_id}, "state": state}
    if message is not None:
        status["message"] = message
    status["source"] = source
    if reason is not None:
        status["reason"] = reason
    if agent_id is not None:
        status["agent_id"] = {"value": agent_id}
    if executor_id is not None:
        status["executor_id"] = {"value": executor_id}
    status["timestamp"] = now
    if uuid is not None:
        status["uuid"] = uuid
    if unreachable_since is not None:
        status["unreachable_time"] = {"nanoseconds": round(unreachable_since * 1e9)}
    if container_status is not None:
        status["container_status"] = container_status
    return status


def master_status(
    task: Task,
    state: str,
    *,
    now: float,
    reason: str,
    message: str,
    container_status: Json | None = None,
    unreachable_since: float | None = None,
) -> Json:
    """A TaskStatus of a task that the master knows, made by the master itself."""
    return status_update(
        task.id,
        state,
        source="SOURCE_MASTER",
        now=now,
        agent_id=task.agent_id,
        executor_id=task.executor_id,
        reason=reason,
        message=message,
        container_status=container_status,
        unreachable_since=unreachable_since,
    )
