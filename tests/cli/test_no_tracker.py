"""A TaskTracker that cannot start: the user reads why, and what it printed last."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.cli.test_end_to_end import DEADLINE, House, house, wait_until

__all__ = ["house"]

pytestmark = pytest.mark.slow

BROKEN = ("-D", "tasktracker.command=echo the last words >&2; exec /no/such/python")
SAYS = (
    "no TaskTracker comes up (10 failed in a row): its TaskTracker exited with status 127: command "
    "not found; Mesos says TASK_FAILED: REASON_EXECUTOR_TERMINATED: Executor terminated"
)


def test_on_a_local_cluster_which_keeps_what_it_printed(house: House) -> None:
    _, stderr = house.submit(*BROKEN).communicate(timeout=DEADLINE)
    assert SAYS in stderr
    assert "the last words" in stderr
    assert "wait status" not in stderr
    kept = re.search(r"log: +(/.+)", stderr)
    assert kept is not None, stderr
    assert "the last words" in next(Path(kept[1]).glob("*/stderr")).read_text()


def test_on_a_cluster_whose_agents_let_sandboxes_be_read(house: House) -> None:
    house.start("minimesos", "--port", "0", "--announce", "master")
    wait_until((house.directory / "master").exists, "minimesos")
    master = (house.directory / "master").read_text().strip()
    _, stderr = house.submit("--master", master, *BROKEN).communicate(timeout=DEADLINE)
    assert SAYS in stderr
    assert "stderr of a TaskTracker on" in stderr
    assert "the last words" in stderr


def test_what_a_job_survives_is_not_kept(house: House) -> None:
    flag = house.directory / "tried"
    once = f"test -e {flag} || {{ touch {flag}; exit 3; }}; "
    start = f"{once}exec {sys.executable} -P -m mrmesos.tasktracker"
    process = house.submit("-D", f"tasktracker.command={start}", "-D", "job.maps=1")
    _, stderr = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, stderr
    assert flag.exists()
    assert list((house.directory / "tmp").iterdir()) == []
