"""The paths of the master's port and of an agent's port, and their handlers."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from functools import partial

import msgspec
from aiohttp import web

from mrmesos.access.signing import same
from mrmesos.minimesos.agent.agent import Agent
from mrmesos.minimesos.agent.executors import State
from mrmesos.minimesos.http.authentication import principal_of, token_of
from mrmesos.minimesos.http.files import browse_files, download_file, read_file
from mrmesos.minimesos.http.streams import Endpoint, EventStream
from mrmesos.minimesos.master import maintenance, partition, subscription
from mrmesos.minimesos.master.master import VERSION, Master
from mrmesos.minimesos.master.views import master_state
from mrmesos.minimesos.model.calls import (
    BadCall,
    check_executor_call,
    check_scheduler_call,
    parse_body,
)
from mrmesos.minimesos.model.messages import OperatorCall
from mrmesos.minimesos.model.resources import Json

log = logging.getLogger(__name__)

JSON_TYPE = "application/json"
PROTOBUF_TYPE = "application/x-protobuf"


class _Refused(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def master_endpoints(
    master: Master, version: Json, secrets: Mapping[str, str] | None = None
) -> dict[str, Endpoint]:
    """The master's handlers by path. `secrets` by principal; empty without authentication."""
    state = _get(lambda: _json(master_state(master)))
    endpoints: dict[str, Endpoint] = {
        "/api/v1/scheduler": _refusing(
            partial(_scheduler, master, secrets or {}), partial(_give_up_framework, master)
        ),
        "/api/v1": _refusing(partial(_operator, master)),
        "/maintenance/schedule": partial(_schedule, master),
        "/maintenance/status": _get(lambda: _json(maintenance.status_json(master))),
        "/state": state,
        "/state.json": state,
        **_facts(version),
    }
    return endpoints | {f"/master{path}": endpoint for path, endpoint in endpoints.items()}


def agent_endpoints(agent: Agent, version: Json) -> dict[str, Endpoint]:
    """An agent's handlers by path."""
    endpoints: dict[str, Endpoint] = {
        "/api/v1/executor": _refusing(partial(_executor, agent), partial(_give_up_executor, agent)),
        "/files/browse": partial(browse_files, agent),
        "/files/download": partial(download_file, agent),
        "/files/read": partial(read_file, agent),
        **_facts(version),
    }
    return endpoints | {f"/slave(1){path}": endpoint for path, endpoint in endpoints.items()}


def _facts(version: Json) -> dict[str, Endpoint]:
    return {
        "/version": _get(lambda: _json(version)),
        "/health": _get(lambda: web.Response(status=200)),
    }


def _get(answer: Callable[[], web.Response]) -> Endpoint:
    """A handler that ignores the request."""
    return lambda _request, _body: answer()


def _refusing(
    call: Callable[[web.Request, Json], web.Response | EventStream],
    give_up: Callable[[Json], None] = lambda _: None,
) -> Endpoint:
    """A handler of calls in JSON that answers a bad call with its error.

    A call that raises an unexpected exception may be half done. `give_up` then removes its sender
    with all that it holds, and other senders are not disturbed.
    """

    def endpoint(request: web.Request, body: bytes) -> web.Response | EventStream:
        said: Json = {}
        try:
            said = _call(request, body)
            return call(request, said)
        except _Refused as error:
            return _text(error.status, str(error))
        except BadCall as error:
            return _text(400, str(error))
        except Exception:
            log.exception("cannot handle a call; its sender is removed: %.2000s", said)
            give_up(said)
            return _text(500, "minimesos failed on this call; its log says why")

    return endpoint


def _text(status: int, text: str) -> web.Response:
    """An error as a response. `text` may quote bytes of the request that are not UTF-8."""
    return web.Response(status=status, text=text.encode("utf-8", "replace").decode())


def _give_up_framework(master: Master, body: Json) -> None:
    """Free all that the framework holds, as TEARDOWN does."""
    framework = master.frameworks.get(_id_in(body, "framework_id"))
    if framework is not None:
        master.give_up(framework)


def _give_up_executor(agent: Agent, body: Json) -> None:
    agent.shutdown_executor(_id_in(body, "framework_id"), _id_in(body, "executor_id"))


def _id_in(body: Json, name: str) -> str:
    """The id in a checked call, or an empty string."""
    return str((body.get(name) or {}).get("value", ""))


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type=JSON_TYPE)


def _call(request: web.Request, body: bytes) -> Json:
    """Decode a call. Raises `_Refused`, `BadCall`."""
    if request.method != "POST":
        raise _Refused(405, f"Expecting one of {{ 'POST' }}, but received '{request.method}'")
    if "Content-Type" not in request.headers:
        raise _Refused(400, "Expecting 'Content-Type' to be present")
    if request.content_type == PROTOBUF_TYPE:
        raise _Refused(415, "Protobuf bodies are not supported, send application/json")
    if request.content_type != JSON_TYPE:
        raise _Refused(415, f"Expecting 'Content-Type' of {JSON_TYPE} or {PROTOBUF_TYPE}")
    return parse_body(body)


def _accepts_json(request: web.Request) -> None:
    accept = request.headers.get("Accept", "*/*")
    names = {part.partition(";")[0].strip() for part in accept.split(",")}
    if not names & {JSON_TYPE, "application/*", "*/*"}:
        raise _Refused(406, f"Expecting 'Accept' to allow '{PROTOBUF_TYPE}' or '{JSON_TYPE}'")


def _schedule(master: Master, request: web.Request, body: bytes) -> web.Response:
    """Read or replace the maintenance schedule."""
    if request.method == "GET":
        return _json(maintenance.schedule_json(master))
    if request.method != "POST":
        text = f"Expecting one of {{ 'GET', 'POST' }}, but received '{request.method}'"
        return web.Response(status=405, text=text)
    try:
        maintenance.post(master, _call(request, body))
    except _Refused as error:  # browsers let foreign pages send any type but JSON
        return _text(error.status, str(error))
    except (BadCall, maintenance.BadSchedule) as error:
        return _text(400, str(error))
    return web.Response(status=200)


def _operator(master: Master, _request: web.Request, body: Json) -> web.Response:
    """The operator API: only GET_VERSION and MARK_AGENT_GONE, which takes an agent away."""
    if not isinstance(body.get("type"), str):
        return web.Response(
            status=400, text="Failed to validate master::Call: Expecting 'type' to be present"
        )
    if body["type"] == "GET_VERSION":
        info = {"version_info": {"version": VERSION}}
        return _json({"type": "GET_VERSION", "get_version": info})
    if body["type"] != "MARK_AGENT_GONE":
        if body["type"].startswith(("GET_", "LIST_", "READ_", "SET_", "UPDATE_", "SUBSCRIBE")):
            return web.Response(status=501, text=f"{body['type']} is not implemented")
        return web.Response(
            status=400, text="Failed to validate master::Call: Expecting 'type' to be present"
        )
    try:
        call = msgspec.convert(body, OperatorCall)
    except msgspec.ValidationError as error:
        raise BadCall(f"Failed to convert JSON into Call protobuf: {error}") from None
    if call.mark_agent_gone is None:
        raise BadCall("Failed to validate master::Call: Expecting 'mark_agent_gone' to be present")
    agent_id = call.mark_agent_gone.agent_id.value
    record = partition.lost(master, agent_id, by_operator=True)
    if record is None:
        return web.Response(status=200 if agent_id in master.gone else 404)
    record.agent.shut_down()
    return web.Response(status=200)


def _scheduler(
    master: Master, secrets: Mapping[str, str], request: web.Request, body: Json
) -> web.Response | EventStream:
    kind = check_scheduler_call(body)
    if kind == "SUBSCRIBE":
        _check_principal(secrets, request, body["subscribe"]["framework_info"])
        _accepts_json(request)
        if "Mesos-Stream-Id" in request.headers:
            text = "Subscribe calls should not include the 'Mesos-Stream-Id' header"
            raise _Refused(400, text)
        stream_id = str(uuid.uuid4())
        stream = EventStream(request, stream_id, {"Mesos-Stream-Id": stream_id})
        subscribed = subscription.subscribe(master, body["subscribe"], stream)
        if subscribed is not None:
            stream.on_close = partial(subscription.disconnected, master, subscribed.id, stream)
        return stream
    framework = master.frameworks.get(body["framework_id"]["value"])
    if framework is None:
        raise _Refused(400, "Framework cannot be found")
    if framework.stream is None:
        raise _Refused(403, "Framework is not subscribed")
    given = request.headers.get("Mesos-Stream-Id")
    if given is None:
        text = "All non-subscribe calls should include the 'Mesos-Stream-Id' header"
        raise _Refused(400, text)
    if given != framework.stream.stream_id:
        raise _Refused(
            400,
            f"The stream ID '{given}' included in this request didn't match the stream ID "
            f"currently associated with framework ID {framework.id}",
        )
    if kind == "TEARDOWN":
        master.remove_framework(framework)
    elif kind == "UPDATE_FRAMEWORK":
        error = subscription.update_framework(master, framework, body["update_framework"])
        return web.Response(status=200) if error is None else web.Response(status=400, text=error)
    else:
        master.call(framework, kind, body)
    return web.Response(status=202)


def _check_principal(secrets: Mapping[str, str], request: web.Request, info: Json) -> None:
    """A framework may omit its principal but not name another. Raises `_Refused`."""
    named, shown = info.get("principal"), principal_of(secrets, request)
    if named is not None and shown is not None and named != shown:
        raise _Refused(
            400,
            f"Failed to validate scheduler::Call: Authenticated principal '{shown}' does not "
            f"match principal '{named}' set in `FrameworkInfo`",
        )


def _executor(agent: Agent, request: web.Request, body: Json) -> web.Response | EventStream:
    kind = check_executor_call(body)
    if kind == "HEARTBEAT":
        return web.Response(status=202)
    if kind == "SUBSCRIBE":
        _accepts_json(request)
    framework_id, executor_id = body["framework_id"]["value"], body["executor_id"]["value"]
    if not any(owner == framework_id for owner, _ in agent.executors):
        raise _Refused(400, "Framework cannot be found")
    executor = agent.executors.get((framework_id, executor_id))
    if executor is None or executor.info is None:
        raise _Refused(400, "Executor cannot be found")
    if executor.token and not same(token_of(request), executor.token.decode()):
        raise _Refused(403, "The token is that of another executor")
    if kind == "SUBSCRIBE":
        stream = EventStream(request, str(uuid.uuid4()))
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
    return web.Response(status=202)
