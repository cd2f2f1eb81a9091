"""`ExecutorDriver` against a scripted agent: one test for each bug of pymesos."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from mrmesos.mesos.callbacks import Json
from mrmesos.mesos.errors import MesosCallError, MesosError
from mrmesos.mesos.event_loop import Backoff
from mrmesos.mesos.executor_driver import GRACE_OVER_EXIT_CODE, ExecutorDriver, flag, seconds
from tests.mesos.scripted import Request, Server, Stream, wait_for

Start = Callable[[ExecutorDriver], None]
SUBSCRIBED: Json = {
    "type": "SUBSCRIBED",
    "subscribed": {
        "executor_info": {"executor_id": {"value": "e1"}},
        "framework_info": {"id": {"value": "fw-1"}},
        "agent_info": {"hostname": "host-0"},
    },
}


class Recorder:
    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []
        self.fatal: list[BaseException] = []
        self.on_launch: Callable[[Json], object] | None = None

    def of(self, kind: str) -> list[tuple[object, ...]]:
        return [entry for entry in list(self.heard) if entry[0] == kind]

    def registered(self, executor_info: Json, framework_info: Json, agent_info: Json) -> None:
        self.heard.append(("registered", agent_info["hostname"]))

    def reregistered(self, agent_info: Json) -> None:
        self.heard.append(("reregistered", agent_info["hostname"]))

    def launch_task(self, task: Json) -> None:
        self.heard.append(("launch", task["task_id"]["value"]))
        if self.on_launch:
            self.on_launch(task)

    def kill_task(self, task_id: str) -> None:
        self.heard.append(("kill", task_id))

    def framework_message(self, data: bytes) -> None:
        self.heard.append(("message", data))

    def shutdown(self) -> None:
        self.heard.append(("shutdown",))

    def disconnected(self) -> None:
        self.heard.append(("disconnected",))

    def error(self, message: str) -> None:
        self.heard.append(("error", message))


@pytest.fixture
def agent(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The scripted server as an agent, with the environment for an executor."""
    for name in [name for name in os.environ if name.startswith("MESOS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "MESOS_AGENT_ENDPOINT": server.address,
        "MESOS_FRAMEWORK_ID": "fw-1",
        "MESOS_EXECUTOR_ID": "e1",
        "MESOS_CHECKPOINT": "1",
        "MESOS_RECOVERY_TIMEOUT": "15mins",
        "MESOS_SUBSCRIPTION_BACKOFF_MAX": "2secs",
        "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "5secs",
    }.items():
        monkeypatch.setenv(name, value)
    server.on_subscribe = lambda stream, number: welcome(stream)
    return server


def welcome(stream: Stream) -> None:
    stream.accept()
    stream.event(SUBSCRIBED)


def make(heard: Recorder, **more: Any) -> ExecutorDriver:
    options = {
        "backoff": Backoff(0.01, 0.05),
        "call_timeout": 5.0,
        "on_fatal": heard.fatal.append,
        **more,
    }
    return ExecutorDriver(heard, **options)


def launch(task_id: str) -> Json:
    return {"type": "LAUNCH", "launch": {"task": {"task_id": {"value": task_id}, "name": "n"}}}


def acknowledged(update: Json) -> Json:
    status = update["update"]["status"]
    ids = {"task_id": status["task_id"], "uuid": status["uuid"]}
    return {"type": "ACKNOWLEDGED", "acknowledged": ids}


def status(task_id: str, state: str) -> Json:
    return {"task_id": {"value": task_id}, "state": state}


def states(agent: Server) -> list[str]:
    return [body["update"]["status"]["state"] for body in agent.calls("UPDATE")]


def test_a_conversation(agent: Server, running: Start) -> None:
    heard = Recorder()
    driver = make(heard)
    running(driver)
    wait_for(lambda: heard.of("registered"))
    first = agent.subscriptions[0]
    assert first.path == "/api/v1/executor"
    assert first.body == {
        "type": "SUBSCRIBE",
        "framework_id": {"value": "fw-1"},
        "executor_id": {"value": "e1"},
        "subscribe": {"unacknowledged_tasks": [], "unacknowledged_updates": []},
    }
    assert "authorization" not in first.headers
    group = [{"task_id": {"value": "t2"}}, {"task_id": {"value": "t3"}}]
    agent.stream().event(
        {"type": "HEARTBEAT"},
        launch("t1"),
        launch("t1"),
        {"type": "LAUNCH_GROUP", "launch_group": {"task_group": {"tasks": group}}},
        {"type": "KILL", "kill": {"task_id": {"value": "t1"}}},
        {"type": "MESSAGE", "message": {"data": base64.b64encode(b"\xffhi").decode()}},
    )
    wait_for(lambda: heard.of("message"))
    assert heard.heard == [
        ("registered", "host-0"),
        ("launch", "t1"),
        ("launch", "t2"),
        ("launch", "t3"),
        ("kill", "t1"),
        ("message", b"\xffhi"),
    ]
    given = status("t1", "TASK_RUNNING")
    assert driver.sendStatusUpdate(given)
    assert given == status("t1", "TASK_RUNNING")
    assert driver.sendFrameworkMessage(b"\0")
    update, message = (request.body for request in agent.requests[1:])
    ids = {"framework_id": {"value": "fw-1"}, "executor_id": {"value": "e1"}}
    sent = update["update"]["status"]
    assert update == {"type": "UPDATE", **ids, "update": {"status": sent}}
    assert sent["source"] == "SOURCE_EXECUTOR"
    assert len(base64.b64decode(sent["uuid"])) == 16
    assert sent["timestamp"] > 0
    assert message == {"type": "MESSAGE", **ids, "message": {"data": "AA=="}}
    assert not heard.fatal


def test_updates_are_kept_until_acknowledged(agent: Server, running: Start) -> None:
    heard = Recorder()
    driver = make(heard)
    running(driver)
    agent.stream().event(launch("t1"), launch("t2"))
    wait_for(lambda: len(heard.of("launch")) == 2)
    assert driver.sendStatusUpdate(status("t1", "TASK_RUNNING"))
    assert driver.sendStatusUpdate(status("t1", "TASK_FINISHED"))
    running_update, finished = agent.calls("UPDATE")
    agent.stream().event(acknowledged(running_update))
    wait_for(lambda: len(driver.updates) == 1)
    agent.stream().reset()
    wait_for(lambda: heard.of("reregistered"))
    assert agent.subscriptions[1].body["subscribe"] == {
        "unacknowledged_tasks": [{"task_id": {"value": "t2"}, "name": "n"}],
        "unacknowledged_updates": [finished["update"]],
    }
    agent.stream(1).event(acknowledged(finished))
    wait_for(lambda: not driver.updates)
    assert len(agent.calls("UPDATE")) == 2


def test_drain_waits_for_acknowledgements(agent: Server, running: Start) -> None:
    heard = Recorder()
    driver = make(heard)
    running(driver)
    wait_for(lambda: heard.of("registered"))
    assert driver.drain(0.0)
    assert driver.sendStatusUpdate(status("t1", "TASK_FINISHED"))
    assert not driver.drain(0.01)
    answer: list[bool] = []
    waiter = threading.Thread(target=lambda: answer.append(driver.drain(20.0)))
    waiter.start()
    agent.stream().event(acknowledged(agent.calls("UPDATE")[0]))
    waiter.join(10)
    assert answer == [True]


def test_updates_made_while_away_are_sent_later(agent: Server, running: Start) -> None:
    heard = Recorder()
    back = threading.Event()

    def answer(stream: Stream, number: int) -> None:
        if number == 0 or back.is_set():
            welcome(stream)
        else:
            stream.refuse(503, "Agent has not finished recovery")

    agent.on_subscribe = answer
    driver = make(heard)
    running(driver)
    wait_for(lambda: heard.of("registered"))
    agent.stream().reset()
    wait_for(lambda: heard.of("disconnected"))
    assert driver.sendStatusUpdate(status("t1", "TASK_FINISHED")) is False
    assert driver.sendFrameworkMessage(b"x") is False
    back.set()
    wait_for(lambda: heard.of("reregistered"))
    wait_for(lambda: not driver._unsent)
    carried = agent.subscriptions[-1].body["subscribe"]["unacknowledged_updates"]
    assert [one["status"]["state"] for one in carried] + states(agent) == ["TASK_FINISHED"]
    assert not heard.of("shutdown")


def test_updates_that_fail_stay_in_order(agent: Server, running: Start) -> None:
    """The agent answers 503 for a while, though its event stream stays open."""
    heard = Recorder()
    driver = make(heard)
    running(driver)
    wait_for(lambda: heard.of("registered"))
    taken: list[str] = []
    healthy = threading.Event()

    def answer(request: Request) -> tuple[int, str]:
        if not healthy.is_set():
            return 503, "busy"
        taken.append(request.body["update"]["status"]["state"])
        return 202, ""

    agent.on_call = answer
    for state in ("TASK_STARTING", "TASK_RUNNING"):
        assert driver.sendStatusUpdate(status("t1", state)) is False
    healthy.set()
    wait_for(lambda: len(taken) == 2)
    assert driver.sendStatusUpdate(status("t1", "TASK_FINISHED"))
    assert taken == ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]


def test_an_update_refused_for_good_is_not_kept(agent: Server, running: Start) -> None:
    heard = Recorder()
    driver = make(heard)
    running(driver)
    wait_for(lambda: heard.of("registered"))
    agent.on_call = lambda request: (400, "Expecting 'state'")
    with pytest.raises(MesosCallError):
        driver.sendStatusUpdate(status("t1", "NONSENSE"))
    agent.on_call = lambda request: (202, "")
    assert driver.sendStatusUpdate(status("t1", "TASK_FINISHED"))
    assert len(driver.updates) == 1
    with pytest.raises(ValueError, match="uuid"):
        driver.sendStatusUpdate({**status("t1", "TASK_FINISHED"), "uuid": "short"})


def test_kept_updates_have_a_limit(
    agent: Server, running: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mrmesos.mesos.executor_driver.MAX_PENDING_UPDATES", 2)
    driver = make(Recorder())
    assert driver.sendStatusUpdate(status("t1", "TASK_RUNNING")) is False
    assert driver.sendStatusUpdate(status("t2", "TASK_RUNNING")) is False
    with pytest.raises(MesosError, match="2 updates wait"):
        driver.sendStatusUpdate(status("t3", "TASK_RUNNING"))


def test_a_frozen_agent_does_not_block_events(agent: Server, running: Start) -> None:
    heard = Recorder()
    arrived = threading.Event()

    def freeze(request: Request) -> None:
        arrived.set()
        agent.thaw.wait(30)

    agent.on_call = freeze
    driver = make(heard, call_timeout=30.0)
    running(driver)
    wait_for(lambda: heard.of("registered"))
    outcome: list[bool] = []
    caller = threading.Thread(
        target=lambda: outcome.append(driver.sendStatusUpdate(status("t1", "TASK_RUNNING")))
    )
    caller.start()
    assert arrived.wait(10)
    agent.stream().event(launch("t1"))
    wait_for(lambda: heard.of("launch"))
    agent.on_call = lambda request: (202, "")
    agent.stream().reset()
    caller.join(10)
    assert not caller.is_alive()
    wait_for(lambda: heard.of("reregistered"))
    wait_for(lambda: not driver._unsent)
    assert outcome == [False]


def test_what_a_callback_raises_ends_nothing(agent: Server, running: Start) -> None:
    heard = Recorder()
    heard.on_launch = lambda task: 1 // 0
    running(make(heard))
    agent.stream().event(launch("t1"), launch("t2"))
    wait_for(lambda: len(heard.fatal) == 2)
    assert len(agent.subscriptions) == 1


def test_the_authentication_token_is_shown(
    agent: Server, running: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", "abc.def")
    heard = Recorder()
    driver = make(heard)
    running(driver)
    wait_for(lambda: heard.of("registered"))
    assert driver.sendFrameworkMessage(b"x")
    assert {one.headers["authorization"] for one in agent.requests} == {"Bearer abc.def"}


def test_without_checkpointing_a_lost_agent_is_the_end(
    agent: Server, running: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESOS_CHECKPOINT", "0")
    heard = Recorder()
    driver = make(heard)
    running(driver)
    wait_for(lambda: heard.of("registered"))
    agent.stream().reset()
    assert driver.join(10)
    assert [entry[0] for entry in heard.heard] == ["registered", "disconnected", "shutdown"]
    assert len(agent.subscriptions) == 1


def test_with_checkpointing_the_recovery_timeout_is_the_end(
    agent: Server, running: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESOS_RECOVERY_TIMEOUT", "200ms")
    heard = Recorder()
    agent.on_subscribe = lambda stream, number: stream.refuse(503) if number else welcome(stream)
    driver = make(heard)
    running(driver)
    wait_for(lambda: heard.of("registered"))
    agent.stream().reset()
    assert driver.join(10)
    assert [entry[0] for entry in heard.heard] == ["registered", "disconnected", "shutdown"]
    assert len(agent.subscriptions) > 2


def test_an_agent_that_never_answers_is_the_end(agent: Server, running: Start) -> None:
    agent.on_subscribe = lambda stream, number: None
    heard = Recorder()
    driver = make(heard, first_subscription_limit=0.2)
    running(driver)
    assert driver.join(10)
    assert heard.heard == [("shutdown",)]


def test_a_restarting_agent_is_asked_often(agent: Server) -> None:
    """An agent waits 2 s for its executors. MESOS_SUBSCRIPTION_BACKOFF_MAX is as long as that."""
    pauses = ExecutorDriver(Recorder())._backoff_pauses
    assert sum(pauses.next_pause() for _ in range(5)) < 2.0
    assert pauses.longest == 0.5


def test_an_agent_that_does_not_know_us_is_an_error(agent: Server, running: Start) -> None:
    agent.on_subscribe = lambda stream, number: stream.refuse(400, "Executor cannot be found")
    heard = Recorder()
    driver = make(heard)
    running(driver)
    assert driver.join(10)
    assert heard.heard == [("error", "SUBSCRIBE was refused: HTTP 400: Executor cannot be found")]


def test_last_updates_can_be_sent_after_shutdown(agent: Server, running: Start) -> None:
    heard = Recorder()
    driver = make(heard)
    running(driver)
    agent.stream().event({"type": "SHUTDOWN"})
    wait_for(lambda: heard.of("shutdown"))
    assert driver.sendStatusUpdate(status("t1", "TASK_KILLED"))
    driver.stop()
    assert driver.join(10)
    assert states(agent) == ["TASK_KILLED"]
    assert not heard.of("disconnected")


EXITS = """
import subprocess, sys, time
from tests.mesos.test_executor_driver import Recorder, make
survivor = "import sys; sys.stdin.read(); print('survived')"
subprocess.Popen([sys.executable, "-c", survivor], stdin=subprocess.PIPE)
driver = make(Recorder(), exit_after_grace=True)
driver.start()
time.sleep(60)
"""


def test_after_the_grace_period_only_this_process_exits(
    agent: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "10ms")
    process = subprocess.Popen(
        [sys.executable, "-c", EXITS], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    with process.stdout:
        agent.stream().event({"type": "SHUTDOWN"})
        assert process.wait(20) == GRACE_OVER_EXIT_CODE
        # The other process of the group lives until its input ends, when its parent ends.
        assert process.stdout.read() == "survived\n"


@pytest.mark.parametrize(
    ("text", "is_set"),
    [("1", True), ("true", True), ("0", False), ("false", False), ("", False), (None, False)],
)
def test_flags(text: str | None, is_set: bool) -> None:
    assert flag(text) is is_set


@pytest.mark.parametrize(
    ("text", "value"),
    [("15mins", 900.0), ("2secs", 2.0), ("500ms", 0.5), ("1.5hrs", 5400.0), ("", 7.0), (None, 7.0)],
)
def test_durations(text: str | None, value: float) -> None:
    assert seconds(text, 7.0) == value


@pytest.mark.parametrize("text", ["5", "secs", "5 parsecs"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError):
        seconds(text, 1.0)
