"""A `submit` ends while no master answers, or is killed: nothing stays behind."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_end_to_end import DEADLINE, TEXT, House, house, wait_until

__all__ = ["house"]

pytestmark = pytest.mark.slow


def start_mesos(house: House) -> tuple[subprocess.Popen[str], str]:
    """Start a minimesos as a process; returns the process and its URL."""
    mesos = house.start("minimesos", "--port", "0", "--announce", "master")
    wait_until((house.directory / "master").exists, "minimesos")
    return mesos, (house.directory / "master").read_text().strip()


def state(master: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{master}/state", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def trackers(house: House) -> list[str]:
    return [line for line in house.processes() if "tasktracker" in line]


def test_a_job_ends_while_no_master_hears(house: House) -> None:
    mesos, master = start_mesos(house)
    pause = ("-D", "pause=0.05", "-D", "job.maps=1", "-D", "job.reduces=1")
    process = house.submit("--master", master, *pause)
    wait_until(house.mapping, "an attempt")
    assert trackers(house)
    mesos.send_signal(signal.SIGSTOP)
    assert process.stderr is not None
    while "SUCCEEDED" not in (line := process.stderr.readline()):
        assert line, "the job did not succeed"
    wait_until(lambda: not trackers(house), "TaskTrackers to learn of the end by heartbeat")
    assert process.poll() is None, "it waits for a master"
    mesos.send_signal(signal.SIGCONT)
    _, stderr = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0
    assert "waiting for one" in stderr
    assert "warning" not in stderr
    seen = state(master)
    assert seen["frameworks"] == []
    assert len(seen["completed_frameworks"]) == 1


def test_what_is_left_is_said_where_no_master_comes(house: House) -> None:
    mesos, master = start_mesos(house)
    more = ("-D", "pause=0.05", "-D", "job.maps=1", "-D", "mesos.teardown.timeout=1")
    process = house.submit("--master", master, *more)
    wait_until(house.mapping, "an attempt")
    mesos.send_signal(signal.SIGSTOP)
    _, stderr = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, stderr
    assert "warning: no Mesos master took the end of framework" in stderr
    mesos.send_signal(signal.SIGCONT)
    wait_until(lambda: state(master)["frameworks"] == [], "the end of its failover timeout")


def test_a_stopped_jobtracker_says_what_it_leaves_and_waits_for_nobody(house: House) -> None:
    mesos, master = start_mesos(house)
    jobtracker = house.start("jobtracker", "--master", master, "--port", "0")
    assert jobtracker.stdout is not None
    assert "listens on" in jobtracker.stdout.readline()
    wait_until(lambda: len(state(master)["frameworks"]) == 1, "its framework")
    mesos.send_signal(signal.SIGSTOP)
    jobtracker.send_signal(signal.SIGTERM)
    _, stderr = jobtracker.communicate(timeout=DEADLINE)
    assert "warning: no Mesos master took the end of framework" in stderr
    assert "waiting for one" not in stderr
    mesos.send_signal(signal.SIGCONT)


def test_a_killed_submit_holds_its_resources_for_seconds_only(house: House) -> None:
    _, master = start_mesos(house)
    (house.directory / "in.txt").write_text(TEXT * 50)
    process = house.submit("--master", master, "-D", "pause=1", "-D", "job.maps=1")
    wait_until(house.mapping, "an attempt")
    (framework,) = state(master)["frameworks"]
    assert framework["failover_timeout"] == 10.0
    process.kill()
    wait_until(lambda: state(master)["frameworks"] == [], "the end of its framework")
    wait_until(lambda: not trackers(house), "the end of its TaskTrackers")


def test_a_short_break_is_survived(house: House) -> None:
    """The master is stopped for half of the failover timeout, so its answers come late."""
    mesos, master = start_mesos(house)
    process = house.submit("--master", master, "-D", "pause=0.02", "-D", "job.maps=8")
    wait_until(house.mapping, "an attempt")
    mesos.send_signal(signal.SIGSTOP)
    time.sleep(5)  # the length of the break is tested
    mesos.send_signal(signal.SIGCONT)
    _, stderr = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, stderr
    assert Path(house.directory / "out" / "_SUCCESS").exists()
