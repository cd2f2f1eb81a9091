"""Both drivers at once, with minimesos between them: separate processes, real HTTP."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

from mrmesos.mesos.callbacks import Json
from mrmesos.mesos.scheduler_driver import SchedulerDriver
from mrmesos.resources import Resource, take, total
from tests.mesos.recorder import Recorder
from tests.mesos.scripted import wait_for

EXECUTOR = """
import queue, sys
from mrmesos.mesos.executor_driver import ExecutorDriver

class Callbacks:
    def __init__(self): self.todo = queue.Queue()
    def registered(self, executor_info, framework_info, agent_info): pass
    def reregistered(self, agent_info): pass
    def launch_task(self, task): self.todo.put(("launch", task["task_id"]["value"]))
    def kill_task(self, task_id): self.todo.put(("kill", task_id))
    def framework_message(self, data): self.todo.put(("message", data))
    def shutdown(self): self.todo.put(("shutdown", None))
    def disconnected(self): pass
    def error(self, message): self.todo.put(("shutdown", None))

callbacks = Callbacks()
driver = ExecutorDriver(callbacks)
driver.start()
running = []
while True:
    kind, what = callbacks.todo.get()
    if kind == "launch":
        driver.sendStatusUpdate({"task_id": {"value": what}, "state": "TASK_RUNNING"})
        running.append(what)
    elif kind == "message":
        driver.sendFrameworkMessage(what[::-1])
    elif kind == "kill":
        running.remove(what)
        driver.sendStatusUpdate({"task_id": {"value": what}, "state": "TASK_KILLED"})
    else:
        for task in running:
            driver.sendStatusUpdate({"task_id": {"value": task}, "state": "TASK_FINISHED"})
        driver.stop()
        sys.exit(0 if driver.join(10) else 1)
"""


class MiniMesosThread:
    """minimesos runs in a thread of this process. Its executors are separate processes."""

    def __init__(self, work_dir: Path) -> None:
        import asyncio

        from mrmesos.minimesos.http.server import AgentSpec, MiniMesosConfig, serve

        config = MiniMesosConfig(
            work_dir=work_dir,
            port=0,
            agents=(AgentSpec(resources="cpus:2;cpus(mr):1;mem:2048;disk:1000"),),
            allocation_interval=0.05,
        )
        self.url = ""
        self._listening = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()

        def ready(url: str) -> None:
            self.url = url
            self._listening.set()

        def run() -> None:
            self._loop.run_until_complete(serve(config, ready, self._stop))
            self._loop.close()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        assert self._listening.wait(20)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        assert not self._thread.is_alive()


def test_launch_message_kill_reconcile_teardown(
    tmp_path: Path, running: Callable[[SchedulerDriver], None]
) -> None:
    minimesos = MiniMesosThread(tmp_path / "mesos")
    try:
        converse(minimesos.url, tmp_path, running)
    finally:
        minimesos.stop()


def converse(url: str, tmp_path: Path, running: Callable[[SchedulerDriver], None]) -> None:
    script = tmp_path / "executor.py"
    script.write_text(EXECUTOR)
    heard = Recorder()
    offers: list[Json] = []
    statuses: list[Json] = []
    heard.on_offers = offers.extend
    heard.on_status = statuses.append
    info: Json = {
        "user": "",
        "name": "drivers",
        "roles": ["mr"],
        "capabilities": [{"type": "MULTI_ROLE"}, {"type": "RESERVATION_REFINEMENT"}],
        "failover_timeout": 60.0,
    }
    driver = SchedulerDriver(heard, info, url, on_fatal=heard.fatal.append)
    running(driver)
    wait_for(lambda: offers, "an offer")
    offer = offers[0]
    executor_share, left = take(offer["resources"], {"cpus": 100, "mem": 32_000})
    first, left = take(left, {"cpus": 1500, "mem": 64_000})
    second, left = take(left, {"cpus": 500, "mem": 64_000})
    assert total(left) == {"cpus": 900, "mem": 1_888_000, "disk": 1_000_000}
    executor = {
        "executor_id": {"value": "e1"},
        "framework_id": {"value": driver.framework_id},
        "command": {"shell": True, "value": f"exec {sys.executable} {script}"},
        "resources": executor_share,
    }

    def task(name: str, resources: tuple[Resource, ...]) -> Json:
        return {
            "name": name,
            "task_id": {"value": name},
            "agent_id": offer["agent_id"],
            "executor": executor,
            "resources": resources,
        }

    tasks = [task("t1", first), task("t2", second)]
    assert driver.launchTasks([offer["id"]["value"]], tasks, {"refuse_seconds": 3600.0})

    def states(task_id: str) -> list[str]:
        return [one["state"] for one in list(statuses) if one["task_id"]["value"] == task_id]

    wait_for(lambda: states("t1") and states("t2"), "both tasks run")
    assert states("t1") + states("t2") == ["TASK_RUNNING", "TASK_RUNNING"]
    for status in statuses[:]:
        assert driver.acknowledgeStatusUpdate(status)
    agent_id = offer["agent_id"]["value"]
    assert driver.sendFrameworkMessage("e1", agent_id, b"abc\xff")
    wait_for(lambda: heard.of("message"), "the answer")
    assert heard.of("message") == [("message", "e1", agent_id, b"\xffcba")]
    assert driver.killTask("t1", agent_id)
    wait_for(lambda: "TASK_KILLED" in states("t1"), "the kill")
    assert driver.acknowledgeStatusUpdate(statuses[-1])
    before = len(statuses)
    assert driver.reconcileTasks({"t2": agent_id, "nobody": None})
    wait_for(lambda: len(statuses) >= before + 2, "reconciliation")
    answers = {one["task_id"]["value"]: one["state"] for one in statuses[before:]}
    assert answers == {"t2": "TASK_RUNNING", "nobody": "TASK_LOST"}
    assert not heard.fatal
    driver.stop(failover=False)
    assert driver.join(20)
    assert not heard.of("error")
    assert not heard.of("disconnected")
