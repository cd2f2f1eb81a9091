"""Unreachable agents: the updates that frameworks get, also when an agent returns."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from mrmesos.minimesos.master import partition, subscription
from mrmesos.minimesos.master.allocator import Allocator
from mrmesos.minimesos.master.master import Master
from mrmesos.minimesos.model.records import Framework
from mrmesos.minimesos.model.resources import Json, parse
from tests.minimesos.cluster import scalar
from tests.minimesos.fakes import FakeAgent, FakeClock, FakeStream, status

EXECUTOR: Json = {
    "executor_id": {"value": "e1"},
    "command": {"value": "run"},
    "resources": [scalar("cpus", 0.5)],
}


class Scene:
    """A master, an agent with a task of ours, and the events that we receive."""

    def __init__(self, *capabilities: str, checkpoint: bool = False) -> None:
        self.clock = FakeClock()
        self.master = Master(self.clock, Allocator(1.0, rng=random.Random(1)))
        self.master.start()
        self.agent = FakeAgent()
        self.master.add_agent(
            "S0",
            self.agent,
            hostname="h",
            ip="127.0.0.1",
            port=5051,
            resources=parse("cpus:4;mem:1024"),
            attributes=[],
        )
        self.stream = FakeStream()
        info = {
            "user": "u",
            "name": "n",
            "failover_timeout": 60,
            "checkpoint": checkpoint,
            "capabilities": [{"type": name} for name in capabilities],
        }
        framework = subscription.subscribe(self.master, {"framework_info": info}, self.stream)
        assert framework is not None
        self.framework: Framework = framework
        offer = self.stream.last("OFFERS")["offers"][0]
        task = {
            "name": "t1",
            "task_id": {"value": "t1"},
            "agent_id": {"value": "S0"},
            "executor": copy.deepcopy(EXECUTOR),  # a copy: the master fills in fields
            "resources": [scalar("cpus", 1.0), scalar("mem", 64.0)],
        }
        self.call(
            "ACCEPT",
            accept={
                "offer_ids": [offer["id"]],
                "operations": [{"type": "LAUNCH", "launch": {"task_infos": [task]}}],
                "filters": {"refuse_seconds": 0},
            },
        )
        self.master.agent_update("S0", framework.id, status("t1", "TASK_RUNNING"), "TASK_RUNNING")
        self.agent.alive = {(framework.id, "e1")}
        self.agent.states = {(framework.id, "t1"): "TASK_RUNNING"}
        self.stream.events.clear()

    def call(self, kind: str, **body: Any) -> None:
        self.master.call(self.framework, kind, body)

    def cpus_free(self) -> int:
        return self.master.allocator.available("S0").scalars().get("cpus", 0)

    def states(self) -> list[str]:
        return [
            event["update"]["status"]["state"]
            for event in self.stream.events
            if event["type"] == "UPDATE"
        ]


@pytest.mark.parametrize("aware", [True, False])
def test_tasks_of_a_cut_off_agent_are_unreachable_and_come_back(aware: bool) -> None:
    scene = Scene(*(["PARTITION_AWARE"] if aware else []))
    out = "TASK_UNREACHABLE" if aware else "TASK_LOST"
    scene.clock.advance(1)
    partition.cut_off(scene.master, "S0")
    assert scene.states() == [out]
    first = scene.stream.last("UPDATE")["status"]
    assert first["unreachable_time"] == {"nanoseconds": 1_001_000_000_000}
    assert "uuid" not in first
    assert scene.stream.kinds()[-3:] == ["UPDATE", "RESCIND", "FAILURE"]
    scene.call(
        "RECONCILE",
        reconcile={"tasks": [{"task_id": {"value": "t1"}, "agent_id": {"value": "S0"}}]},
    )
    assert scene.states() == [out, out]
    scene.call("RECONCILE", reconcile={"tasks": []})
    assert scene.states() == [out, out], "the master does not know this agent"
    scene.call("KILL", kill={"task_id": {"value": "t1"}, "agent_id": {"value": "S0"}})
    assert not [asked for asked in scene.agent.asked if asked[0] == "kill"]

    partition.restore(scene.master, "S0")
    back = scene.stream.last("UPDATE")["status"]
    assert (back["state"], back["reason"]) == ("TASK_RUNNING", "REASON_AGENT_REREGISTERED")
    offered = scene.stream.last("OFFERS")["offers"][0]
    assert offered["executor_ids"] == [{"value": "e1"}]
    assert {"name": "cpus", "value": 2.5} in [
        {"name": one["name"], "value": one["scalar"]["value"]} for one in offered["resources"]
    ]
    scene.call("KILL", kill={"task_id": {"value": "t1"}, "agent_id": {"value": "S0"}})
    assert [asked for asked in scene.agent.asked if asked[0] == "kill"]


def test_a_task_that_ended_meanwhile_is_reported_and_holds_nothing() -> None:
    scene = Scene("PARTITION_AWARE")
    partition.cut_off(scene.master, "S0")
    scene.master.agent_update(
        "S0", scene.framework.id, status("t1", "TASK_FINISHED", "u2"), "TASK_FINISHED"
    )
    scene.master.executor_exited("S0", scene.framework.id, "e1", 0)
    assert scene.states() == ["TASK_UNREACHABLE"], "nothing gets through"
    scene.agent.alive = set()
    scene.agent.states = {(scene.framework.id, "t1"): "TASK_FINISHED"}
    partition.restore(scene.master, "S0")
    assert scene.states()[1:] == ["TASK_FINISHED"]
    assert ("framework_updated", scene.framework.info) in scene.agent.asked, "updates go on"
    scene.master.agent_update(
        "S0", scene.framework.id, status("t1", "TASK_FINISHED", "u2"), "TASK_FINISHED"
    )
    ids = {"agent_id": {"value": "S0"}, "task_id": {"value": "t1"}, "uuid": "u2"}
    scene.call("ACKNOWLEDGE", acknowledge=ids)
    assert "t1" not in scene.framework.tasks
    for offer in list(scene.master.offers.values()):
        scene.master.discard(offer)
    assert scene.cpus_free() == 4000


def test_a_framework_that_ended_meanwhile_is_ended_there() -> None:
    scene = Scene("PARTITION_AWARE")
    partition.cut_off(scene.master, "S0")
    scene.master.remove_framework(scene.framework)
    partition.restore(scene.master, "S0")
    assert ("shutdown_framework", scene.framework.id) in scene.agent.asked
    assert scene.cpus_free() == 4000


def test_an_agent_marked_gone_does_not_come_back() -> None:
    scene = Scene("PARTITION_AWARE")
    partition.cut_off(scene.master, "S0")
    assert partition.lost(scene.master, "S0", by_operator=True)
    assert not partition.lost(scene.master, "S0", by_operator=True)
    scene.call(
        "RECONCILE",
        reconcile={"tasks": [{"task_id": {"value": "t1"}, "agent_id": {"value": "S0"}}]},
    )
    assert scene.states() == ["TASK_UNREACHABLE", "TASK_GONE_BY_OPERATOR"]


def test_an_agent_that_restarts_keeps_what_is_checkpointed() -> None:
    scene = Scene("PARTITION_AWARE", checkpoint=True)
    partition.down(scene.master, "S0")
    assert scene.states() == []
    scene.call("RECONCILE", reconcile={"tasks": []})
    assert scene.states() == ["TASK_RUNNING"], "the master has not noticed yet"
    scene.clock.advance(5)
    assert "OFFERS" not in scene.stream.kinds()[1:], "there are no offers meanwhile"
    partition.up(scene.master, "S0")
    assert scene.states() == ["TASK_RUNNING"]
    assert scene.stream.last("OFFERS")["offers"][0]["executor_ids"] == [{"value": "e1"}]
    scene.call("KILL", kill={"task_id": {"value": "t1"}})
    assert [asked for asked in scene.agent.asked if asked[0] == "kill"]


def test_an_agent_that_does_not_start_again_is_given_up() -> None:
    scene = Scene("PARTITION_AWARE", checkpoint=True)
    partition.down(scene.master, "S0")
    scene.clock.advance(599)
    assert scene.states() == []
    task = {"task_id": {"value": "t2"}, "agent_id": {"value": "S0"}}
    scene.call("RECONCILE", reconcile={"tasks": [task]})
    assert scene.states() == ["TASK_GONE"], "the agent is registered and has no such task"
    scene.clock.advance(3)
    assert scene.states()[1:] == ["TASK_UNREACHABLE"]
    words = scene.stream.last("UPDATE")["status"]["message"]
    assert words == "agent did not reregister within 10mins after disconnecting"
    assert scene.stream.last("FAILURE") == {"agent_id": {"value": "S0"}}
    partition.restore(scene.master, "S0")
    assert scene.states()[2:] == ["TASK_RUNNING"]


def test_an_agent_that_restarts_loses_what_is_not() -> None:
    scene = Scene("PARTITION_AWARE")
    partition.down(scene.master, "S0")
    assert scene.states() == ["TASK_LOST"]
    scene.agent.alive, scene.agent.states = set(), {}
    partition.up(scene.master, "S0")
    for offer in list(scene.master.offers.values()):
        scene.master.discard(offer)
    assert scene.cpus_free() == 4000
