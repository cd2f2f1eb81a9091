"""The shell around the executor driver, in this process, and the whole TaskTracker in its own."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from mrmesos.conf import ConfError
from mrmesos.tasktracker.core import commands as cmd
from mrmesos.tasktracker.core import events as ev
from mrmesos.tasktracker.executor import MesosExecutor, read_slot
from mrmesos.tasktracker.settings import SettingsError, TrackerSettings
from mrmesos.wire.heartbeat import EndSlot, KillAttempt, Leave, RunAttempt
from mrmesos.wire.task import Attempt, SlotData
from tests.mesos.scripted import Server, Stream, wait_for
from tests.tasktracker.fake_jobtracker import KEY, FakeJobTracker, fake_jobtracker
from tests.tasktracker.support import DEADLINE, JOB, alive, facts, map_attempt, until

Json = dict[str, Any]

FIRST_SLOT = "slot_spare"
CONF = {"tasktracker.heartbeat.seconds": "0.5"}

SUBSCRIBED: Json = {
    "type": "SUBSCRIBED",
    "subscribed": {
        "executor_info": {"executor_id": {"value": "tracker_1"}},
        "framework_info": {"id": {"value": "fw-1"}, "name": "f", "user": "u"},
        "agent_info": {"id": {"value": "agent-1"}, "hostname": "agent.example"},
        "container_id": {"value": "c"},
    },
}


def welcome(stream: Stream, _number: int) -> None:
    stream.accept()
    stream.event(SUBSCRIBED)


@pytest.fixture
def agent() -> Iterator[Server]:
    server = Server()
    server.on_subscribe = welcome
    yield server
    server.close()


def environment(agent: Server, jobtracker: str, sandbox: Path) -> dict[str, str]:
    return {
        "MESOS_AGENT_ENDPOINT": agent.address,
        "MESOS_FRAMEWORK_ID": "fw-1",
        "MESOS_EXECUTOR_ID": "tracker_1",
        "MESOS_SANDBOX": str(sandbox),
        "MESOS_CHECKPOINT": "1",
        "MESOS_RECOVERY_TIMEOUT": "15mins",
        "MESOS_SUBSCRIPTION_BACKOFF_MAX": "2secs",
        "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "30secs",
        "MRMESOS_JOBTRACKER": jobtracker,
        "MRMESOS_TRACKER_ID": "tracker_1",
        "MRMESOS_CONF": json.dumps(CONF),
    }


def spare(slot_id: str) -> Json:
    data = base64.b64encode(msgspec.json.encode(SlotData(key=KEY))).decode()
    return {"type": "LAUNCH", "launch": {"task": {"task_id": {"value": slot_id}, "data": data}}}


def with_ports(launched: Json) -> Json:
    ranges = [{"begin": 31000, "end": 31001}, {"begin": 31005, "end": 31005}]
    launched["launch"]["task"]["resources"] = [
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1.0}},
        {"name": "ports", "type": "RANGES", "ranges": {"range": ranges}},
    ]
    return launched


def task(attempt: Attempt, task_id: str = "") -> Json:
    slot = SlotData(key=KEY, first=attempt)
    data = base64.b64encode(msgspec.json.encode(slot)).decode()
    return {"task_id": {"value": task_id or attempt.slot_id}, "name": "slot", "data": data}


def launch(attempt: Attempt) -> Json:
    return {"type": "LAUNCH", "launch": {"task": task(attempt)}}


def states(agent: Server) -> list[tuple[str, str]]:
    """The updates of slots, except the slot that brought the key."""
    statuses = [body["update"]["status"] for body in agent.calls("UPDATE")]
    told = [(status["task_id"]["value"], status["state"]) for status in statuses]
    return [(slot_id, state) for slot_id, state in told if slot_id != FIRST_SLOT]


# The shell around the driver.


@contextmanager
def executor(
    agent: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[tuple[MesosExecutor, list[ev.Event], list[tuple[str, str]]]]:
    for name in [name for name in os.environ if name.startswith("MESOS_")]:
        monkeypatch.delenv(name)
    for name, text in environment(agent, "http://x", tmp_path).items():
        monkeypatch.setenv(name, text)
    events: list[ev.Event] = []
    registered: list[tuple[str, str]] = []
    keys: list[str] = []
    made = MesosExecutor(events.append, lambda *who: registered.append(who), keys.append)
    made.start()
    try:
        yield made, events, registered
    finally:
        made.stop()
    assert set(keys) <= {KEY}


def test_events_are_handed_on_in_order(
    agent: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with executor(agent, monkeypatch, tmp_path) as (_, events, registered):
        wait_for(lambda: registered)
        assert registered == [("agent-1", "agent.example")]
        rubbish = base64.b64encode(b"\xff rubbish").decode()
        agent.stream().event(
            launch(map_attempt()),
            {"type": "LAUNCH", "launch": {"task": {"task_id": {"value": "slot_2"}, "data": "!"}}},
            with_ports(spare("slot_3")),
            {"type": "KILL", "kill": {"task_id": {"value": "slot_1"}}},
            {"type": "MESSAGE", "message": {"data": rubbish}},
            {"type": "SHUTDOWN"},
        )
        wait_for(lambda: len(events) == 5)
        assert events[0] == ev.SlotLaunched("slot_1", map_attempt())
        assert isinstance(events[1], ev.BadSlotLaunched)
        assert events[2] == ev.SlotLaunched("slot_3", None, (31000, 31001, 31005))
        assert events[3] == ev.SlotKilled("slot_1")
        assert isinstance(events[4], ev.LeaveAsked)


def test_status_updates_keep_their_order_and_are_sent_before_it_stops(
    agent: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sent = [
        (f"slot_{n}", state)
        for n in range(20)
        for state in (cmd.SlotReport.RUNNING, cmd.SlotReport.FINISHED)
    ]
    with executor(agent, monkeypatch, tmp_path) as (made, _, registered):
        wait_for(lambda: registered)
        for slot_id, state in sent:
            made.send_status(cmd.SendStatus(slot_id, state, "why"))
    assert states(agent) == [(slot_id, f"TASK_{state}") for slot_id, state in sent]
    assert agent.calls("UPDATE")[0]["update"]["status"]["message"] == "why"


@pytest.mark.parametrize(
    "bad",
    [
        {"task_id": {"value": "slot_1"}},
        {"task_id": {"value": "slot_1"}, "data": "%%%"},
        {"task_id": {"value": "slot_1"}, "data": base64.b64encode(b"{}").decode()},
        {"task_id": {"value": "slot_1"}, "data": base64.b64encode(b"\xff").decode()},
        task(map_attempt(slot="slot_2"), "slot_1"),
    ],
)
def test_a_task_without_an_attempt_makes_no_sense(bad: Json) -> None:
    with pytest.raises(ValueError, match=r"does not describe a slot|for slot"):
        read_slot(bad)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MRMESOS_JOBTRACKER", None),
        ("MRMESOS_TRACKER_ID", None),
        ("MESOS_AGENT_ENDPOINT", None),
        ("MESOS_AGENT_ENDPOINT", "nonsense"),
        ("MRMESOS_JOBTRACKER", "ftp://x"),
        ("MRMESOS_CONF", "["),
        ("MRMESOS_CONF", "3"),
        ("MRMESOS_PRESTART", "-1"),
        ("MRMESOS_PRESTART", "many"),
    ],
)
def test_an_environment_that_is_no_executors(
    agent: Server, tmp_path: Path, name: str, text: str | None
) -> None:
    environ = environment(agent, "http://127.0.0.1:1", tmp_path)
    environ.pop(name, None)
    if text is not None:
        environ[name] = text
    with pytest.raises((SettingsError, ConfError)):
        TrackerSettings.from_environment(environ)


@pytest.mark.parametrize(
    ("endpoint", "source"),
    [
        ("127.0.0.1:5051", ""),
        ("127.0.0.2:5051", "127.0.0.2"),
        ("192.0.2.7:5051", ""),
        ("[::1]:5051", ""),
    ],
)
def test_only_loopback_addresses_of_an_agents_own_are_connected_from(
    agent: Server, tmp_path: Path, endpoint: str, source: str
) -> None:
    environ = environment(agent, "http://127.0.0.1:1", tmp_path)
    environ["MESOS_AGENT_ENDPOINT"] = endpoint
    assert TrackerSettings.from_environment(environ).source == source


# The whole process, with real workers.


@contextmanager
def process(agent: Server, jobtracker: str, sandbox: Path) -> Iterator[subprocess.Popen[bytes]]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("MESOS_")}
    with (sandbox / "log").open("wb") as log:
        popen = subprocess.Popen(
            [sys.executable, "-P", "-m", "mrmesos.tasktracker"],
            env={**environ, **environment(agent, jobtracker, sandbox)},
            cwd=sandbox,
            stdout=log,
            stderr=log,
        )
    try:
        yield popen
    finally:
        below: list[int] = []
        if popen.poll() is None:
            below = [child.pid for child in psutil.Process(popen.pid).children(recursive=True)]
            popen.kill()
        popen.wait(DEADLINE)
        # Also after SIGKILL: no worker outlives its tracker.
        wait_for(lambda: not any(map(alive, below)), "the workers' end")


def logs_of(sandbox: Path) -> list[Path]:
    return list(sandbox.glob("worker-*.log"))


async def ended(popen: subprocess.Popen[bytes], sandbox: Path, status: int = 0) -> None:
    await until(lambda: popen.poll() is not None, "the exit")
    assert popen.returncode == status, (sandbox / "log").read_text()
    assert not (sandbox / "jobs").exists()


def whole(agent: Server, sandbox: Path, scenario: Any) -> None:
    async def body() -> None:
        async with fake_jobtracker() as jobtracker:
            jobtracker.jobs[JOB] = facts()
            with process(agent, jobtracker.url, sandbox) as popen:
                (await asyncio.to_thread(agent.stream)).event(spare(FIRST_SLOT))
                await until(lambda: bool(jobtracker.heartbeats), "a heartbeat")
                await scenario(jobtracker, popen)

    asyncio.run(body())


def test_slots_come_and_go_in_a_whole_tasktracker(agent: Server, tmp_path: Path) -> None:
    async def scenario(jobtracker: FakeJobTracker, popen: subprocess.Popen[bytes]) -> None:
        first = jobtracker.heartbeats[0]
        assert (first.tracker_id, first.agent_id) == ("tracker_1", "agent-1")
        assert first.hostname == "agent.example"
        assert first.url.startswith("http://127.0.0.1:")
        # Workers report that the code cannot be loaded, so everything got as far as the workers.
        one, two = map_attempt(0, "slot_1"), map_attempt(1, "slot_2")
        agent.stream().event(launch(one), launch(two))
        await until(lambda: len(jobtracker.reports) == 2, "two reports")
        assert set(jobtracker.reports.values()) == {"FAILED"}
        again = map_attempt(0, "slot_1", number=1)
        jobtracker.act(RunAttempt(again), EndSlot("slot_2"))
        await until(lambda: again.attempt_id in jobtracker.reports, "a report")
        await until(lambda: ("slot_2", "TASK_FINISHED") in states(agent), "the slot's end")
        jobtracker.act(EndSlot("slot_1"), Leave("idle"))
        await ended(popen, tmp_path)
        assert sorted(states(agent)) == [
            ("slot_1", "TASK_FINISHED"),
            ("slot_1", "TASK_RUNNING"),
            ("slot_2", "TASK_FINISHED"),
            ("slot_2", "TASK_RUNNING"),
        ]
        assert len([r for r in jobtracker.requests if r.startswith("GET")]) == 2

    whole(agent, tmp_path, scenario)


@pytest.mark.parametrize("way", ["signal", "shutdown", "unknown"])
def test_every_way_to_leave_ends_slots_and_workers(agent: Server, tmp_path: Path, way: str) -> None:
    async def scenario(jobtracker: FakeJobTracker, popen: subprocess.Popen[bytes]) -> None:
        jobtracker.statuses = []
        agent.stream().event(launch(map_attempt()))
        await until(lambda: bool(jobtracker.reports), "a report")
        if way == "signal":
            popen.send_signal(signal.SIGTERM)
        elif way == "shutdown":
            agent.stream().event({"type": "SHUTDOWN"})
        else:
            jobtracker.unknown = True
        await ended(popen, tmp_path)
        assert states(agent) == [("slot_1", "TASK_RUNNING"), ("slot_1", "TASK_KILLED")]

    whole(agent, tmp_path, scenario)


def test_as_many_workers_as_slots_are_known_to_come_start_at_once(
    agent: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MRMESOS_PRESTART", "3")

    async def scenario(jobtracker: FakeJobTracker, popen: subprocess.Popen[bytes]) -> None:
        for number in range(3):
            agent.stream().event(launch(map_attempt(number, f"slot_{number}")))
        await until(lambda: len(jobtracker.reports) == 3, "three reports")
        # Three are for the slots. A fourth, the spare, starts only when no fresh one was needed.
        numbers = {int(path.stem.removeprefix("worker-")) for path in logs_of(tmp_path)}
        assert numbers >= {1, 2, 3}
        popen.send_signal(signal.SIGTERM)
        await ended(popen, tmp_path)

    whole(agent, tmp_path, scenario)


def test_a_killed_tasktracker_leaves_no_worker(agent: Server, tmp_path: Path) -> None:
    async def scenario(jobtracker: FakeJobTracker, popen: subprocess.Popen[bytes]) -> None:
        workers = [child.pid for child in psutil.Process(popen.pid).children()]
        assert workers
        popen.kill()
        await until(lambda: not any(map(alive, workers)), "the workers' end")

    whole(agent, tmp_path, scenario)


def test_a_jobtracker_that_is_gone_ends_it(
    agent: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CONF, "tasktracker.expiry.seconds", "1")

    async def scenario(jobtracker: FakeJobTracker, popen: subprocess.Popen[bytes]) -> None:
        agent.stream().event(launch(map_attempt()))
        await until(lambda: bool(jobtracker.reports), "a report")
        jobtracker.statuses = [0] * 10_000
        await ended(popen, tmp_path)
        assert states(agent) == [("slot_1", "TASK_RUNNING"), ("slot_1", "TASK_KILLED")]
        update = agent.calls("UPDATE")[-1]["update"]["status"]
        assert update["message"].startswith("the JobTracker is gone")

    whole(agent, tmp_path, scenario)


def test_a_jobtracker_that_comes_back_finds_everything(agent: Server, tmp_path: Path) -> None:
    async def scenario(jobtracker: FakeJobTracker, popen: subprocess.Popen[bytes]) -> None:
        jobtracker.statuses = [0] * 3
        attempt = map_attempt()
        agent.stream().event(launch(attempt))
        await until(lambda: attempt.attempt_id in jobtracker.reports, "a report")
        jobtracker.act(EndSlot("slot_1"), Leave("idle"))
        await ended(popen, tmp_path)

    whole(agent, tmp_path, scenario)


def test_an_attempt_that_waits_for_its_code_can_be_killed(agent: Server, tmp_path: Path) -> None:
    async def scenario(jobtracker: FakeJobTracker, popen: subprocess.Popen[bytes]) -> None:
        attempt = map_attempt()
        jobtracker.code = b"not what the hash says"
        agent.stream().event(launch(attempt))
        await until(lambda: any("code" in request for request in jobtracker.requests))
        jobtracker.act(KillAttempt(attempt.attempt_id, "job killed"))
        await until(lambda: jobtracker.reports.get(attempt.attempt_id) == "KILLED")
        popen.send_signal(signal.SIGTERM)
        await ended(popen, tmp_path)

    whole(agent, tmp_path, scenario)


def test_a_tasktracker_outside_mesos_says_so(tmp_path: Path) -> None:
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("MESOS_", "MRMESOS_"))}
    before = time.monotonic()
    answer = subprocess.run(
        [sys.executable, "-P", "-m", "mrmesos.tasktracker"],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    assert answer.returncode == 2
    assert b"only Mesos can start a TaskTracker" in answer.stderr
    assert time.monotonic() - before < DEADLINE


def test_the_process_itself_imports_nothing_heavy() -> None:
    code = (
        "import sys, mrmesos.tasktracker.__main__, mrmesos.tasktracker.executor;"
        "import mrmesos.tasktracker.shell;"
        "print([name for name in ('pyarrow', 'numpy', 'fsspec', 'cloudpickle', 'click', 'rich')"
        " if name in sys.modules])"
    )
    command = [sys.executable, "-P", "-c", code]
    answer = subprocess.run(command, capture_output=True, timeout=DEADLINE, check=True)
    assert answer.stdout.strip() == b"[]"
