"""Two hosts that cannot reach each other, as real processes: the job ends with the same bytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mrmesos.testing.network import own_network
from tests.chaos.cluster import TREE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    ("how", "seconds"), [("both", 0), ("forth", 0), ("back", 0), ("new", 0), ("both", 25)]
)
def test_a_job_ends_whose_two_hosts_are_cut_from_each_other(
    tmp_path: Path, how: str, seconds: int
) -> None:
    prefix = own_network()
    if not prefix:
        pytest.skip("no packets can be dropped here: it takes unshare, nft and the right to")
    command = [*prefix, sys.executable, "-m", "tests.chaos.cut_pair", str(tmp_path), how]
    run = subprocess.run(
        [*command, str(seconds)],
        cwd=TREE,
        capture_output=True,
        text=True,
        check=False,
    )
    print(run.stdout)
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-3000:]
