"""Jobs on a minimesos with reservations, attributes, maintenance and unreachable agents.

Only the machines are not real: `mrmesos submit`, TaskTrackers and workers are processes.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mrmesos.minimesos.http.server import AgentSpec
from mrmesos.minimesos.model.records import Task
from tests.cli.test_end_to_end import TEXT, House, wait_until
from tests.minimesos.cluster import Cluster, get_json
from tests.zookeeper import zookeeper

pytestmark = pytest.mark.slow

AGENTS = (
    AgentSpec("host-0", "cpus(etl):2;mem(etl):2048;cpus:1;mem:512;ports:[1-9]", "disk:ssd"),
    AgentSpec("host-1", "cpus:2;mem:2048;ports:[1-9]", "disk:hdd"),
    AgentSpec("host-2", "cpus:2;mem:2048;ports:[1-9];db_connections:1", "disk:ssd"),
)
SMALL = ("-D", "map.memory.mb=256", "-D", "reduce.memory.mb=256", "-D", "map.cpus=0.5")


class Machines:
    """A cluster and a directory to submit from."""

    def __init__(self, directory: Path, **config: Any) -> None:
        (directory / "house").mkdir()
        self.house = House(directory / "house")
        self.cluster = Cluster(self.house.directory / "tmp" / "work", *AGENTS, **config)

    @property
    def master(self) -> str:
        return self.cluster.url

    def agent(self, number: int) -> str:
        return f"{self.cluster.mesos.master.id}-S{number}"

    def tasks(self) -> list[Task]:
        """All tasks that were ever launched."""
        master = self.cluster.mesos.master
        frameworks = [*master.frameworks.values(), *master.completed.values()]
        return [t for f in frameworks for t in [*f.tasks.values(), *f.completed.values()]]

    def executors_on(self, number: int) -> int:
        agents = [a for a in self.cluster.mesos.agents if a.id == self.agent(number)]
        return sum(len(agent.executors) for agent in agents)

    def counted(self, output: str = "out") -> None:
        words = TEXT.split()
        assert self.house.counts(output) == {word: words.count(word) for word in words}

    def close(self) -> None:
        for process in self.house.started:
            if process.poll() is None:
                process.kill()
            process.wait(10)
        self.cluster.stop()
        wait_until(lambda: not self.house.processes(), "the end of all processes")


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    machines = Machines(tmp_path)
    yield machines
    machines.close()


def test_a_job_with_constraints_ports_and_a_role(machines: Machines) -> None:
    process = machines.house.submit(
        *("--master", machines.master, "-D", "mesos.role=etl"),
        *("-D", "job.constraints=disk = ssd; hostname like host-*"),
        *("-D", "map.resources=ports:2", "-D", "job.maps=8", *SMALL),
    )
    output, errors = process.communicate(timeout=90)
    assert process.returncode == 0, errors + output
    machines.counted()
    tasks = machines.tasks()
    assert tasks
    assert {task.agent_id for task in tasks} <= {machines.agent(0), machines.agent(2)}
    reserved = [
        bucket
        for task in tasks
        if task.agent_id == machines.agent(0)
        for bucket, _ in task.resources
        if bucket.name == "cpus" and bucket.reserved_for == "etl"
    ]
    assert reserved, "reserved resources are used first"
    assert all(bucket.allocation == "etl" for task in tasks for bucket, _ in task.resources)
    for task in tasks:
        ports = [value for _, value in task.resources if isinstance(value, tuple)]
        held = [sum(end - begin + 1 for begin, end in ranges) for ranges in ports]
        assert held in ([], [2]), "reduces need none"


def test_an_agent_out_of_sight_and_back_while_a_job_runs(machines: Machines) -> None:
    process = machines.house.submit(
        *("--master", machines.master, "-D", "pause=0.05", "-D", "job.maps=12"),
        *("-D", "split.maxsize=200", *SMALL),
    )
    wait_until(lambda: machines.executors_on(1) > 0 and machines.house.mapping(), "attempts")
    lost = machines.agent(1)
    machines.cluster.run(machines.cluster.mesos.cut_off(lost))
    time.sleep(1.0)  # tasks continue there, and the master does not see it
    machines.cluster.run(machines.cluster.mesos.restore(lost))
    output, errors = process.communicate(timeout=90)
    assert process.returncode == 0, errors + output
    machines.counted()
    wait_until(lambda: not machines.executors_on(1), "the end of the executors on the lost agent")


def test_an_agent_is_drained_before_its_maintenance(machines: Machines) -> None:
    process = machines.house.submit(
        *("--master", machines.master, "-D", "pause=0.02", "-D", "job.maps=12"),
        *("-D", "split.maxsize=200", "-D", "job.reduces=2", *SMALL),
        *("-D", "maintenance.drain.seconds=5"),
    )
    wait_until(lambda: machines.executors_on(1) > 0 and machines.house.mapping(), "attempts")
    body = {
        "windows": [
            {
                "machine_ids": [{"hostname": "host-1", "ip": "127.0.0.1"}],
                "unavailability": {"start": {"nanoseconds": time.time_ns() + 3 * 10**9}},
            }
        ]
    }
    url = f"{machines.master}/maintenance/schedule"
    data, kind = json.dumps(body).encode(), {"Content-Type": "application/json"}
    asked = urllib.request.Request(url, data, kind)
    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert answer.status == 200
    address = machines.cluster.address

    def answers() -> list[str]:
        status = get_json(address, "/maintenance/status")
        return [one["status"] for m in status["draining_machines"] for one in m["statuses"]]

    wait_until(lambda: answers() == ["ACCEPT"], "the answer to the inverse offer")
    ran = {task.id for task in machines.tasks() if task.agent_id == machines.agent(1)}
    output, errors = process.communicate(timeout=90)
    assert process.returncode == 0, errors + output
    machines.counted()
    later = {task.id for task in machines.tasks() if task.agent_id == machines.agent(1)}
    assert later == ran, "nothing more was started there"
    wait_until(lambda: not machines.executors_on(1), "the end of its TaskTracker")


def test_a_job_in_flight_outlives_its_master(tmp_path: Path) -> None:
    """ZooKeeper names the masters. Running attempts continue, and no work is done twice."""
    with zookeeper(tmp_path / "zk") as address:
        where = f"zk://{address}/mesos"
        machines = Machines(tmp_path, zk=where, standbys=1)
        try:
            process = machines.house.submit(
                *("--master", where, "-D", "pause=0.05", "-D", "job.maps=12"),
                *("-D", "split.maxsize=200", *SMALL),
            )
            wait_until(machines.house.mapping, "attempts")
            first = machines.cluster.mesos.master
            machines.cluster.run(machines.cluster.mesos.kill_master())
            output, errors = process.communicate(timeout=90)
            assert process.returncode == 0, errors + output
            assert machines.cluster.mesos.master is not first
            assert re.search(r"LAUNCHED_MAPS +12\n", errors), "no map ran twice"
            machines.counted()
        finally:
            machines.close()


def test_a_tasktracker_that_hangs_is_ended_through_mesos(machines: Machines) -> None:
    """After SHUTDOWN its agent kills it at the end of the grace period."""
    process = machines.house.submit(
        *("--master", machines.master, "-D", "pause=0.05", "-D", "job.maps=12"),
        *("-D", "split.maxsize=200", *SMALL),
        *("-D", "tasktracker.expiry.seconds=10"),
    )
    wait_until(lambda: machines.executors_on(1) > 0 and machines.house.mapping(), "attempts")
    (agent,) = [a for a in machines.cluster.mesos.agents if a.id == machines.agent(1)]
    (executor,) = agent.executors.values()
    wait_until(lambda: executor.stream is not None, "its subscription")
    assert executor.pid is not None
    os.kill(executor.pid, signal.SIGSTOP)
    wait_until(lambda: executor not in agent.executors.values(), "its end")
    output, errors = process.communicate(timeout=90)
    assert process.returncode == 0, errors + output
    machines.counted()


def test_an_agent_that_restarts_while_a_job_runs(machines: Machines) -> None:
    process = machines.house.submit(
        *("--master", machines.master, "-D", "pause=0.05", "-D", "job.maps=12"),
        *("-D", "split.maxsize=200", "-D", "mesos.checkpoint=true", *SMALL),
    )
    wait_until(lambda: machines.executors_on(1) > 0 and machines.house.mapping(), "attempts")
    (agent,) = [a for a in machines.cluster.mesos.agents if a.id == machines.agent(1)]
    (executor,) = agent.executors.values()
    wait_until(lambda: executor.stream is not None, "its subscription")
    machines.cluster.run(machines.cluster.mesos.stop_agent(agent.id))
    machines.cluster.run(machines.cluster.mesos.start_agent(agent.id))
    output, errors = process.communicate(timeout=90)
    assert process.returncode == 0, errors + output
    machines.counted()
    assert re.search(r"LAUNCHED_MAPS +12\n", errors), "no map ran twice"
    assert executor.why is None, "its agent registered again in time"
