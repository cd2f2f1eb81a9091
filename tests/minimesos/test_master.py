"""What the master decides, on a clock of the test's own."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest

from mrmesos.minimesos import subscription
from mrmesos.minimesos.allocator import Allocator
from mrmesos.minimesos.master import Limits, Master
from mrmesos.minimesos.resources import Json, parse
from mrmesos.minimesos.updates import MAX_PENDING, UpdateManager
from tests.minimesos.cluster import command_task, scalar


class Later:
    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at, self.call, self.cancelled = at, call, False

    def cancel(self) -> None:
        self.cancelled = True


class FakeClock:
    def __init__(self) -> None:
        self.time = 1000.0
        self.calls: list[Later] = []

    def now(self) -> float:
        return self.time

    def after(self, seconds: float, call: Callable[[], None]) -> Later:
        self.calls.append(Later(self.time + seconds, call))
        return self.calls[-1]

    def advance(self, seconds: float) -> None:
        end = self.time + seconds
        while due := [one for one in self.calls if one.at <= end and not one.cancelled]:
            first = min(due, key=lambda one: one.at)
            self.calls.remove(first)
            self.time = max(self.time, first.at)
            first.call()
        self.time = end


class FakeStream:
    count = itertools.count()

    def __init__(self) -> None:
        self.stream_id = str(next(self.count))
        self.events: list[Json] = []
        self.closed = False

    def send(self, event: Json) -> None:
        self.events.append(event)

    def close(self) -> None:
        self.closed = True

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]

    def last(self, kind: str) -> Json:
        return next(e[kind.lower()] for e in reversed(self.events) if e["type"] == kind)


class FakeAgent:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple] = []

    def __getattr__(self, name: str):
        return lambda *arguments: self.asked.append((name, *arguments))


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
    where = {"hostname": "h", "ip": "127.0.0.1", "port": 1}
    master.add_agent(agent_id, agent, **where, resources=parse(text), attributes=[])
    return agent_id


def connect(master: Master, framework_id: str = "", **info):
    stream = FakeStream()
    said = {"user": "u", "name": "n", **info}
    if framework_id:
        said["id"] = {"value": framework_id}
    framework = subscription.subscribe(master, {"framework_info": said}, stream)
    return framework, stream


def offers_of(stream: FakeStream) -> list[Json]:
    return stream.last("OFFERS")["offers"]


def launch(master: Master, framework, offers: list[Json], *tasks: Json, refuse: float = 0) -> None:
    operations = [{"type": "LAUNCH", "launch": {"task_infos": list(tasks)}}]
    ids = [{"value": one["id"]["value"]} for one in offers]
    filters = {"refuse_seconds": refuse}
    accept = {"offer_ids": ids, "operations": operations, "filters": filters}
    master.call(framework, "ACCEPT", {"accept": accept})


def status(task: str, state: str, uuid: str = "u1") -> Json:
    return {"task_id": {"value": task}, "state": state, "uuid": uuid, "timestamp": 1.0}


def test_offers_come_at_once_and_then_once_an_interval(master, clock):
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
    clock.advance(10)  # it is outstanding, so it is not offered again
    assert stream.kinds().count("OFFERS") == 2


def test_heartbeats(master, clock):
    _, stream = connect(master)
    clock.advance(46)
    assert stream.kinds().count("HEARTBEAT") == 4


def test_framework_that_stays_away_is_removed_after_its_timeout(master, clock, agent):
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
    again, refused = connect(master, framework.id)
    assert again is None
    assert refused.last("ERROR") == {"message": "Framework has been removed"}
    _, other = connect(master)
    assert offers_of(other)[0]["resources"][0]["scalar"]["value"] == 4.0


def test_framework_that_comes_back_in_time_keeps_its_tasks(master, clock):
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


def test_late_end_of_a_replaced_stream_changes_nothing(master, clock):
    framework, first = connect(master)
    _, second = connect(master, framework.id)
    assert first.last("ERROR") == {"message": "Framework failed over"}
    assert first.closed
    subscription.disconnected(master, framework.id, first)
    clock.advance(60)
    assert framework.stream is second


def test_no_failover_timeout_means_gone_at_once(master, clock):
    framework, stream = connect(master)
    subscription.disconnected(master, framework.id, stream)
    clock.advance(0.001)
    assert framework.id not in master.frameworks


def test_unknown_framework_id_is_taken_as_after_a_new_master(master):
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
    ],
)
def test_bad_frameworks_are_told_and_hung_up_on(master, info, text):
    framework, stream = connect(master, **info)
    assert framework is None
    assert text in stream.last("ERROR")["message"]
    assert stream.closed


def test_latest_terminal_state_frees_resources_before_it_is_acknowledged(master, clock):
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


def test_lost_agent_rescinds_and_loses(master, clock):
    framework, stream = connect(master)
    agent_id = offers_of(stream)[0]["agent_id"]["value"]
    launch(master, framework, offers_of(stream), command_task("t", offers_of(stream)[0], "true"))
    clock.advance(1)
    before = len(stream.events)
    master.agent_lost(agent_id)
    assert stream.kinds()[before:] == ["RESCIND", "UPDATE", "FAILURE"]
    lost = stream.last("UPDATE")["status"]
    assert (lost["state"], lost["reason"]) == ("TASK_LOST", "REASON_AGENT_DISCONNECTED")
    assert "uuid" not in lost
    master.call(framework, "RECONCILE", {"reconcile": {"tasks": [
        {"task_id": {"value": "t"}, "agent_id": {"value": agent_id}}]}})  # fmt: skip
    assert stream.last("UPDATE")["status"]["message"] == "Reconciliation: Task is gone"
    assert not master.offers


def test_several_offers_of_one_agent_are_one(master, clock):
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


def test_offers_that_do_not_go_together(master, clock):
    other_agent = FakeAgent()
    add_agent(master, other_agent)
    framework, stream = connect(master)
    one, two = offers_of(stream)
    launch(master, framework, [one, two], command_task("t", one, "true"))
    lost = stream.last("UPDATE")["status"]
    assert "must belong to one single agent" in lost["message"]
    assert not master.offers  # both came back
    clock.advance(1)
    one, two = offers_of(stream)
    launch(master, framework, [one, one], command_task("t", one, "true"))
    assert "Duplicate offer" in stream.last("UPDATE")["status"]["message"]
    stranger, elsewhere = connect(master)
    launch(master, stranger, [two], command_task("t", two, "true"))
    assert "has invalid framework" in elsewhere.last("UPDATE")["status"]["message"]
    assert two["id"]["value"] in master.offers  # somebody else's offer is untouched


def test_completed_things_are_bounded(master, clock):
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


def test_executor_is_charged_once_and_freed_at_its_end(master, clock):
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


def test_launch_group_is_all_or_nothing(master, agent):
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
    accept = {"offer_ids": [offer["id"]], "operations": operations}
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


def test_unsupported_operations_lose_nothing(master, clock):
    framework, stream = connect(master)
    (offer,) = offers_of(stream)
    operations = [{"type": "RESERVE", "reserve": {"resources": []}}]
    accept = {"offer_ids": [offer["id"]], "operations": operations}
    accept["filters"] = {"refuse_seconds": 0}
    master.call(framework, "ACCEPT", {"accept": accept})
    clock.advance(1)
    assert offers_of(stream)[0]["id"] != offer["id"]


class TestUpdates:
    @pytest.fixture
    def sent(self) -> list[tuple]:
        return []

    @pytest.fixture
    def manager(self, clock, sent) -> UpdateManager:
        return UpdateManager(clock, lambda f, s, latest: sent.append((s["state"], latest)))

    def test_one_at_a_time_in_order_with_the_newest_state(self, manager, sent):
        for number, state in enumerate(["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]):
            assert manager.add("f", status("t", state, str(number)))
        assert sent == [("TASK_STARTING", "TASK_STARTING")]
        manager.acknowledge("f", "t", "1")  # not the one that is out
        assert len(sent) == 1
        for number in range(3):
            manager.acknowledge("f", "t", str(number))
        assert sent[1:] == [("TASK_RUNNING", "TASK_FINISHED"), ("TASK_FINISHED",) * 2]

    def test_repeated_after_10_seconds_then_twice_as_long(self, manager, sent, clock):
        manager.add("f", status("t", "TASK_RUNNING"))
        times = []
        for _ in range(100):
            clock.advance(1)
            times += [clock.time - 1000] * (len(sent) - 1 - len(times))
        assert times == [10, 30, 70]
        manager.acknowledge("f", "t", "u1")
        clock.advance(10_000)
        assert len(sent) == 4

    def test_same_update_twice_is_one(self, manager, sent):
        for _ in range(2):
            manager.add("f", status("t", "TASK_RUNNING"))
        manager.acknowledge("f", "t", "u1")
        manager.add("f", status("t", "TASK_RUNNING"))
        assert len(sent) == 1

    def test_new_scheduler_does_not_wait(self, manager, sent):
        manager.add("f", status("t", "TASK_RUNNING"))
        manager.resume("f")
        manager.resume("g")
        assert len(sent) == 2

    def test_too_many_are_refused(self, manager):
        for number in range(MAX_PENDING):
            assert manager.add("f", status("t", "TASK_RUNNING", str(number)))
        assert not manager.add("f", status("t", "TASK_RUNNING", "more"))
