"""The meter counts processes for which nobody waited: forked twice, orphaned, in other sessions,
killed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.processes import read_process
from benchmarks.systems import ROOT

BURN = "import time\nwhile time.process_time() < {seconds}: pass\n"
DOUBLE_FORK = """
import os, sys, time
def burn(seconds):
    while time.process_time() < seconds: pass
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        {child}
        os._exit(0)
    os._exit(0)
os.wait()
"""


def measure(tmp_path: Path, code: str, timeout: float = 60) -> dict[str, Any]:
    result = tmp_path / "cost.json"
    subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.meter", "--result", str(result)),
            *("--log", str(tmp_path / "log"), "--directory", str(tmp_path)),
            *("--timeout", str(timeout), "--", sys.executable, "-c", code),
        ],
        check=True,
        cwd=ROOT,
        timeout=100,
    )
    cost: dict[str, Any] = json.loads(result.read_text())
    return cost


def used(cost: dict[str, Any]) -> float:
    return float(cost["user"] + cost["system"])


def test_a_burner_in_the_foreground(tmp_path: Path) -> None:
    cost = measure(tmp_path, BURN.format(seconds=0.5))
    assert 0.5 <= used(cost) < 1.0
    assert cost["exit_code"] == 0
    assert not cost["killed"]
    assert not cost["cpu_lost"]


def test_a_burner_that_forked_twice_and_outlives_the_command(tmp_path: Path) -> None:
    cost = measure(tmp_path, DOUBLE_FORK.format(child="burn(1)"))
    assert 1.0 <= used(cost) < 1.6
    assert cost["lingered"] > cost["wall"]
    assert not cost["killed"]


def test_an_orphan_that_is_killed_counts_too(tmp_path: Path) -> None:
    child = "burn(1); os.kill(os.getpid(), 9)"
    cost = measure(tmp_path, DOUBLE_FORK.format(child=child))
    assert 1.0 <= used(cost) < 1.6


def test_time_that_accounting_lost_is_told(tmp_path: Path) -> None:
    # A process that ignores SIGCHLD never waits, and the kernel drops its children's time.
    code = f"""
import signal, subprocess, sys, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", {BURN.format(seconds=1)!r}]).wait()
"""
    cost = measure(tmp_path, code)
    assert used(cost) < 0.9
    assert cost["cpu_lost"]
    assert cost["cpu_sampled"] > 0.6


def test_memory_of_the_largest_and_of_all(tmp_path: Path) -> None:
    code = """
import subprocess, sys, time
held = bytearray(150_000_000)
child = "import sys; held = bytearray(100_000_000); print(flush=True); sys.stdin.read()"
with subprocess.Popen([sys.executable, "-c", child], stdin=-1, stdout=-1) as process:
    process.stdout.readline()
    time.sleep(0.5)  # so that the sampler, which looks ten times a second, sees both
    process.stdin.close()
"""
    cost = measure(tmp_path, code)
    assert 150_000_000 < cost["peak_rss"] < 200_000_000
    assert 250_000_000 < cost["tree_rss"] < 350_000_000


def test_a_command_that_takes_too_long_is_stopped_with_all_it_started(tmp_path: Path) -> None:
    cost = measure(tmp_path, DOUBLE_FORK.format(child="time.sleep(300)") + "time.sleep(300)", 1)
    assert cost["timed_out"]
    assert cost["exit_code"] == -9
    assert cost["wall"] < 60


@pytest.mark.parametrize("code", [0, 3])
def test_exit_code_and_log(tmp_path: Path, code: int) -> None:
    cost = measure(tmp_path, f"print('said'); raise SystemExit({code})")
    assert cost["exit_code"] == code
    assert (tmp_path / "log").read_text() == "said\n"


def test_whoever_ends_a_measurement_ends_all_of_it(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    child = f"open({str(pids)!r}, 'w').write(str(os.getpid())); time.sleep(300)"
    code = DOUBLE_FORK.format(child=child) + "time.sleep(300)"
    meter = [
        *(sys.executable, "-m", "benchmarks.meter", "--result", str(tmp_path / "cost.json")),
        *("--log", str(tmp_path / "log"), "--directory", str(tmp_path)),
        *("--", sys.executable, "-c", code),
    ]
    # The process that starts the meter is killed, and cannot tell it anything.
    starter = f"import subprocess; subprocess.run({meter!r}, cwd={str(ROOT)!r})"
    with subprocess.Popen([sys.executable, "-c", starter]) as process:
        wait_until(lambda: pids.exists() and pids.read_text() != "")
        process.kill()
    orphan = int(pids.read_text())
    wait_until(lambda: (found := read_process(orphan)) is None or found.state == "Z")


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
