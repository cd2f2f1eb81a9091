"""A minimesos in a thread of the test, and a bare scheduler that uses plain HTTP."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from mrmesos.minimesos.http.server import AgentSpec, MiniMesos, MiniMesosConfig

Json = dict[str, Any]
T = TypeVar("T")
DEADLINE = 30.0
JSON_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


class Cluster:
    """Runs a `MiniMesos` on an event loop in its own thread."""

    def __init__(self, work_dir: Path, *agents: AgentSpec, **config: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        settings = MiniMesosConfig(work_dir=work_dir, port=0, agents=agents, **config)
        self.mesos = MiniMesos(settings)
        self.url = self.run(self.mesos.start())
        self.address = self.url.removeprefix("http://")

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(DEADLINE)

    def state(self) -> Json:
        return get_json(self.address, "/state")

    def stop(self) -> None:
        self.run(self.mesos.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(DEADLINE)
        self.loop.close()


def get_json(address: str, path: str) -> Json:
    connection = http.client.HTTPConnection(address, timeout=DEADLINE)
    try:
        connection.request("GET", path)
        return dict(json.loads(connection.getresponse().read()))
    finally:
        connection.close()


def wait_for(what: Callable[[], T | None], deadline: float = DEADLINE) -> T:
    """Poll until the result is true."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"nothing came within {deadline} s")


class Scheduler:
    """Subscribes, stores the events, and sends calls."""

    def __init__(self, address: str, framework_id: str | None = None, **info: Any) -> None:
        self.address = address
        self.info = {"user": "root", "name": "test", **info}
        self.id = framework_id
        self.events: list[Json] = []
        self.arrived = threading.Condition()
        self.closed = False
        self.stream_id = ""
        self.status = 0
        self.error = ""

    def subscribe(self, body: Json | None = None, headers: dict[str, str] | None = None) -> None:
        if body is None:
            body = {"type": "SUBSCRIBE", "subscribe": {"framework_info": self.info}}
            if self.id:
                body["framework_id"] = {"value": self.id}
                self.info["id"] = {"value": self.id}
        self.connection = http.client.HTTPConnection(self.address)
        self.connection.request(
            "POST", "/api/v1/scheduler", json.dumps(body), {**JSON_HEADERS, **(headers or {})}
        )
        self.response = self.connection.getresponse()
        self.status = self.response.status
        self.headers = dict(self.response.getheaders())
        if self.status != 200:
            self.error = self.response.read().decode()
            self.connection.close()
            return
        self.stream_id = self.headers["Mesos-Stream-Id"]
        threading.Thread(target=self._read, daemon=True).start()

    def start(self) -> Scheduler:
        """Subscribe and learn the framework's id."""
        self.subscribe()
        self.id = self.wait("SUBSCRIBED")["framework_id"]["value"]
        return self

    def _read(self) -> None:
        buffer = b""
        try:
            while chunk := self.response.read1(65536):
                buffer += chunk
                while b"\n" in buffer:
                    size, rest = buffer.split(b"\n", 1)
                    if len(rest) < int(size):
                        break
                    event, buffer = json.loads(rest[: int(size)]), rest[int(size) :]
                    with self.arrived:
                        self.events.append(event)
                        self.arrived.notify_all()
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            pass  # the stream broke; `closed` reports it
        with self.arrived:
            self.closed = True
            self.arrived.notify_all()

    def take(
        self, kind: str, where: Callable[[Json], bool] = lambda _: True, timeout: float = DEADLINE
    ) -> Json | None:
        """Remove and return the first event of this type, or None."""
        end = time.monotonic() + timeout
        with self.arrived:
            while True:
                for position, event in enumerate(self.events):
                    if event["type"] == kind and where(event):
                        return self.events.pop(position)
                left = end - time.monotonic()
                if left <= 0 or (self.closed and not self.arrived.wait(0)):
                    return None
                self.arrived.wait(min(left, 1.0))

    def wait(
        self, kind: str, where: Callable[[Json], bool] = lambda _: True, timeout: float = DEADLINE
    ) -> Json:
        """Wait for the first event of this type and return its payload."""
        event = self.take(kind, where, timeout)
        assert event is not None, f"no {kind}; there are {[e['type'] for e in self.events]}"
        return dict(event.get(kind.lower(), event))

    def offers(self) -> list[Json]:
        return list(self.wait("OFFERS")["offers"])

    def update(self, task: str, *states: str, ack: bool = True) -> Json:
        """Wait for the task's next status (in one of these states, if given) and acknowledge it."""
        while True:
            event = self.wait("UPDATE", lambda e: _task_of(e) == task)
            status: Json = event["status"]
            if ack:
                self.acknowledge(status)
            if not states or status["state"] in states:
                return status

    def acknowledge(self, status: Json) -> None:
        if "uuid" in status:
            names = ("agent_id", "task_id", "uuid")
            self.call("ACKNOWLEDGE", acknowledge={name: status[name] for name in names})

    def call(self, kind: str, **payload: Any) -> tuple[int, str]:
        body = {"type": kind, "framework_id": {"value": self.id}, **payload}
        return self.post(json.dumps(body))

    def post(
        self,
        body: str | bytes,
        path: str = "/api/v1/scheduler",
        drop: str | None = None,
        **headers: str,
    ) -> tuple[int, str]:
        sent = {**JSON_HEADERS, "Mesos-Stream-Id": self.stream_id}
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        sent.pop(drop or "", None)
        connection = http.client.HTTPConnection(self.address, timeout=DEADLINE)
        try:
            connection.request("POST", path, body, sent)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def accept(
        self, offers: list[Json], tasks: list[Json], refuse: float | None = 0
    ) -> tuple[int, str]:
        operations = [{"type": "LAUNCH", "launch": {"task_infos": tasks}}]
        accept: Json = {"offer_ids": [o["id"] for o in offers], "operations": operations}
        if refuse is not None:
            accept["filters"] = {"refuse_seconds": refuse}
        return self.call("ACCEPT", accept=accept)

    def decline(self, offers: list[Json], refuse: float | None = 0) -> None:
        decline: Json = {"offer_ids": [o["id"] for o in offers]}
        if refuse is not None:
            decline["filters"] = {"refuse_seconds": refuse}
        self.call("DECLINE", decline=decline)

    def drop(self) -> None:
        """Break the stream."""
        if self.connection.sock is not None:
            self.connection.sock.shutdown(2)
        else:  # http.client has moved the socket to the response
            self.response.fp.raw._sock.shutdown(2)  # type: ignore[attr-defined]  # no public way


def _task_of(event: Json) -> str:
    return str(event["update"]["status"]["task_id"]["value"])


def scalar(name: str, value: float, **more: Any) -> Json:
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}, **more}


def amounts(resources: list[Json]) -> dict[str, float]:
    """The scalars of a list of resources, by name."""
    sums: dict[str, float] = {}
    for one in resources:
        if one["type"] == "SCALAR":
            sums[one["name"]] = sums.get(one["name"], 0) + one["scalar"]["value"]
    return sums


def command_task(name: str, offer: Json, command: str, cpus: float = 0.1, mem: float = 32) -> Json:
    """A task without an executor."""
    return {
        "name": name,
        "task_id": {"value": name},
        "agent_id": offer["agent_id"],
        "command": {"value": command},
        "resources": [scalar("cpus", cpus), scalar("mem", mem)],
    }


def encode(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()
