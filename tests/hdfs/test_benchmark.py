"""`python -m benchmarks.hdfs` on the smallest inputs: it starts an HDFS of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from benchmarks.hdfs import WORKS
from tests.hdfs.cluster import ROOT
from tests.hdfs.hadoop import DEADLINE, Hdfs


def test_each_work_has_a_row(hdfs: Hdfs, tmp_path: Path) -> None:
    del hdfs  # it skips where there is no Hadoop
    command = [
        *(sys.executable, "-m", "benchmarks.hdfs", "--size", "tiny", "--rounds", "1"),
        *("--data", str(tmp_path / "data"), "--work", str(tmp_path / "work")),
    ]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=3 * DEADLINE
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"^\| ([\w-]+)((?: \| [\d.]+)+) \|$", done.stdout, re.MULTILINE)
    assert [name for name, _ in rows] == [name for name, *_ in WORKS]
    assert all(float(figure) > 0 for _, row in rows for figure in row.split("|") if figure.strip())
    assert list((tmp_path / "work").iterdir()) == []
