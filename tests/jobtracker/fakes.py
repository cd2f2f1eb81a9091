"""A fake Mesos driver, and a service that uses it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mrmesos.jobtracker.mesos.framework import FrameworkCallbacks
from mrmesos.mesos.callbacks import Json
from mrmesos.mesos.errors import MesosError

DEADLINE = 20.0


def wait_until(condition: Callable[[], bool], what: str = "") -> None:
    """Wait for a condition, with a deadline."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what or condition}"
        time.sleep(0.005)


def offer_json(number: int = 1, *, cpus: float = 4.0, mem: float = 8192.0) -> Json:
    """An Offer in the form that a master sends."""
    return {
        "id": {"value": f"offer-{number}"},
        "framework_id": {"value": "framework-1"},
        "agent_id": {"value": "agent-S0"},
        "hostname": "host-0.example",
        "url": {
            "scheme": "http",
            "address": {"hostname": "host-0.example", "ip": "127.0.0.1", "port": 5151},
            "path": "/slave(1)",
        },
        "resources": [
            {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 1, "end": 9}]}},
            {"name": "cpus", "type": "SCALAR", "scalar": {"value": cpus}, "role": "*"},
            {"name": "mem", "type": "SCALAR", "scalar": {"value": mem}, "role": "*"},
        ],
        "attributes": [{"name": "rack", "type": "TEXT", "text": {"value": "r1"}}],
    }


class FakeDriver:
    """Notes the calls. `answers` has, for each call, a value to return or an error to raise."""

    def __init__(self, callbacks: FrameworkCallbacks | None = None) -> None:
        self.callbacks = callbacks
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.answers: dict[str, list[bool | MesosError]] = {}
        self.started = threading.Event()
        self.frozen = threading.Event()
        self.thaw = threading.Event()
        self.stopped: bool | None = None
        self.torn_down = False
        self.hears_teardown = True

    def start(self) -> None:
        self.started.set()
        if self.callbacks is not None:
            self.callbacks.registered("framework-1", {"hostname": "m", "port": 5050})

    def stop(self, failover: bool = False) -> None:
        self.stopped = failover
        self.torn_down = not failover and self.hears_teardown

    def join(self, timeout: float | None = None) -> bool:
        return True

    def named(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments of all calls with that name."""
        return [arguments for called, arguments in list(self.calls) if called == name]

    def _call(self, name: str, *arguments: Any) -> bool:
        self.calls.append((name, arguments))
        if self.frozen.is_set():
            assert self.thaw.wait(DEADLINE)
        waiting = self.answers.get(name)
        answer = waiting.pop(0) if waiting else True
        if isinstance(answer, MesosError):
            raise answer
        return answer

    def acceptOffers(
        self, offer_ids: Sequence[str], operations: Sequence[Json], filters: Json | None = None
    ) -> bool:
        return self._call("accept", list(offer_ids), list(operations), filters)

    def declineOffer(self, offer_ids: Sequence[str], filters: Json | None = None) -> bool:
        return self._call("decline", list(offer_ids), filters)

    def reviveOffers(self, roles: Sequence[str] = ()) -> bool:
        return self._call("revive", *roles)

    def suppressOffers(self, roles: Sequence[str] = ()) -> bool:
        return self._call("suppress", *roles)

    def killTask(self, task_id: str, agent_id: str | None = None) -> bool:
        return self._call("kill", task_id, agent_id)

    def acknowledgeStatusUpdate(self, status: Json) -> bool:
        return self._call("acknowledge", status)

    def reconcileTasks(self, tasks: Mapping[str, str | None]) -> bool:
        return self._call("reconcile", dict(tasks))

    def shutdownExecutor(self, executor_id: str, agent_id: str) -> bool:
        return self._call("shutdown", executor_id, agent_id)

    def acceptInverseOffers(self, offer_ids: Sequence[str], filters: Json | None = None) -> bool:
        return self._call("accept inverse", list(offer_ids), filters)

    def declineInverseOffers(self, offer_ids: Sequence[str], filters: Json | None = None) -> bool:
        return self._call("decline inverse", list(offer_ids), filters)
