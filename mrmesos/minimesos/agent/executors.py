"""An agent's record of an executor, and the environment and texts made from it. Pure."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

from mrmesos.minimesos.agent.containers import Container
from mrmesos.minimesos.model.calls import TERMINAL
from mrmesos.minimesos.model.records import Stream, Timer
from mrmesos.minimesos.model.resources import Json


class State(Enum):
    """As in Mesos' agent: not subscribed yet, subscribed, or told to shut down."""

    REGISTERING = 1
    RUNNING = 2
    TERMINATING = 3


class Runner(Protocol):
    """The part of `containers.Containers` that an agent uses."""

    def start(
        self,
        container: Container,
        command: Json,
        environment: dict[str, str],
        user: str | None,
        *,
        started: Callable[[int], None],
        exited: Callable[[int], None],
        failed: Callable[[str], None],
    ) -> None:
        """Prepare the sandbox and run. Then call exactly one of `exited` and `failed`."""

    def destroy(self, container: Container) -> None:
        """Send SIGKILL."""

    def terminate(self, container: Container) -> None:
        """Send SIGTERM."""


@dataclass(slots=True)
class Why:
    """Why the agent says that an executor ended. The last updates of its tasks carry this."""

    reason: str
    message: str
    state: str = "TASK_FAILED"


@dataclass(slots=True)
class Executor:
    """An executor on one agent. For a command task, which has no executor, `info` is None."""

    framework: Json
    id: str
    info: Json | None
    container: Container
    state: State = State.REGISTERING
    stream: Stream | None = None
    pid: int | None = None
    queued: list[list[Json]] = field(default_factory=list)  # task groups; most hold one task
    tasks: dict[str, Json] = field(default_factory=dict)  # sent to the executor and not ended
    states: dict[str, str] = field(default_factory=dict)  # newest state of the tasks sent
    ever_sent: bool = False
    killed: bool = False  # a command task that a kill was asked for
    timers: list[Timer] = field(default_factory=list)
    why: Why | None = None
    token: bytes = field(default=b"", repr=False)  # authenticates it to its agent; may be empty

    @property
    def framework_id(self) -> str:
        return str(self.framework["id"]["value"])

    def stop_timers(self) -> None:
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()

    def note(self, task_id: str, state: str) -> None:
        """Record the newest state of a task, and forget a task that has ended."""
        if state in TERMINAL:
            self.tasks.pop(task_id, None)
            self.states.pop(task_id, None)
        elif task_id in self.tasks:
            self.states[task_id] = state

    def all_states(self) -> dict[str, str]:
        """Return the newest state of each task that has not ended."""
        queued = [task["task_id"]["value"] for group in self.queued for task in group]
        return {t: self.states.get(t, "TASK_STAGING") for t in [*queued, *self.tasks]}

    def unqueue(self, task_id: str) -> list[Json]:
        """Remove the group of this task from the queue and return it; empty if it is not queued."""
        for group in self.queued:
            if any(task["task_id"]["value"] == task_id for task in group):
                self.queued.remove(group)
                return group
        return []

    def grace(self, default: float) -> float:
        """Seconds between SHUTDOWN and the kill."""
        asked = (self.info or {}).get("shutdown_grace_period") or {}
        return float(asked["nanoseconds"]) / 1e9 if "nanoseconds" in asked else default

    def container_status(self, ip: str) -> Json:
        """v1 ContainerStatus."""
        status: Json = {
            "container_id": {"value": self.container.id},
            "network_infos": [{"ip_addresses": [{"protocol": "IPv4", "ip_address": ip}]}],
        }
        if self.pid is not None:
            status["executor_pid"] = self.pid
        return status


def duration(seconds: float) -> str:
    """Format a duration as Mesos does: `5secs`, `1mins`, `500ms`."""
    for unit, size in (("weeks", 604800), ("days", 86400), ("hrs", 3600), ("mins", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size:.0f}{unit}"
    if seconds >= 1 or seconds == 0:
        return f"{seconds:g}secs"
    return f"{seconds * 1000:g}ms"


def describe_exit(status: int) -> str:
    """Describe a raw wait status in Mesos' words."""
    if os.WIFSIGNALED(status):
        core = " (core dumped)" if os.WCOREDUMP(status) else ""
        return f"terminated with signal {signal.strsignal(os.WTERMSIG(status))}{core}"
    return f"exited with status {os.WEXITSTATUS(status)}"


def command_result(status: int, killed: bool) -> tuple[str, str]:
    """State and message of a command task that has ended."""
    message = f"Command {describe_exit(status)}"
    if killed:
        return "TASK_KILLED", message
    return ("TASK_FINISHED" if status == 0 else "TASK_FAILED"), message


def executor_environment(
    executor: Executor, *, agent_id: str, address: str, sandbox: Path, grace: float
) -> dict[str, str]:
    """The environment variables that Mesos' agent sets; `address` is the agent's ip:port."""
    variables = {
        "LIBPROCESS_IP": address.partition(":")[0],
        "LIBPROCESS_PORT": "0",
        "MESOS_AGENT_ENDPOINT": address,
        "MESOS_CHECKPOINT": "0",
        "MESOS_DIRECTORY": str(sandbox),
        "MESOS_EXECUTOR_ID": executor.id,
        "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": duration(executor.grace(grace)),
        "MESOS_FRAMEWORK_ID": executor.framework_id,
        "MESOS_HTTP_COMMAND_EXECUTOR": "0",
        "MESOS_SANDBOX": str(sandbox),
        "MESOS_SLAVE_ID": agent_id,
        "MESOS_SLAVE_PID": f"slave(1)@{address}",
    }
    if executor.framework.get("checkpoint"):
        variables["MESOS_CHECKPOINT"] = "1"
        variables["MESOS_RECOVERY_TIMEOUT"] = "15mins"
        variables["MESOS_SUBSCRIPTION_BACKOFF_MAX"] = "2secs"
    if executor.token:
        variables["MESOS_EXECUTOR_AUTHENTICATION_TOKEN"] = executor.token.decode()
    return variables
