"""The chaos run in its short form: three minutes of faults, then nothing may be wrong or left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.chaos.run import chaos
from tests.zookeeper import zookeeper

SECONDS = 180.0
SEED = int(os.environ.get("MRMESOS_CHAOS_SEED", "3"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_everything_fails_and_every_job_is_right(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with zookeeper(tmp_path / "zk") as address:
        outcome = chaos(tmp_path / "run", SEED, SECONDS, print, zk=f"zk://{address}/mesos")
    print(outcome.table())
    assert sum(outcome.faults.values()) >= 20
    assert sum(outcome.jobs.values()) >= 3
