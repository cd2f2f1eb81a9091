"""Agents that leave, for a while or for ever, and agents that return.

It follows `Master::__removeSlave`, `Master::exited`, `Master::markGone` and
`Master::reregisterSlave`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mrmesos.minimesos.agent.executors import duration
from mrmesos.minimesos.master import maintenance
from mrmesos.minimesos.model.records import AgentRecord, Framework, Task, master_status
from mrmesos.minimesos.model.resources import from_json

if TYPE_CHECKING:
    from mrmesos.minimesos.master.master import Master


# -- gone for ever ----------------------------------------------------------------------------


def lost(master: Master, agent_id: str, *, by_operator: bool = False) -> AgentRecord | None:
    """Remove an agent for ever with all that ran there; None if the master does not know it.

    This is what happens when its process dies without checkpointing. `by_operator`: it was marked
    gone by MARK_AGENT_GONE.
    """
    if (record := master.unreachable.pop(agent_id, None)) is None:
        if (record := _take(master, agent_id)) is None:
            return None
        master.rescind_of(agent_id)
        for framework, task in _take_tasks(master, agent_id, master.frameworks.values()):
            _lose(master, framework, task, record, by_operator)
        _withdraw(master, record)
    master.gone[agent_id] = master.clock.now()
    while len(master.gone) > master.limits.gone_agents:
        master.gone.popitem(last=False)
    return record


def _take(master: Master, agent_id: str) -> AgentRecord | None:
    """Remove the record of an agent that is registered or may register again."""
    for known in (master.agents, master.restarting, master.recovered):
        if (record := known.pop(agent_id, None)) is not None:
            return record
    return None


def _take_tasks(
    master: Master, agent_id: str, frameworks: Iterable[Framework]
) -> Iterator[tuple[Framework, Task]]:
    """Complete all tasks of an agent. A task that has not ended is first yielded to be ended."""
    for framework in frameworks:
        for task in [t for t in framework.tasks.values() if t.agent_id == agent_id]:
            if not task.terminal:
                yield framework, task
            master.complete(framework, task)


def _withdraw(master: Master, record: AgentRecord) -> None:
    """Stop offers of an agent and send FAILURE to all frameworks, after its tasks have ended."""
    for (framework_id, _), info in record.executors.items():
        master.recover(framework_id, record.id, from_json(info.get("resources", [])))
    master.rescind_of(record.id)
    master.allocator.remove_agent(record.id)
    maintenance.forget(master, agent_id=record.id)
    for framework in master.frameworks.values():
        framework.send({"type": "FAILURE", "failure": {"agent_id": {"value": record.id}}})


def _lose(
    master: Master, framework: Framework, task: Task, record: AgentRecord, by_operator: bool
) -> None:
    """Tell a framework that its task is lost with the agent."""
    state, reason = "TASK_LOST", "REASON_AGENT_DISCONNECTED"
    message = f"Agent {record.hostname} disconnected"
    if by_operator:
        aware = framework.capable("PARTITION_AWARE")
        state = "TASK_GONE_BY_OPERATOR" if aware else "TASK_LOST"
        reason, message = "REASON_AGENT_REMOVED_BY_OPERATOR", "Agent has been marked gone"
    status = master_status(task, state, now=master.clock.now(), reason=reason, message=message)
    master.note(task, status)
    master.set_state(task, state)
    framework.send_update(status)


# -- unreachable ------------------------------------------------------------------------------


def cut_off(master: Master, agent_id: str, why: str = "health check timed out") -> None:
    """Mark an agent that does not answer as unreachable. Its tasks continue to run."""
    if (record := _take(master, agent_id)) is None:
        return
    record.unreachable_since = master.clock.now()
    master.unreachable[agent_id] = record
    for framework, task in _take_tasks(master, agent_id, master.frameworks.values()):
        _unreachable(master, framework, task, record, why)
    _withdraw(master, record)


def give_up_overdue(master: Master) -> None:
    """Mark agents unreachable that did not register again (`Master::agentReregisterTimeout`)."""
    limit, now = master.limits.agent_reregister_timeout, master.clock.now()
    awaited = ((master.restarting, "disconnecting"), (master.recovered, "master failover"))
    for known, what in awaited:
        for agent_id in [one.id for one in known.values() if now - one.away_since > limit]:
            why = f"agent did not reregister within {duration(limit)} after {what}"
            cut_off(master, agent_id, why)


def _unreachable(
    master: Master, framework: Framework, task: Task, record: AgentRecord, why: str
) -> None:
    state = "TASK_UNREACHABLE" if framework.capable("PARTITION_AWARE") else "TASK_LOST"
    status = master_status(
        task,
        state,
        now=master.clock.now(),
        reason="REASON_AGENT_REMOVED",
        message=why,
        unreachable_since=record.unreachable_since,
    )
    master.note(task, status)
    task.state = state
    master.recover(framework.id, record.id, task.resources)
    framework.send_update(status)


def restore(master: Master, agent_id: str) -> None:
    """Take an unreachable agent back, with its live and its meanwhile ended tasks."""
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
    tell_of_return(master, framework, task)


def tell_of_return(master: Master, framework: Framework, task: Task) -> None:
    """Tell a framework the state of a task whose agent was unreachable and is back."""
    status = master_status(
        task,
        task.state,
        now=master.clock.now(),
        reason="REASON_AGENT_REREGISTERED",
        message="Unreachable agent re-reregistered",
        container_status=task.container_status,
    )
    master.note(task, status)
    framework.send_update(status)


# -- restarting -------------------------------------------------------------------------------


def down(master: Master, agent_id: str) -> None:
    """The agent's process has ended and may start again.

    Tasks of frameworks with checkpointing continue; all others are lost (`Master::exited`,
    `Master::disconnect`).
    """
    if (record := master.agents.pop(agent_id, None)) is None:
        return  # not registered with this master
    record.away_since = master.clock.now()
    master.restarting[agent_id] = record
    master.rescind_of(agent_id)
    dying = [one for one in master.frameworks.values() if not one.checkpoint]
    for framework, task in _take_tasks(master, agent_id, dying):
        _lose(master, framework, task, record, by_operator=False)
    for key in list(record.executors):
        owner = master.frameworks.get(key[0])
        if owner is None or not owner.checkpoint:
            _drop_executor(master, record, key)
    master.allocator.pause(agent_id)


def up(master: Master, agent_id: str) -> None:
    """The agent has started again with the same work directory."""
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
