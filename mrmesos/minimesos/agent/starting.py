"""Gives the tasks that an agent receives to their executor, and starts it for the first one."""

from __future__ import annotations

import secrets
import uuid
from functools import partial
from typing import TYPE_CHECKING

from mrmesos.minimesos.agent.containers import Container, base_environment, command_variables
from mrmesos.minimesos.agent.executors import Executor, State, Why, executor_environment
from mrmesos.minimesos.model.records import dropped
from mrmesos.minimesos.model.resources import Json

if TYPE_CHECKING:
    from mrmesos.minimesos.agent.agent import Agent


def launch(
    agent: Agent, framework: Json, tasks: list[Json], info: Json | None, task_id: str
) -> None:
    """Run tasks in the executor of `info`. Without `info`, run the task `task_id` as a command."""
    executor_id = info["executor_id"]["value"] if info is not None else task_id
    executor = agent.executors.get((framework["id"]["value"], executor_id))
    if executor is None:
        executor = _start(agent, framework, executor_id, info, tasks[0])
    if executor.state is State.TERMINATING:
        why = Why("REASON_EXECUTOR_TERMINATED", "Executor terminating/terminated")
        for task in tasks:
            agent.own_update(executor, task["task_id"]["value"], dropped(framework), why)
        return
    executor.queued.append(tasks)
    if executor.state is State.RUNNING:
        agent.send_queued(executor)


def _start(
    agent: Agent, framework: Json, executor_id: str, info: Json | None, task: Json
) -> Executor:
    framework_id = framework["id"]["value"]
    container_id = str(uuid.uuid4())
    sandbox = agent.work_dir.joinpath(
        *("slaves", agent.id, "frameworks", framework_id),
        *("executors", executor_id, "runs", container_id),
    )
    container = Container(container_id, sandbox)
    executor = Executor(framework, executor_id, info, container)
    if agent.authenticates and info is not None:
        executor.token = secrets.token_urlsafe(32).encode()
    agent.executors[framework_id, executor_id] = executor
    command = info["command"] if info is not None else task["command"]
    environment = base_environment()
    environment |= executor_environment(
        executor,
        agent_id=agent.id,
        address=agent.address,
        sandbox=sandbox,
        grace=agent.grace.shutdown,
    )
    environment |= command_variables(command)
    if info is not None:
        late = partial(agent.registration_timeout, executor)
        executor.timers.append(agent.clock.after(agent.grace.registration, late))
    if (missing := _unsupported(info if info is not None else task)) is not None:
        refused = partial(agent.failed, executor, f"Failed to launch container: {missing}")
        executor.timers.append(agent.clock.after(0.0, refused))
        return executor
    agent.runner.start(
        container,
        command,
        environment,
        command.get("user") or framework.get("user"),
        started=partial(agent.started, executor),
        exited=partial(agent.exited, executor),
        failed=partial(agent.failed, executor),
    )
    return executor


def _unsupported(holder: Json) -> str | None:
    """Why the container is unsupported, in the words of a Mesos agent without images; or None."""
    container = holder.get("container") or {}
    if container.get("type") == "DOCKER":
        return (
            "None of the enabled containerizers (mesos) could create a container for the provided "
            "TaskInfo/ExecutorInfo message"
        )
    image = (container.get("mesos") or {}).get("image")
    return f"Unsupported container image type: {image['type']}" if image else None
