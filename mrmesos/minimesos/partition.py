"""Agents out of the master's sight, and their return (`Master::__removeSlave`,
`Master::reregisterSlave`): what ran there is unreachable, then runs again, or has ended meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mrmesos.minimesos import maintenance
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
    for (framework_id, _), info in record.executors.items():
        master.recover(framework_id, agent_id, from_json(info.get("resources", [])))
    for offer in [o for o in master.offers.values() if o.agent_id == agent_id]:
        master.rescind(offer)
    master.allocator.remove_agent(agent_id)
    maintenance.forget(master, agent_id=agent_id)
    for framework in master.frameworks.values():
        framework.send({"type": "FAILURE", "failure": {"agent_id": {"value": agent_id}}})


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
    framework.send({"type": "UPDATE", "update": {"status": status}})


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
    framework.send({"type": "UPDATE", "update": {"status": status}})


def gone_by_operator(master: Master, agent_id: str) -> bool:
    """MARK_AGENT_GONE of an agent out of sight: it will not be let in again. Whether it was one."""
    record = master.unreachable.pop(agent_id, None)
    if record is None:
        return False
    master.forget(agent_id)
    record.agent.shut_down()
    return True
