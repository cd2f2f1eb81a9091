"""A pymesos framework as a program: it runs tasks in an executor and prints their results.

usage: pymesos_framework.py HOST:PORT NAME TASKS EXECUTOR.py
"""

import json
import shlex
import sys
import threading
from typing import Any

from pymesos import MesosSchedulerDriver, Scheduler, decode_data, encode_data

Json = dict[str, Any]
MASTER, NAME, COUNT, EXECUTOR = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]


def scalar(name: str, value: float) -> Json:
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}}


class Runs(Scheduler):  # type: ignore[misc]  # pymesos has no types
    def __init__(self) -> None:
        self.left = [f"{NAME}-{n}" for n in range(COUNT)] + [f"{NAME}-long"]
        self.ended: dict[str, str] = {}
        self.said: list[str] = []
        self.done = threading.Event()

    def resourceOffers(self, driver: Any, offers: list[Json]) -> None:
        for offer in offers:
            tasks = []
            cpus = sum(r["scalar"]["value"] for r in offer["resources"] if r["name"] == "cpus")
            while self.left and cpus >= 0.3:
                tasks.append(self.task(self.left.pop(0), offer))
                cpus -= 0.1
            driver.launchTasks(offer["id"], tasks, {"refuse_seconds": 0})
        if not self.left:
            driver.suppressOffers()

    def task(self, name: str, offer: Json) -> Json:
        command = f"exec {shlex.quote(sys.executable)} {shlex.quote(EXECUTOR)}"
        task: Json = {
            "task_id": {"value": name},
            "agent_id": offer["agent_id"],
            "name": name,
            "executor": {
                "executor_id": {"value": "echo"},
                "command": {"value": command},
                "resources": [scalar("cpus", 0.1), scalar("mem", 32)],
            },
            "resources": [scalar("cpus", 0.1), scalar("mem", 8)],
        }
        if not name.endswith("long"):
            task["data"] = encode_data(name.encode())
        return task

    def statusUpdate(self, driver: Any, status: Json) -> None:
        name, state = status["task_id"]["value"], status["state"]
        if state == "TASK_RUNNING" and name.endswith("long"):
            driver.killTask(status["task_id"])
        if state not in ("TASK_STARTING", "TASK_RUNNING"):
            self.ended[name] = state
            self.check()

    def frameworkMessage(
        self, driver: Any, executor_id: Json, agent_id: Json, message: str
    ) -> None:
        self.said.append(decode_data(message).decode())
        self.check()

    def check(self) -> None:
        if len(self.ended) == COUNT + 1 and len(self.said) == COUNT:
            self.done.set()


runs = Runs()
driver = MesosSchedulerDriver(runs, {"user": "root", "name": NAME}, MASTER)
thread = threading.Thread(target=driver.run, daemon=True)
thread.start()
ok = runs.done.wait(60)
driver.stop()
thread.join(10)
print(json.dumps({"ok": ok, "ended": runs.ended, "said": sorted(runs.said)}))
