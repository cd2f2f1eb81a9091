"""A really full disk: a small filesystem, if the machine allows mounting one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mrmesos.api import Job, Mapper, Reducer, Sum
from mrmesos.task.drivers.failures import error_of
from mrmesos.task.map_task import run_map
from mrmesos.task.reduce_task import run_reduce
from mrmesos.tasktracker.outputs.disk import trouble
from mrmesos.wire.task import ErrorKind
from tests.task.shuffle.shuffle_peers import (
    Waiting,
    attempt,
    facts,
    fetcher_for,
    outputs,
    segment_of,
    tracker,
    until,
)
from tests.task.test_reduce_task import Runs
from tests.tasktracker.harness import facts_for, map_attempt, reduce_attempt

ROOM = 256 << 10


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A directory with room for 256 KiB."""
    path = tmp_path / "small"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(path)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, timeout=10, check=False)
    except OSError as problem:
        pytest.skip(f"cannot mount: {problem}")
    if done.returncode:
        pytest.skip(f"may not mount: {done.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], timeout=10, check=True)


class Numbers(Mapper):
    def map(self, key: int, line: str) -> Iterator[tuple[Any, Any]]:
        for number in range(int(line)):
            yield f"{number * number:x}", number


class Same(Reducer):
    def reduce(self, key: Any, values: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
        yield key, sum(values)


@pytest.mark.parametrize("reducer", [Same, Sum])
@pytest.mark.parametrize("conf", [{}, {"io.sort.mb": "1"}, {"skip.records.max": "5"}])
def test_a_map_that_fills_the_disk_says_so_and_leaves_nothing(
    tmp_path: Path, small: Path, reducer: object, conf: dict[str, str]
) -> None:
    job = type("TestJob", (Job,), {"mapper": Numbers, "reducer": reducer})
    (tmp_path / "input").write_text("60000\n")
    conf = {**conf, "map.output.compress.codec": "none"}
    made = facts_for(job, tmp_path / "out", conf=conf)
    with pytest.raises(OSError, match="No space left") as met:
        run_map(map_attempt(tmp_path / "input"), made, job(), small)
    assert str(small) in str(met.value)
    error = error_of(met.value, "map")
    assert error.kind is ErrorKind.INTERNAL
    assert error.message.startswith("the agent's disk is full: OSError: [Errno 28]")
    assert sum(path.stat().st_size for path in small.iterdir()) < 100
    assert trouble(small, small) == ""


def test_a_reduce_whose_merge_fills_the_disk_says_so(tmp_path: Path, small: Path) -> None:
    job = type("TestJob", (Job,), {"reducer": Same})
    conf = {"io.sort.factor": "2", "map.output.compress.codec": "none"}
    made = facts_for(job, tmp_path / "out", conf=conf)
    maps = [sorted((f"{n * n:x}", n) for n in range(first, 60_000, 4)) for first in range(4)]
    with pytest.raises(OSError, match="No space left") as met:
        run_reduce(reduce_attempt(), made, job(), small, Runs(*maps))
    assert "disk is full" in error_of(met.value, "reduce").message


def test_fetched_output_that_fills_the_disk_is_no_fault_of_the_map(
    tmp_path: Path, small: Path
) -> None:
    with tracker() as one:
        data = segment_of(tmp_path, [f"{n * n:x}" for n in range(60_000)], list(range(60_000)))
        data.data *= 4
        one.segments[attempt(0)] = data
        fetcher = fetcher_for(facts(tmp_path, 1, reduce_shuffle_buffer_mb=1), small)
        waiting = Waiting(fetcher)
        fetcher.announce(outputs(one.url, [0]))
        until(lambda: not waiting.alive)
        assert isinstance(waiting.error, OSError)
        assert "disk is full" in error_of(waiting.error, "reduce").message
        assert fetcher.fetch_failed() == ()


def test_a_directory_without_room_is_noticed(tmp_path: Path, small: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        (small / "big").write_bytes(bytes(2 * ROOM))
    assert "No space left" in trouble(small, tmp_path)
    assert "No such file" in trouble(small, tmp_path / "missing")
