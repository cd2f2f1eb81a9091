"""The master's answers to RECONCILE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mrmesos.minimesos.model.records import Framework, Task, master_status, status_update
from mrmesos.minimesos.model.resources import Json

if TYPE_CHECKING:
    from mrmesos.minimesos.master.master import Master


def answer(master: Master, framework: Framework, asked: list[Json]) -> None:
    """Send the status of each task in `asked`. An empty list means all tasks of the framework."""
    if not asked:
        for task in list(framework.tasks.values()):
            framework.send_update(_known(master, task))
        return
    for one in asked:
        known = framework.tasks.get(one["task_id"]["value"])
        if known is None and _may_return(master, one):
            continue  # the framework has to ask again
        status = _known(master, known) if known is not None else _unknown(master, framework, one)
        framework.send_update(status)


def _may_return(master: Master, asked: Json) -> bool:
    """Whether the task may run on an agent that has not registered with this master yet."""
    agent_id = (asked.get("agent_id") or {}).get("value")
    return agent_id in master.recovered if agent_id else bool(master.recovered)


def _known(master: Master, task: Task) -> Json:
    return master_status(
        task,
        task.sent_state or task.state,
        now=master.clock.now(),
        reason="REASON_RECONCILIATION",
        message="Reconciliation: Latest task state",
        container_status=task.container_status,
    )


def _unknown(master: Master, framework: Framework, asked: Json) -> Json:
    agent_id = (asked.get("agent_id") or {}).get("value")
    since = None
    if agent_id in master.unreachable:
        state, what = "TASK_UNREACHABLE", "Task is unreachable"
        since = master.unreachable[agent_id].unreachable_since
    elif agent_id in master.agents or agent_id in master.restarting:
        state, what = "TASK_GONE", "Task is unknown to the agent"
    elif agent_id in master.gone:
        state, what = "TASK_GONE_BY_OPERATOR", "Task is gone"
    else:
        state, what = "TASK_UNKNOWN", "Task is unknown"
    if not framework.capable("PARTITION_AWARE"):
        state = "TASK_LOST"
    return status_update(
        asked["task_id"]["value"],
        state,
        source="SOURCE_MASTER",
        now=master.clock.now(),
        agent_id=agent_id,
        reason="REASON_RECONCILIATION",
        message=f"Reconciliation: {what}",
        unreachable_since=since,
    )
