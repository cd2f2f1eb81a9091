"""Dividing a machine, refusing jobs that would wait for ever, and starting a minimesos."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from mrmesos.client.local_cluster import PRINCIPAL, LocalCluster, check_fits, local_size
from mrmesos.client.machine import AgentSize
from mrmesos.client.terminal.errors import UsageProblem
from mrmesos.conf import Conf


def test_a_local_agent_has_at_least_one_cpu() -> None:
    assert local_size(1).cpus == len(os.sched_getaffinity(0))
    assert local_size(100).cpus >= 1
    assert local_size(2).mem == local_size(1).mem // 2


@pytest.mark.parametrize(
    ("conf", "reduces", "words"),
    [
        ({"map.memory.mb": "1000"}, 0, "map.memory.mb"),
        ({"map.memory.mb": "128", "reduce.memory.mb": "1000"}, 1, "reduce.memory.mb"),
        ({"map.memory.mb": "128", "map.cpus": "2.5"}, 0, "map.cpus"),
    ],
)
def test_attempts_that_fit_no_agent(conf: dict[str, str], reduces: int, words: str) -> None:
    size = AgentSize(2, 1100, 1000)
    settings = Conf(conf)
    with pytest.raises(UsageProblem, match=words) as problem:
        check_fits(size, 2, settings, reduces)
    assert "--local-agents" in problem.value.message
    check_fits(AgentSize(4, 4000, 1000), 1, settings, reduces)


def test_resources_that_only_clusters_have() -> None:
    with pytest.raises(UsageProblem, match="minimesos --resources"):
        check_fits(AgentSize(2, 4000, 1), 1, Conf({"map.resources": "licences:1"}), 0)


def patient(condition: Callable[[float], bool], seconds: float) -> bool:
    return condition(seconds)


def test_a_cluster_comes_and_goes() -> None:
    cluster = LocalCluster(AgentSize(1, 512, 512), 2)
    url = cluster.wait_ready()
    with urllib.request.urlopen(f"{url}/version", timeout=10) as answer:
        assert answer.status == 200
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{url}/state", timeout=10)
    shown = base64.b64encode(f"{PRINCIPAL}:{cluster.secret}".encode()).decode()
    asked = urllib.request.Request(f"{url}/state", headers={"Authorization": f"Basic {shown}"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        agents = json.load(answer)["slaves"]
    names = [f"{os.uname().nodename}-{number}" for number in range(2)]
    assert [agent["hostname"] for agent in agents] == names
    assert cluster.poll() is None
    assert cluster.stop(patient)
    assert cluster.poll() == 0
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{url}/version", timeout=10)


NO_LOOKS = """
import gc
from mrmesos.garbage import look_seldom, set_apart
look_seldom()
import mrmesos.cli
set_apart()
import mrmesos.cli.submit
from mrmesos.client import local_cluster
looks = []
gc.callbacks.append(lambda phase, _: looks.append(phase))
local_cluster.LocalCluster = lambda *_, **__: None
local_cluster.forked_cluster(1)
print(looks)
"""


def test_nothing_looks_for_garbage_before_the_fork() -> None:
    done = subprocess.run([sys.executable, "-c", NO_LOOKS], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_its_secret_is_no_argument_no_variable_and_in_no_file() -> None:
    cluster = LocalCluster(AgentSize(1, 512, 512), 1)
    try:
        cluster.wait_ready()
        first = psutil.Process(cluster._process.pid)
        processes = [psutil.Process(), first, *first.children(recursive=True)]
        for process in processes:
            shown = [*process.cmdline(), *process.environ().items()]
            assert cluster.secret not in str(shown)
        opened = {link for process in processes[1:] for link in process.open_files()}
        assert not any(cluster.secret in Path(one.path).read_text("latin-1") for one in opened)
        assert cluster.secret not in repr(vars(cluster._process))
    finally:
        cluster.stop(patient)


def test_a_hurried_stop_kills_it() -> None:
    cluster = LocalCluster(AgentSize(1, 512, 512), 1)
    cluster.wait_ready()
    assert not cluster.stop(lambda _condition, _seconds: False)
    assert cluster.poll() is not None


def test_it_goes_when_its_parent_does() -> None:
    cluster = LocalCluster(AgentSize(1, 512, 512), 1)
    cluster.wait_ready()
    assert cluster._process.stdin is not None
    cluster._process.stdin.close()
    end = time.monotonic() + 20
    while cluster.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    cluster.stop(patient)


def test_one_that_does_not_start_is_told_in_one_line() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    cluster = LocalCluster(AgentSize(1, 512, 512), 5000)
    with pytest.raises(UsageProblem, match="did not start") as problem:
        cluster.wait_ready()
    assert "\n" not in problem.value.message
    cluster.stop(patient)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
