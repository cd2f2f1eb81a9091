"""`mapred streaming` and `hadoop job` against a JobTracker that runs: real processes."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from mrmesos.hadoop.home import hadoop_home
from tests.cli.test_end_to_end import DEADLINE, wait_until
from tests.cli.test_killed_jobtracker import Cluster, cluster

__all__ = ["cluster"]  # a fixture

pytestmark = pytest.mark.slow


class Tools:
    """The commands of HADOOP_HOME, which find the JobTracker by its URL."""

    def __init__(self, cluster: Cluster) -> None:
        self.directory = cluster.house.directory
        self.home = hadoop_home(self.directory / "home")
        self.environment = {
            **cluster.house.environment,
            "MRMESOS_JOBTRACKER_URL": cluster.url,
            "HADOOP_HOME": str(self.home),
        }

    def run(self, tool: str, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.home / "bin" / tool, *words],
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=DEADLINE,
            cwd=self.directory,
        )

    def job(self, *words: str) -> str:
        done = self.run("hadoop", "job", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def stream(self, output: str, *words: str) -> str:
        """Run a streaming job. Returns its id."""
        done = self.run("mapred", "streaming", "-input", "in.txt", "-output", output, *words)
        assert done.returncode == 0, done.stderr
        found = re.search(r"job_\d+_\d+", done.stdout + done.stderr)
        assert found is not None, done.stderr
        return found[0]


@pytest.fixture
def tools(cluster: Cluster) -> Tools:
    cluster.start()
    (cluster.house.directory / "in.txt").write_text("b a\nb\n")
    return Tools(cluster)


def test_jobs_are_listed_told_of_counted_and_killed(tools: Tools) -> None:
    ended = tools.stream("out", "-mapper", "cat", "-reducer", "wc -l")
    part = (tools.directory / "out/part-00000").read_text()
    assert part.strip() == "2"
    group = "org.apache.hadoop.mapreduce.TaskCounter"
    assert tools.job("-counter", ended, group, "MAP_INPUT_RECORDS") == "2\n"
    assert f"Job: {ended}\n" in tools.job("-status", ended)
    assert "Status: SUCCEEDED\n" in tools.job("-history", ended)

    endless = f"{sys.executable} -c 'import time; time.sleep(600)'"
    running = tools.stream("other", "-background", "-mapper", endless, "-numReduceTasks", "0")
    assert running in tools.job("-list")
    assert ended not in tools.job("-list")
    assert ended in tools.job("-list", "all")
    assert "Job state: RUNNING\n" in tools.job("-status", running)
    assert tools.job("-kill", running) == f"Killed job {running}\n"
    wait_until(lambda: "Job state: KILLED\n" in tools.job("-status", running), "the kill")
    assert tools.run("mapred", "job", "-kill", running).returncode == 255
    assert tools.run("mapred", "job", "-status", "job_202001010000_0001").returncode == 255
