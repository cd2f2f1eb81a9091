"""TaskExecutor on a cluster of its own: one cluster for all tests of this file."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, as_completed
from pathlib import Path
from typing import Any

import pytest

from mrmesos.api import FunctionTask, TaskExecutor
from mrmesos.api.executors import ExecutorLost, RemoteTraceback, TaskFailed

pytestmark = pytest.mark.slow
SMALL = {"cpus": 0.25, "ram": 200 << 20}


class Task:
    """The interface of DESIGN section 8."""

    def __init__(self, do: Any, **more: float) -> None:
        self.do, self.more = do, more

    def consumption(self) -> dict[str, float]:
        return {**SMALL, **self.more}

    def run(self) -> Any:
        return self.do()


@pytest.fixture(scope="module")
def executor() -> Iterator[TaskExecutor]:
    with TaskExecutor(global_resources={"db_connections": 3}, consumption=SMALL) as made:
        yield made


def ended(executor: TaskExecutor, number: int) -> dict[int, tuple[Any, BaseException | None]]:
    """The next `number` tasks that end, by their id."""
    found: dict[int, tuple[Any, BaseException | None]] = {}
    deadline = time.monotonic() + 60
    while len(found) < number and time.monotonic() < deadline:
        for task, value, problem in executor.pop_finished(wait=1):
            found[id(task)] = value, problem
    assert len(found) == number
    return found


def test_tasks_and_their_results(executor: TaskExecutor) -> None:
    def bad() -> None:
        raise KeyError("nothing here")

    good, wrong, plain = Task(lambda: {"a": {1, 2}}), Task(bad), (lambda: os.getpid())
    for each in (good, wrong, plain):
        executor.execute(each)
    found = ended(executor, 3)
    assert found[id(good)] == ({"a": {1, 2}}, None)
    assert found[id(plain)][0] != os.getpid()
    value, problem = found[id(wrong)]
    assert value is None
    assert isinstance(problem, KeyError)
    assert problem.args == ("nothing here",)
    assert isinstance(problem.__cause__, RemoteTraceback)
    assert 'raise KeyError("nothing here")' in str(problem.__cause__)


def test_futures(executor: TaskExecutor) -> None:
    assert list(executor.map(pow, range(5), [2] * 5)) == [0, 1, 4, 9, 16]
    futures = [executor.submit(divmod, 7, n) for n in (2, 0)]
    assert futures[0].result(60) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        futures[1].result(60)
    assert set(as_completed(futures, 10)) == set(futures)


def test_cancel_kills_and_the_same_task_may_run_again_at_once(
    executor: TaskExecutor, tmp_path: Path
) -> None:
    log, go = tmp_path / "log", tmp_path / "go"

    def work() -> str:
        with log.open("a") as out:
            out.write(f"{os.getpid()}\n")
        while not go.exists():
            time.sleep(0.02)
        return "done"

    task = Task(work)
    executor.execute(task)
    with pytest.raises(ValueError, match="is executed already; cancel it first"):
        executor.execute(task)
    while not log.exists():
        time.sleep(0.02)
    assert executor.cancel(task)
    executor.execute(task)
    while len(log.read_text().split()) < 2:
        time.sleep(0.02)
    first = int(log.read_text().split()[0])
    assert not Path(f"/proc/{first}").exists(), "the old run has ended before the new one began"
    go.touch()
    assert ended(executor, 1) == {id(task): ("done", None)}
    assert not executor.cancel(task)


def test_a_future_can_be_cancelled_while_it_runs(executor: TaskExecutor, tmp_path: Path) -> None:
    began = tmp_path / "began"

    def wait() -> None:
        began.touch()
        time.sleep(600)

    future = executor.submit(wait)
    while not began.exists():
        time.sleep(0.02)
    assert future.cancel()
    with pytest.raises(CancelledError):
        future.result(1)


def test_order_retries_and_what_follows_a_failure(executor: TaskExecutor, tmp_path: Path) -> None:
    tries = tmp_path / "tries"

    def third() -> int:
        with tries.open("a") as out:
            out.write("x")
        if len(tries.read_text()) < 3:
            raise OSError("not yet")
        return len(tries.read_text())

    first, second, lost = Task(third), Task(lambda: tries.read_text()), Task(lambda: 1 // 0)
    after = Task(lambda: "never")
    executor.execute(first, retries=2)
    executor.execute(second, after=[first])
    executor.execute(lost)
    executor.execute(after, after=[second, lost])
    found = ended(executor, 4)
    assert found[id(first)] == (3, None)
    assert found[id(second)] == ("xxx", None)
    assert isinstance(found[id(lost)][1], ZeroDivisionError)
    why = found[id(after)][1]
    assert isinstance(why, TaskFailed)
    assert str(why) == "it waits for Task, which did not succeed"
    with pytest.raises(ValueError, match="waits for Task, which did not succeed"):
        executor.execute(Task(lambda: 1), after=[lost])
    with pytest.raises(ValueError, match="which was not executed here"):
        executor.execute(Task(lambda: 1), after=[Task(lambda: 2)])


def test_graphs(executor: TaskExecutor) -> None:
    a, b, c = (FunctionTask(pow, 2, n) for n in range(3))
    executor.execute_all({c: [a, b], b: [a], a: []})
    assert len(ended(executor, 3)) == 3
    with pytest.raises(ValueError, match=r"the tasks wait for each other: pow -> pow"):
        executor.execute_all({a: [b], b: [a]})


def test_large_pickles_go_through_the_store(executor: TaskExecutor) -> None:
    data = os.urandom(1 << 20)
    assert executor.submit(lambda: data[::-1]).result(60) == data[::-1]


def test_what_cannot_work_is_told_in_one_line(executor: TaskExecutor) -> None:
    def locked() -> Any:
        return threading.Lock()

    def killed() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    unpicklable, dies = executor.submit(locked), executor.submit(killed)
    with pytest.raises(TaskFailed, match=r"the result of .*locked, a lock, cannot be pickled"):
        unpicklable.result(60)
    with pytest.raises(TaskFailed, match=r"worker killed by signal 9"):
        dies.result(60)
    huge = Task(lambda: 1, cpus=64)
    executor.execute(huge, fail_if_impossible=True)
    [(_, problem)] = ended(executor, 1).values()
    assert str(problem).startswith("the largest offer seen had ")
    executor.execute(Task(lambda: 1, db_connections=4))
    [(_, problem)] = ended(executor, 1).values()
    assert str(problem) == "it needs db_connections:4, but resources.global has db_connections:3"
    slow = Task(lambda: time.sleep(60))
    executor.execute(slow, timeout=0.5)
    [(_, problem)] = ended(executor, 1).values()
    assert str(problem) == "it ran longer than its timeout of 0.5 s"


def test_a_lost_cluster_fails_what_is_left() -> None:
    executor = TaskExecutor(consumption=SMALL)
    future = executor.submit(time.sleep, 600)
    host = executor._cluster._host
    assert host is not None
    os.killpg(host.pid, signal.SIGKILL)
    with pytest.raises(ExecutorLost, match="sleep is lost"):
        future.result(60)
    with pytest.raises(ExecutorLost):
        executor.pop_finished()
    executor.shutdown()


def test_wrong_arguments() -> None:
    for more, words in (
        ({"jobtracker": "http://x:1", "master": "http://x:2"}, "not both"),
        ({"local_agents": 0}, "not from 1 to 100"),
        ({"jobtracker": "http://x:1", "global_resources": {"a": 1}}, "setting of the JobTracker"),
        ({"conf": {"map.cpus": "many"}}, "map.cpus"),
    ):
        with pytest.raises(ValueError, match=words):
            TaskExecutor(**more)
