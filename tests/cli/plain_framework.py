"""A plain pymesos framework as a program: it runs as many tasks of 0.9 CPUs as offers allow.

usage: plain_framework.py HOST:PORT SECONDS_OF_A_TASK
"""

import sys
import uuid
from typing import Any

from pymesos import MesosSchedulerDriver, Scheduler

Json = dict[str, Any]
MASTER, SECONDS = sys.argv[1:]
CPUS = 0.9
"""A little less than 1: TaskTrackers that keep map outputs use some hundredths of an agent."""


def scalar(name: str, value: float) -> Json:
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}}


class Greedy(Scheduler):  # type: ignore[misc]  # pymesos has no types
    def resourceOffers(self, driver: Any, offers: list[Json]) -> None:
        for offer in offers:
            have = {r["name"]: r["scalar"]["value"] for r in offer["resources"] if "scalar" in r}
            room = min(int(have.get("cpus", 0) / CPUS), int(have.get("mem", 0) / 64))
            tasks = [self.task(offer) for _ in range(room)]
            driver.launchTasks(offer["id"], tasks, {"refuse_seconds": 0})

    def task(self, offer: Json) -> Json:
        name = uuid.uuid4().hex
        return {
            "task_id": {"value": name},
            "agent_id": offer["agent_id"],
            "name": name,
            "command": {"value": f"exec sleep {SECONDS}"},
            "resources": [scalar("cpus", CPUS), scalar("mem", 64)],
        }


MesosSchedulerDriver(Greedy(), {"user": "root", "name": "plain"}, MASTER).run()
