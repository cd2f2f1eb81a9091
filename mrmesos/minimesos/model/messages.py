"""The shapes of Mesos' v1 messages, as far as their types are checked.

Unknown fields are ignored, as protobuf does with JSON.
"""

# ruff: noqa: D101 (the structs are Mesos' own messages under their own names)
from __future__ import annotations

import msgspec

from mrmesos.minimesos.model.resources import Json


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


class AnswerInverse(msgspec.Struct):
    inverse_offer_ids: list[Id] = []
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
    accept_inverse_offers: AnswerInverse | None = None
    decline_inverse_offers: AnswerInverse | None = None
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
    container_status: Json | None = None


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
