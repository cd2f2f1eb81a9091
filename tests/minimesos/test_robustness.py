"""Strange calls of schedulers and executors are answered or refused, and break nothing."""

from __future__ import annotations

import copy
import http.client
import json
import random
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrmesos.minimesos.agent.agent import Agent
from mrmesos.minimesos.agent.executors import Runner
from mrmesos.minimesos.http.server import AgentSpec
from mrmesos.minimesos.master import launching, subscription
from mrmesos.minimesos.master.allocator import Allocator
from mrmesos.minimesos.master.master import Master
from mrmesos.minimesos.model.calls import (
    BadCall,
    check_executor_call,
    check_scheduler_call,
    parse_body,
)
from mrmesos.minimesos.model.records import AgentPort, MasterPort
from mrmesos.minimesos.model.resources import Json, parse
from tests.minimesos.cluster import Cluster, Scheduler, command_task, scalar, wait_for
from tests.minimesos.fakes import FakeAgent, FakeClock, FakeStream

TOTAL_OF_ONE = {"cpus": 4.0, "mem": 4096.0}
TOTAL = parse("cpus:4;mem:4096;cpus(a):1;ports:[1-9]")
STRANGE: tuple[Any, ...] = (
    None, "", "*", "a/b", 0, -1, 1.5, 1e30, 2**70, True, [], {}, [None], {"value": "x"},
    {"value": -3}, {"value": 1e300}, {"role": "a"}, {"role": None}, [{}], {"range": None},
    {"range": [{"begin": 5, "end": 2}]}, {"range": [{"begin": 0, "end": 2**70}]}, "SET", "RANGES",
)  # fmt: skip


def calls(framework_id: str, offer_id: str, agent_id: str) -> list[Json]:
    task = command_task("t", {"agent_id": {"value": agent_id}}, "x")
    executor = {
        "executor_id": {"value": "e"},
        "command": {"value": "y", "environment": {"variables": [{"name": "n", "value": "v"}]}},
        "resources": [scalar("cpus", 1, reservations=[{"type": "STATIC", "role": "a"}])],
    }
    second = {**task, "task_id": {"value": "u"}, "executor": executor}
    del second["command"]
    ports = {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 1, "end": 2}]}}
    third = {**task, "task_id": {"value": "v"}, "resources": [ports, *task["resources"]]}
    launch = {"type": "LAUNCH", "launch": {"task_infos": [task, second, third]}}
    ids = {"task_id": {"value": "t"}, "agent_id": {"value": agent_id}}
    accept = {"offer_ids": [{"value": offer_id}], "operations": [launch]}
    capabilities = [{"type": "MULTI_ROLE"}]
    info = {"user": "u", "name": "n", "roles": ["a"], "capabilities": capabilities}
    to_executor = {"agent_id": ids["agent_id"], "executor_id": {"value": "e"}, "data": "eA=="}
    made = [
        {"type": "ACCEPT", "accept": {**accept, "filters": {"refuse_seconds": 1}}},
        {"type": "DECLINE", "decline": {"offer_ids": [{"value": offer_id}]}},
        {"type": "KILL", "kill": ids},
        {"type": "RECONCILE", "reconcile": {"tasks": [ids, {"task_id": {"value": "z"}}]}},
        {"type": "MESSAGE", "message": to_executor},
        {"type": "SHUTDOWN", "shutdown": {k: to_executor[k] for k in ("agent_id", "executor_id")}},
        {"type": "ACKNOWLEDGE", "acknowledge": {**ids, "uuid": "AAAAAAAAAAAAAAAAAAAAAA=="}},
        {"type": "SUPPRESS", "suppress": {"roles": ["a"]}},
        {"type": "REVIVE", "revive": {"roles": ["a"]}},
        {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}},
    ]
    return [{**one, "framework_id": {"value": framework_id}} for one in made]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every position inside a JSON value."""
    found = [path] if path else []
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            found += places(value[key], (*path, key))
    return found


def change(value: Any, path: tuple[Any, ...], what: Any) -> None:
    for key in path[:-1]:
        value = value[key]
    if what == "delete":
        del value[path[-1]]
    else:
        value[path[-1]] = copy.deepcopy(what)


def executor_calls() -> list[Json]:
    who = {"framework_id": {"value": "F"}, "executor_id": {"value": "e"}}
    status = {
        "task_id": {"value": "t"},
        "state": "TASK_RUNNING",
        "source": "SOURCE_EXECUTOR",
        "uuid": "AAAAAAAAAAAAAAAAAAAAAA==",
        "timestamp": 1.5,
        "data": "eA==",
        "container_status": {"network_infos": []},
    }
    task = command_task("t", {"agent_id": {"value": "S"}}, "x")
    unacknowledged = {
        "unacknowledged_tasks": [task],
        "unacknowledged_updates": [{"status": status}],
    }
    return [
        {**who, "type": "SUBSCRIBE", "subscribe": unacknowledged},
        {**who, "type": "UPDATE", "update": {"status": status}},
        {**who, "type": "UPDATE", "update": {"status": {**status, "state": "TASK_FAILED"}}},
        {**who, "type": "MESSAGE", "message": {"data": "eA=="}},
    ]


def draw_strange(data: st.DataObject, calls: list[Json]) -> Json:
    body = copy.deepcopy(data.draw(st.sampled_from(calls)))
    for _ in range(data.draw(st.integers(0, 2))):
        if places(body):
            path = data.draw(st.sampled_from(places(body)))
            change(body, path, data.draw(st.sampled_from(("delete", *STRANGE))))
    return body


@settings(max_examples=200)
@given(st.data())
def test_strange_executors_break_nothing(data: st.DataObject) -> None:
    runner, master = FakeAgent(), FakeAgent()
    agent = Agent(
        "S",
        {},
        "127.0.0.1:1",
        Path("/nowhere"),
        cast(MasterPort, master),
        cast(Runner, runner),
        FakeClock(),
    )
    info = {"executor_id": {"value": "e"}, "command": {"value": "x"}, "resources": []}
    task = {**command_task("t", {"agent_id": {"value": "S"}}, "x"), "executor": info}
    agent.launch({"id": {"value": "F"}, "name": "f"}, task, info)
    (executor,) = agent.executors.values()
    for _ in range(3):
        body = draw_strange(data, executor_calls())
        try:
            checked = parse_body(json.dumps(body).encode())
            kind = check_executor_call(checked)
        except BadCall:
            continue
        if kind == "SUBSCRIBE":
            agent.subscribe(executor, checked["subscribe"], FakeStream())
        elif kind == "UPDATE":
            agent.update(executor, checked["update"]["status"])
        elif kind == "MESSAGE":
            agent.executor_message(executor, checked["message"]["data"])
    agent.kill("F", "t", None)
    agent.shutdown_framework("F")


@settings(max_examples=200)
@given(st.data())
def test_strange_calls_break_nothing(data: st.DataObject) -> None:
    clock = FakeClock()
    master = Master(clock, Allocator(1.0, rng=random.Random(0)))
    master.start()
    agent_id = master.next_agent_id()
    where: Json = {"hostname": "h", "ip": "127.0.0.1", "port": 1, "attributes": []}
    master.add_agent(agent_id, cast(AgentPort, FakeAgent()), resources=TOTAL, **where)
    stream = FakeStream()
    info = {"user": "u", "name": "n", "role": "a"}
    framework = subscription.subscribe(master, {"framework_info": info}, stream)
    assert framework is not None
    for _ in range(3):
        offer_id = next(iter(master.offers), "none")
        body = draw_strange(data, calls(framework.id, offer_id, agent_id))
        try:
            checked = parse_body(json.dumps(body).encode())
            kind = check_scheduler_call(checked)
        except BadCall:
            continue
        if kind == "SUBSCRIBE":
            subscription.subscribe(master, checked["subscribe"], FakeStream())
        elif framework.stream is not None:
            master.call(framework, kind, checked)
        clock.advance(1.5)
        assert TOTAL.contains(master.allocator.available(agent_id))
    for one in list(master.frameworks.values()):
        master.remove_framework(one)
    assert master.allocator.available(agent_id) == TOTAL


def test_a_call_that_raises_takes_its_framework_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any) -> None:
        raise ZeroDivisionError("a bug of ours")

    cluster = Cluster(tmp_path, AgentSpec(resources="cpus:4;mem:4096"))
    try:
        first = Scheduler(cluster.address).start()
        second = Scheduler(cluster.address).start()
        offers = first.offers()
        monkeypatch.setattr(launching, "_perform", fail)
        accept = {"offer_ids": [offers[0]["id"]], "operations": [{"type": "LAUNCH"}]}
        assert first.call("ACCEPT", accept=accept)[0] == 500
        wait_for(lambda: first.closed)
        [offer] = second.offers()
        assert {r["name"]: r["scalar"]["value"] for r in offer["resources"]} == TOTAL_OF_ONE
        state = cluster.state()
        assert [one["id"] for one in state["frameworks"]] == [second.id]
        assert cluster.mesos.master.set_aside == 1
    finally:
        cluster.stop()


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": {}}}}',
        b'{"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": []}}}',
        b'{"type": "MARK_AGENT_GONE", "mark_agent_gone": 5}',
        b'{"type": "MARK_AGENT_GONE"}',
        b'{"type": "\xff"}',
    ],
    ids=range(6),
)
def test_operators_are_refused_in_words(tmp_path: Path, body: bytes) -> None:
    cluster = Cluster(tmp_path)
    try:
        connection = http.client.HTTPConnection(cluster.address, timeout=30)
        connection.request("POST", "/api/v1", body, {"Content-Type": "application/json"})
        assert connection.getresponse().status == 400
        connection.close()
    finally:
        cluster.stop()


def test_encoded_bodies_are_refused_at_once(tmp_path: Path) -> None:
    """The server once waited a minute for a body whose bytes were not of its encoding."""
    cluster = Cluster(tmp_path)
    try:
        for path in ("/api/v1", "/nothing", "/version"):
            connection = http.client.HTTPConnection(cluster.address, timeout=30)
            connection.request("POST", path, b"{}", {"Content-Encoding": "deflate"})
            answer = connection.getresponse()
            assert answer.status in (
                400,
                415,
            )  # 400 comes from aiohttp, if it has already read the body
            connection.close()
    finally:
        cluster.stop()
