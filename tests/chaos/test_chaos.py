"""A short chaos run: after two minutes of faults, nothing may be wrong or left behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.chaos.cluster import TREE
from tests.zookeeper import classpath

MINUTES = 2
SEED = int(os.environ.get("MRMESOS_CHAOS_SEED", "3"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_everything_fails_and_every_job_is_right() -> None:
    classpath()  # skips without ZooKeeper
    command = [sys.executable, "-m", "tests.chaos", "--zookeeper"]
    run = subprocess.run(
        [*command, "--minutes", str(MINUTES), "--seed", str(SEED)],
        cwd=TREE,
        capture_output=True,
        text=True,
        check=False,
    )
    print(run.stdout)
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-6000:]
    faults = re.search(r"^\| all \| (\d+) \|$", run.stdout, re.MULTILINE)
    assert faults
    assert int(faults[1]) >= 15
    assert len(re.findall(r" is right, after ", run.stdout)) >= 3
