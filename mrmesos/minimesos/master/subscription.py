"""Schedulers subscribe, subscribe again, replace each other, and disconnect."""

from __future__ import annotations

from functools import partial

from mrmesos.minimesos.master import maintenance
from mrmesos.minimesos.master.master import Master
from mrmesos.minimesos.master.validation import invalid_id
from mrmesos.minimesos.model.records import Framework, Stream, capable
from mrmesos.minimesos.model.resources import ANY_ROLE, Json

MAX_FRAMEWORKS = 1000


def subscribe(master: Master, subscribe_call: Json, stream: Stream) -> Framework | None:
    """Answer a SUBSCRIBE on its new stream. Returns None if the framework is refused."""
    info = with_defaults(subscribe_call["framework_info"])
    suppressed = subscribe_call.get("suppressed_roles", [])
    framework_id = (info.get("id") or {}).get("value", "")
    error = invalid_info(info, suppressed)
    if framework_id and (wrong := invalid_id(framework_id)) is not None:
        error = f"FrameworkID is invalid: {wrong}"
    elif framework_id in master.completed:
        error = "Framework has been removed"
    elif framework_id not in master.frameworks and len(master.frameworks) >= MAX_FRAMEWORKS:
        error = f"More than {MAX_FRAMEWORKS} frameworks"
    if error is not None:
        refuse(stream, error)
        return None
    known = master.frameworks.get(framework_id)
    if known is None:
        return _first(master, info, suppressed, stream, framework_id)
    _again(master, known, info, suppressed, stream)
    return known


def refuse(stream: Stream, message: str) -> None:
    """Send an ERROR and close the stream."""
    stream.send({"type": "ERROR", "error": {"message": message}})
    stream.close()


def with_defaults(info: Json) -> Json:
    """Fill in protobuf's default values, as Mesos does when it passes a FrameworkInfo on."""
    said = {name: value for name, value in info.items() if value not in (None, [])}
    timeout = float(said.pop("failover_timeout", 0.0))
    return {"checkpoint": False, **said, "failover_timeout": timeout}


def invalid_info(info: Json, suppressed: list[str]) -> str | None:
    """Why Mesos refuses such a framework, or None."""
    several = capable(info, "MULTI_ROLE")
    roles = info.get("roles", [])
    if several and "role" in info:
        return "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable"
    if not several and roles:
        return "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable"
    if len(set(roles)) != len(roles):
        return "'FrameworkInfo.roles' contains duplicate items"
    for role in [*roles, info.get("role", ANY_ROLE)]:
        if not role or role in (".", "..") or role.startswith("-") or set(role) & set(" \t\n\\"):
            return f"Role '{role}' is invalid"
    mine = set(roles) if several else {info.get("role", ANY_ROLE)}
    if not set(suppressed) <= mine:
        return "Suppressed roles are not contained in the set of roles"
    if float(info["failover_timeout"]) < 0:
        return "The framework failover_timeout (" + str(info["failover_timeout"]) + ") is invalid"
    return None


def _first(
    master: Master, info: Json, suppressed: list[str], stream: Stream, framework_id: str
) -> Framework:
    # This master did not assign the id: the framework was registered with another master.
    framework_id = framework_id or master.next_framework_id()
    framework = Framework(framework_id, {**info, "id": {"value": framework_id}})
    framework.registered = master.clock.now()
    master.frameworks[framework_id] = framework
    master.allocator.add_framework(framework_id, framework.roles, suppressed)
    _connect(master, framework, stream)
    master.offer()
    return framework


def _again(
    master: Master, framework: Framework, info: Json, suppressed: list[str], stream: Stream
) -> None:
    was_away = framework.stream is None
    if framework.stream is not None:  # another scheduler takes over
        old, framework.stream = framework.stream, None
        refuse(old, "Framework failed over")
    maintenance.forget(master, framework_id=framework.id)
    for offer in [o for o in master.offers.values() if o.framework_id == framework.id]:
        master.discard(offer)
    framework.info = {**framework.info, **info}
    master.allocator.add_framework(framework.id, framework.roles, suppressed)
    _connect(master, framework, stream)
    for agent in master.agents.values():
        agent.agent.framework_updated(framework.info)
    if was_away:
        master.allocator.activate(framework.id)
        master.offer()


def _connect(master: Master, framework: Framework, stream: Stream) -> None:
    for timer in (framework.heartbeat, framework.failover):
        if timer is not None:
            timer.cancel()
    framework.failover = None
    framework.stream = stream
    subscribed = {
        "framework_id": {"value": framework.id},
        "heartbeat_interval_seconds": master.heartbeat_interval,
        "master_info": master.info(),
    }
    framework.send({"type": "SUBSCRIBED", "subscribed": subscribed})
    _beat(master, framework)


def _beat(master: Master, framework: Framework) -> None:
    framework.send({"type": "HEARTBEAT"})
    framework.heartbeat = master.clock.after(
        master.heartbeat_interval, partial(_beat, master, framework)
    )


def disconnected(master: Master, framework_id: str, stream: Stream) -> None:
    """A scheduler's stream broke: its framework has its failover timeout to subscribe again."""
    framework = master.frameworks.get(framework_id)
    if framework is None or framework.stream is not stream:
        return
    framework.stream = None
    if framework.heartbeat is not None:
        framework.heartbeat.cancel()
    framework.unregistered = master.clock.now()
    maintenance.forget(master, framework_id=framework.id)
    for offer in [o for o in master.offers.values() if o.framework_id == framework.id]:
        master.discard(offer)
    master.allocator.deactivate(framework.id)
    framework.failover = master.clock.after(
        framework.failover_timeout, partial(master.remove_framework, framework)
    )


def update_framework(master: Master, framework: Framework, call: Json) -> str | None:
    """UPDATE_FRAMEWORK: replace the FrameworkInfo, or return why it is invalid."""
    info = with_defaults(call["framework_info"])
    suppressed = call.get("suppressed_roles", [])
    error = invalid_info(info, suppressed)
    if error is None:
        framework.info = {**info, "id": {"value": framework.id}}
        master.allocator.add_framework(framework.id, framework.roles, suppressed)
        for offer in [o for o in master.offers.values() if o.framework_id == framework.id]:
            if offer.role not in framework.roles:
                master.rescind(offer)
        for agent in master.agents.values():
            agent.agent.framework_updated(framework.info)
        master.offer()
    return error
