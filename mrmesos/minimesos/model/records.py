"""What the master remembers: frameworks, agents, offers, tasks."""

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
        """Queue one event; a subscriber that does not read is cut off."""

    def close(self) -> None:
        """End the stream after what is queued."""


class Timer(Protocol):
    """A pending call."""

    def cancel(self) -> None:
        """Forget the call."""


class Clock(Protocol):
    """Wall time in seconds, and calls to come."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call once, later."""


class MasterPort(Protocol):
    """What an agent tells its master."""

    def agent_update(self, agent_id: str, framework_id: str, status: Json, latest: str) -> None:
        """A status of a task, and the newest state that the agent knows of it."""

    def executor_message(self, agent_id: str, framework_id: str, executor: str, data: str) -> None:
        """Data of an executor for its scheduler."""

    def executor_exited(self, agent_id: str, framework_id: str, executor: str, status: int) -> None:
        """The end of an executor, with its raw wait status."""


class AgentPort(Protocol):
    """What the master asks of an agent."""

    def launch(self, framework: Json, task: Json, executor: Json | None) -> None:
        """Run a task, in its executor or, without one, as a command."""

    def launch_group(self, framework: Json, tasks: list[Json], executor: Json) -> None:
        """Run tasks that live and die together."""

    def kill(self, framework_id: str, task_id: str, policy: Json | None) -> None:
        """End a task; `policy` is a v1 KillPolicy."""

    def acknowledge(self, framework_id: str, task_id: str, uuid: str) -> None:
        """The framework has the update of this uuid."""

    def message(self, framework_id: str, executor_id: str, data: str) -> None:
        """Data of a scheduler for its executor."""

    def shutdown_executor(self, framework_id: str, executor_id: str) -> None:
        """End an executor, with its grace."""

    def shutdown_framework(self, framework_id: str) -> None:
        """End all of a framework's executors and tell nobody."""

    def framework_updated(self, framework: Json) -> None:
        """New facts about a framework, or a new scheduler."""

    def shut_down(self) -> None:
        """End everything."""

    def report(self) -> tuple[set[tuple[str, str]], dict[tuple[str, str], str]]:
        """The executors that live, and the newest state of every task that runs or whose end was
        not acknowledged; both by framework and own id.
        """


@dataclass(slots=True)
class Limits:
    """What the master remembers of what is over, and how long it waits (Mesos' own defaults)."""

    completed_frameworks: int = 50
    completed_tasks: int = 1000
    statuses_per_task: int = 16
    gone_agents: int = 1000
    agent_reregister_timeout: float = 600.0  # seconds


@dataclass(slots=True)
class Address:
    """Where the master is reached."""

    hostname: str = "localhost"
    ip: str = "127.0.0.1"
    port: int = 5050

    @property
    def authority(self) -> str:
        """ip:port."""
        return f"{self.ip}:{self.port}"


@dataclass(slots=True)
class Task:
    """A task that the master launched; `resources` are held until its latest state is terminal."""

    info: Json
    framework_id: str
    agent_id: str
    executor_id: str | None
    resources: Resources
    state: str = "TASK_STAGING"  # the newest that the agent knows of
    sent_state: str | None = None  # the newest that went to the framework
    sent_uuid: str | None = None
    container_status: Json | None = None
    statuses: list[Json] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The TaskID's value."""
        return str(self.info["task_id"]["value"])

    @property
    def terminal(self) -> bool:
        """Whether the task is over for the agent."""
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
    """A registered agent. `executors` are those of frameworks, by (framework id, executor id)."""

    id: str
    hostname: str
    ip: str
    port: int
    resources: Resources
    attributes: list[Json]
    agent: AgentPort
    executors: dict[tuple[str, str], Json] = field(default_factory=dict)
    registered: float = field(default_factory=time.time)
    away_since: float = 0.0  # its process ended, or another master took over
    unreachable_since: float | None = None
    inherited: bool = False  # from another master, by way of the registry

    @property
    def address(self) -> str:
        """ip:port of its executor API."""
        return f"{self.ip}:{self.port}"


@dataclass(slots=True)
class Framework:
    """A subscribed framework, or one that is given time to subscribe again."""

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
        """Whether the framework said that it has a capability."""
        return capable(self.info, name)

    @property
    def checkpoint(self) -> bool:
        """Whether its executors outlive their agent's process."""
        return bool(self.info.get("checkpoint", False))

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles under which it gets offers."""
        if self.capable("MULTI_ROLE"):
            return tuple(self.info.get("roles", []))
        return (str(self.info.get("role", ANY_ROLE)),)

    @property
    def failover_timeout(self) -> float:
        """Seconds that it may be away."""
        return float(self.info.get("failover_timeout", 0.0))

    def send(self, event: Json) -> None:
        """An event for a scheduler that is away is lost, as in Mesos."""
        if self.stream is not None:
            self.stream.send(event)

    def send_update(self, status: Json) -> None:
        """UPDATE: how one of its tasks stands."""
        self.send({"type": "UPDATE", "update": {"status": status}})


def capable(framework: Json, name: str) -> bool:
    """Whether a v1 FrameworkInfo names a capability."""
    return any(one.get("type") == name for one in framework.get("capabilities", []))


def dropped(framework: Json) -> str:
    """The last state of a task that never began, as the framework knows states."""
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
    """A v1 TaskStatus; only an update that wants an acknowledgement has a uuid."""
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
