"""`SchedulerDriver` against a scripted master: one test for each trap."""

from __future__ import annotations

import base64
from collections.abc import Callable

from mrmesos.mesos.callbacks import Json
from mrmesos.mesos.scheduler_driver import SchedulerDriver
from mrmesos.mesos.subscription import Backoff
from tests.mesos.scripted import Server, wait_for

Start = Callable[[SchedulerDriver], None]
FRAMEWORK: Json = {"user": "u", "name": "test", "failover_timeout": 60.0, "roles": ["mr"]}


class Recorder:
    """Callbacks that note what they hear."""

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []
        self.fatal: list[BaseException] = []
        self.on_offers: Callable[[list[Json]], None] | None = None

    def of(self, kind: str) -> list[tuple[object, ...]]:
        return [entry for entry in list(self.heard) if entry[0] == kind]

    def registered(self, framework_id: str, master_info: Json) -> None:
        self.heard.append(("registered", framework_id, master_info.get("version")))

    def reregistered(self, framework_id: str, master_info: Json) -> None:
        self.heard.append(("reregistered", framework_id))

    def offers(self, offers: list[Json]) -> None:
        self.heard.append(("offers", [offer["id"]["value"] for offer in offers]))
        if self.on_offers:
            self.on_offers(offers)

    def rescinded(self, offer_id: str) -> None:
        self.heard.append(("rescinded", offer_id))

    def status_update(self, status: Json) -> None:
        self.heard.append(("status", status["task_id"]["value"], status["state"]))

    def framework_message(self, executor_id: str, agent_id: str, data: bytes) -> None:
        self.heard.append(("message", executor_id, agent_id, data))

    def agent_lost(self, agent_id: str) -> None:
        self.heard.append(("agent_lost", agent_id))

    def executor_lost(self, agent_id: str, executor_id: str, status: int | None) -> None:
        self.heard.append(("executor_lost", agent_id, executor_id, status))

    def disconnected(self) -> None:
        self.heard.append(("disconnected",))

    def error(self, message: str) -> None:
        self.heard.append(("error", message))


def make(server: Server, heard: Recorder, framework: Json = FRAMEWORK, **more: object):  # type: ignore[no-untyped-def]
    options: dict[str, object] = {
        "backoff": Backoff(0.01, 0.05),
        "call_timeout": 5.0,
        "on_fatal": heard.fatal.append,
        **more,
    }
    return SchedulerDriver(heard, framework, server.address, **options)  # type: ignore[arg-type]


def offers(*ids: str) -> Json:
    return {"type": "OFFERS", "offers": {"offers": [{"id": {"value": one}} for one in ids]}}


def test_a_conversation(server: Server, running: Start) -> None:
    heard = Recorder()
    driver = make(server, heard, principal="me", secret="word", suppressed_roles=["mr"])
    assert not driver.connected
    running(driver)
    wait_for(lambda: heard.of("registered"))
    assert heard.heard[0] == ("registered", "fw-1", "1.12.0-rc1")
    first = server.subscriptions[0]
    assert first.path == "/api/v1/scheduler"
    assert first.body == {
        "type": "SUBSCRIBE",
        "subscribe": {"framework_info": FRAMEWORK, "suppressed_roles": ["mr"]},
    }
    assert first.headers["authorization"] == "Basic " + base64.b64encode(b"me:word").decode()
    stream = server.stream()
    update: Json = {
        "task_id": {"value": "t1"},
        "agent_id": {"value": "a1"},
        "state": "TASK_RUNNING",
        "uuid": "dXVpZA==",
    }
    stream.event(
        {"type": "HEARTBEAT"},
        offers("o1", "o2"),
        {"type": "RESCIND", "rescind": {"offer_id": {"value": "o2"}}},
        {"type": "UPDATE", "update": {"status": update}},
        {
            "type": "MESSAGE",
            "message": {
                "executor_id": {"value": "e1"},
                "agent_id": {"value": "a1"},
                "data": base64.b64encode(b"\0hi").decode(),
            },
        },
        {"type": "FAILURE", "failure": {"agent_id": {"value": "a1"}}},
    )
    wait_for(lambda: heard.of("agent_lost"))
    assert heard.heard[1:] == [
        ("offers", ["o1", "o2"]),
        ("rescinded", "o2"),
        ("status", "t1", "TASK_RUNNING"),
        ("message", "e1", "a1", b"\0hi"),
        ("agent_lost", "a1"),
    ]
    assert driver.acceptOffers(["o1"], [{"type": "LAUNCH"}], {"refuse_seconds": 1.0})
    assert driver.launchTasks(["o1"], [{"task_id": {"value": "t1"}}])
    assert driver.declineOffer(["o2"], {"refuse_seconds": 5.0})
    assert driver.acknowledgeStatusUpdate(update)
    assert not driver.acknowledgeStatusUpdate({"task_id": {"value": "t1"}})
    assert driver.sendFrameworkMessage("e1", "a1", b"\xff")
    assert driver.shutdownExecutor("e1", "a1")
    bodies = [request.body for request in server.requests[1:]]
    fw = {"framework_id": {"value": "fw-1"}}
    assert bodies == [
        {
            "type": "ACCEPT",
            **fw,
            "accept": {
                "offer_ids": [{"value": "o1"}],
                "operations": [{"type": "LAUNCH"}],
                "filters": {"refuse_seconds": 1.0},
            },
        },
        {
            "type": "ACCEPT",
            **fw,
            "accept": {
                "offer_ids": [{"value": "o1"}],
                "operations": [
                    {"type": "LAUNCH", "launch": {"task_infos": [{"task_id": {"value": "t1"}}]}}
                ],
            },
        },
        {
            "type": "DECLINE",
            **fw,
            "decline": {"offer_ids": [{"value": "o2"}], "filters": {"refuse_seconds": 5.0}},
        },
        {
            "type": "ACKNOWLEDGE",
            **fw,
            "acknowledge": {
                "agent_id": {"value": "a1"},
                "task_id": {"value": "t1"},
                "uuid": "dXVpZA==",
            },
        },
        {
            "type": "MESSAGE",
            **fw,
            "message": {
                "agent_id": {"value": "a1"},
                "executor_id": {"value": "e1"},
                "data": "/w==",
            },
        },
        {
            "type": "SHUTDOWN",
            **fw,
            "shutdown": {"executor_id": {"value": "e1"}, "agent_id": {"value": "a1"}},
        },
    ]
    assert {request.headers["mesos-stream-id"] for request in server.requests[1:]} == {"stream-1"}
    assert not heard.fatal
