"""The master's checks of a task before its launch (`src/master/validation.cpp`). Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mrmesos.minimesos.model.resources import Json, ResourceError, Resources, from_json
from mrmesos.minimesos.model.textformat import executor_text

MAX_ID_LENGTH = 255
_RULE = "-" * 60


def invalid_id(text: str) -> str | None:
    """Why a task or executor id cannot be a directory name, or None."""
    if not text:
        return "ID must not be empty"
    if len(text) > MAX_ID_LENGTH:
        return f"ID must not be greater than {MAX_ID_LENGTH} characters"
    if text in (".", ".."):
        return f"'{text}' is disallowed"
    if any(ord(char) < 32 or ord(char) == 127 or char in "/\\" for char in text):
        return f"'{text}' contains invalid characters"
    return None


def resources_of_launch(tasks: Iterable[Json]) -> str | None:
    """The error, in Mesos' words, of the first invalid resource in a LAUNCH; or None."""
    try:
        for task in tasks:
            from_json(task.get("resources", []))
            from_json((task.get("executor") or {}).get("resources", []))
    except ResourceError as error:
        return str(error)
    return None


def give_role(task: Json, role: str) -> None:
    """Set the offers' role on resources of a task and its executor that have no role."""
    for holder in (task, task.get("executor") or {}):
        for resource in holder.get("resources", []):
            if not resource.get("allocation_info"):
                resource["allocation_info"] = {"role": role}


def _several_roles(resources: list[Json]) -> str | None:
    roles = [(one.get("allocation_info") or {}).get("role") for one in resources]
    for role in roles:
        if role != roles[0]:
            return (
                f"The resources have multiple allocation roles ('{role}' and '{roles[0]}') "
                "but only one allocation role is allowed"
            )
    return None


def _invalid_command(command: Json) -> str | None:
    names = [v.get("name") for v in (command.get("environment") or {}).get("variables", [])]
    if not all(names):
        return "Environment variable name must not be empty"
    if command.get("shell", True) and command.get("value") is None:
        return "Shell command is not specified"
    if any(not uri.get("value") for uri in command.get("uris", [])):
        return "URI must not be empty"
    return None


def _grace(holder: Json | None, field: str) -> int:
    return int(((holder or {}).get(field) or {}).get("nanoseconds", 0))


def _invalid_task(task: Json, known: Callable[[str], bool], agent_id: str) -> str | None:
    task_id = task["task_id"]["value"]
    if (error := invalid_id(task_id)) is not None:
        return error
    if known(task_id):
        return f"Task has duplicate ID: {task_id}"
    if task["agent_id"]["value"] != agent_id:
        wrong = task["agent_id"]["value"]
        return f"Task uses invalid agent {wrong} while agent {agent_id} is expected"
    if _grace(task.get("kill_policy"), "grace_period") < 0:
        return "Task's 'kill_policy.grace_period' must be non-negative"
    if not task.get("resources"):
        return "Task uses no resources"
    if (error := _several_roles(task["resources"])) is not None:
        return f"Invalid task resources: {error}"
    command = task.get("command")
    if command is not None and (error := _invalid_command(command)) is not None:
        return f"Task's `CommandInfo` is invalid: {error}"
    return None


def same_executor(one: Json, other: Json) -> bool:
    """Whether two ExecutorInfos are equal after defaults are filled in."""
    return _plain(one) == _plain(other)


def _plain(info: Json) -> Json:
    command = dict(info.get("command") or {})
    command.setdefault("shell", True)
    variables = (command.pop("environment", None) or {}).get("variables", [])
    rest = {k: v for k, v in info.items() if k not in ("command", "resources", "framework_id")}
    return {
        **{k: v for k, v in rest.items() if v is not None},
        "command": command,
        "environment": [(v.get("name"), v.get("value")) for v in variables],
        "resources": from_json(info.get("resources", [])),
    }


def _invalid_executor(executor: Json, framework_id: str, existing: Json | None) -> str | None:
    if (error := invalid_id(executor["executor_id"]["value"])) is not None:
        return error
    if executor.get("type") not in (None, "CUSTOM"):
        return "'ExecutorInfo.type' must be 'CUSTOM'"
    owner = (executor.get("framework_id") or {}).get("value", framework_id)
    if owner != framework_id:
        return (
            f"ExecutorInfo has an invalid FrameworkID (Actual: {owner} vs Expected: {framework_id})"
        )
    if _grace(executor, "shutdown_grace_period") < 0:
        return "ExecutorInfo's 'shutdown_grace_period' must be non-negative"
    if (error := _several_roles(executor.get("resources", []))) is not None:
        return f"Executor uses invalid resources: {error}"
    if existing is not None and not same_executor(executor, existing):
        shown = {**executor, "framework_id": {"value": framework_id}}
        return (
            "ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID.\n"
            f"{_RULE}\nExisting ExecutorInfo:\n{executor_text(existing)}\n{_RULE}\n"
            f"ExecutorInfo:\n{executor_text(shown)}\n{_RULE}\n"
        )
    if executor.get("command") is None:
        return "'ExecutorInfo.command' must be set"
    if (error := _invalid_command(executor["command"])) is not None:
        return f"Executor's `CommandInfo` is invalid: {error}"
    return None


def validate_task(
    task: Json,
    *,
    framework_id: str,
    agent_id: str,
    known: Callable[[str], bool],
    existing: Json | None,
    offered: Resources,
) -> str | None:
    """Why the master refuses the task (TASK_ERROR, REASON_TASK_INVALID), or None.

    `known`: whether the framework has a live task of this id. `existing`: the ExecutorInfo of the
    executor with the same id on the agent. `offered`: what remains of the offers.
    """
    if (error := _invalid_task(task, known, agent_id)) is not None:
        return error
    executor = task.get("executor")
    if (executor is None) == (task.get("command") is None):
        return "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"
    total = from_json(task["resources"])
    if executor is not None:
        if (error := _invalid_executor(executor, framework_id, existing)) is not None:
            return error
        if existing is None:
            total += from_json(executor.get("resources", []))
    if not offered.contains(total):
        return (
            f"Total resources {total} required by task and its executor is more than "
            f"available {offered}"
        )
    return None
