"""Tasks of the bare executor, and a search for its processes."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import psutil

from tests.minimesos.cluster import Cluster, Json, Scheduler, encode, scalar

EXECUTOR = Path(__file__).with_name("bare_executor.py")


def executor(name: str = "e", **variables: str) -> Json:
    listed = [{"name": k, "value": v} for k, v in variables.items()]
    return {
        "executor_id": {"value": name},
        "command": {
            "value": f"exec {shlex.quote(sys.executable)} {shlex.quote(str(EXECUTOR))}",
            "environment": {"variables": listed},
        },
        "resources": [scalar("cpus", 0.1), scalar("mem", 32)],
    }


def task(name: str, offer: Json, info: Json | None = None, **todo: object) -> Json:
    return {
        "name": name,
        "task_id": {"value": name},
        "agent_id": offer["agent_id"],
        "executor": info or executor(),
        "resources": [scalar("cpus", 0.1), scalar("mem", 32)],
        "data": encode(todo),
    }


def start(cluster: Cluster, **info: Any) -> tuple[Scheduler, Json]:
    scheduler = Scheduler(cluster.address, **info).start()
    return scheduler, scheduler.offers()[0]


def processes_in(work_dir: Path) -> list[psutil.Process]:
    """Live processes that run, or whose parents ran, in a sandbox of this cluster."""
    found = []
    for process in psutil.process_iter():
        try:
            sandbox = process.environ().get("MESOS_SANDBOX", "")
            if sandbox.startswith(str(work_dir)) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found
