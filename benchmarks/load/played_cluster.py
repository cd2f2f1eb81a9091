"""A minimesos whose executors are played TaskTrackers in this process, instead of processes."""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import cast

from benchmarks.load.played_tracker import PlayedTracker, Tally
from mrmesos.minimesos.agent.agent import Agent
from mrmesos.minimesos.agent.containers import Container, Containers
from mrmesos.minimesos.agent.executors import Executor
from mrmesos.minimesos.http.server import AgentSpec, MiniMesos, MiniMesosConfig
from mrmesos.minimesos.model.resources import Json
from mrmesos.resources import ports_in
from mrmesos.tasktracker.core import commands as cmd
from mrmesos.tasktracker.core import events as ev
from mrmesos.tasktracker.executor import read_slot
from mrmesos.tasktracker.settings import TrackerSettings

TRACKER_MB = 128
"""Memory of a TaskTracker. Nothing is left of an agent, so Mesos has nothing to offer again."""


class PlayedContainers:
    """Takes the place of minimesos' `Containers`: each container is a played TaskTracker."""

    def __init__(self, tally: Tally, attempt_seconds: float) -> None:
        self.agents: dict[str, Agent] = {}
        self._tally, self._attempt_seconds = tally, attempt_seconds
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def open(self, scratch: Path | None = None) -> None:
        """Nothing to open."""

    def start(
        self,
        container: Container,
        command: Json,  # noqa: ARG002
        environment: dict[str, str],
        user: str | None,  # noqa: ARG002
        *,
        started: Callable[[int], None],
        exited: Callable[[int], None],
        failed: Callable[[str], None],  # noqa: ARG002
    ) -> None:
        """Play the executor that the environment describes."""
        agent = self.agents[environment["MESOS_SLAVE_ID"]]
        settings = TrackerSettings.from_environment(environment)
        key = (environment["MESOS_FRAMEWORK_ID"], environment["MESOS_EXECUTOR_ID"])

        async def play() -> None:
            played = PlayedTracker(
                settings,
                agent.id,
                agent.info["hostname"],
                lambda status: _update(agent, agent.executors[key], status),
                self._tally,
                self._attempt_seconds,
                seed=len(self._tasks),
            )
            started(1)
            running = asyncio.create_task(played.run())
            agent.subscribe(agent.executors[key], {}, EventsFromAgent(played))
            try:
                await running
            finally:
                running.cancel()
                exited(0)

        task = asyncio.create_task(play())
        task.add_done_callback(self._ended)
        self._tasks[container.id] = task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (problem := task.exception()) is not None:
            self._tally.failures.append(repr(problem))

    def destroy(self, container: Container) -> None:
        """End the played TaskTracker."""
        if (task := self._tasks.get(container.id)) is not None:
            task.cancel()

    def terminate(self, container: Container) -> None:
        """As `destroy`."""
        self.destroy(container)

    async def close(self, grace: float) -> None:  # noqa: ARG002
        """End all of them."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


class EventsFromAgent:
    """The stream from an agent to its executor: events become events of the TaskTracker's core."""

    def __init__(self, played: PlayedTracker) -> None:
        self.stream_id = str(uuid.uuid4())
        self._played = played

    def send(self, event: Json) -> None:
        """Take an event in the next turn of the loop, as from a network."""
        asyncio.get_running_loop().call_soon(self._take, event)

    def close(self) -> None:
        """The executor ends by itself."""

    def _take(self, event: Json) -> None:
        match event["type"]:
            case "LAUNCH":
                task = event["launch"]["task"]
                data = read_slot(task)
                self._played.use_key(data.key)
                slot_id = task["task_id"]["value"]
                ports = ports_in(task.get("resources", ()))
                self._played.handle(ev.SlotLaunched(slot_id, data.first, ports))
            case "KILL":
                self._played.handle(ev.SlotKilled(event["kill"]["task_id"]["value"]))
            case "SHUTDOWN":
                self._played.handle(ev.LeaveAsked("Mesos shuts this executor down"))


def _update(agent: Agent, executor: Executor, status: cmd.SendStatus) -> None:
    sent: Json = {
        "task_id": {"value": status.slot_id},
        "state": f"TASK_{status.state}",
        "source": "SOURCE_EXECUTOR",
        "uuid": base64.b64encode(uuid.uuid4().bytes).decode(),
    }
    agent.update(executor, sent)


async def start_cluster(
    directory: Path, agents: int, slots: int, containers: PlayedContainers
) -> MiniMesos:
    """A listening minimesos. Each agent has room for `slots` slots, and an address in 127.0.0.0/8.

    Raises OSError.
    """
    minimesos = MiniMesos(MiniMesosConfig(directory, port=0, agents=()))
    minimesos.containers = cast(Containers, containers)
    await minimesos.start()
    resources = f"cpus:{slots};mem:{slots * 1024 + TRACKER_MB};disk:{slots * 1024}"
    for number in range(agents):
        host = f"127.1.{number // 250}.{number % 250 + 1}"
        agent = await minimesos.add_agent(AgentSpec(f"node{number}", resources, host=host))
        containers.agents[agent.id] = agent
    return minimesos
