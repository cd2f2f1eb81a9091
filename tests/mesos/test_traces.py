"""The drivers replay recordings of a real master and agents, and accept every event."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mrmesos.mesos.callbacks import Json
from mrmesos.mesos.event_loop import SubscriptionLoop
from mrmesos.resources import take, total
from tests.mesos.recorder import Recorder, make
from tests.mesos.scripted import Server, Stream, wait_for
from tests.mesos.test_executor_driver import Recorder as ExecutorRecorder
from tests.mesos.test_executor_driver import make as make_executor

TRACES = Path(__file__).parents[1] / "minimesos" / "traces"
NAMES = sorted(path.stem for path in TRACES.glob("*.jsonl"))

# Event types by the callbacks that receive them.
SCHEDULER = {
    "SUBSCRIBED": {"registered"},
    "OFFERS": {"offers"},
    "RESCIND": {"rescinded"},
    "UPDATE": {"status"},
    "MESSAGE": {"message"},
    "FAILURE": {"agent_lost", "executor_lost"},
    "HEARTBEAT": {"heartbeat"},
    "ERROR": {"error"},
}
EXECUTOR = {
    "SUBSCRIBED": {"registered"},
    "LAUNCH": {"launch"},
    "KILL": {"kill"},
    "MESSAGE": {"message"},
    "SHUTDOWN": {"shutdown"},
}


def conversations(name: str, side: str) -> Iterator[list[Json]]:
    """The events of each stream of a trace, in order."""
    streams: dict[str, list[Json]] = {}
    with (TRACES / f"{name}.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            if side in entry and entry.get("dir") == "event":
                key = str(entry[side])
                if entry["kind"] == "SUBSCRIBED" and key in streams:
                    yield streams.pop(key)
                streams.setdefault(key, []).append(entry["body"])
    yield from streams.values()


def replay(
    server: Server,
    driver: SubscriptionLoop,
    heard: list[tuple[object, ...]],
    events: list[Json],
    expected: dict[str, set[str]],
) -> None:
    def play(stream: Stream, number: int) -> None:
        if number == 0:
            stream.accept()
            stream.event(*events)

    server.on_subscribe = play
    told = [event["type"] for event in events if event["type"] in expected]
    driver.start()
    try:
        wait_for(lambda: len(heard) >= len(told), f"{len(told)} callbacks")
    finally:
        driver.abort()
        assert driver.join(20)
    for kind, entry in zip(told, heard, strict=True):
        assert entry[0] in expected[kind]


def test_the_traces_are_there() -> None:
    assert {"lifecycle", "losses", "partition", "reconcile", "roles", "validation"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_what_schedulers_were_told(name: str) -> None:
    for events in conversations(name, "framework"):
        server, heard = Server(), Recorder()
        try:
            replay(server, make(server, heard), heard.heard, events, SCHEDULER)
        finally:
            server.close()
        assert not heard.fatal


@pytest.mark.parametrize("name", NAMES)
def test_what_executors_were_told(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for events in conversations(name, "executor"):
        if events[0]["type"] != "SUBSCRIBED":
            continue
        info = events[0]["subscribed"]
        server, heard = Server(), ExecutorRecorder()
        monkeypatch.setenv("MESOS_AGENT_ENDPOINT", server.address)
        monkeypatch.setenv("MESOS_FRAMEWORK_ID", info["framework_info"]["id"]["value"])
        monkeypatch.setenv("MESOS_EXECUTOR_ID", info["executor_info"]["executor_id"]["value"])
        monkeypatch.setenv("MESOS_CHECKPOINT", "1")
        try:
            replay(server, make_executor(heard), heard.heard, events, EXECUTOR)
        finally:
            server.close()
        assert not heard.fatal


@pytest.mark.parametrize("name", NAMES)
def test_offers_are_taken_in_full(name: str) -> None:
    for events in conversations(name, "framework"):
        for event in events:
            for offer in event.get("offers", {}).get("offers", []):
                everything = total(offer["resources"])
                taken, rest = take(offer["resources"], everything)
                assert total(taken) == everything
                assert not total(rest)
                left = Counter(one["name"] for one in rest)
                assert set(left) <= {"ports", "db_connections"}
