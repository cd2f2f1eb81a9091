"""Checks the calls of schedulers and executors.

A body is checked against the structs of `messages` and then used as a plain dict, because most
fields of a TaskInfo are only passed on. Pure.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

import msgspec

from mrmesos.minimesos.model.messages import ExecutorCall, SchedulerCall
from mrmesos.minimesos.model.resources import Json

# The field that a call of this type must have; None if it needs no field.
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
    """A call to answer with status 400; the text is the body."""


def parse_body(body: bytes) -> Json:
    """Decode a body that is a JSON object. Raises `BadCall` with Mesos' words."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadCall("Failed to parse body into JSON: " + _syntax_error(body)) from None
    except RecursionError:
        raise BadCall("Failed to parse body into JSON: too deep") from None
    if not isinstance(value, dict):
        raise BadCall("Failed to convert JSON into Call protobuf: Expecting a JSON object")
    return dict(_without_nulls(value))


def _without_nulls(value: Any) -> Any:
    """Drop nulls. In protobuf, a null means that the field is not set."""
    if isinstance(value, dict):
        return {name: _without_nulls(one) for name, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_without_nulls(one) for one in value]
    return value


def _syntax_error(body: bytes) -> str:
    """Describe the place of a syntax error, in the words of Mesos' parser."""
    text = body.decode("utf-8", errors="replace")
    try:
        json.loads(text)
    except RecursionError:
        return "syntax error: too deep"
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
    if kind not in known:  # protobuf drops unknown enum values
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
    """Check a scheduler's call and return its type. Raises `BadCall`."""
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
    """Check an executor's call and return its type. Raises `BadCall`."""
    what = "Executor::Call"
    kind = _check(body, ExecutorCall, EXECUTOR_CALLS, what)
    _expect(body, "executor_id", what)
    _expect(body, "framework_id", what)
    _expect(body, EXECUTOR_CALLS[kind], what)
    updates = [body["update"]] if kind == "UPDATE" else []
    if kind == "SUBSCRIBE":
        updates = body["subscribe"].get("unacknowledged_updates", [])
    for update in updates:
        check_status(update["status"], body, what)
    return kind


def check_status(status: Json, body: Json, what: str) -> None:
    """Check a status that an executor sends. Raises `BadCall`."""
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
