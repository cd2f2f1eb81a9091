"""Programs with a session or an executor on a cluster of others, which are killed with -9."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mrmesos.client.access import open_client
from mrmesos.client.api_client import RETRY_SECONDS, JobTrackerClient
from mrmesos.conf import Conf
from mrmesos.wire.job import JobState
from mrmesos.wire.queue import QueueState
from tests.cli.test_end_to_end import DEADLINE, wait_until
from tests.cli.test_killed_jobtracker import Cluster, running_cluster
from tests.minimesos.cluster import get_json

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
TEXT = "the quick brown fox\njumps over the lazy dog\n" * 20
LEASE = 6

PROGRAM = """
import sys, time
from pathlib import Path
from mrmesos.api import *

class Words(Mapper):
    def map(self, key, line):
        for word in line.split():
            yield word, 1

class Count(Job):
    mapper, reducer, num_reducers = Words, Sum, 3
    conf = {"map.resources.global": "db:1", "reduce.resources.global": "db:1"}

class Same(Job):
    mapper = Mapper

class Sleep(Mapper):
    def map(self, key, line):
        (HERE / "asleep").touch()
        time.sleep(600)

class Sleeps(Job):
    mapper = Sleep

class Line(Chain):
    steps = [Same, Sleeps]

SMALL = {"map.memory.mb": 256, "reduce.memory.mb": 256, "map.cpus": 0.4, "reduce.cpus": 0.4}

HERE = Path.cwd()

def session(where, more):
    conf = {**SMALL, **({"resources.global": "db:2"} if "master" in where else {})}
    with Session(**where, work=Path("work").absolute(), conf=conf) as s:
        counted = s.run(Count, "words.txt")
        print(dict(s.run(Same, counted).records()), flush=True)
        s.run(Line if more == "chain" else Sleeps, "words.txt")

class Planned:
    # the planner's interface
    def __init__(self, n):
        self.n = n

    def consumption(self):
        return {"cpus": 0.3, "ram": 200 << 20, "db": 1}

    def run(self):
        if self.n < 0:
            (HERE / "asleep").touch()
            time.sleep(600)
        if self.n == 7 and not (HERE / "tried").exists():
            (HERE / "tried").touch()
            raise OSError("not yet")
        return self.n ** 2

def executor(where, more):
    own = {"db": 2} if "master" in where else None
    with TaskExecutor(**where, global_resources=own, name="planned") as e:
        tasks = [Planned(n) for n in range(20)]
        for task in tasks:
            e.execute(task)
        e.cancel(tasks[3])
        e.execute(tasks[3])
        found = {}
        while len(found) < len(tasks):
            for task, value, problem in e.pop_finished(wait=10):
                if problem is not None:
                    assert str(problem) == "not yet", repr(problem)
                    e.execute(task)
                    continue
                found[task.n] = value
        try:
            e.submit(bytes, 1 << 20).result(60)
        except Exception as problem:
            assert str(problem).startswith("the result of bytes has 1,048,"), problem
            assert str(problem).endswith("larger ones with TaskExecutor(store=URI)"), problem
            print(found, flush=True)
        e.execute(Planned(-1))
        e.execute(Planned(-2), after=[])
        time.sleep(600)

if __name__ == "__main__":
    what, name, url, more = sys.argv[1:]
    {"session": session, "executor": executor}[what]({name: url}, more)
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running_cluster(tmp_path) as cluster:
        (tmp_path / "program.py").write_text(PROGRAM)
        (tmp_path / "words.txt").write_text(TEXT)
        (tmp_path / "work").mkdir()
        yield cluster


def killed(cluster: Cluster, what: str, where: str, url: str, more: str = "") -> str:
    """Run a program until it sleeps in a task, and kill it. Returns what it printed."""
    directory = cluster.house.directory
    process = subprocess.Popen(
        [sys.executable, "program.py", what, where, url, more],
        cwd=directory,
        env=cluster.house.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    cluster.house.started.append(process)
    assert process.stdout is not None
    said = process.stdout.readline()
    wait_until((directory / "asleep").exists, "a task that sleeps")
    process.kill()
    process.wait(DEADLINE)
    (directory / "asleep").unlink()
    return said


def only_these(cluster: Cluster, lines: list[str]) -> None:
    def are_left() -> bool:
        return sorted(cluster.house.processes()) == sorted(lines)

    wait_until(are_left, "the processes of the program to end")


COUNTS = dict(Counter(TEXT.split()))
SQUARES = {n: n * n for n in range(20)}


def test_nothing_is_left_on_a_mesos_of_others(cluster: Cluster) -> None:
    before = cluster.house.processes()
    assert eval(killed(cluster, "session", "master", cluster.master)) == COUNTS
    only_these(cluster, before)
    assert not list((cluster.house.directory / "work").iterdir())
    assert eval(killed(cluster, "executor", "master", cluster.master)) == SQUARES
    only_these(cluster, before)
    state = get_json(cluster.master.removeprefix("http://"), "/master/state")
    assert not state["frameworks"]
    assert len(state["completed_frameworks"]) == 2
    cluster.mesos.terminate()
    cluster.mesos.communicate(timeout=DEADLINE)


def sleeping_is_over(cluster: Cluster) -> None:
    wait_until(
        lambda: not list((cluster.house.directory / "tmp").rglob("attempt_*")), "attempts to end"
    )


def test_what_becomes_of_it_on_a_jobtracker_of_others(cluster: Cluster) -> None:
    more = ("-D", "resources.global=db:2", "-D", f"queue.lease.seconds={LEASE}")
    cluster.start(*more)
    client = open_client(cluster.url, Conf(), retry_seconds=RETRY_SECONDS)
    try:
        for kind in ("job", "chain"):
            said = killed(cluster, "session", "jobtracker", cluster.url, kind)
            assert eval(said) == COUNTS
            wait_until(lambda: has_ended(client), f"the {kind} to end")
            assert client.statuses()[-1].state is JobState.KILLED
            wait_until(
                lambda: not list((cluster.house.directory / "work").iterdir()), "an empty store"
            )
        assert [chain.state.value for chain in client.chain_statuses()] == ["KILLED"]
        assert eval(killed(cluster, "executor", "jobtracker", cluster.url)) == SQUARES
        began = time.monotonic()
        [queue] = client.queue_statuses()
        wait_until(lambda: client.queue_status(queue.queue_id).state.ended, "the queue to end")
        ended = client.queue_status(queue.queue_id)
        assert ended.state is QueueState.KILLED
        assert ended.words == f"killed because its client was silent for {LEASE} s"
        assert time.monotonic() - began < LEASE + DEADLINE / 2
        assert not [job for job in client.statuses() if not job.state.ended]
    finally:
        client.close()
    cluster.end()


def has_ended(client: JobTrackerClient) -> bool:
    return all(job.state.ended for job in client.statuses())
