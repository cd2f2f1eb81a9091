"""ACCEPT: checks the offers and the tasks, launches the good tasks, and takes back the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mrmesos.minimesos.master.allocator import DEFAULT_REFUSE_SECONDS
from mrmesos.minimesos.master.validation import give_role, resources_of_launch, validate_task
from mrmesos.minimesos.model.records import (
    AgentRecord,
    Framework,
    Offer,
    Task,
    dropped,
    status_update,
)
from mrmesos.minimesos.model.resources import Json, Resources, from_json

if TYPE_CHECKING:
    from mrmesos.minimesos.master.master import Master


def refuse_seconds(call: Json) -> float:
    """The seconds of the filter in an ACCEPT or DECLINE."""
    filters = call.get("filters") or {}
    return float(filters.get("refuse_seconds", DEFAULT_REFUSE_SECONDS))


def invalid_offers(master: Master, framework: Framework, ids: list[str]) -> str | None:
    """Why these offers cannot be accepted together, or None."""
    if not ids:
        return "No offers specified"
    if len(set(ids)) != len(ids):
        twice = next(one for one in ids if ids.count(one) > 1)
        return f"Duplicate offer {twice} in offer list"
    for one in ids:
        if one not in master.offers:
            return f"Offer {one} is no longer valid"
    offers = [master.offers[one] for one in ids]
    for offer in offers:
        if offer.framework_id != framework.id:
            return (
                f"Offer {offer.id} has invalid framework {offer.framework_id} "
                f"while framework {framework.id} is expected"
            )
        if offer.role != offers[0].role:
            return (
                f"Aggregated offers must be allocated to the same role. Offer {offer.id} uses "
                f"role {offer.role} but another is using role {offers[0].role}"
            )
        if offer.agent_id != offers[0].agent_id:
            return (
                f"Aggregated offers must belong to one single agent. Offer {offer.id} uses "
                f"agent {offer.agent_id} and agent {offers[0].agent_id}"
            )
    return None


def accept(master: Master, framework: Framework, call: Json) -> None:
    """Launch the valid tasks, and take back the rest of the offers with the call's filter."""
    ids = [one["value"] for one in call.get("offer_ids", [])]
    operations = call.get("operations", [])
    error = invalid_offers(master, framework, ids)
    if error is not None:
        for one in ids:
            mine = master.offers.get(one)
            if mine is not None and mine.framework_id == framework.id:
                master.discard(mine)
        lost = dropped(framework.info)
        message = f"Task launched with invalid offers: {error}"
        for task in _all_tasks(operations):
            _refuse(master, framework, task, lost, "REASON_INVALID_OFFERS", message)
        return
    offers = [master.offers.pop(one) for one in ids]
    agent = master.agents[offers[0].agent_id]
    left = Resources()
    for offer in offers:
        left += offer.resources
    for operation in operations:
        left = _perform(master, framework, agent, offers[0], operation, left)
    now, seconds = master.clock.now(), refuse_seconds(call)
    master.allocator.recover(framework.id, agent.id, left, seconds, now)


def _all_tasks(operations: list[Json]) -> list[Json]:
    tasks: list[Json] = []
    for operation in operations:
        tasks += (operation.get("launch") or {}).get("task_infos", [])
        group = (operation.get("launch_group") or {}).get("task_group") or {}
        tasks += group.get("tasks", [])
    return tasks


def _refuse(
    master: Master, framework: Framework, task: Json, state: str, reason: str, message: str
) -> None:
    status = status_update(
        task["task_id"]["value"],
        state,
        source="SOURCE_MASTER",
        now=master.clock.now(),
        agent_id=task["agent_id"]["value"],
        reason=reason,
        message=message,
    )
    framework.send_update(status)


def _perform(
    master: Master,
    framework: Framework,
    agent: AgentRecord,
    offer: Offer,
    operation: Json,
    left: Resources,
) -> Resources:
    """Carry out one operation and return what remains of the offers."""
    kind, tasks = operation.get("type"), _all_tasks([operation])
    executor = (operation.get("launch_group") or {}).get("executor")
    if executor is not None:
        tasks = [{**task, "executor": executor} for task in tasks]
    error = resources_of_launch(tasks)
    if kind not in ("LAUNCH", "LAUNCH_GROUP"):
        error = f"Operation {kind} is not supported"
    if error is not None:
        for task in tasks:
            _refuse(master, framework, task, "TASK_ERROR", "REASON_TASK_INVALID", error)
        return left
    good: list[Json] = []
    for task in tasks:
        give_role(task, offer.role)
        _say_values(task)
        executor_id = ((task.get("executor") or {}).get("executor_id") or {}).get("value", "")
        reason = validate_task(
            task,
            framework_id=framework.id,
            agent_id=agent.id,
            known=framework.tasks.__contains__,
            existing=agent.executors.get((framework.id, executor_id)),
            offered=left,
        )
        if reason is not None:
            _refuse(master, framework, task, "TASK_ERROR", "REASON_TASK_INVALID", reason)
            if kind == "LAUNCH_GROUP":  # a group is launched as a whole or not at all
                left = _undo(master, framework, good, left)
                good = []
                break
            continue
        left -= _admit(framework, agent, task)
        good.append(task)
    if kind == "LAUNCH_GROUP" and good:
        agent.agent.launch_group(framework.info, good, good[0]["executor"])
    elif kind == "LAUNCH":
        for task in good:
            agent.agent.launch(framework.info, task, task.get("executor"))
    return left


def _say_values(task: Json) -> None:
    """Fill in default values, as Mesos does when it passes a task on."""
    for holder in (task, task.get("executor") or {}):
        command = holder.get("command")
        if command is not None:
            for variable in (command.get("environment") or {}).get("variables", []):
                variable.setdefault("type", "VALUE")
        for resource in holder.get("resources", []):
            if "scalar" in resource:
                resource["scalar"] = {"value": float(resource["scalar"]["value"])}


def _admit(framework: Framework, agent: AgentRecord, task: Json) -> Resources:
    """Record the task and return what it uses, with its executor if that is new."""
    uses = from_json(task["resources"])
    executor = task.get("executor")
    executor_id: str | None = None
    taken = uses
    if executor is not None:
        executor_id = executor["executor_id"]["value"]
        executor["framework_id"] = {"value": framework.id}
        key = (framework.id, executor["executor_id"]["value"])
        if key not in agent.executors:
            agent.executors[key] = executor
            taken = uses + from_json(executor.get("resources", []))
    record = Task(task, framework.id, agent.id, executor_id, uses)
    framework.tasks[record.id] = record
    return taken


def _undo(master: Master, framework: Framework, tasks: list[Json], left: Resources) -> Resources:
    """Remove the records of a refused group's tasks that were already admitted."""
    for task in tasks:
        record = framework.tasks.pop(task["task_id"]["value"])
        left += record.resources
        key = (framework.id, record.executor_id or "")
        executors = master.agents[record.agent_id].executors
        others = any(one.executor_id == record.executor_id for one in framework.tasks.values())
        if not others and key in executors:
            left += from_json(executors.pop(key).get("resources", []))
        _refuse(
            master,
            framework,
            task,
            "TASK_ERROR",
            "REASON_TASK_GROUP_INVALID",
            "A task of the group is invalid",
        )
    return left
