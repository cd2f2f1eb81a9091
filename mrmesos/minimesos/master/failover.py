"""A master takes over from another one (`Master::recover`, `Master::__reregisterSlave`).

From the registry it knows only the names of the agents. It learns all else from the agents and
frameworks when they register again.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from mrmesos.minimesos.agent.agent import Agent
from mrmesos.minimesos.agent.executors import Executor
from mrmesos.minimesos.master import partition
from mrmesos.minimesos.master.master import Master
from mrmesos.minimesos.model.records import AgentRecord, Framework, Task
from mrmesos.minimesos.model.resources import Json, from_json


def recover(master: Master, old: Master) -> None:
    """Give the new master what the registry has about the old master's agents.

    The old master forgets them.
    """
    old.stop()
    now = master.clock.now()
    admitted = [*old.recovered.values(), *old.restarting.values(), *old.agents.values()]
    master.recovered = {record.id: _facts(record, now) for record in admitted}
    master.unreachable = {record.id: _facts(record, now) for record in old.unreachable.values()}
    master.gone = old.gone
    master.maintenance.machines = old.maintenance.machines
    master.maintenance.schedule = old.maintenance.schedule
    for known in (old.recovered, old.restarting, old.agents, old.unreachable):
        known.clear()


def _facts(record: AgentRecord, now: float) -> AgentRecord:
    return replace(record, executors={}, inherited=True, away_since=now)


def join(master: Master, agent: Agent) -> None:
    """Register a running agent with the master, which may know it in one of several states."""
    if agent.id in master.gone:
        agent.shut_down()
    elif agent.id in master.restarting:
        partition.up(master, agent.id)
    elif agent.id in master.recovered:
        _reregister(master, agent, master.recovered.pop(agent.id))
    elif agent.id in master.unreachable:
        if master.unreachable[agent.id].inherited:
            _reregister(master, agent, master.unreachable.pop(agent.id))
        else:
            partition.restore(master, agent.id)


def _reregister(master: Master, agent: Agent, known: AgentRecord) -> None:
    """Register an agent, and all that runs there, with a new master."""
    record = replace(known, executors={}, inherited=False, unreachable_since=None)
    master.agents[agent.id] = record
    master.allocator.add_agent(agent.id, known.resources)
    agent.master = master
    for executor in list(agent.executors.values()):
        if executor.framework_id in master.completed:
            agent.shutdown_framework(executor.framework_id)
        else:
            _add(master, record, executor)
    for framework in master.frameworks.values():
        if known.unreachable_since is not None:
            for task in [t for t in framework.tasks.values() if t.agent_id == agent.id]:
                partition.tell_of_return(master, framework, task)
        if framework.stream is not None:
            agent.framework_updated(framework.info)
    master.offer()


def _add(master: Master, record: AgentRecord, executor: Executor) -> None:
    framework = master.frameworks.get(executor.framework_id)
    if framework is None:
        framework = _framework(master, executor.framework)
    if executor.info is not None:
        record.executors[framework.id, executor.id] = executor.info
        held = from_json(executor.info.get("resources", []))
        master.allocator.occupy(framework.id, record.id, held)
    queued = [task for group in executor.queued for task in group]
    for info in [*queued, *executor.tasks.values()]:
        uses = from_json(info["resources"])
        executor_id = executor.id if executor.info is not None else None
        task = Task(info, framework.id, record.id, executor_id, uses)
        task.state = executor.states.get(task.id, "TASK_STAGING")
        framework.tasks[task.id] = task
        master.allocator.occupy(framework.id, record.id, uses)


def _framework(master: Master, info: Json) -> Framework:
    """Record a framework that has not subscribed again yet; it has its failover timeout."""
    framework = Framework(info["id"]["value"], info)
    framework.registered = master.clock.now()
    master.frameworks[framework.id] = framework
    master.allocator.add_framework(framework.id, framework.roles)
    master.allocator.deactivate(framework.id)
    framework.failover = master.clock.after(
        framework.failover_timeout, partial(master.remove_framework, framework)
    )
    return framework
