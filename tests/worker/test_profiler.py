"""The profile that a worker makes of an attempt."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mrmesos.api import Job, Mapper
from mrmesos.conf import Conf
from mrmesos.task.drivers.user_code import TaskError
from mrmesos.wire.profile import NODES_MAX, Profile, unpacked
from mrmesos.worker import profiler
from mrmesos.worker.profiler import Profiler, Tree, profile_of
from tests.tasktracker.harness import facts_for, map_attempt
from tests.worker.test_worker import RunningWorker, worker  # noqa: F401

MAP = "attempt_202611291200_0001_m_000000_0"


def burn(seconds: float) -> int:
    end, number = time.thread_time() + seconds, 0
    while time.thread_time() < end:
        number += sum(range(200))
    return number


def burn_little() -> int:
    return burn(0.1)


def burn_much() -> int:
    return burn(0.5)


def hold() -> list[bytearray]:
    return [bytearray(1 << 20) for _ in range(30)]


def profiled(kind: str, run: object, directory: Path) -> Profile:
    assert callable(run)
    one = Profiler()
    one.run(MAP, Conf({"task.profile": kind}), directory, "node-1", run)
    found = unpacked(one.text)
    assert found is not None
    return found


def value_of(profile: Profile, name: str) -> int:
    return sum(
        node.value for node in profile.nodes if profile.frames[node.frame].startswith(f"{name} (")
    )


def test_cpu_time_is_found_where_it_is_spent(tmp_path: Path) -> None:
    def run() -> None:
        burn_little()
        burn_much()
        time.sleep(0.2)

    found = profiled("cpu", run, tmp_path)
    assert found.kind == "cpu"
    assert 400_000 < found.total < 900_000, "sleep takes no CPU time"
    assert value_of(found, "burn_much") > 2 * value_of(found, "burn_little") > 0
    (place,) = {name for name in found.frames if name.startswith("burn_much")}
    assert place.endswith("test_profiler.py)")


def test_a_long_call_into_c_code_counts_as_long_as_it_took(tmp_path: Path) -> None:
    def sort_much() -> None:
        sorted(range(2_000_000, 0, -1), key=str)

    begin = time.thread_time()
    found = profiled("cpu", sort_much, tmp_path)
    spent = time.thread_time() - begin
    assert value_of(found, f"{sort_much.__qualname__}") > 0.5e6 * spent


def test_the_timer_ends_with_the_attempt(tmp_path: Path) -> None:
    profiled("cpu", lambda: burn(0.05), tmp_path)
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
    with pytest.raises(ZeroDivisionError):
        profiled("cpu", lambda: 1 / 0, tmp_path)
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
    signal.raise_signal(signal.SIGPROF)  # a late one does no harm


def test_memory_is_that_at_the_peak(tmp_path: Path) -> None:
    pytest.importorskip("memray")

    def run() -> None:
        hold()
        bytearray(3 << 20)

    found = profiled("memory", run, tmp_path)
    assert found.kind == "memory"
    assert 30 << 20 <= value_of(found, "hold") < 34 << 20
    assert list(tmp_path.iterdir()) == [], "memray's file is gone"


def test_without_memray_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "memray", None)
    with pytest.raises(TaskError) as raised:
        profiled("memory", hold, tmp_path)
    message = raised.value.error.message
    assert "task.profile=memory needs memray on node-1: pip install 'mrmesos[profile]'" in message


def test_an_attempt_that_is_not_asked_for_has_no_profile(tmp_path: Path) -> None:
    one = Profiler()
    for attempt_id, conf in (
        (MAP, {}),
        (MAP.replace("m_000000", "m_000003"), {"task.profile": "cpu"}),
        (MAP, {"task.profile": "cpu", "task.profile.maps": "1"}),
    ):
        assert one.run(attempt_id, Conf(conf), tmp_path, "node-1", lambda: burn(0.02)) > 0
        assert one.text == ""


def test_a_profile_keeps_what_is_large() -> None:
    tree = Tree()
    for number in range(9_000):
        tree.add([("main", "a.py"), (f"f{number}", "a.py")], 1 + (number == 4_711) * 99)
    found = profile_of(tree, "cpu")
    assert len(found.nodes) == NODES_MAX
    assert value_of(found, "f4711") == 100
    assert found.nodes[0].value == found.total == 9_099
    assert found.left_out == 9_099 - 100 - (NODES_MAX - 2)


def test_a_tree_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiler, "TREE_MAX", 2)
    tree = Tree()
    tree.add(["a", "b", "c"], 5)
    tree.add(["x"], 1)
    assert (tree.size, tree.root.value, tree.root.below["a"].below["b"].value) == (2, 6, 5)


class Slow(Mapper):
    def map(self, _key: object, value: object) -> Iterator[tuple[object, int]]:
        yield value, burn(0.2)


class SlowJob(Job):
    mapper = Slow


def test_a_worker_sends_the_profile_with_the_end(
    worker: RunningWorker,  # noqa: F811
    tmp_path: Path,
) -> None:
    text = tmp_path / "in.txt"
    text.write_text("a\n")
    conf = {"task.profile": "cpu"}
    done = worker.run(SlowJob(), map_attempt(text), facts_for(SlowJob, tmp_path, conf=conf))
    assert done.error is None
    found = unpacked(done.profile)
    assert found is not None
    assert value_of(found, "Slow.map") > 100_000
    assert not any("worker/loop.py" in name for name in found.frames), "our own loop is left out"
