"""The decisions of the master, on a fake clock."""

from __future__ import annotations

import random
from typing import Any, cast

import pytest

from mrmesos.minimesos.master import partition, subscription
from mrmesos.minimesos.master.allocator import Allocator
from mrmesos.minimesos.master.master import Master
from mrmesos.minimesos.model.records import AgentPort, Framework, Limits
from mrmesos.minimesos.model.resources import Json, parse
from tests.minimesos.cluster import command_task, scalar
from tests.minimesos.fakes import FakeAgent, FakeClock, FakeStream, status


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def agent() -> FakeAgent:
    return FakeAgent()


@pytest.fixture
def master(clock: FakeClock, agent: FakeAgent) -> Master:
    made = Master(clock, Allocator(1.0, rng=random.Random(0)), limits=Limits(2, 3))
    made.start()
    add_agent(made, agent)
    return made


def add_agent(master: Master, agent: FakeAgent, text: str = "cpus:4;mem:4096") -> str:
    agent_id = master.next_agent_id()
    master.add_agent(
        agent_id,
        cast(AgentPort, agent),
        hostname="h",
        ip="127.0.0.1",
        port=1,
        resources=parse(text),
        attributes=[],
    )
    return agent_id


def connect(master: Master, framework_id: str = "", **info: Any) -> tuple[Framework, FakeStream]:
    """Subscribe a framework, which must succeed."""
    framework, stream = try_to_connect(master, framework_id, **info)
    assert framework is not None
    return framework, stream


def try_to_connect(
    master: Master, framework_id: str = "", **info: Any
) -> tuple[Framework | None, FakeStream]:
    stream = FakeStream()
    said: Json = {"user": "u", "name": "n", **info}
    if framework_id:
        said["id"] = {"value": framework_id}
    framework = subscription.subscribe(master, {"framework_info": said}, stream)
    return framework, stream


def offers_of(stream: FakeStream) -> list[Json]:
    return list(stream.last("OFFERS")["offers"])


def launch(
    master: Master, framework: Framework, offers: list[Json], *tasks: Json, refuse: float = 0
) -> None:
    operations = [{"type": "LAUNCH", "launch": {"task_infos": list(tasks)}}]
    ids = [{"value": one["id"]["value"]} for one in offers]
    filters = {"refuse_seconds": refuse}
    accept = {"offer_ids": ids, "operations": operations, "filters": filters}
    master.call(framework, "ACCEPT", {"accept": accept})


def test_offers_come_at_once_and_then_once_an_interval(master: Master, clock: FakeClock) -> None:
    framework, stream = connect(master)
    assert stream.kinds() == ["SUBSCRIBED", "HEARTBEAT", "OFFERS"]
    offer = offers_of(stream)[0]
    assert "executor_ids" not in offer
    decline = {"offer_ids": [offer["id"]], "filters": {"refuse_seconds": 0}}
    master.call(framework, "DECLINE", {"decline": decline})
    assert stream.kinds().count("OFFERS") == 1
    clock.advance(0.9)
    assert stream.kinds().count("OFFERS") == 1
    clock.advance(0.2)
    assert stream.kinds().count("OFFERS") == 2
    clock.advance(10)  # the offer is open, so its resources are not offered again
    assert stream.kinds().count("OFFERS") == 2


def test_heartbeats(master: Master, clock: FakeClock) -> None:
    _, stream = connect(master)
    clock.advance(46)
    assert stream.kinds().count("HEARTBEAT") == 4


def test_framework_that_stays_away_is_removed_after_its_timeout(
    master: Master, clock: FakeClock, agent: FakeAgent
) -> None:
    framework, stream = connect(master, failover_timeout=10.0)
    task = command_task("t", offers_of(stream)[0], "true")
    launch(master, framework, offers_of(stream), task)
    subscription.disconnected(master, framework.id, stream)
    clock.advance(9)
    assert framework.id in master.frameworks
    assert not master.offers
    clock.advance(2)
    assert framework.id in master.completed
    assert ("shutdown_framework", framework.id) in agent.asked
    again, refused = try_to_connect(master, framework.id)
    assert again is None
    assert refused.last("ERROR") == {"message": "Framework has been removed"}
    _, other = connect(master)
    assert offers_of(other)[0]["resources"][0]["scalar"]["value"] == 4.0


def test_framework_that_comes_back_in_time_keeps_its_tasks(
    master: Master, clock: FakeClock
) -> None:
    framework, stream = connect(master, failover_timeout=10.0)
    task = command_task("t", offers_of(stream)[0], "true")
    launch(master, framework, offers_of(stream), task)
    subscription.disconnected(master, framework.id, stream)
    clock.advance(5)
    same, second = connect(master, framework.id, failover_timeout=10.0)
    assert same is framework
    assert "OFFERS" in second.kinds()
    clock.advance(20)
    assert list(framework.tasks) == ["t"]


def test_late_end_of_a_replaced_stream_changes_nothing(master: Master, clock: FakeClock) -> None:
    framework, first = connect(master)
    _, second = connect(master, framework.id)
    assert first.last("ERROR") == {"message": "Framework failed over"}
    assert first.closed
    subscription.disconnected(master, framework.id, first)
    clock.advance(60)
    assert framework.stream is second


def test_no_failover_timeout_means_gone_at_once(master: Master, clock: FakeClock) -> None:
    framework, stream = connect(master)
    subscription.disconnected(master, framework.id, stream)
    clock.advance(0.001)
    assert framework.id not in master.frameworks


def test_unknown_framework_id_is_taken_as_after_a_new_master(master: Master) -> None:
    framework, stream = connect(master, "an-older-master-0007")
    assert framework.id == "an-older-master-0007"
    assert stream.last("SUBSCRIBED")["framework_id"] == {"value": "an-older-master-0007"}


@pytest.mark.parametrize(
    ("info", "text"),
    [
        ({"roles": ["a"]}, "must not be set when the framework is not MULTI_ROLE"),
        ({"role": "a", "capabilities": [{"type": "MULTI_ROLE"}]}, "'FrameworkInfo.role' must not"),
        ({"roles": ["a", "a"], "capabilities": [{"type": "MULTI_ROLE"}]}, "duplicate"),
        ({"role": "-a"}, "Role '-a' is invalid"),
        ({"failover_timeout": -1}, "failover_timeout"),
        ({"id": {"value": "../../up"}}, "FrameworkID is invalid"),
    ],
)
def test_bad_frameworks_are_told_and_hung_up_on(master: Master, info: Json, text: str) -> None:
    framework, stream = try_to_connect(master, **info)
    assert framework is None
    assert text in stream.last("ERROR")["message"]
    assert stream.closed


def test_latest_terminal_state_frees_resources_before_it_is_acknowledged(
    master: Master, clock: FakeClock
) -> None:
    framework, stream = connect(master)
    agent_id = offers_of(stream)[0]["agent_id"]["value"]
    task = command_task("t", offers_of(stream)[0], "true", cpus=4, mem=4096)
    launch(master, framework, offers_of(stream), task)
    clock.advance(2)
    assert stream.kinds().count("OFFERS") == 1
    master.agent_update(agent_id, framework.id, status("t", "TASK_RUNNING"), "TASK_FINISHED")
    clock.advance(1)
    assert stream.kinds().count("OFFERS") == 2
    assert framework.tasks["t"].sent_state == "TASK_RUNNING"
    acknowledge = {"agent_id": {"value": agent_id}, "task_id": {"value": "t"}, "uuid": "u1"}
    master.call(framework, "ACKNOWLEDGE", {"acknowledge": acknowledge})
    assert "t" in framework.tasks  # RUNNING is acknowledged, the end is not
    master.agent_update(agent_id, framework.id, status("t", "TASK_FINISHED", "u2"), "TASK_FINISHED")
    master.call(framework, "ACKNOWLEDGE", {"acknowledge": {**acknowledge, "uuid": "u2"}})
    assert "t" not in framework.tasks
    assert "t" in framework.completed


def test_lost_agent_rescinds_and_loses(master: Master, clock: FakeClock) -> None:
    framework, stream = connect(master)
    agent_id = offers_of(stream)[0]["agent_id"]["value"]
    launch(master, framework, offers_of(stream), command_task("t", offers_of(stream)[0], "true"))
    clock.advance(1)
    before = len(stream.events)
    partition.lost(master, agent_id)
    assert stream.kinds()[before:] == ["RESCIND", "UPDATE", "FAILURE"]
    lost = stream.last("UPDATE")["status"]
    assert (lost["state"], lost["reason"]) == ("TASK_LOST", "REASON_AGENT_DISCONNECTED")
    assert "uuid" not in lost
    master.call(framework, "RECONCILE", {"reconcile": {"tasks": [
        {"task_id": {"value": "t"}, "agent_id": {"value": agent_id}}]}})  # fmt: skip
    assert stream.last("UPDATE")["status"]["message"] == "Reconciliation: Task is gone"
    assert not master.offers


def test_several_offers_of_one_agent_are_one(master: Master, clock: FakeClock) -> None:
    framework, stream = connect(master)
    (first,) = offers_of(stream)
    small = command_task("a", first, "true", cpus=1, mem=1024)
    launch(master, framework, [first], small)
    clock.advance(1)
    (rest,) = offers_of(stream)
    agent_id = first["agent_id"]["value"]
    master.agent_update(agent_id, framework.id, status("a", "TASK_FINISHED"), "TASK_FINISHED")
    clock.advance(1)
    (freed,) = offers_of(stream)
    assert freed["id"] != rest["id"]
    whole = command_task("b", first, "true", cpus=4, mem=4096)
    launch(master, framework, [rest, freed], whole)
    assert framework.tasks["b"].state == "TASK_STAGING"


def test_offers_that_do_not_go_together(master: Master, clock: FakeClock) -> None:
    other_agent = FakeAgent()
    add_agent(master, other_agent)
    framework, stream = connect(master)
    one, two = offers_of(stream)
    launch(master, framework, [one, two], command_task("t", one, "true"))
    lost = stream.last("UPDATE")["status"]
    assert "must belong to one single agent" in lost["message"]
    assert not master.offers  # both offers were taken back
    clock.advance(1)
    one, two = offers_of(stream)
    launch(master, framework, [one, one], command_task("t", one, "true"))
    assert "Duplicate offer" in stream.last("UPDATE")["status"]["message"]
    stranger, elsewhere = connect(master)
    launch(master, stranger, [two], command_task("t", two, "true"))
    assert "has invalid framework" in elsewhere.last("UPDATE")["status"]["message"]
    assert two["id"]["value"] in master.offers  # the other framework's offer is unchanged


def test_completed_things_are_bounded(master: Master, clock: FakeClock) -> None:
    for _ in range(5):
        framework, stream = connect(master)
        agent_id = offers_of(stream)[0]["agent_id"]["value"]
        tasks = [command_task(f"t{n}", offers_of(stream)[0], "true") for n in range(6)]
        launch(master, framework, offers_of(stream), *tasks)
        for n in range(6):
            master.agent_update(
                agent_id, framework.id, status(f"t{n}", "TASK_FINISHED"), "TASK_FINISHED"
            )
        master.remove_framework(framework)
        assert list(framework.completed) == ["t3", "t4", "t5"]
    assert len(master.completed) == 2


def test_executor_is_charged_once_and_freed_at_its_end(master: Master, clock: FakeClock) -> None:
    framework, stream = connect(master)
    agent_id = offers_of(stream)[0]["agent_id"]["value"]
    executor = {
        "executor_id": {"value": "e"},
        "command": {"value": "x"},
        "resources": [scalar("cpus", 1), scalar("mem", 1024)],
    }

    def task(name: str) -> Json:
        made = command_task(name, offers_of(stream)[0], "", cpus=1, mem=1024)
        del made["command"]
        return {**made, "executor": dict(executor)}

    launch(master, framework, offers_of(stream), task("a"), task("b"))
    clock.advance(1)
    assert offers_of(stream)[0]["executor_ids"] == [{"value": "e"}]
    assert offers_of(stream)[0]["resources"][0]["scalar"]["value"] == 1.0
    for name in "ab":
        master.agent_update(agent_id, framework.id, status(name, "TASK_FINISHED"), "TASK_FINISHED")
    clock.advance(1)
    assert offers_of(stream)[0]["resources"][0]["scalar"]["value"] == 2.0  # of both tasks
    master.executor_exited(agent_id, framework.id, "e", 1792)
    assert stream.last("FAILURE")["status"] == 1792
    clock.advance(1)
    assert offers_of(stream)[0]["resources"][0]["scalar"]["value"] == 1.0  # of the executor


def test_launch_group_is_all_or_nothing(master: Master, agent: FakeAgent) -> None:
    framework, stream = connect(master)
    (offer,) = offers_of(stream)
    executor = {
        "executor_id": {"value": "e"},
        "command": {"value": "x"},
        "resources": [scalar("cpus", 1), scalar("mem", 32)],
    }
    tasks = [command_task(name, offer, "", cpus=2, mem=32) for name in ("a", "b")]
    for task in tasks:
        del task["command"]
    group = {"executor": executor, "task_group": {"tasks": tasks}}
    operations = [{"type": "LAUNCH_GROUP", "launch_group": group}]
    accept: Json = {"offer_ids": [offer["id"]], "operations": operations}
    master.call(framework, "ACCEPT", {"accept": accept})
    assert not framework.tasks
    assert [e["update"]["status"]["state"] for e in stream.events if e["type"] == "UPDATE"] == [
        "TASK_ERROR",
        "TASK_ERROR",
    ]
    assert not any(asked[0] == "launch_group" for asked in agent.asked)
    master.call(framework, "REVIVE", {})
    (offer,) = offers_of(stream)
    assert offer["resources"][0]["scalar"]["value"] == 4.0


def test_unsupported_operations_lose_nothing(master: Master, clock: FakeClock) -> None:
    framework, stream = connect(master)
    (offer,) = offers_of(stream)
    operations = [{"type": "RESERVE", "reserve": {"resources": []}}]
    accept: Json = {"offer_ids": [offer["id"]], "operations": operations}
    accept["filters"] = {"refuse_seconds": 0}
    master.call(framework, "ACCEPT", {"accept": accept})
    clock.advance(1)
    assert offers_of(stream)[0]["id"] != offer["id"]


def test_given_framework_ids_are_not_given_again(master: Master) -> None:
    taken, _ = connect(master, f"{master.id}-0000")
    fresh, _ = connect(master)
    assert fresh.id == f"{master.id}-0001" != taken.id


def test_role_that_is_given_up_takes_its_offers_along(master: Master) -> None:
    several = [{"type": "MULTI_ROLE"}]
    framework, stream = connect(master, roles=["a"], capabilities=several)
    info = {"user": "u", "name": "n", "roles": ["b"], "capabilities": several}
    assert subscription.update_framework(master, framework, {"framework_info": info}) is None
    assert stream.kinds()[-2:] == ["RESCIND", "OFFERS"]
    assert offers_of(stream)[0]["allocation_info"] == {"role": "b"}
    bad = {"framework_info": {**info, "role": "c"}}
    assert "must not be set" in str(subscription.update_framework(master, framework, bad))
