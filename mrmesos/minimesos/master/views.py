"""The master's `/state`, with Mesos' own field names."""

from __future__ import annotations

from mrmesos.minimesos.master.master import CAPABILITIES, VERSION, Master
from mrmesos.minimesos.model.records import AgentRecord, Framework, Offer, Task
from mrmesos.minimesos.model.resources import Json, Resources, Value, format_value, from_json

STANDARD = ("disk", "mem", "gpus", "cpus")


def _plain(value: Value) -> float | str:
    return value / 1000 if isinstance(value, int) else format_value(value)


def resources_json(resources: Resources) -> Json:
    """Sum over all roles: `{"cpus": 2.0, "mem": 512.0, "ports": "[1-2]", …}`."""
    merged = Resources()
    for bucket, value in resources:
        bare = bucket._replace(reservations=(), allocation=None)
        merged += Resources({bare: value})
    out: Json = dict.fromkeys(STANDARD, 0.0)
    out.update({bucket.name: _plain(value) for bucket, value in merged})
    return out


def _by_role(resources: Resources) -> Json:
    roles = dict.fromkeys(b.reserved_for for b, _ in resources if b.reserved_for is not None)
    return {
        role: resources_json(Resources({b: v for b, v in resources if b.reserved_for == role}))
        for role in roles
    }


def _total(parts: list[Resources]) -> Resources:
    total = Resources()
    for part in parts:
        total += part
    return total


def _task(task: Task) -> Json:
    return {
        "id": task.id,
        "name": task.info.get("name", ""),
        "framework_id": task.framework_id,
        "executor_id": task.executor_id or "",
        "slave_id": task.agent_id,
        "state": task.state,
        "resources": resources_json(task.resources),
        "role": next(iter(task.resources.roles()), "*"),
        "statuses": task.statuses,
    }


def _offer(offer: Offer) -> Json:
    return {
        "id": offer.id,
        "framework_id": offer.framework_id,
        "slave_id": offer.agent_id,
        "allocation_info": {"role": offer.role},
        "resources": resources_json(offer.resources),
    }


def _executors(master: Master, framework_id: str) -> list[Json]:
    return [
        {
            "executor_id": executor_id,
            "name": info.get("name", ""),
            "framework_id": framework_id,
            "slave_id": agent.id,
            "command": info.get("command", {}),
            "source": info.get("source", ""),
            "resources": resources_json(from_json(info.get("resources", []))),
        }
        for agent in master.agents.values()
        for (owner, executor_id), info in agent.executors.items()
        if owner == framework_id
    ]


def _held(master: Master, *, framework: str | None = None, agent: str | None = None) -> Resources:
    """The resources that the tasks and executors of a framework, or on an agent, use."""
    parts = [
        task.resources
        for one in master.frameworks.values()
        for task in one.tasks.values()
        if not task.terminal and framework in (None, one.id) and agent in (None, task.agent_id)
    ]
    parts += [
        from_json(info.get("resources", []))
        for record in master.agents.values()
        for (owner, _), info in record.executors.items()
        if framework in (None, owner) and agent in (None, record.id)
    ]
    return _total(parts)


def _framework(master: Master, framework: Framework) -> Json:
    info = framework.info
    offers = [o for o in master.offers.values() if o.framework_id == framework.id]
    used = _held(master, framework=framework.id)
    offered = _total([offer.resources for offer in offers])
    out: Json = {
        "id": framework.id,
        "name": info.get("name", ""),
        "user": info.get("user", ""),
        "hostname": info.get("hostname", ""),
        "webui_url": info.get("webui_url", ""),
        "failover_timeout": framework.failover_timeout,
        "checkpoint": info.get("checkpoint", False),
        "capabilities": [one.get("type") for one in info.get("capabilities", [])],
        "active": framework.stream is not None,
        "connected": framework.stream is not None,
        "recovered": False,
        "registered_time": framework.registered,
        "unregistered_time": framework.unregistered,
        "used_resources": resources_json(used),
        "offered_resources": resources_json(offered),
        "resources": resources_json(used + offered),
        "tasks": [_task(task) for task in framework.tasks.values()],
        "unreachable_tasks": [],
        "completed_tasks": [_task(task) for task in framework.completed.values()],
        "offers": [_offer(offer) for offer in offers],
        "executors": _executors(master, framework.id),
    }
    if framework.capable("MULTI_ROLE"):
        out["roles"] = list(framework.roles)
    else:
        out["role"] = framework.roles[0]
    return out


def _agent(master: Master, agent: AgentRecord) -> Json:
    offers = [o for o in master.offers.values() if o.agent_id == agent.id]
    attributes = {}
    for one in agent.attributes:
        if one["type"] == "TEXT":
            attributes[one["name"]] = one["text"]["value"]
        elif one["type"] == "SCALAR":
            attributes[one["name"]] = one["scalar"]["value"]
        else:
            ranges = ((r["begin"], r["end"]) for r in one["ranges"]["range"])
            attributes[one["name"]] = format_value(tuple(ranges))
    unreserved = agent.resources.filter(lambda b: not b.reservations)
    return {
        "id": agent.id,
        "hostname": agent.hostname,
        "port": agent.port,
        "pid": f"slave(1)@{agent.address}",
        "attributes": attributes,
        "registered_time": agent.registered,
        "resources": resources_json(agent.resources),
        "used_resources": resources_json(_held(master, agent=agent.id)),
        "offered_resources": resources_json(_total([offer.resources for offer in offers])),
        "reserved_resources": _by_role(agent.resources),
        "unreserved_resources": resources_json(unreserved),
        "active": True,
        "deactivated": False,
        "version": VERSION,
        "capabilities": ["MULTI_ROLE", "RESERVATION_REFINEMENT"],
    }


def master_state(master: Master) -> Json:
    """The answer of `/state`."""
    return {
        "version": VERSION,
        "id": master.id,
        "pid": f"master@{master.address.authority}",
        "leader": f"master@{master.address.authority}",
        "hostname": master.address.hostname,
        "start_time": master.started,
        "elected_time": master.started,
        "capabilities": list(CAPABILITIES),
        "activated_slaves": len(master.agents),
        "deactivated_slaves": 0,
        "unreachable_slaves": 0,
        "slaves": [_agent(master, agent) for agent in master.agents.values()],
        "recovered_slaves": [],
        "frameworks": [_framework(master, one) for one in master.frameworks.values()],
        "completed_frameworks": [_framework(master, one) for one in master.completed.values()],
        "orphan_tasks": [],
        "unregistered_frameworks": [],
    }
