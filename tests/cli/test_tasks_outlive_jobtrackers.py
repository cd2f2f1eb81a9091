"""Free tasks on a JobTracker that is killed with -9, and what the command says of their queue."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mrmesos.api import FunctionTask, TaskExecutor
from tests.cli.test_end_to_end import DEADLINE
from tests.cli.test_killed_jobtracker import Cluster, running_cluster

pytestmark = pytest.mark.slow
TASKS, KILLS = 200, 2


class Node:
    """A task of a graph. It notes that it ran, and that it holds a connection."""

    def __init__(self, number: int, directory: Path, need: dict[str, float]) -> None:
        self.number, self.directory, self.need = number, directory, need

    def consumption(self) -> dict[str, float]:
        return self.need

    def run(self) -> int:
        self._note(f"{self.number} ")
        if "db" in self.need:
            self._note("+ ", "connections")
            self._note("- ", "connections")
        return self.number**2

    def _note(self, text: str, name: str = "ran") -> None:
        with (self.directory / name).open("a") as log:
            log.write(text)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running_cluster(tmp_path) as cluster:
        yield cluster


def run(cluster: Cluster, *words: str) -> tuple[int, str]:
    process = cluster.house.start(*words, "--jobtracker", cluster.url)
    said, _ = process.communicate(timeout=DEADLINE)
    return process.returncode, said


def test_a_graph_through_kills_of_the_jobtracker(cluster: Cluster, tmp_path: Path) -> None:
    cluster.start("-D", "resources.global=db:2")
    rng, nodes = random.Random(5), list[Node]()
    executor = TaskExecutor(jobtracker=cluster.url, name="graph")
    for number in range(TASKS):
        need = {"cpus": rng.choice([0.25, 0.5]), "ram": 200 << 20}
        if rng.random() < 0.3:
            need["db"] = 1
        before = rng.sample(nodes[-20:], min(number, rng.choice([0, 1, 2])))
        nodes.append(Node(number, tmp_path, need))
        executor.execute(nodes[-1], after=before, priority=rng.choice(["", "HIGH"]))
    values: dict[int, int] = {}
    kills = 0
    while len(values) < TASKS:
        for node, value, problem in executor.pop_finished(wait=5):
            assert problem is None, problem
            assert node.number not in values
            values[node.number] = value
        if kills < KILLS and len(values) > TASKS * (kills + 1) // (KILLS + 1):
            kills += 1
            cluster.kill()
            cluster.start("-D", "resources.global=db:2")
    assert values == {number: number**2 for number in range(TASKS)}
    ran = (tmp_path / "ran").read_text().split()
    assert sorted(map(int, ran)) == list(range(TASKS)), "no finished task runs again"
    assert most_held(tmp_path / "connections") <= 2

    code, said = run(cluster, "job", "list")
    assert (code, said.count(f"{TASKS}/{TASKS}")) == (0, 1)
    executor.shutdown()
    code, said = run(cluster, "job", "wait", executor.queue_id)
    assert (code, said.splitlines()[0]) == (0, f"{executor.queue_id} ENDED  graph")


def most_held(log: Path) -> int:
    """The most connections that were held at once."""
    held = most = 0
    for each in log.read_text().split():
        held += 1 if each == "+" else -1
        most = max(most, held)
    return most


def test_an_executor_takes_over_what_another_has_left(cluster: Cluster, tmp_path: Path) -> None:
    cluster.start()
    first, go = TaskExecutor(jobtracker=cluster.url), tmp_path / "go"

    def work(number: int) -> int:
        while not go.exists():
            time.sleep(0.05)
        if number == 3:
            raise KeyError(number)
        return number**2

    need = {"cpus": 0.2, "ram": 200 << 20}
    tasks = [FunctionTask(work, number, consumption=need) for number in range(6)]
    for number, task in enumerate(tasks):
        first.execute(
            task, name=f"t{number}", after=tasks[number - 1 : number] if number < 3 else ()
        )
    first.execute(gone := FunctionTask(work, 9, consumption=need), name="gone")
    assert first.cancel(gone)
    queue_id = first.detach()
    with pytest.raises(RuntimeError):
        first.execute(tasks[0])
    cluster.kill()
    cluster.start()
    go.touch()
    second = TaskExecutor(jobtracker=cluster.url, attach=queue_id)
    assert second.unfinished == 6
    later = FunctionTask(pow, 2, 10, consumption=need)
    second.execute(later)
    found: dict[Any, Any] = {}
    deadline = time.monotonic() + DEADLINE
    while second.unfinished and time.monotonic() < deadline:
        for task, value, problem in second.pop_finished(wait=5):
            assert task not in found
            found[task] = repr(problem) if problem else value
    expected: dict[Any, Any] = {f"t{number}": number**2 for number in range(6)}
    assert found == expected | {"t3": "KeyError(3)", later: 1024}
    second.shutdown()
    with pytest.raises(ValueError, match=f"{queue_id} is ENDED; it takes no client"):
        TaskExecutor(jobtracker=cluster.url, attach=queue_id)
    with pytest.raises(ValueError, match="attach is for a queue on a jobtracker"):
        TaskExecutor(attach=queue_id)


def test_a_killed_queue_says_so(cluster: Cluster, tmp_path: Path) -> None:
    cluster.start()
    executor = TaskExecutor(jobtracker=cluster.url)
    future = executor.submit(signal.pause)
    assert run(cluster, "job", "kill", executor.queue_id)[0] == 0
    with pytest.raises(Exception, match="is lost: killed by"):
        future.result(DEADLINE)
    code, said = run(cluster, "job", "wait", executor.queue_id)
    assert code == 1
    assert "KILLED" in said
    executor.shutdown()
