"""Which path answers what, on the master's port and on an agent's."""

from __future__ import annotations

import uuid
from functools import partial

import msgspec

from mrmesos.minimesos import subscription
from mrmesos.minimesos.agent import Agent
from mrmesos.minimesos.calls import (
    BadCall,
    check_executor_call,
    check_scheduler_call,
    parse_body,
)
from mrmesos.minimesos.executors import State
from mrmesos.minimesos.http import EventStream, OpenStream, Request, Response
from mrmesos.minimesos.master import VERSION, Master
from mrmesos.minimesos.resources import Json
from mrmesos.minimesos.views import master_state

JSON_TYPE = "application/json"
PROTOBUF_TYPE = "application/x-protobuf"


class _Refused(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def _json(value: object) -> Response:
    return Response(200, msgspec.json.encode(value).decode(), JSON_TYPE)


def _body(request: Request) -> Json:
    """The JSON of a call. Raises `_Refused`, `BadCall`."""
    if request.method != "POST":
        raise _Refused(405, f"Expecting one of {{ 'POST' }}, but received '{request.method}'")
    kind = request.headers.get("content-type")
    if kind is None:
        raise _Refused(400, "Expecting 'Content-Type' to be present")
    if kind.partition(";")[0].strip() == PROTOBUF_TYPE:
        raise _Refused(415, "Protobuf bodies are not supported, send application/json")
    if kind.partition(";")[0].strip() != JSON_TYPE:
        raise _Refused(415, f"Expecting 'Content-Type' of {JSON_TYPE} or {PROTOBUF_TYPE}")
    return parse_body(request.body)


def _accepts_json(request: Request) -> None:
    accept = request.headers.get("accept", "*/*")
    names = {part.partition(";")[0].strip() for part in accept.split(",")}
    if not names & {JSON_TYPE, "application/*", "*/*"}:
        raise _Refused(406, f"Expecting 'Accept' to allow '{PROTOBUF_TYPE}' or '{JSON_TYPE}'")


def handle_master(
    master: Master, version: Json, request: Request, open_stream: OpenStream
) -> Response | EventStream:
    """The master's port."""
    path = request.path.removeprefix("/master").rstrip("/") or "/"
    if request.path == "/api/v1/scheduler" or path == "/api/v1/scheduler":
        try:
            return _scheduler(master, request, open_stream)
        except _Refused as error:
            return Response(error.status, str(error))
        except BadCall as error:
            return Response(400, str(error))
    if request.path == "/api/v1" or request.path.startswith("/api/v1/"):
        return _operator(master, request)
    if path in ("/state", "/state.json"):
        return _json(master_state(master))
    if path == "/version":
        return _json(version)
    if path == "/health":
        return Response(200)
    return Response(404)


def _operator(master: Master, request: Request) -> Response:
    """Of the operator's API only MARK_AGENT_GONE, which is how an agent is taken away."""
    try:
        body = _body(request)
    except _Refused as error:
        return Response(error.status, str(error))
    except BadCall as error:
        return Response(400, str(error))
    if not isinstance(body.get("type"), str):
        return Response(400, "Failed to validate master::Call: Expecting 'type' to be present")
    if body["type"] == "GET_VERSION":
        info = {"version_info": {"version": VERSION}}
        return _json({"type": "GET_VERSION", "get_version": info})
    if body["type"] != "MARK_AGENT_GONE":
        if body["type"].startswith(("GET_", "LIST_", "READ_", "SET_", "UPDATE_", "SUBSCRIBE")):
            return Response(501, f"{body['type']} is not implemented")
        return Response(400, "Failed to validate master::Call: Expecting 'type' to be present")
    try:
        agent_id = body["mark_agent_gone"]["agent_id"]["value"]
    except (KeyError, TypeError):
        text = "Failed to validate master::Call: Expecting 'mark_agent_gone' to be present"
        return Response(400, text)
    record = master.agents.get(agent_id)
    if record is None:
        return Response(200 if agent_id in master.gone else 404)
    master.agent_lost(agent_id, by_operator=True)
    record.agent.shut_down()
    return Response(200)


def _scheduler(master: Master, request: Request, open_stream: OpenStream) -> Response | EventStream:
    body = _body(request)
    kind = check_scheduler_call(body)
    if kind == "SUBSCRIBE":
        _accepts_json(request)
        if "mesos-stream-id" in request.headers:
            text = "Subscribe calls should not include the 'Mesos-Stream-Id' header"
            raise _Refused(400, text)
        stream = open_stream(str(uuid.uuid4()), True)
        subscribed = subscription.subscribe(master, body["subscribe"], stream)
        if subscribed is not None:
            stream.on_close = partial(subscription.disconnected, master, subscribed.id, stream)
        return stream
    framework = master.frameworks.get(body["framework_id"]["value"])
    if framework is None:
        raise _Refused(400, "Framework cannot be found")
    if framework.stream is None:
        raise _Refused(403, "Framework is not subscribed")
    stream_id = request.headers.get("mesos-stream-id")
    if stream_id is None:
        text = "All non-subscribe calls should include the 'Mesos-Stream-Id' header"
        raise _Refused(400, text)
    if stream_id != framework.stream.stream_id:
        raise _Refused(
            400,
            f"The stream ID '{stream_id}' included in this request didn't match the stream ID "
            f"currently associated with framework ID {framework.id}",
        )
    if kind == "TEARDOWN":
        master.remove_framework(framework)
    elif kind == "UPDATE_FRAMEWORK":
        error = subscription.update_framework(master, framework, body["update_framework"])
        return Response(200) if error is None else Response(400, error)
    else:
        master.call(framework, kind, body)
    return Response()


def handle_agent(
    agent: Agent, version: Json, request: Request, open_stream: OpenStream
) -> Response | EventStream:
    """An agent's port."""
    if request.path in ("/api/v1/executor", "/slave(1)/api/v1/executor"):
        try:
            return _executor(agent, request, open_stream)
        except _Refused as error:
            return Response(error.status, str(error))
        except BadCall as error:
            return Response(400, str(error))
    path = request.path.removeprefix("/slave(1)").rstrip("/")
    if path == "/version":
        return _json(version)
    if path == "/health":
        return Response(200)
    return Response(404)


def _executor(agent: Agent, request: Request, open_stream: OpenStream) -> Response | EventStream:
    body = _body(request)
    kind = check_executor_call(body)
    if kind == "HEARTBEAT":
        return Response()
    if kind == "SUBSCRIBE":
        _accepts_json(request)
    framework_id, executor_id = body["framework_id"]["value"], body["executor_id"]["value"]
    if not any(owner == framework_id for owner, _ in agent.executors):
        raise _Refused(400, "Framework cannot be found")
    executor = agent.executors.get((framework_id, executor_id))
    if executor is None or executor.info is None:
        raise _Refused(400, "Executor cannot be found")
    if kind == "SUBSCRIBE":
        stream = open_stream(str(uuid.uuid4()), False)
        stream.on_close = partial(agent.disconnected, executor, stream)
        agent.subscribe(executor, body["subscribe"], stream)
        return stream
    if executor.state is State.REGISTERING:
        raise _Refused(403, "Executor is not subscribed")
    if kind == "UPDATE":
        if not agent.update(executor, body["update"]["status"]):
            raise _Refused(503, "Too many unacknowledged updates of this task")
    else:
        agent.executor_message(executor, body["message"]["data"])
    return Response()
