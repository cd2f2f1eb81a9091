"""The load generator: played TaskTrackers and a real JobTracker agree on what has ended."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from benchmarks.systems import ROOT


@pytest.mark.slow
def test_a_small_load_is_measured() -> None:
    command = [sys.executable, "-m", "benchmarks.load.run"]
    options = ["--trackers", "4", "--slots", "2", "--rate", "40", "--attempts", "100"]
    done = subprocess.run(
        [*command, *options], cwd=ROOT, capture_output=True, text=True, check=False, timeout=110
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    figures = r"trackers 4  slots 8 .* ended (\d+)/s .* p99 ([\d.]+) ms .* ([\d.]+) ms CPU"
    [(ended, p99, cpu)] = re.findall(figures, done.stdout)
    assert min(float(ended), float(p99), float(cpu)) > 0
