"""Helpers for tests of `SchedulerDriver`: callbacks that record their calls, and a driver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mrmesos.mesos.callbacks import Json
from mrmesos.mesos.event_loop import Backoff
from mrmesos.mesos.scheduler_driver import SchedulerDriver
from tests.mesos.scripted import Server, Stream

Start = Callable[[SchedulerDriver], None]
FRAMEWORK: Json = {"user": "u", "name": "test", "failover_timeout": 60.0, "roles": ["mr"]}


class Recorder:
    """Callbacks that record their calls."""

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []
        self.fatal: list[BaseException] = []
        self.on_offers: Callable[[list[Json]], object] | None = None
        self.on_status: Callable[[Json], object] | None = None

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

    def inverse_offers(self, offers: list[Json]) -> None:
        self.heard.append(("inverse_offers", [offer["id"]["value"] for offer in offers]))

    def inverse_offer_rescinded(self, offer_id: str) -> None:
        self.heard.append(("inverse_offer_rescinded", offer_id))

    def status_update(self, status: Json) -> None:
        self.heard.append(("status", status["task_id"]["value"], status["state"]))
        if self.on_status:
            self.on_status(status)

    def heartbeat(self) -> None:
        self.heard.append(("heartbeat",))

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


def make(
    server: Server, heard: Recorder, framework: Json = FRAMEWORK, **more: Any
) -> SchedulerDriver:
    options = {
        "backoff": Backoff(0.01, 0.05),
        "call_timeout": 5.0,
        "on_fatal": heard.fatal.append,
        **more,
    }
    return SchedulerDriver(heard, framework, server.address, **options)


def offers(*ids: str) -> Json:
    return {
        "type": "OFFERS",
        "offers": {"offers": [{"id": {"value": one}, "agent_id": {"value": "a1"}} for one in ids]},
    }


def subscribe_with(*steps: Callable[[Stream], None]) -> Callable[[Stream, int], None]:
    """Give these answers to the first subscriptions, and correct ones to later subscriptions."""

    def answer(stream: Stream, number: int) -> None:
        if number < len(steps):
            steps[number](stream)
        else:
            Server.welcome(stream, number)

    return answer


def then(*actions: Callable[[Stream], None]) -> Callable[[Stream], None]:
    def run(stream: Stream) -> None:
        for action in actions:
            action(stream)

    return run


def accept(stream: Stream) -> None:
    Server.welcome(stream, 0)
