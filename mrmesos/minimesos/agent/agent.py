"""An agent: runs executors and commands, and forwards their status updates to the master.

In: launches and kills from the master; calls from executors; ends of processes.
Out: events to executors, and status updates to the master.
It opens no sockets and starts no processes: `Runner` does. Thread: minimesos' event loop.
"""

from __future__ import annotations

import base64
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mrmesos.minimesos.agent import starting
from mrmesos.minimesos.agent.containers import NO_DIRECTORY
from mrmesos.minimesos.agent.executors import Executor, Runner, State, Why, command_result, duration
from mrmesos.minimesos.agent.updates import UpdateManager
from mrmesos.minimesos.model.records import (
    Clock,
    MasterPort,
    Stream,
    capable,
    dropped,
    status_update,
)
from mrmesos.minimesos.model.resources import Json

log = logging.getLogger(__name__)

REREGISTRATION = 2.0  # seconds that executors have to subscribe again after an agent restart
HEARTBEAT = 1800.0  # seconds between heartbeats to executors, as in Mesos
KILL_GRACE = 3.0  # seconds between SIGTERM and SIGKILL of a command task


@dataclass(slots=True)
class Grace:
    """Time limits for executors, in seconds."""

    registration: float = 60.0
    shutdown: float = 5.0


@dataclass(slots=True)
class Agent:
    """One agent. `address` is the ip:port of its executor API."""

    id: str
    info: Json  # v1 AgentInfo, as executors see it
    address: str
    work_dir: Path
    master: MasterPort
    runner: Runner
    clock: Clock
    grace: Grace = field(default_factory=Grace)
    executors: dict[tuple[str, str], Executor] = field(default_factory=dict)
    updates: UpdateManager = field(init=False)
    gone: set[str] = field(default_factory=set)  # frameworks that were shut down
    authenticates: bool = False  # whether executors must authenticate with their tokens

    def __post_init__(self) -> None:
        self.updates = UpdateManager(self.clock, self._forward)

    def _forward(self, framework_id: str, status: Json, latest: str) -> None:
        """Send to the master that leads now."""
        self.master.agent_update(self.id, framework_id, status, latest)

    # -- calls from the master ----------------------------------------------------------------

    def launch(self, framework: Json, task: Json, executor: Json | None) -> None:
        """Run a task in its executor, or as a command when it has none."""
        starting.launch(self, framework, [task], executor, task["task_id"]["value"])

    def launch_group(self, framework: Json, tasks: list[Json], executor: Json) -> None:
        """Run a task group: tasks that start and end together."""
        starting.launch(self, framework, tasks, executor, "")

    def kill(self, framework_id: str, task_id: str, policy: Json | None) -> None:
        """Ask the executor to end a task. A task that it has not received yet ends here."""
        for executor in self._of(framework_id):
            group = executor.unqueue(task_id) if executor.info is not None else []
            if group:
                why = Why(
                    "REASON_TASK_KILLED_DURING_LAUNCH", "Killed before delivery to the executor"
                )
                for task in group:
                    self.own_update(executor, task["task_id"]["value"], "TASK_KILLED", why)
                if not executor.ever_sent and not executor.queued:
                    self._shut(executor)
                return
            if executor.info is None and executor.id == task_id:
                self._kill_command(executor, policy)
                return
            if task_id in executor.tasks and executor.state is State.RUNNING:
                kill: Json = {"task_id": {"value": task_id}}
                if policy is not None:
                    kill["kill_policy"] = policy
                _send(executor, {"type": "KILL", "kill": kill})
                return

    def acknowledge(self, framework_id: str, task_id: str, uuid: str) -> None:
        self.updates.acknowledge(framework_id, task_id, uuid)

    def message(self, framework_id: str, executor_id: str, data: str) -> None:
        """Pass on a scheduler's message. It is lost when the executor is not subscribed."""
        executor = self.executors.get((framework_id, executor_id))
        if executor is not None and executor.state is State.RUNNING:
            _send(executor, {"type": "MESSAGE", "message": {"data": data}})

    def shutdown_executor(self, framework_id: str, executor_id: str) -> None:
        """Send SHUTDOWN, and kill the executor after the grace period."""
        executor = self.executors.get((framework_id, executor_id))
        if executor is not None:
            self._shut(executor)

    def shutdown_framework(self, framework_id: str) -> None:
        """The framework is gone: end its executors without status updates."""
        self.updates.forget(framework_id)
        for executor in self._of(framework_id):
            self.gone.add(framework_id)
            self._shut(executor)

    def framework_updated(self, framework: Json) -> None:
        """The framework has a new scheduler or new facts."""
        for executor in self._of(framework["id"]["value"]):
            executor.framework = framework
        self.updates.resume(framework["id"]["value"])

    def tokens(self) -> list[str]:
        """Return the tokens of the executors on this agent."""
        return [e.token.decode() for e in self.executors.values() if e.token]

    def report(self) -> tuple[set[tuple[str, str]], dict[tuple[str, str], str]]:
        """Return the live executors, and the newest state of each task that runs or whose last
        update is not acknowledged.
        """
        alive = {key for key, e in self.executors.items() if e.info is not None}
        states = {
            (executor.framework_id, task_id): state
            for executor in self.executors.values()
            for task_id, state in executor.all_states().items()
        }
        return alive, states | self.updates.newest()

    def stopped(self) -> None:
        """The agent's process ends: frameworks without checkpointing lose their executors."""
        for executor in list(self.executors.values()):
            if not executor.framework.get("checkpoint"):
                self.shutdown_framework(executor.framework_id)

    def shut_down(self) -> None:
        """End all executors: ask the subscribed ones, kill the others at once."""
        self.updates.close()
        for executor in list(self.executors.values()):
            self.gone.add(executor.framework_id)
            if executor.stream is None and executor.info is not None:
                executor.state = State.TERMINATING
                self.runner.destroy(executor.container)
            else:
                self._shut(executor)

    def _of(self, framework_id: str) -> list[Executor]:
        return [e for (owner, _), e in self.executors.items() if owner == framework_id]

    # -- calls from executors -----------------------------------------------------------------

    def subscribe(self, executor: Executor, call: Json, stream: Stream) -> None:
        """An executor subscribes, for the first time or again."""
        old, executor.stream = executor.stream, stream
        if old is not None:
            old.close()
        if executor.state is State.TERMINATING:
            _send(executor, {"type": "SHUTDOWN"})
            return
        if executor.state is State.REGISTERING:
            executor.state = State.RUNNING
            executor.stop_timers()
        _send(
            executor,
            {
                "type": "SUBSCRIBED",
                "subscribed": {
                    "executor_info": executor.info,
                    "framework_info": executor.framework,
                    "agent_info": self.info,
                    "container_id": {"value": executor.container.id},
                },
            },
        )
        for one in call.get("unacknowledged_updates", []):
            self.update(executor, one["status"])
        self._drop_unknown(executor, call.get("unacknowledged_tasks", []))
        self.send_queued(executor)
        self._beat(executor, stream)

    def _drop_unknown(self, executor: Executor, known: list[Json]) -> None:
        """Drop tasks that the executor never received because its stream broke."""
        seen = {task["task_id"]["value"] for task in known}
        for task_id in [t for t, s in executor.states.items() if s == "TASK_STAGING"]:
            if task_id not in seen:
                why = Why("REASON_AGENT_RESTARTED", "Task launched during agent restart")
                self.own_update(executor, task_id, dropped(executor.framework), why)

    def restarted(self, recovered: Callable[[], None]) -> None:
        """The agent has restarted and its port is open. Its executors have REREGISTRATION seconds
        to subscribe again. Then `recovered` is called, and the agent registers with the master.
        """

        def late() -> None:
            for executor in [e for e in self.executors.values() if e.info is not None]:
                if executor.state is State.RUNNING and executor.stream is None:
                    words = f"Executor did not reregister within {duration(REREGISTRATION)}"
                    executor.why = Why("REASON_EXECUTOR_REREGISTRATION_TIMEOUT", words)
                    executor.state = State.TERMINATING
                    self.runner.destroy(executor.container)
            recovered()

        self.clock.after(REREGISTRATION, late)

    def _beat(self, executor: Executor, stream: Stream) -> None:
        if executor.stream is stream:
            later = partial(self._beat_again, executor, stream)
            executor.timers.append(self.clock.after(HEARTBEAT, later))

    def _beat_again(self, executor: Executor, stream: Stream) -> None:
        if executor.stream is stream:
            stream.send({"type": "HEARTBEAT"})
            executor.stop_timers()
            self._beat(executor, stream)

    def disconnected(self, executor: Executor, stream: Stream) -> None:
        """The stream broke. The process may still live and subscribe again."""
        if executor.stream is stream:
            executor.stream = None

    def update(self, executor: Executor, sent: Json) -> bool:
        """Take a status update of an executor. False: the task has too many unacknowledged ones."""
        status = {
            **sent,
            "agent_id": {"value": self.id},
            "container_status": {
                **executor.container_status(self.address.partition(":")[0]),
                **(sent.get("container_status") or {}),
            },
        }
        status.setdefault("timestamp", self.clock.now())
        executor.note(status["task_id"]["value"], status["state"])
        if executor.framework_id not in self.gone and not self.updates.add(
            executor.framework_id, status
        ):
            return False
        acknowledged = {"task_id": status["task_id"], "uuid": status["uuid"]}
        _send(executor, {"type": "ACKNOWLEDGED", "acknowledged": acknowledged})
        return True

    def executor_message(self, executor: Executor, data: str) -> None:
        self.master.executor_message(self.id, executor.framework_id, executor.id, data)

    # -- internal, and for `starting` ---------------------------------------------------------

    def send_queued(self, executor: Executor) -> None:
        """Send the executor the tasks that were queued for it."""
        groups, executor.queued = executor.queued, []
        for group in groups:
            for task in group:
                executor.tasks[task["task_id"]["value"]] = task
                executor.states[task["task_id"]["value"]] = "TASK_STAGING"
            executor.ever_sent = True
            if len(group) == 1:
                _send(executor, {"type": "LAUNCH", "launch": {"task": group[0]}})
            else:
                tasks = {"task_group": {"tasks": group}}
                _send(executor, {"type": "LAUNCH_GROUP", "launch_group": tasks})

    def own_update(
        self, executor: Executor, task_id: str, state: str, why: Why | None, message: str = ""
    ) -> None:
        """Send a status update of the agent itself. `why` is None for a command task, whose update
        looks as if an executor had sent it.
        """
        executor.note(task_id, state)
        if executor.framework_id in self.gone:
            return
        status = status_update(
            task_id,
            state,
            source="SOURCE_AGENT" if why is not None else "SOURCE_EXECUTOR",
            now=self.clock.now(),
            agent_id=self.id,
            executor_id=executor.id,
            reason=why.reason if why is not None else None,
            message=why.message if why is not None else message or None,
            uuid=base64.b64encode(uuid.uuid4().bytes).decode(),
        )
        if why is None:
            status["container_status"] = executor.container_status(self.address.partition(":")[0])
        self.updates.add(executor.framework_id, status)

    def registration_timeout(self, executor: Executor) -> None:
        """End the executor if it has not subscribed."""
        if executor.state is State.REGISTERING:
            late = f"Executor did not register within {duration(self.grace.registration)}"
            executor.why = Why("REASON_EXECUTOR_REGISTRATION_TIMEOUT", late)
            executor.state = State.TERMINATING
            self.runner.destroy(executor.container)

    def _shut(self, executor: Executor) -> None:
        if executor.state is State.TERMINATING:
            return
        if executor.info is None:
            self._kill_command(executor, None)
            return
        executor.stop_timers()
        executor.state = State.TERMINATING
        _send(executor, {"type": "SHUTDOWN"})
        late = partial(self.runner.destroy, executor.container)
        executor.timers.append(self.clock.after(executor.grace(self.grace.shutdown), late))

    def _kill_command(self, executor: Executor, policy: Json | None) -> None:
        if executor.killed:
            return
        executor.killed = True
        task = next(iter(executor.tasks.values()), None) or executor.queued[0][0]
        policy = policy or task.get("kill_policy") or {}
        nanoseconds = (policy.get("grace_period") or {}).get("nanoseconds")
        grace = KILL_GRACE if nanoseconds is None else nanoseconds / 1e9
        if capable(executor.framework, "TASK_KILLING_STATE"):
            self.own_update(executor, executor.id, "TASK_KILLING", None)
        self.runner.terminate(executor.container)
        if executor.pid is None:
            self.runner.destroy(executor.container)
        late = partial(self.runner.destroy, executor.container)
        executor.timers.append(self.clock.after(grace, late))

    def started(self, executor: Executor, pid: int) -> None:
        executor.pid = pid
        if executor.info is None:
            executor.state = State.RUNNING
            (task,) = executor.queued.pop()
            executor.tasks[executor.id] = task
            self.own_update(executor, executor.id, "TASK_STARTING", None)
            self.own_update(executor, executor.id, "TASK_RUNNING", None)

    def exited(self, executor: Executor, status: int) -> None:
        """The process has ended: its unfinished tasks fail."""
        executor.stop_timers()
        del self.executors[executor.framework_id, executor.id]
        if executor.stream is not None:
            executor.stream.close()
        if executor.info is None and executor.why is None:
            state, message = command_result(status, executor.killed)
            self.own_update(executor, executor.id, state, None, message)
        else:
            framework_id = executor.framework_id
            self.master.executor_exited(self.id, framework_id, executor.id, status)
            why = executor.why or Why("REASON_EXECUTOR_TERMINATED", "Executor terminated")
            left = [task["task_id"]["value"] for group in executor.queued for task in group]
            for task_id in [*executor.tasks, *left]:
                self.own_update(executor, task_id, why.state, why)
        if not self._of(executor.framework_id):
            self.gone.discard(executor.framework_id)

    def failed(self, executor: Executor, message: str) -> None:
        """No process could be started."""
        if message.startswith(NO_DIRECTORY):  # no executor existed, as Mesos sees it
            state = dropped(executor.framework)
            executor.why = Why("REASON_EXECUTOR_TERMINATED", message, state)
        else:
            executor.why = Why("REASON_CONTAINER_LAUNCH_FAILED", message)
        self.exited(executor, -1)


def _send(executor: Executor, event: Json) -> None:
    if executor.stream is not None:
        executor.stream.send(event)
