"""Several plain pymesos frameworks at once, with pymesos' own drivers on both sides."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from mrmesos.minimesos.http.server import AgentSpec
from tests.minimesos.cluster import wait_for
from tests.minimesos.conftest import MakeCluster
from tests.minimesos.tasks import processes_in

HERE = Path(__file__).parent
TASKS = 5


def test_pymesos_frameworks_run_their_tasks(make_cluster: MakeCluster) -> None:
    cluster = make_cluster(AgentSpec("a", "cpus:2;mem:1024"), AgentSpec("b", "cpus:2;mem:1024"))
    names = ("one", "two")
    running = [
        subprocess.Popen(
            [sys.executable, str(HERE / "pymesos_framework.py"), cluster.address, name,
             str(TASKS), str(HERE / "pymesos_executor.py")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for name in names
    ]  # fmt: skip
    try:
        for name, process in zip(names, running, strict=True):
            out, err = process.communicate(timeout=90)
            result = json.loads(out)
            assert result["ok"], err
            assert result["said"] == sorted(f"{name}-{n}"[::-1] for n in range(TASKS))
            ended = {f"{name}-{n}": "TASK_FINISHED" for n in range(TASKS)}
            assert result["ended"] == {**ended, f"{name}-long": "TASK_KILLED"}
    finally:
        for process in running:
            process.kill()
            process.wait()
    wait_for(lambda: not cluster.state()["frameworks"])
    wait_for(lambda: not processes_in(cluster.mesos.config.work_dir))
    for agent in cluster.state()["slaves"]:
        assert agent["used_resources"]["cpus"] == 0
