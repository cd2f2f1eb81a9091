"""The types of the fields of Mesos' v1 messages that minimesos checks.

Unknown fields are ignored, as in protobuf's JSON.
"""

# ruff: noqa: D101 (the structs are Mesos' own messages under their own names)
from __future__ import annotations

from typing import Annotated

import msgspec

from mrmesos.bounds import LIST_MAX, Count, Finite, Int64, Name, Text
from mrmesos.minimesos.model.resources import Json

Most = msgspec.Meta(max_length=LIST_MAX)
Texts = Annotated[list[Text], Most]
Base64 = Annotated[str, msgspec.Meta(max_length=64 << 20)]
"""Base64 that is passed on without decoding."""


class Id(msgspec.Struct):
    """FrameworkID, AgentID, OfferID, TaskID, ExecutorID."""

    value: Name


class Number(msgspec.Struct):
    value: Finite


class Range(msgspec.Struct):
    begin: Count
    end: Count


class Ranges(msgspec.Struct):
    range: Annotated[list[Range], Most] = []


class Items(msgspec.Struct):
    item: Texts = []


class Role(msgspec.Struct):
    role: Text = "*"


class Resource(msgspec.Struct):
    name: Text
    type: Text
    scalar: Number | None = None
    ranges: Ranges | None = None
    set: Items | None = None
    role: Text = "*"
    reservations: Annotated[list[Role], Most] = []
    allocation_info: Role | None = None


class Variable(msgspec.Struct):
    name: Text
    value: Text | None = None


class Environment(msgspec.Struct):
    variables: Annotated[list[Variable], Most] = []


class Uri(msgspec.Struct):
    value: Text
    executable: bool = False
    extract: bool = True
    output_file: Text | None = None


class Command(msgspec.Struct):
    value: Text | None = None
    shell: bool = True
    arguments: Texts = []
    uris: Annotated[list[Uri], Most] = []
    environment: Environment | None = None
    user: Text | None = None


class Nanoseconds(msgspec.Struct):
    nanoseconds: Int64


class Executor(msgspec.Struct):
    executor_id: Id
    command: Command | None = None
    framework_id: Id | None = None
    resources: Annotated[list[Resource], Most] = []
    name: Text | None = None
    type: Text | None = None
    data: Base64 | None = None
    shutdown_grace_period: Nanoseconds | None = None


class KillPolicy(msgspec.Struct):
    grace_period: Nanoseconds | None = None


class Task(msgspec.Struct):
    name: Text
    task_id: Id
    agent_id: Id
    resources: Annotated[list[Resource], Most] = []
    executor: Executor | None = None
    command: Command | None = None
    data: Base64 | None = None
    kill_policy: KillPolicy | None = None


class Launch(msgspec.Struct):
    task_infos: Annotated[list[Task], Most] = []


class TaskGroup(msgspec.Struct):
    tasks: Annotated[list[Task], Most] = []


class LaunchGroup(msgspec.Struct):
    executor: Executor
    task_group: TaskGroup


class Operation(msgspec.Struct):
    type: Text | None = None
    launch: Launch | None = None
    launch_group: LaunchGroup | None = None


class Filters(msgspec.Struct):
    refuse_seconds: Finite = 5.0


class Accept(msgspec.Struct):
    offer_ids: Annotated[list[Id], Most] = []
    operations: Annotated[list[Operation], Most] = []
    filters: Filters | None = None


class Decline(msgspec.Struct):
    offer_ids: Annotated[list[Id], Most] = []
    filters: Filters | None = None


class AnswerInverse(msgspec.Struct):
    inverse_offer_ids: Annotated[list[Id], Most] = []
    filters: Filters | None = None


class RolesOf(msgspec.Struct):
    roles: Texts = []
    role: Text | None = None


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
    uuid: Text


class ReconciledTask(msgspec.Struct):
    task_id: Id
    agent_id: Id | None = None


class Reconcile(msgspec.Struct):
    tasks: Annotated[list[ReconciledTask], Most] = []


class ToExecutor(msgspec.Struct):
    agent_id: Id
    executor_id: Id
    data: Base64


class Capability(msgspec.Struct):
    type: Text | None = None


class FrameworkInfo(msgspec.Struct):
    user: Text
    name: Text
    id: Id | None = None
    failover_timeout: Finite = 0.0
    checkpoint: bool = False
    role: Text = "*"
    roles: Texts = []
    hostname: Text | None = None
    webui_url: Text | None = None
    principal: Text | None = None
    capabilities: Annotated[list[Capability], Most] = []


class Subscribe(msgspec.Struct):
    framework_info: FrameworkInfo
    suppressed_roles: Texts = []


class SchedulerCall(msgspec.Struct):
    type: Text | None = None
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
    state: Text
    uuid: Text | None = None
    source: Text | None = None
    executor_id: Id | None = None
    timestamp: Finite | None = None
    message: Text | None = None
    data: Base64 | None = None
    container_status: Json | None = None


class Update(msgspec.Struct):
    status: Status


class ExecutorSubscribe(msgspec.Struct):
    unacknowledged_tasks: Annotated[list[Task], Most] = []
    unacknowledged_updates: Annotated[list[Update], Most] = []


class Data(msgspec.Struct):
    data: Base64


class AgentGone(msgspec.Struct):
    agent_id: Id


class OperatorCall(msgspec.Struct):
    """The part of master::Call that is implemented."""

    type: Text
    mark_agent_gone: AgentGone | None = None


class ExecutorCall(msgspec.Struct):
    type: Text | None = None
    framework_id: Id | None = None
    executor_id: Id | None = None
    subscribe: ExecutorSubscribe | None = None
    update: Update | None = None
    message: Data | None = None
