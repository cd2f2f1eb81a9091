"""A master that takes over from another: it knows the agents' names from the registry, and all else
from the agents and frameworks as they come back (`Master::recover`, `Master::_reregisterSlave`).
"""

from __future__ import annotations

from functools import partial

from mrmesos.minimesos.agent import Agent
from mrmesos.minimesos.executors import Executor
from mrmesos.minimesos.master import Master
from mrmesos.minimesos.records import AgentRecord, Framework, Task
from mrmesos.minimesos.resources import Json, from_json


def recover(master: Master, old: Master) -> None:
    """What the registry remembers of the old master's agents."""
    master.recovered = set(old.agents) | old.recovered
    master.unreachable = old.unreachable
    master.gone = old.gone
    master.maintenance.machines = old.maintenance.machines
    master.maintenance.schedule = old.maintenance.schedule


def reregister(master: Master, agent: Agent, known: AgentRecord) -> None:
    """An agent comes to a new master, with all that it runs."""
    master.recovered.discard(agent.id)
    record = AgentRecord(
        agent.id,
        known.hostname,
        known.ip,
        known.port,
        known.resources,
        known.attributes,
        agent,
    )
    master.agents[agent.id] = record
    master.allocator.add_agent(agent.id, known.resources)
    agent.master = master
    for executor in agent.executors.values():
        if executor.framework_id in master.completed:
            agent.shutdown_framework(executor.framework_id)
        else:
            _add(master, record, executor)
    for framework in master.frameworks.values():
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
    """One that has not come back yet; it has its failover timeout for that."""
    framework = Framework(info["id"]["value"], info)
    framework.registered = master.clock.now()
    master.frameworks[framework.id] = framework
    master.allocator.add_framework(framework.id, framework.roles)
    master.allocator.deactivate(framework.id)
    framework.failover = master.clock.after(
        framework.failover_timeout, partial(master.remove_framework, framework)
    )
    return framework
