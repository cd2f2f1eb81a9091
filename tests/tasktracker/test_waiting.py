"""A TaskTracker that was started before its launch is one like any other afterwards."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mrmesos.testing.processes import processes_of
from tests.jobtracker.fakes import wait_until

JOB = """
import json, os, sys
from mrmesos.api import Job, Mapper

class Looks(Mapper):
    def map(self, key, line):
        tracker = open(f"/proc/{os.getppid()}/cmdline").read().split(chr(0))
        own = open("/proc/self/cmdline").read().split(chr(0))
        names = ("MESOS_SANDBOX", "PYTHONHASHSEED", "MRMESOS_TRACKER_ID", "MRMESOS_WORKER")
        yield "found", json.dumps({
            "tracker": tracker, "own": own, "cwd": os.getcwd(), "parent": os.getppid(),
            "leads": os.getpgid(0) == os.getpid(), "cwd of tracker": os.readlink(
                f"/proc/{os.getppid()}/cwd"),
            "heavy": [name for name in ("fsspec", "tenacity", "asyncio") if name in sys.modules],
            **{name: os.environ.get(name, "") for name in names},
        })

class Look(Job):
    mapper, reducer = Looks, None
"""


def looked(place: Path, *options: str, **environment: str) -> dict[str, object]:
    (place / "look.py").write_text(JOB)
    (place / "in.txt").write_text("a line\n")
    command = [sys.executable, "-P", "-m", "mrmesos", "submit", "look.py", *options]
    subprocess.run(
        [*command, "--input", "in.txt", "--output", "out"],
        cwd=place,
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        timeout=100,
    )
    (part,) = (place / "out").glob("part-*")
    found = json.loads(part.read_text().partition("\t")[2])
    assert isinstance(found, dict)
    return found


def test_the_worker_has_what_the_launch_says(tmp_path: Path) -> None:
    found = looked(tmp_path)
    assert "submit" in found["tracker"], "the TaskTracker is a fork"  # type: ignore[operator]
    assert "--waits" in found["own"]  # type: ignore[operator]
    assert found["cwd"] == found["MESOS_SANDBOX"] == found["cwd of tracker"]
    assert "/executors/" in str(found["cwd"])
    assert found["PYTHONHASHSEED"] == "0"
    assert str(found["MRMESOS_TRACKER_ID"]).startswith("tracker_")
    assert found["MRMESOS_WORKER"] == f"{found['parent']}.1"
    assert found["leads"]
    assert not found["heavy"], "a job on local files needs none of them"


def test_a_launch_with_an_environment_of_its_own_is_an_ordinary_start(tmp_path: Path) -> None:
    other = f"exec {sys.executable} -P -m  mrmesos.tasktracker"  # two blanks
    found = looked(tmp_path, "-D", f"tasktracker.command={other}")
    assert "mrmesos.tasktracker" in found["tracker"]  # type: ignore[operator]
    assert "--waits" not in found["own"]  # type: ignore[operator]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_without_a_launch_it_ends_with_minimesos(tmp_path: Path, number: signal.Signals) -> None:
    work = tmp_path / "work"
    command = [sys.executable, "-P", "-m", "mrmesos", "minimesos", "--port", "0"]
    reads, writes = os.pipe()
    with subprocess.Popen(
        [*command, "--work-dir", str(work), "--announce", f"fd:{writes}", "--prepare-tasktracker"],
        pass_fds=[writes],
        stderr=subprocess.DEVNULL,
    ) as minimesos:
        os.close(writes)
        assert os.read(reads, 100).startswith(b"http")  # it is ready
        os.close(reads)
        waiting = work / "prepared"
        wait_until(lambda: bool(processes_of(waiting)), "the worker of the TaskTracker")
        minimesos.send_signal(number)
    wait_until(lambda: not processes_of(waiting), "the end of the worker")
