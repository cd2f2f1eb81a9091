"""Unmodified mrjob, `-r hadoop`, with HADOOP_HOME and nothing else; local files.

Three of its examples; all of its jobs run from a real HDFS in tests/hdfs/test_mrjob.py.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from mrmesos.hadoop.home import hadoop_home
from tests.hadoop.mrjob_jobs import EXAMPLES, MrJob, check, ids, write_inputs

JOBS = tuple(job for job in EXAMPLES if job.name in ("grep--e-fox", "most_used_word", "wc-empty"))
"""A command; a file and two steps; an empty input."""


def examples() -> Path:
    """The installed package's examples."""
    found = importlib.util.find_spec("mrjob")
    if found is None or found.origin is None:
        pytest.skip("mrjob is not installed: pip install mrjob==0.7.4")
    return Path(found.origin).parent / "examples"


@pytest.mark.slow
@pytest.mark.parametrize("job", JOBS, ids=ids(JOBS))
def test_the_same_bytes_as_its_own_runner(job: MrJob, tmp_path: Path) -> None:
    place = examples()
    write_inputs(tmp_path, place)
    environment = {"HADOOP_HOME": str(hadoop_home(tmp_path / "home")), "HADOOP_CONF_DIR": ""}
    check(job, place / f"{job.script}.py", tmp_path, environment)
