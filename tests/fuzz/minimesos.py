"""Calls to a minimesos: by schedulers, executors and operators, over its ports."""

from __future__ import annotations

import http.client
import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from mrmesos.minimesos.http.server import AgentSpec
from mrmesos.minimesos.model.messages import ExecutorCall, SchedulerCall
from tests.fuzz.making import Maker, message, of_type, spoiled
from tests.minimesos.cluster import JSON_HEADERS, Cluster, Scheduler, command_task
from tests.minimesos.test_robustness import calls, executor_calls

FRAMEWORK_EVERY = 2_000
"""After this many calls a new framework makes them."""
PATHS = ("/api/v1", "/maintenance/schedule", "/state", "/version", "/nothing", "/master/api/v1")


class MiniMesosFuzz:
    """`send()` messages, then `check()`; `close()` it."""

    name = "minimesos"

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(f"minimesos {seed}")
        self.statuses: Counter[str] = Counter()
        self._directory = tempfile.TemporaryDirectory(prefix="fuzz-")
        agents = [AgentSpec(hostname=f"h{n}", resources="cpus:4;mem:4096") for n in range(2)]
        self.cluster = Cluster(Path(self._directory.name), *agents, allocation_interval=0.05)
        self._make = Maker(self.rng)
        self._shapes = [of_type(SchedulerCall), of_type(ExecutorCall)]
        self._master = http.client.HTTPConnection(self.cluster.address, timeout=60)
        agent = self.cluster.mesos.agents[0]
        self._agent_id = agent.id
        self._agent = http.client.HTTPConnection(agent.address, timeout=60)
        self._sent = 0
        self._framework = Scheduler(self.cluster.address).start()

    def send(self) -> None:
        """Send one message of a random kind."""
        rng = self.rng
        self._sent += 1
        if self._sent % FRAMEWORK_EVERY == 0 or self._framework.closed:
            self._framework.call("TEARDOWN")
            self._framework = Scheduler(self.cluster.address).start()
        chance = rng.random()
        if chance < 0.6:
            self._schedule()
        elif chance < 0.85:
            good: Any = rng.choice(executor_calls())
            if rng.random() < 0.2:
                good = self._make.make(self._shapes[1])
            self._post(self._agent, "/api/v1/executor", message(rng, good), {})
        else:
            self._operate()

    def _schedule(self) -> None:
        rng, framework = self.rng, self._framework
        offer_id = "none"
        with framework.arrived:
            offered = [e for e in framework.events if e["type"] == "OFFERS"]
            if offered:
                offer_id = rng.choice(offered)["offers"]["offers"][0]["id"]["value"]
            del framework.events[:-50]
        good: Any = rng.choice(calls(str(framework.id), offer_id, self._agent_id)[:-1])
        for task in (
            good.get("accept", {})
            .get("operations", [{}])[0]
            .get("launch", {})
            .get("task_infos", [])
        ):
            task["task_id"] = {"value": f"{task['task_id']['value']}-{self._sent}"}
        if rng.random() < 0.15:
            good = self._make.make(self._shapes[0])
            good["framework_id"] = {"value": framework.id}
        body = message(rng, good)
        if b'"x"' not in body and b"command" in body:
            body = spoiled(rng, b"")  # the only command that may run does not exist
        if b"SUBSCRIBE" in body or b"TEARDOWN" in body:
            return
        self._post(
            self._master, "/api/v1/scheduler", body, {"Mesos-Stream-Id": framework.stream_id}
        )

    def _operate(self) -> None:
        rng = self.rng
        window = {
            "machine_ids": [{"hostname": "h9", "ip": "127.0.0.1"}],
            "unavailability": {"start": {"nanoseconds": 10**18}},
        }
        good = rng.choice(
            [
                {"type": "GET_VERSION"},
                {"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": "nobody"}}},
                {"windows": [window]},
                {"windows": []},
            ]
        )
        headers = {}
        if rng.random() < 0.2:
            headers["Content-Encoding"] = rng.choice(("gzip", "deflate", "x"))
        if rng.random() < 0.2:
            headers["Content-Type"] = rng.choice(("text/plain", "application/x-protobuf", "\xff"))
        self._post(self._master, rng.choice(PATHS), message(rng, good), headers)

    def _post(
        self, connection: http.client.HTTPConnection, path: str, body: bytes, more: dict[str, str]
    ) -> None:
        for again in (True, False):
            try:
                connection.request("POST", path, body, {**JSON_HEADERS, **more})
                answer = connection.getresponse()
                if answer.status == 200 and "Transfer-Encoding" in answer.headers:
                    connection.close()  # a stream: do not read it
                    content = b""
                else:
                    content = answer.read()
            except (http.client.HTTPException, OSError):
                connection.close()
                if not again:
                    raise
            else:
                break
        self.statuses[str(answer.status)] += 1
        known = answer.status < 500 or answer.status in (501, 503)
        assert known, (answer.status, path, content[:500], body[:2_000])

    def check(self) -> None:
        """Check that no call did harm, and that a task runs to its end."""
        assert self.cluster.mesos.master.set_aside == 0
        self._post(self._master, "/maintenance/schedule", msgspec.json.encode({"windows": []}), {})
        self._framework.call("TEARDOWN")
        honest = Scheduler(self.cluster.address).start()
        try:
            offer = honest.offers()[0]
            task = command_task("honest", offer, "true")
            assert honest.accept([offer], [task])[0] == 202
            assert honest.update("honest", "TASK_FINISHED")["state"] == "TASK_FINISHED"
        finally:
            honest.call("TEARDOWN")
        self._framework = Scheduler(self.cluster.address).start()

    def close(self) -> None:
        """End it."""
        self._master.close()
        self._agent.close()
        self.cluster.stop()
        self._directory.cleanup()
