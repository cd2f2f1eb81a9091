"""Two JobTrackers and a plain pymesos framework on one minimesos, as real processes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mrmesos.access.tokens import client_token
from mrmesos.client.api_client import JobTrackerClient
from mrmesos.conf import Conf
from mrmesos.minimesos.http.server import AgentSpec
from mrmesos.wire.job import JobState
from tests.cli.test_end_to_end import TEXT, House, wait_until
from tests.minimesos.cluster import Cluster

pytestmark = pytest.mark.slow

AGENTS = [AgentSpec(f"host-{n}", "cpus:2;mem:4096") for n in range(3)]
SHARE = 2.0  # CPUs: one third of the cluster
WINDOW = 40  # samples, 0.1 s apart


class Shared:
    """The cluster, a directory to submit from, and the resources of each framework's tasks."""

    def __init__(self, directory: Path, *agents: AgentSpec, **config: Any) -> None:
        (directory / "house").mkdir()
        self.house = House(directory / "house")
        work = self.house.directory / "tmp" / "work"
        self.cluster = Cluster(work, *(agents or AGENTS), **config)

    def jobtracker(self, lease: float = 2.0, role: str = "*") -> tuple[str, str]:
        """Start a JobTracker; returns its URL and its framework's id."""
        before = set(self.cluster.mesos.master.frameworks)
        service = self.house.start(
            *("jobtracker", "--master", self.cluster.url, "--port", "0"),
            *("-D", f"slot.lease.seconds={lease}", "-D", f"mesos.role={role}"),
        )
        assert service.stdout is not None
        url = service.stdout.readline().split()[-1]
        wait_until(lambda: len(self.cluster.mesos.master.frameworks) > len(before), "a framework")
        (framework_id,) = set(self.cluster.mesos.master.frameworks) - before
        return url, framework_id

    def plain(self) -> str:
        before = set(self.cluster.mesos.master.frameworks)
        program = Path(__file__).with_name("plain_framework.py")
        self.house.started.append(
            subprocess.Popen(
                [sys.executable, str(program), self.cluster.address, "3"],
                env=self.house.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        wait_until(lambda: len(self.cluster.mesos.master.frameworks) > len(before), "a framework")
        (framework_id,) = set(self.cluster.mesos.master.frameworks) - before
        return framework_id

    def submit(self, url: str, output: str) -> str:
        """Submit a job of one-second maps; returns its id."""
        process = self.house.submit(
            *("--detach", "--jobtracker", url, "-D", "pause=0.05", "-D", "split.maxsize=1060"),
            *("-D", "map.memory.mb=256", "-D", "reduce.memory.mb=256", "-D", "job.maps=1"),
            output=output,
        )
        job_id, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        return job_id.strip()

    def held(self, framework_id: str) -> float:
        """CPUs of the framework's tasks, as the master counts them."""
        tasks = list(self.cluster.mesos.master.frameworks[framework_id].tasks.values())
        return sum(t.resources.scalars().get("cpus", 0) for t in tasks if not t.terminal) / 1000

    def window(self, frameworks: list[str]) -> list[float]:
        """The average CPUs of each framework over the next ten seconds."""
        rows, end = [], time.monotonic() + 10.0
        while time.monotonic() < end:
            time.sleep(0.1)
            rows.append([self.held(one) for one in frameworks])
        return [sum(column) / len(rows) for column in zip(*rows, strict=True)]

    def means(self, frameworks: list[str], good: Callable[[list[float]], bool]) -> None:
        """Wait until `good` accepts the averages over the last seconds."""
        samples: deque[list[float]] = deque(maxlen=WINDOW)

        def look() -> bool:
            time.sleep(0.1)
            samples.append([self.held(one) for one in frameworks])
            self.seen = means = [
                sum(column) / len(samples) for column in zip(*samples, strict=True)
            ]
            return len(samples) == WINDOW and good(means)

        wait_until(look, "the shares of DRF")

    def close(self) -> None:
        for process in self.house.started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        self.cluster.stop()
        wait_until(lambda: not self.house.processes(), "the end of all processes")


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Shared]:
    shared = Shared(tmp_path)
    yield shared
    shared.close()


def test_shares_follow_drf_and_come_back_when_a_job_ends(shared: Shared) -> None:
    (shared.house.directory / "in.txt").write_text(TEXT * 200)
    first, second = shared.jobtracker(), shared.jobtracker()
    ends = shared.submit(first[0], "out0")
    shared.submit(second[0], "out1")
    plain = shared.plain()
    frameworks = [first[1], second[1], plain]
    # The first framework held all. Leases end, and DRF offers the resources to the smallest share.
    shared.means(frameworks, lambda means: all(abs(mean - SHARE) < 1.0 for mean in means))
    client = JobTrackerClient(first[0], token=client_token(Conf(), shared.house.environment))
    asked = shared.house.start("job", "kill", ends, "--jobtracker", first[0])
    wait_until(lambda: client.status(ends).state is JobState.KILLED, "the job's end")
    ended = time.monotonic()
    client.close()
    wait_until(lambda: shared.held(first[1]) == 0.0, "its slots' end")
    took = time.monotonic() - ended
    assert took <= 2.0, f"resources came back {took:.1f} s after the job's end"
    shared.means(frameworks[1:], lambda means: all(abs(mean - 1.5 * SHARE) < 1.0 for mean in means))
    asked.communicate(timeout=60)


@pytest.mark.parametrize("weights", [(1.0, 1.0), (3.0, 1.0)])
def test_shares_of_one_agent_are_by_weight_within_a_task(
    tmp_path: Path, weights: tuple[float, ...]
) -> None:
    """Shares of four CPUs, in every window of ten seconds after the first leases have ended."""
    roles = ("heavy", "light")
    shared = Shared(
        tmp_path,
        AgentSpec("host", "cpus:4;mem:8192"),
        weights=dict(zip(roles, weights, strict=True)),
    )
    try:
        (shared.house.directory / "in.txt").write_text(TEXT * 400)
        started = [shared.jobtracker(6.0, role) for role in roles]
        for number, (url, _) in enumerate(started):
            shared.submit(url, f"out{number}")
        frameworks = [framework for _, framework in started]
        due = [4.0 * weight / sum(weights) for weight in weights]
        shared.means(
            frameworks, lambda had: all(abs(a - b) < 0.5 for a, b in zip(had, due, strict=True))
        )
        windows = [shared.window(frameworks) for _ in range(4)]
        for had in windows:
            held = [4.0 * part / sum(had) for part in had]
            off = [abs(a - b) for a, b in zip(held, due, strict=True)]
            assert max(off) <= 1.1, f"{windows} instead of {due}"
    finally:
        shared.close()
