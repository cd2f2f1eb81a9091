"""Unmodified mrjob, `-r hadoop`, with HADOOP_HOME and nothing else; local files.

All of mrjob's jobs, from a real HDFS: tests/hdfs/test_mrjob.py.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from mrmesos.hadoop.home import hadoop_home
from tests.hadoop.mrjob_jobs import EXAMPLES, MrJob, check, ids, write_inputs

ROOT = Path(__file__).parents[2]
_SHORT = ("mr_grep", "mr_next_word_stats", "mr_most_used_word", "mr_wc")
"""A command, sorted values, files and several steps, an empty input: those of `make test-slow`."""
JOBS = (
    EXAMPLES
    if os.environ.get("MRMESOS_TEST_ALL_EXAMPLES")
    else tuple(job for job in EXAMPLES if job.script in _SHORT)
)


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
