"""The shape of the calls that schedulers and executors may make, and what is wrong with others.

Bodies are checked against the structs below and then used as plain dicts, because most of a
TaskInfo only travels through. Unknown fields are ignored, as protobuf does with JSON.
"""

# ruff: noqa: D101 (the structs are Mesos' own messages under their own names)
from __future__ import annotations

import base64
import binascii
import json
from typing import Any

import msgspec

from mrmesos.minimesos.resources import Json


class Id(msgspec.Struct):
    """FrameworkID, AgentID, OfferID, TaskID, ExecutorID."""

    value: str


class Number(msgspec.Struct):
    value: float


class Range(msgspec.Struct):
    begin: int
    end: int


class Ranges(msgspec.Struct):
    range: list[Range] = []


class Items(msgspec.Struct):
    item: list[str] = []


class Role(msgspec.Struct):
    role: str = "*"


class Resource(msgspec.Struct):
    name: str
    type: str
    scalar: Number | None = None
    ranges: Ranges | None = None
    set: Items | None = None
    role: str = "*"
    reservations: list[Role] = []
    allocation_info: Role | None = None


class Variable(msgspec.Struct):
    name: str
    value: str | None = None


class Environment(msgspec.Struct):
    variables: list[Variable] = []


class Uri(msgspec.Struct):
    value: str
    executable: bool = False
    extract: bool = True
    output_file: str | None = None


class Command(msgspec.Struct):
    value: str | None = None
    shell: bool = True
    arguments: list[str] = []
    uris: list[Uri] = []
    environment: Environment | None = None
    user: str | None = None


class Nanoseconds(msgspec.Struct):
    nanoseconds: int


class Executor(msgspec.Struct):
    executor_id: Id
    command: Command | None = None
    framework_id: Id | None = None
    resources: list[Resource] = []
    name: str | None = None
    type: str | None = None
    data: str | None = None
    shutdown_grace_period: Nanoseconds | None = None


class KillPolicy(msgspec.Struct):
    grace_period: Nanoseconds | None = None


class Task(msgspec.Struct):
    name: str
    task_id: Id
    agent_id: Id
    resources: list[Resource] = []
    executor: Executor | None = None
    command: Command | None = None
    data: str | None = None
    kill_policy: KillPolicy | None = None


class Launch(msgspec.Struct):
    task_infos: list[Task] = []


class TaskGroup(msgspec.Struct):
    tasks: list[Task] = []


class LaunchGroup(msgspec.Struct):
    executor: Executor
    task_group: TaskGroup


class Operation(msgspec.Struct):
    type: str | None = None
    launch: Launch | None = None
    launch_group: LaunchGroup | None = None


class Filters(msgspec.Struct):
    refuse_seconds: float = 5.0


class Accept(msgspec.Struct):
    offer_ids: list[Id] = []
    operations: list[Operation] = []
    filters: Filters | None = None


class Decline(msgspec.Struct):
    offer_ids: list[Id] = []
    filters: Filters | None = None


class RolesOf(msgspec.Struct):
    roles: list[str] = []
    role: str | None = None


class Kill(msgspec.Struct):
    task_id: Id
    agent_id: Id | None = None
    kill_policy: KillPolicy | None = None


class Shutdown(msgspec.Struct):
    executor_id: Id
    agent_id: Id


class Acknowledge(msgspec.Struct):
    agent_id: Id
    task_id: Id
    uuid: str


class ReconciledTask(msgspec.Struct):
    task_id: Id
    agent_id: Id | None = None


class Reconcile(msgspec.Struct):
    tasks: list[ReconciledTask] = []


class ToExecutor(msgspec.Struct):
    agent_id: Id
    executor_id: Id
    data: str


class Capability(msgspec.Struct):
    type: str | None = None


class FrameworkInfo(msgspec.Struct):
    user: str
    name: str
    id: Id | None = None
    failover_timeout: float = 0.0
    checkpoint: bool = False
    role: str = "*"
    roles: list[str] = []
    hostname: str | None = None
    webui_url: str | None = None
    principal: str | None = None
    capabilities: list[Capability] = []


class Subscribe(msgspec.Struct):
    framework_info: FrameworkInfo
    suppressed_roles: list[str] = []


class SchedulerCall(msgspec.Struct):
    type: str | None = None
    framework_id: Id | None = None
    subscribe: Subscribe | None = None
    accept: Accept | None = None
    decline: Decline | None = None
    revive: RolesOf | None = None
    suppress: RolesOf | None = None
    kill: Kill | None = None
    shutdown: Shutdown | None = None
    acknowledge: Acknowledge | None = None
    reconcile: Reconcile | None = None
    message: ToExecutor | None = None
    request: Json | None = None
    accept_inverse_offers: Json | None = None
    decline_inverse_offers: Json | None = None
    acknowledge_operation_status: Json | None = None
    reconcile_operations: Json | None = None
    update_framework: Subscribe | None = None


class Status(msgspec.Struct):
    task_id: Id
    state: str
    uuid: str | None = None
    source: str | None = None
    executor_id: Id | None = None
    timestamp: float | None = None
    message: str | None = None
    data: str | None = None


class Update(msgspec.Struct):
    status: Status


class ExecutorSubscribe(msgspec.Struct):
    unacknowledged_tasks: list[Task] = []
    unacknowledged_updates: list[Update] = []


class Data(msgspec.Struct):
    data: str


class ExecutorCall(msgspec.Struct):
    type: str | None = None
    framework_id: Id | None = None
    executor_id: Id | None = None
    subscribe: ExecutorSubscribe | None = None
    update: Update | None = None
    message: Data | None = None


# The field that a call of this type must carry; None where it needs none.
SCHEDULER_CALLS: dict[str, str | None] = {
    "SUBSCRIBE": "subscribe",
    "TEARDOWN": None,
    "ACCEPT": "accept",
    "DECLINE": "decline",
    "ACCEPT_INVERSE_OFFERS": "accept_inverse_offers",
    "DECLINE_INVERSE_OFFERS": "decline_inverse_offers",
    "REVIVE": None,
    "SUPPRESS": None,
    "KILL": "kill",
    "SHUTDOWN": "shutdown",
    "ACKNOWLEDGE": "acknowledge",
    "ACKNOWLEDGE_OPERATION_STATUS": "acknowledge_operation_status",
    "RECONCILE": "reconcile",
    "RECONCILE_OPERATIONS": "reconcile_operations",
    "MESSAGE": "message",
    "REQUEST": "request",
    "UPDATE_FRAMEWORK": "update_framework",
}
EXECUTOR_CALLS: dict[str, str | None] = {
    "SUBSCRIBE": "subscribe",
    "UPDATE": "update",
    "MESSAGE": "message",
    "HEARTBEAT": None,
}
TERMINAL = frozenset(
    {
        "TASK_FINISHED",
        "TASK_FAILED",
        "TASK_KILLED",
        "TASK_ERROR",
        "TASK_LOST",
        "TASK_DROPPED",
        "TASK_GONE",
        "TASK_GONE_BY_OPERATOR",
    }
)
TASK_STATES = TERMINAL | {
    "TASK_STAGING",
    "TASK_STARTING",
    "TASK_RUNNING",
    "TASK_KILLING",
    "TASK_UNREACHABLE",
    "TASK_UNKNOWN",
}


class BadCall(ValueError):
    """A call that is answered with 400; the text is the answer's body."""


def parse_body(body: bytes) -> Json:
    """The JSON object of a body. Raises `BadCall` with Mesos' words."""
    try:
        value = msgspec.json.decode(body)
    except msgspec.DecodeError:
        raise BadCall("Failed to parse body into JSON: " + _syntax_error(body)) from None
    if not isinstance(value, dict):
        raise BadCall("Failed to convert JSON into Call protobuf: Expecting a JSON object")
    return value


def _syntax_error(body: bytes) -> str:
    """Where the JSON breaks, as Mesos' parser says it."""
    text = body.decode("utf-8", errors="replace")
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        near = text[error.pos :].split("\n", 1)[0].rstrip()
        return f"syntax error at line {error.lineno} near: {near.rstrip('}')}"
    return "syntax error: not UTF-8"


def _check(body: Json, shape: Any, known: dict[str, str | None], what: str) -> str:
    try:
        msgspec.convert(body, shape)
    except msgspec.ValidationError as error:
        raise BadCall(f"Failed to convert JSON into Call protobuf: {error}") from None
    kind = body.get("type")
    if kind not in known:  # protobuf drops an enum value that it does not know
        raise BadCall(f"Failed to validate {what}: Expecting 'type' to be present")
    return str(kind)


def _expect(body: Json, field: str | None, what: str) -> None:
    if field is not None and body.get(field) is None:
        raise BadCall(f"Failed to validate {what}: Expecting '{field}' to be present")


def _check_uuid(text: Any, what: str) -> None:
    try:
        size = len(base64.b64decode(text or "", validate=True))
    except (binascii.Error, ValueError):
        size = -1
    if size != 16:
        raise BadCall(f"Failed to validate {what}: Expected 16 bytes for a UUID")


def check_scheduler_call(body: Json) -> str:
    """The type of a scheduler's call that is worth looking at. Raises `BadCall`."""
    what = "scheduler::Call"
    kind = _check(body, SchedulerCall, SCHEDULER_CALLS, what)
    if kind == "SUBSCRIBE":
        _expect(body, "subscribe", what)
    else:
        _expect(body, "framework_id", what)
        _expect(body, SCHEDULER_CALLS[kind], what)
    info_of = {"SUBSCRIBE": "subscribe", "UPDATE_FRAMEWORK": "update_framework"}.get(kind)
    if info_of is not None:
        info_id = body[info_of]["framework_info"].get("id") or {}
        if info_id.get("value", "") != (body.get("framework_id") or {}).get("value", ""):
            text = f"'framework_id' differs from '{info_of}.framework_info.id'"
            raise BadCall(f"Failed to validate {what}: {text}")
    if kind == "ACKNOWLEDGE":
        _check_uuid(body["acknowledge"]["uuid"], what)
    return kind


def check_executor_call(body: Json) -> str:
    """The type of an executor's call that is worth looking at. Raises `BadCall`."""
    what = "Executor::Call"
    kind = _check(body, ExecutorCall, EXECUTOR_CALLS, what)
    _expect(body, "executor_id", what)
    _expect(body, "framework_id", what)
    _expect(body, EXECUTOR_CALLS[kind], what)
    if kind == "UPDATE":
        check_status(body["update"]["status"], body, what)
    return kind


def check_status(status: Json, body: Json, what: str) -> None:
    """A status that an executor may send. Raises `BadCall`."""
    _expect(status, "uuid", what)
    _check_uuid(status["uuid"], what)
    executor, framework = body["executor_id"]["value"], body["framework_id"]["value"]
    named = (status.get("executor_id") or {}).get("value", executor)
    if named != executor:
        text = f"ExecutorID in Call: {executor} does not match ExecutorID in TaskStatus: {named}"
        raise BadCall(f"Failed to validate {what}: {text}")
    whose = f"executor {executor} of framework {framework}"
    if status.get("source") != "SOURCE_EXECUTOR":
        text = f"Received Call from {whose} with invalid source, expecting 'SOURCE_EXECUTOR'"
        raise BadCall(f"Failed to validate {what}: {text}")
    if status["state"] not in TASK_STATES:
        raise BadCall(f"Failed to validate {what}: Unknown task state '{status['state']}'")
    if status["state"] == "TASK_STAGING":
        text = f"Received TASK_STAGING from {whose} which is not allowed"
        raise BadCall(f"Failed to validate {what}: {text}")
