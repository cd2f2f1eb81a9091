"""Agents out of the master's sight, and agents that restart, and their return
(`Master::__removeSlave`, `Master::reregisterSlave`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mrmesos.minimesos.records import AgentRecord, Framework, Task, status_update
from mrmesos.minimesos.resources import from_json

if TYPE_CHECKING:
    from mrmesos.minimesos.master import Master


def cut_off(master: Master, agent_id: str) -> None:
    """The master gives up on an agent that does not answer. What runs there runs on."""
    record = master.agents.pop(agent_id)
    record.unreachable_since = master.clock.now()
    master.unreachable[agent_id] = record
    for framework in master.frameworks.values():
        for task in [t for t in framework.tasks.values() if t.agent_id == agent_id]:
            if not task.terminal:
                _unreachable(master, framework, task, record)
            master.complete(framework, task)
    master.withdraw(record)


def _unreachable(master: Master, framework: Framework, task: Task, record: AgentRecord) -> None:
    state = "TASK_UNREACHABLE" if framework.capable("PARTITION_AWARE") else "TASK_LOST"
    status = status_update(
        task.id,
        state,
        source="SOURCE_MASTER",
        now=master.clock.now(),
        agent_id=record.id,
        executor_id=task.executor_id,
        reason="REASON_AGENT_REMOVED",
        message="health check timed out",
        unreachable_since=record.unreachable_since,
    )
    master.note(task, status)
    task.state = state
    master.recover(framework.id, record.id, task.resources)
    framework.send_update(status)


def restore(master: Master, agent_id: str) -> None:
    """The agent is in sight again, with what it still runs and what has ended there meanwhile."""
    record = master.unreachable.pop(agent_id)
    record.unreachable_since = None
    master.agents[agent_id] = record
    master.allocator.add_agent(agent_id, record.resources)
    alive, states = record.agent.report()
    for key in [k for k in record.executors if k not in alive or k[0] not in master.frameworks]:
        del record.executors[key]
    for framework_id, _ in alive:
        if framework_id not in master.frameworks:
            record.agent.shutdown_framework(framework_id)
    for (framework_id, _), info in record.executors.items():
        master.allocator.occupy(framework_id, agent_id, from_json(info.get("resources", [])))
    for (framework_id, task_id), state in states.items():
        framework = master.frameworks.get(framework_id)
        task = framework.completed.pop(task_id, None) if framework is not None else None
        if framework is not None and task is not None:
            _back(master, framework, task, state)
    for framework in master.frameworks.values():
        record.agent.framework_updated(framework.info)  # also sends waiting updates at once
    master.offer()


def _back(master: Master, framework: Framework, task: Task, state: str) -> None:
    framework.tasks[task.id] = task
    task.state = state
    if not task.terminal:
        master.allocator.occupy(framework.id, task.agent_id, task.resources)
    status = status_update(
        task.id,
        state,
        source="SOURCE_MASTER",
        now=master.clock.now(),
        agent_id=task.agent_id,
        executor_id=task.executor_id,
        reason="REASON_AGENT_REREGISTERED",
        message="Unreachable agent re-reregistered",
        container_status=task.container_status,
    )
    master.note(task, status)
    framework.send_update(status)


def down(master: Master, agent_id: str) -> None:
    """The agent's process ends. What frameworks that checkpoint run there lives on, and the agent
    may start again; all else is lost with it (`Master::exited`, `Master::disconnect`).
    """
    record = master.agents.pop(agent_id)
    master.restarting[agent_id] = record
    master.rescind_of(agent_id)
    for framework in [f for f in master.frameworks.values() if not f.checkpoint]:
        for task in [t for t in framework.tasks.values() if t.agent_id == agent_id]:
            if not task.terminal:
                master.lose(framework, task, record, by_operator=False)
            master.complete(framework, task)
    for key in list(record.executors):
        owner = master.frameworks.get(key[0])
        if owner is None or not owner.checkpoint:
            _drop_executor(master, record, key)
            record.agent.shutdown_framework(key[0])
    master.allocator.pause(agent_id)


def up(master: Master, agent_id: str) -> None:
    """The agent has started again, on its work directory."""
    record = master.restarting.pop(agent_id)
    master.agents[agent_id] = record
    alive, _ = record.agent.report()
    for key in [key for key in record.executors if key not in alive]:
        _drop_executor(master, record, key)
    for framework in master.frameworks.values():
        record.agent.framework_updated(framework.info)  # also sends waiting updates at once
    master.allocator.resume(agent_id)
    master.offer()


def _drop_executor(master: Master, record: AgentRecord, key: tuple[str, str]) -> None:
    info = record.executors.pop(key)
    master.recover(key[0], record.id, from_json(info.get("resources", [])))


def gone_by_operator(master: Master, agent_id: str) -> bool:
    """MARK_AGENT_GONE of an agent out of sight: it will not be let in again. Whether it was one."""
    record = master.unreachable.pop(agent_id, None)
    if record is None:
        return False
    master.forget(agent_id)
    record.agent.shut_down()
    return True
